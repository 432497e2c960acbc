/** Whether a camera makes progress, as its watchdog and its LED see it. Pure. */
import type { LedPattern } from '../platform/led.ts'

/** What is known once a second. */
export interface CameraView {
  /** Undefined: not set up. */
  readonly filming:
    | {
        readonly capture: 'starting' | 'running' | 'waiting' | 'ended' | 'closed'
        /** Fragments that came from the encoder so far. */
        readonly captured: number
        readonly connected: boolean
        readonly acked: number
        /** Fragments that the storage device could have now. */
        readonly owed: number
        /** The storage device said why it keeps nothing. */
        readonly alarm: boolean
        /** The card fails, is missing or full. */
        readonly cardTrouble: boolean
      }
    | undefined
  /** Set up, but not filming, and why: a person has to act. */
  readonly problem: boolean
}

/**
 * Longer than any key-frame interval with the start of an encoder; the encoder's own supervision, which restarts it, is
 * quicker.
 */
export const CAPTURE_WITHIN_MS = 90_000
/** Longer than a disk takes to spin up, a full group commit and the change of a path together. */
export const ACK_WITHIN_MS = 300_000

interface Progress {
  readonly value: number
  readonly sinceMs: number
}

export class CameraHealth {
  #captured: Progress = { value: 0, sinceMs: 0 }
  #acked: Progress = { value: 0, sinceMs: 0 }

  /**
   * What makes no progress and has no reason that is known; undefined when all is well. Without a network, with an encoder
   * that is being restarted or a storage device that told its trouble, a restart of the board would help nobody.
   */
  stuck({ filming }: CameraView, nowMs: number): string | undefined {
    const capturing = filming?.capture === 'starting' || filming?.capture === 'running'
    this.#captured = progress(this.#captured, filming?.captured ?? 0, !capturing, nowMs)
    const owed = filming?.connected === true && filming.owed > 0 && !filming.alarm
    this.#acked = progress(this.#acked, filming?.acked ?? 0, !owed, nowMs)
    if (nowMs - this.#captured.sinceMs >= CAPTURE_WITHIN_MS) {
      return `the encoder has delivered nothing for ${CAPTURE_WITHIN_MS / 1000} s`
    }
    if (nowMs - this.#acked.sinceMs >= ACK_WITHIN_MS) {
      return `connected, but nothing was acknowledged for ${ACK_WITHIN_MS / 1000} s`
    }
    return undefined
  }
}

/** Since when the number stands still; `excused` counts as progress. */
function progress(last: Progress, value: number, excused: boolean, nowMs: number): Progress {
  return excused || value !== last.value ? { value, sinceMs: nowMs } : last
}

/** `dark`: the owner wants no light while all is well. */
export function cameraLed({ filming, problem }: CameraView, dark: boolean): LedPattern {
  if (problem) return 'error'
  if (filming === undefined) return 'not-set-up'
  if (filming.alarm || filming.cardTrouble || filming.capture === 'waiting') return 'error'
  if (!filming.connected || filming.capture === 'starting') return 'connecting'
  return dark ? 'dark' : 'online'
}

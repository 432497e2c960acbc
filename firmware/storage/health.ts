/** Whether a storage device makes progress, as its watchdog and its LED see it. Pure. */
import type { LedPattern } from '../platform/led.ts'

/** What is known once a second. */
export interface StorageView {
  /** Records that arrived, of all cameras since the start. */
  readonly received: number
  /** Bytes that cameras may have on their way, or that wait to be stored. */
  readonly committedBytes: number
  /** Nothing is acknowledged, and why is known. */
  readonly alarm: boolean
  /** Cameras that are enrolled, and those of them that are connected. */
  readonly cameras: number
  readonly connected: number
}

/** Longer than any disk takes to wake up, or to give up a write: only a hang takes so long. */
export const STORE_WITHIN_MS = 300_000

export class StorageHealth {
  #received = 0
  #sinceMs = 0

  /** What makes no progress and has no reason that is known; undefined when all is well. Cameras that are away are no reason. */
  stuck({ received, committedBytes, alarm, connected }: StorageView, nowMs: number): string | undefined {
    if (received !== this.#received || committedBytes === 0 || alarm || connected === 0) {
      this.#received = received
      this.#sinceMs = nowMs
    }
    if (nowMs - this.#sinceMs < STORE_WITHIN_MS) return undefined
    return `cameras are sending, but nothing was stored for ${STORE_WITHIN_MS / 1000} s`
  }
}

/** `dark`: the owner wants no light while all is well. */
export function storageLed({ alarm, cameras, connected }: StorageView, dark: boolean): LedPattern {
  if (alarm) return 'error'
  if (cameras === 0) return 'not-set-up'
  if (connected === 0) return 'connecting'
  return dark ? 'dark' : 'online'
}

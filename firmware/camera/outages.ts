/**
 * Times without a picture. Nothing is captured then, so no number is missing: one number of the log stands for the span. A long
 * outage is entered as it goes on, so that a power cut leaves it known. Pure.
 */
import type { CaptureSpan } from './encoder/captured.ts'
import type { GapTimes, RecordMoment } from './ring/ring.ts'

/** An encoder that is started again is back within this time; less than this is not worth a line. */
export const OUTAGE_MIN_US = 5_000_000
/** The first entry of an outage that goes on; each next one when it is twice as long. */
export const OUTAGE_FIRST_US = 10_000_000
/** A camera that was off for less than this was not missed. */
export const OFF_MIN_US = 2_000_000

/** A moment by both clocks. */
export type Now = Pick<GapTimes, 'monoUs' | 'wallUs' | 'clock'>

export class Outages {
  /** Everything until then is captured, or entered. */
  #untilUs: number | undefined
  #run: number | undefined
  /** Since when the encoder is known to deliver nothing. */
  #downUs: number | undefined

  /** The encoder ended, or could not be started. */
  down(nowUs: number): void {
    this.#downUs ??= this.#untilUs ?? nowUs
  }

  /** Something was captured, or lost in capturing: the outage in front of it. */
  before({ run, monoUs, wallUs, clock, durationUs }: CaptureSpan): GapTimes | undefined {
    const fromUs = this.#untilUs ?? this.#downUs
    const ended = this.#run !== undefined ? this.#run !== run : this.#downUs !== undefined
    this.#run = run
    this.#untilUs = Math.max(this.#untilUs ?? 0, monoUs + durationUs)
    this.#downUs = undefined
    if (!ended || fromUs === undefined || monoUs - fromUs < OUTAGE_MIN_US) return undefined
    return spanUntil(run, fromUs, { monoUs, wallUs, clock })
  }

  /** Of an outage that goes on, what is to be entered now: always, or only when it is long enough. */
  soFar(now: Now, minUs: number): GapTimes | undefined {
    const fromUs = this.#downUs === undefined ? undefined : (this.#untilUs ?? this.#downUs)
    if (fromUs === undefined || now.monoUs - fromUs < minUs) return undefined
    this.#untilUs = now.monoUs
    return spanUntil(this.#run ?? 0, fromUs, now)
  }
}

function spanUntil(run: number, fromUs: number, { monoUs, wallUs, clock }: Now): GapTimes {
  const durationUs = Math.round(monoUs - fromUs)
  const times = { run, monoUs: Math.round(fromUs), durationUs, clock }
  return { ...times, wallUs: clock === 'none' ? 0 : Math.max(0, Math.round(wallUs - durationUs)) }
}

/** The time in which the camera was off until `now`, when it was long enough. */
export function offTime(before: RecordMoment | undefined, boot: string, now: Now): GapTimes | undefined {
  if (before === undefined) return undefined
  if (before.boot === boot && now.monoUs - before.monoUs < OFF_MIN_US) return undefined
  const { monoUs, wallUs } = before
  return { run: 0, ...now, durationUs: 0, since: { ...before, monoUs: Math.round(monoUs), wallUs: Math.round(wallUs) } }
}

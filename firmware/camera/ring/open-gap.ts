/** A gap that is still growing, and when it is worth another write: at 1, 2, 4, 8, … fragments. Pure. */
import type { GapPayload, GapReason } from '../../wire/gap.ts'
import type { ClockQuality, RecordMeta } from '../../wire/record.ts'

/** One fragment, or several, that will not be kept. */
export interface Missed {
  readonly seq: number
  readonly span: number
  readonly run: number
  readonly boot: string
  readonly monoUs: number
  readonly wallUs: number
  readonly clock: ClockQuality
  readonly durationUs: number
}

export class OpenGap {
  readonly reason: GapReason
  readonly #start: Missed
  #end: Missed
  #span: number
  #writtenSpan = 0

  constructor(reason: GapReason, start: Missed) {
    this.reason = reason
    this.#start = start
    this.#end = start
    this.#span = start.span
  }

  get seq(): number {
    return this.#start.seq
  }

  get span(): number {
    return this.#span
  }

  /** `missed` follows on what the gap covers. */
  extend(missed: Missed): void {
    this.#end = missed
    this.#span = missed.seq + missed.span - this.#start.seq
  }

  /** The span doubled since it was last written, or was never written. */
  get due(): boolean {
    return this.#span >= 2 * this.#writtenSpan
  }

  get unwritten(): boolean {
    return this.#span > this.#writtenSpan
  }

  written(): void {
    this.#writtenSpan = this.#span
  }

  record(): { meta: RecordMeta; payload: GapPayload } {
    return gapRecord(this.reason, { ...this.#start, span: this.#span }, this.#end)
  }
}

/** What a gap record says; `end` is the last that is missed. */
export function gapRecord(
  reason: GapReason,
  start: Missed,
  end: Missed = start,
): { meta: RecordMeta; payload: GapPayload } {
  const endMonoUs = end.monoUs + end.durationUs
  const known = end.clock !== 'none'
  return {
    meta: { ...start, kind: 'gap', durationUs: endMonoUs - start.monoUs, keyFrame: false, runStart: false },
    payload: { reason, endMonoUs, ...(known && { endWallUs: end.wallUs + end.durationUs }) },
  }
}

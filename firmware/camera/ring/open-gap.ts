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
  readonly since?: GapPayload['since']
}

export interface GapRecord {
  readonly meta: RecordMeta
  readonly payload: GapPayload
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

  /** The same fragments, missed for another reason, nothing written yet. */
  because(reason: GapReason): OpenGap {
    const gap = new OpenGap(reason, this.#start)
    gap.absorb(this)
    return gap
  }

  /** `missed` follows on what the gap covers. */
  extend(missed: Missed): void {
    this.#end = missed
    this.#span = missed.seq + missed.span - this.#start.seq
  }

  absorb(next: OpenGap): void {
    this.#end = next.#end
    this.#span = next.#start.seq + next.#span - this.#start.seq
  }

  /** Its span doubled since it was last written, or it was never written. */
  get due(): boolean {
    return this.#span >= 2 * this.#writtenSpan
  }

  get unwritten(): boolean {
    return this.#span > this.#writtenSpan
  }

  written(): void {
    this.#writtenSpan = this.#span
  }

  record(): GapRecord {
    const { monoUs, since, ...start } = this.#start
    const endMonoUs = this.#end.monoUs + this.#end.durationUs
    const durationUs = Math.max(0, endMonoUs - monoUs)
    const dated = this.#end.clock !== 'none'
    return {
      meta: { ...start, monoUs, kind: 'gap', span: this.#span, durationUs, keyFrame: false, runStart: false },
      payload: {
        reason: this.reason,
        endMonoUs,
        ...(since === undefined ? {} : { since }),
        ...(dated && { endWallUs: this.#end.wallUs + this.#end.durationUs }),
      },
    }
  }
}

/** Where the states of a growing gap go: two blocks by turns, so that a torn write leaves the state before. */
export class GapSlots {
  readonly #slots: readonly number[]
  #writes = 0

  /** `free`: offsets of blocks that hold nothing. With less than two, only the first state is written, or none. */
  constructor(free: readonly number[]) {
    this.#slots = free.slice(0, 2)
  }

  next(): number | undefined {
    const turn = this.#writes++
    return turn === 0 || this.#slots.length === 2 ? this.#slots[turn % 2] : undefined
  }
}

/**
 * One log as seen from one channel: what was asked, how far it was answered, where live begins. A record of the backlog is
 * sent only once the storage device has said that it does not hold it.
 */
import type { Range } from '../../wire/ranges.ts'
import type { Lane } from './pick.ts'
import type { RecordRef, RecordSource } from './source.ts'

export class LogView {
  readonly source: RecordSource
  readonly log: string
  /** What the storage device must be asked about; undefined when nothing was waiting. */
  readonly question: Range | undefined
  readonly #liveFrom: number
  #answeredTo = -1
  /** Everything before is acknowledged, in flight or passed over. */
  readonly #cursor: Record<Lane, number> = { live: 0, backlog: 0 }
  #spent = false

  /** `waiting` is what the log held when it was first seen; everything after that is live. */
  constructor(source: RecordSource, log: string, waiting: Range | undefined) {
    this.source = source
    this.log = log
    this.question = waiting
    this.#liveFrom = waiting === undefined ? 0 : waiting[1] + 1
    if (waiting !== undefined) this.#answeredTo = waiting[0] - 1
  }

  get answered(): boolean {
    return this.question === undefined || this.#answeredTo >= this.question[1]
  }

  /** All of the backlog is acknowledged, in flight or passed over: nothing more until `rewind`. */
  get spent(): boolean {
    return this.#spent
  }

  /** The answer covers first … last. False when that is not what comes next. */
  answer(first: number, last: number): boolean {
    if (this.question === undefined || this.answered) return false
    if (first !== this.#answeredTo + 1 || last < first || last > this.question[1]) return false
    this.#answeredTo = last
    return true
  }

  /** The lane's first record that `skip` does not pass over. */
  next(lane: Lane, skip: (ref: RecordRef) => boolean): RecordRef | undefined {
    const until = lane === 'live' ? Number.POSITIVE_INFINITY : this.#answeredTo
    let from = Math.max(this.#cursor[lane], lane === 'live' ? this.#liveFrom : 0)
    for (;;) {
      const ref = this.source.next(this.log, from)
      if (ref === undefined || ref.seq > until || !skip(ref)) {
        const found = ref === undefined || ref.seq > until ? undefined : ref
        this.#cursor[lane] = found?.seq ?? from
        this.#spent ||= lane === 'backlog' && found === undefined && this.answered
        return found
      }
      from = ref.seq + ref.span
    }
  }

  /** Records that were passed over may be there again. */
  rewind(): void {
    this.#cursor.live = 0
    this.#cursor.backlog = 0
    this.#spent = false
  }
}

/**
 * Answers to records, gathered for one turn of the event loop: a group commit settles many at once, and one message per log
 * acknowledges them. Credit comes back only when the answer is sent.
 */
import { addRange, type Range } from '../../wire/ranges.ts'
import { pageRanges, TRANSFERS_PER_MESSAGE } from '../../wire/session.ts'
import type { ReceivedRecord } from './transfers.ts'

export interface AnswersTo {
  ack(log: string, ranges: readonly Range[]): void
  again(transfers: number[]): void
  settle(bytes: number, granted: boolean): void
}

export class Answers {
  readonly #to: AnswersTo
  #acks = new Map<string, Range[]>()
  #again: number[] = []
  #settled: ReceivedRecord[] = []
  #scheduled = false

  constructor(to: AnswersTo) {
    this.#to = to
  }

  ack(record: ReceivedRecord, log: string, seq: number, span: number): void {
    this.#acks.set(log, addRange(this.#acks.get(log) ?? [], seq, seq + span - 1))
    this.settled(record)
  }

  again(record: ReceivedRecord): void {
    this.#again.push(record.transfer)
    this.settled(record)
  }

  /** Answered in some other way. */
  settled(record: ReceivedRecord): void {
    this.#settled.push(record)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    const acks = this.#acks
    const again = this.#again
    const settled = this.#settled
    this.#acks = new Map()
    this.#again = []
    this.#settled = []
    for (const [log, ranges] of acks) for (const page of pageRanges(ranges)) this.#to.ack(log, page)
    for (let at = 0; at < again.length; at += TRANSFERS_PER_MESSAGE) {
      this.#to.again(again.slice(at, at + TRANSFERS_PER_MESSAGE))
    }
    for (const { bytes, granted } of settled) this.#to.settle(bytes.byteLength, granted)
  }
}

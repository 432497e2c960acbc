/** What one log has on the card, what of it is safe, and what of it is lost. Pure. */
import { addRange, containsRange, missingFrom, type Range } from '../../wire/ranges.ts'
import type { ClockQuality, RecordKind } from '../../wire/record.ts'

/** A record on the card. Two records of a log never cover the same number, save that a gap may replace what it begins with. */
export interface Entry {
  readonly log: string
  readonly seq: number
  readonly span: number
  readonly kind: RecordKind
  /** As it travels: header and sealed payload. */
  readonly bytes: number
  readonly run: number
  readonly monoUs: number
  readonly wallUs: number
  readonly clock: ClockQuality
  readonly durationUs: number
  readonly slab: number
  readonly offset: number
}

export class LogIndex {
  readonly log: string
  readonly recipient: Uint8Array
  /** In which it was written: a log is one opening of a ring. Undefined when no record of it was read. */
  boot: string | undefined
  /** By number. */
  #entries: Entry[] = []
  #acked: readonly Range[] = []
  #damaged: readonly Range[] = []
  #first: number | undefined
  #end = 0

  constructor(log: string, recipient: Uint8Array) {
    this.log = log
    this.recipient = recipient
  }

  /** One above the highest number known to have been kept. */
  get end(): number {
    return this.#end
  }

  /** The lowest number known to have been kept, or to be safe. */
  get first(): number {
    return this.#first ?? this.#end
  }

  get acked(): readonly Range[] {
    return this.#acked
  }

  get entries(): readonly Entry[] {
    return this.#entries
  }

  /** What an ACK mark says of it. */
  restore(end: number, acked: readonly Range[]): void {
    this.#reach(acked[0]?.[0] ?? end, Math.max(end, (acked.at(-1)?.[1] ?? -1) + 1))
    this.#acked = acked
  }

  /** There was a record of these numbers, readable or not. */
  expect(seq: number, span: number): void {
    this.#reach(seq, seq + span)
  }

  /** Takes a record in; returns the one that is out of use now: an earlier one of the same number, or this one. */
  put(entry: Entry): Entry | undefined {
    this.#reach(entry.seq, entry.seq + entry.span)
    const at = this.#indexFrom(entry.seq)
    const other = this.#entries[at]
    if (other?.seq !== entry.seq) {
      this.#entries.splice(at, 0, entry)
      return undefined
    }
    if (!replaces(entry, other)) return entry
    this.#entries[at] = entry
    return other
  }

  /** The records that are safe as a whole now, but were not before. Numbers that were never kept are left out of account. */
  ack(first: number, last: number): Entry[] {
    const high = Math.min(last, this.#end - 1)
    if (high < first) return []
    const fresh = missingFrom(this.#acked, first, high)
    if (fresh.length === 0) return []
    this.#acked = addRange(this.#acked, first, high)
    const touched = new Set(fresh.flatMap(([low, top]) => this.#within(low, top)))
    return [...touched].filter((entry) => this.isAcked(entry))
  }

  isAcked(entry: Entry): boolean {
    return containsRange(this.#acked, entry.seq, entry.seq + entry.span - 1)
  }

  /** The first record that is not safe as a whole and covers `seq` or a number above it. */
  next(seq: number): Entry | undefined {
    for (let at = seq; at < this.#end; ) {
      const [missing] = missingFrom(this.#acked, at, this.#end - 1)
      if (missing === undefined) return undefined
      const entry = this.#entries[this.#indexCovering(missing[0])]
      if (entry === undefined || !this.isAcked(entry)) return entry
      at = entry.seq + entry.span
    }
    return undefined
  }

  find(seq: number): Entry | undefined {
    const entry = this.#entries[this.#indexCovering(seq)]
    return entry !== undefined && entry.seq <= seq ? entry : undefined
  }

  unacked(): Entry[] {
    return this.#entries.filter((entry) => !this.isAcked(entry))
  }

  /** The first and the last record that cover a number of this range. */
  ends(first: number, last: number): [Entry | undefined, Entry | undefined] {
    const from = this.#entries[this.#indexCovering(first)]
    if (from === undefined || from.seq > last) return [undefined, undefined]
    const after = this.#indexFrom(last + 1)
    return [from, this.#entries[after - 1]]
  }

  unackedRanges(): Range[] {
    return missingFrom(this.#acked, this.first, this.#end - 1)
  }

  /** Gaps that cover the number of another record, which a gap of ours never does. */
  falseGaps(): Entry[] {
    return this.#entries.filter(
      ({ seq, span }, at) => (this.#entries[at + 1]?.seq ?? Number.POSITIVE_INFINITY) < seq + span,
    )
  }

  /** Enters what is neither on the card nor safe, from `from` on, as damaged. */
  findHoles(from: number): void {
    let at = from
    const hole = (end: number) => {
      for (const [first, last] of missingFrom(this.#acked, at, end - 1)) this.addDamage(first, last)
    }
    for (const entry of this.#entries) {
      if (entry.seq > at) hole(entry.seq)
      at = Math.max(at, entry.seq + entry.span)
    }
    if (this.#end > at) hole(this.#end)
  }

  addDamage(first: number, last: number): void {
    this.#reach(first, last + 1)
    this.#damaged = addRange(this.#damaged, first, last)
  }

  /** What is lost and not yet known to the storage device. */
  damage(): Range[] {
    return this.#damaged.flatMap(([first, last]) => missingFrom(this.#acked, first, last))
  }

  /** The records are not there any more. */
  remove(gone: ReadonlySet<Entry>): void {
    this.#entries = this.#entries.filter((entry) => !gone.has(entry))
  }

  removeSlabs(slabs: ReadonlySet<number>): void {
    this.#entries = this.#entries.filter((entry) => !slabs.has(entry.slab))
  }

  #reach(first: number, end: number): void {
    this.#first = Math.min(this.#first ?? first, first)
    this.#end = Math.max(this.#end, end)
  }

  #within(first: number, last: number): Entry[] {
    const found: Entry[] = []
    for (let at = this.#indexCovering(first); at < this.#entries.length; at++) {
      const entry = this.#entries[at]
      if (entry === undefined || entry.seq > last) break
      found.push(entry)
    }
    return found
  }

  /** Index of the first record with this number or a higher one. */
  #indexFrom(seq: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle]?.seq ?? 0) < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Index of the record that covers this number, else of the first above it. */
  #indexCovering(seq: number): number {
    const at = this.#indexFrom(seq)
    const before = this.#entries[at - 1]
    return before !== undefined && before.seq + before.span > seq ? at - 1 : at
  }
}

/** Whether `entry`, written later, stands in for `other` of the same number. */
function replaces(entry: Entry, other: Entry): boolean {
  if (entry.kind === 'gap') return other.kind === 'fragment' || entry.span >= other.span
  return other.kind === 'fragment'
}

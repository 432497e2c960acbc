/** All logs and slabs of a card: what is where, what is safe, which slab is free. Pure. */
import { containsRange, type Range } from '../../wire/ranges.ts'
import type { AckMark } from './acks.ts'
import { type Entry, LogIndex } from './log-index.ts'
import type { SlabUse } from './slabs.ts'

/** Numbers of a log that a slab holds, or some of them. */
export interface Held {
  readonly log: string
  readonly first: number
  readonly last: number
}

interface Slab {
  readonly number: number
  epoch: number
  unacked: number
  held: Held[]
}

export interface Damage {
  readonly log: string
  readonly first: number
  readonly last: number
}

export class Inventory {
  readonly #slabs = new Map<number, Slab>()
  /** Oldest first. */
  readonly #logs = new Map<string, LogIndex>()
  #unackedBytes = 0
  #current: string | undefined

  get unackedBytes(): number {
    return this.#unackedBytes
  }

  slabs(): SlabUse[] {
    return [...this.#slabs.values()]
  }

  slab(number: number): SlabUse | undefined {
    return this.#slabs.get(number)
  }

  logs(): LogIndex[] {
    return [...this.#logs.values()]
  }

  log(log: string): LogIndex | undefined {
    return this.#logs.get(log)
  }

  /** This opening's log: never forgotten. */
  startLog(log: string, recipient: Uint8Array): LogIndex {
    this.#current = log
    return this.openLog(log, recipient)
  }

  /** The log's index, made when it is new. */
  openLog(log: string, recipient: Uint8Array): LogIndex {
    const known = this.#logs.get(log)
    if (known !== undefined) return known
    const index = new LogIndex(log, recipient)
    this.#logs.set(log, index)
    return index
  }

  addSlab(number: number, epoch: number, held: readonly Held[] = []): void {
    this.#slabs.set(number, { number, epoch, unacked: 0, held: [...held] })
  }

  put(entry: Entry): void {
    const log = this.#logs.get(entry.log)
    if (log === undefined) return
    this.#hold(entry)
    const unused = log.put(entry)
    if (unused === entry) return
    if (!log.isAcked(entry)) this.#count(entry, 1)
    if (unused !== undefined && !log.isAcked(unused)) this.#count(unused, -1)
  }

  /** True when something became safe that was not. */
  ack(log: string, ranges: readonly Range[]): boolean {
    const index = this.#logs.get(log)
    const before = index?.acked
    for (const [first, last] of ranges) for (const entry of index?.ack(first, last) ?? []) this.#count(entry, -1)
    return index?.acked !== before
  }

  /** The record cannot be read: its numbers are lost unless something else covers them. */
  lose(entry: Entry): void {
    const log = this.#logs.get(entry.log)
    if (log === undefined || log.find(entry.seq) !== entry) return
    if (!log.isAcked(entry)) this.#count(entry, -1)
    log.remove(new Set([entry]))
    log.addDamage(entry.seq, entry.seq + entry.span - 1)
  }

  /**
   * The key of an earlier log is gone, so nobody here can tell a forged gap; but one that covers other records would be
   * sent, refused and settled with all it covers. Without it, what nothing else covers is a hole.
   */
  dropFalseGaps(): void {
    for (const log of this.#logs.values()) {
      const gaps = log.falseGaps()
      for (const gap of gaps) if (!log.isAcked(gap)) this.#count(gap, -1)
      log.remove(new Set(gaps))
    }
  }

  /** Lets go of records that are safe, but for those in the slab in use: they are found again by reading their slabs. */
  forgetSafe(current: number): void {
    const safe = this.slabs().filter((slab) => slab.unacked === 0 && slab.number !== current)
    this.#forget(safe.map((slab) => slab.number))
  }

  /** The slab is to be written anew. Logs with nothing left on the card are forgotten, save those with losses to report. */
  reuse(number: number, epoch: number): void {
    this.#forget([number])
    this.addSlab(number, epoch)
    this.#dropLogs()
  }

  removeSlab(number: number): void {
    this.#forget([number])
    this.#slabs.delete(number)
    this.#dropLogs()
  }

  /** Slabs that may hold a record of this number, newest first. */
  holding(log: string, seq: number): number[] {
    const slabs = [...this.#slabs.values()].sort((a, b) => b.epoch - a.epoch)
    const holds = (held: Held) => held.log === log && held.first <= seq && seq <= held.last
    return slabs.filter((slab) => slab.held.some(holds)).map((slab) => slab.number)
  }

  damage(): Damage[] {
    return this.logs().flatMap((index) => index.damage().map(([first, last]) => ({ log: index.log, first, last })))
  }

  mark(counter: number, epoch: number): AckMark {
    const slabs = new Map([...this.#slabs.values()].map((slab) => [slab.number, slab.epoch]))
    const logs = this.logs().map(({ log, recipient, end, acked }) => ({ log, recipient, end, acked }))
    return { counter, epoch, complete: true, slabs, logs }
  }

  #forget(slabs: readonly number[]): void {
    for (const log of this.#logs.values()) log.removeSlabs(new Set(slabs))
  }

  #dropLogs(): void {
    const held = new Set([...this.#slabs.values()].flatMap((slab) => slab.held.map(({ log }) => log)))
    for (const index of this.#logs.values()) {
      const done = containsRange(index.acked, index.first, index.end - 1)
      if (done && !held.has(index.log) && index.log !== this.#current) this.#logs.delete(index.log)
    }
  }

  #hold({ slab, log, seq, span }: Entry): void {
    const held = this.#slabs.get(slab)?.held
    if (held === undefined) return
    const at = held.findIndex((other) => other.log === log)
    const other = held[at]
    if (other === undefined) held.push({ log, first: seq, last: seq + span - 1 })
    else held[at] = { log, first: Math.min(other.first, seq), last: Math.max(other.last, seq + span - 1) }
  }

  #count(entry: Entry | undefined, by: 1 | -1): void {
    if (entry === undefined) return
    this.#unackedBytes += by * entry.bytes
    const slab = this.#slabs.get(entry.slab)
    if (slab !== undefined) slab.unacked += by
  }
}

/** The ring without a card: what is captured waits in memory, so a power cut or a restart loses it. */
import type { Clock } from '../../platform/clock.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../../wire/errors.ts'
import { encodeGap, type GapReason } from '../../wire/gap.ts'
import type { Range } from '../../wire/ranges.ts'
import { joinPayload, type RecordMeta, type RecordSealer } from '../../wire/record.ts'
import type { WaitingSpan } from '../../wire/session.ts'
import { waitingSpans } from './backlog.ts'
import { type Entry, LogIndex } from './log-index.ts'
import { type Missed, OpenGap } from './open-gap.ts'
import type {
  AppendResult,
  DiscardedRange,
  GapTimes,
  LogRange,
  LogState,
  RecordRef,
  Ring,
  RingFragment,
  RingStats,
} from './ring.ts'

export interface MemoryRingOptions {
  /** Closed with the ring. */
  readonly sealer: RecordSealer
  /** This boot, 16 hex digits. */
  readonly boot: string
  readonly clock: Clock
  readonly capacityBytes: number
  /** Why what finds no room is lost. */
  readonly reason?: GapReason
}

/** Once full, new fragments are taken again when this part of the memory is free: single ones would be crumbs. */
const FREE_AGAIN = 1 / 8

export class MemoryRing implements Ring {
  readonly before = undefined
  readonly #options: MemoryRingOptions
  readonly #index: LogIndex
  /** By entry: each goes with its ACK. */
  readonly #records = new Map<Entry, Uint8Array>()
  readonly #listeners = new Set<() => void>()
  #bytes = 0
  #capturedBytes = 0
  #nextSeq = 0
  #run = 0
  #gap: OpenGap | undefined
  #closed = false

  constructor(options: MemoryRingOptions) {
    this.#options = options
    this.#index = new LogIndex(options.sealer.log, options.sealer.recipient)
    this.#index.boot = options.boot
  }

  get log(): string {
    return this.#index.log
  }

  async append({ meta, init, fragment }: RingFragment): Promise<AppendResult> {
    this.#mustBeOpen()
    const { run, boot, monoUs, wallUs, clock, durationUs } = meta
    const missed: Missed = { seq: this.#nextSeq, span: 1, run, boot, monoUs, wallUs, clock, durationUs }
    this.#nextSeq++
    this.#run = run
    if (this.#gap !== undefined && !this.#takeAgain()) return this.#miss(missed)
    const record: RecordMeta = { ...meta, kind: 'fragment', seq: missed.seq, span: 1 }
    const sealed = this.#seal(record, joinPayload(init, fragment))
    if (sealed === undefined) return this.#putGap(new OpenGap('too-long', missed))
    if (this.#bytes + sealed.byteLength > this.#options.capacityBytes) return this.#miss(missed)
    this.#capturedBytes += init.byteLength + fragment.byteLength
    this.#put(record, sealed)
    return 'kept'
  }

  async addGap(span: number, reason: GapReason, times?: GapTimes): Promise<void> {
    this.#mustBeOpen()
    const missed: Missed = { seq: this.#nextSeq, span, boot: this.#options.boot, ...(times ?? this.#now()) }
    this.#nextSeq += span
    if (this.#gap !== undefined && !this.#takeAgain()) this.#miss(missed)
    else this.#putGap(new OpenGap(reason, missed))
  }

  #now(): GapTimes {
    const clock = this.#options.clock.quality()
    const wallUs = clock === 'none' ? 0 : this.#options.clock.wallUs()
    return { run: this.#run, monoUs: this.#options.clock.monoUs(), wallUs, clock, durationUs: 0 }
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new HomewardError('CANCELLED', 'the ring is closed')
  }

  #miss(missed: Missed): 'gap' {
    if (this.#gap === undefined) this.#gap = new OpenGap(this.#options.reason ?? 'card-gone', missed)
    else this.#gap.extend(missed)
    if (this.#gap.due) this.#putGap(this.#gap)
    return 'gap'
  }

  #takeAgain(): boolean {
    const { capacityBytes } = this.#options
    if (this.#gap === undefined || this.#bytes > capacityBytes * (1 - FREE_AGAIN)) return false
    if (this.#gap.unwritten) this.#putGap(this.#gap)
    this.#gap = undefined
    return true
  }

  /** Gap records always find room: they are small, and grow in place. */
  #putGap(gap: OpenGap): 'gap' {
    const { meta, payload } = gap.record()
    const record = this.#seal(meta, [encodeGap(payload)])
    if (record !== undefined) this.#put(meta, record)
    gap.written()
    return 'gap'
  }

  #seal(meta: RecordMeta, payload: readonly Uint8Array[]): Uint8Array | undefined {
    try {
      return this.#options.sealer.seal(meta, payload)
    } catch (error) {
      if (isHomewardError(error, 'FRAGMENT_TOO_LONG')) return undefined
      throw error
    }
  }

  #put(meta: RecordMeta, record: Uint8Array): void {
    const { seq, span, kind, run, monoUs, wallUs, clock, durationUs } = meta
    const where = { log: this.log, bytes: record.byteLength, slab: 0, offset: 0 }
    const entry: Entry = { ...where, seq, span, kind, run, monoUs, wallUs, clock, durationUs }
    this.#drop(this.#index.put(entry))
    this.#records.set(entry, record)
    this.#bytes += record.byteLength
    this.#notify()
  }

  #drop(entry: Entry | undefined): void {
    if (entry === undefined) return
    this.#bytes -= this.#records.get(entry)?.byteLength ?? 0
    this.#records.delete(entry)
  }

  logs(): LogState[] {
    const { log, recipient, first, end } = this.#index
    const unacked = this.#index.unackedRanges()
    return unacked.length === 0 ? [] : [{ log, recipient, first, last: end - 1, unacked }]
  }

  unacked(log: string): RecordRef[] {
    return log === this.log ? this.#index.unacked() : []
  }

  next(log: string, fromSeq: number): RecordRef | undefined {
    return log === this.log ? this.#index.next(fromSeq) : undefined
  }

  async find(log: string, seq: number): Promise<RecordRef | undefined> {
    return log === this.log ? this.#index.find(seq) : undefined
  }

  async read({ log, seq }: RecordRef): Promise<Uint8Array> {
    const entry = log === this.log ? this.#index.find(seq) : undefined
    const record = entry && this.#records.get(entry)
    if (record === undefined)
      throw new HomewardError('RECORD_DAMAGED', `fragment ${log}/${seq} is not in memory any more`)
    return record
  }

  backlog(): WaitingSpan[] {
    return waitingSpans(this.#index)
  }

  damage(): LogRange[] {
    return []
  }

  ack(log: string, ranges: readonly Range[]): void {
    if (log !== this.log) return
    const safe = new Set(ranges.flatMap(([first, last]) => this.#index.ack(first, last)))
    this.#index.remove(safe)
    for (const entry of safe) this.#drop(entry)
    // Nothing else waits, and perhaps nothing will come any more: how far the gap has grown is told now.
    if (this.#gap?.unwritten && this.logs().length === 0) this.#putGap(this.#gap)
    this.#notify()
  }

  async discard(keep: Uint8Array): Promise<DiscardedRange[]> {
    if (equalBytes(this.#index.recipient, keep)) return []
    const { log, recipient } = this.#index
    const unacked = this.#index.unackedRanges()
    this.ack(log, unacked)
    return unacked.map(([first, last]) => ({ log, recipient, first, last }))
  }

  stats(): RingStats {
    const oldest = this.#index.next(0)
    const ageUs = oldest === undefined ? 0 : this.#options.clock.monoUs() - oldest.monoUs
    return {
      capacityBytes: this.#options.capacityBytes,
      usedBytes: this.#bytes,
      unackedBytes: this.#bytes,
      oldestUnackedAgeMs: Math.floor(Math.max(0, ageUs) / 1000),
      writtenBytes: 0,
      capturedBytes: this.#capturedBytes,
      full: this.#gap !== undefined,
      card: 'none',
    }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }

  /** Forgets everything. */
  async close(): Promise<void> {
    this.#closed = true
    this.#listeners.clear()
    this.#records.clear()
    this.#options.sealer.close()
  }
}

/** The ring on a card, as its users see it: numbers what comes, queues it for the card, finds and reads what is there. */
import type { Clock, Timer } from '../../platform/clock.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError, isHomewardError, systemCode } from '../../wire/errors.ts'
import type { GapReason } from '../../wire/gap.ts'
import type { Range } from '../../wire/ranges.ts'
import type { WaitingSpan } from '../../wire/session.ts'
import { lastMoment, waitingSpans } from './backlog.ts'
import { CardWriter, type CardWriterParts } from './card-writer.ts'
import { GroupCommit } from './group-commit.ts'
import type { Inventory } from './inventory.ts'
import type { Entry, LogIndex } from './log-index.ts'
import { type Missed, OpenGap } from './open-gap.ts'
import { RecentRecords } from './recent.ts'
import type {
  AppendResult,
  DiscardedRange,
  GapTimes,
  LogRange,
  LogState,
  RecordMoment,
  RecordRef,
  Ring,
  RingFragment,
  RingStats,
} from './ring.ts'
import { scanSlab } from './scan.ts'
import type { SlabStore } from './slab-store.ts'
import { RESERVE_BYTES } from './slabs.ts'
import { type Continuation, entryOf } from './survey.ts'

export interface CardRingParts extends Omit<CardWriterParts, 'onKept'> {
  readonly clock: Clock
  readonly recentBytes: number
  readonly maxWaitingBytes: number
  readonly markIntervalMs: number
  readonly continuation: Continuation | undefined
  /** Slabs whose files are shorter than they must be. */
  readonly cutShort: readonly number[]
  /** Makes the ring this camera's. */
  claim(): Promise<void>
  /** Gives the folder back. */
  release(): Promise<void>
}

export class CardRing implements Ring {
  readonly before: RecordMoment | undefined
  readonly #parts: CardRingParts
  readonly #store: SlabStore
  readonly #inventory: Inventory
  readonly #clock: Clock
  readonly #index: LogIndex
  readonly #openedUs: number
  readonly #writer: CardWriter
  readonly #commits: GroupCommit
  readonly #recent: RecentRecords
  readonly #listeners = new Set<() => void>()
  #nextSeq = 0
  #run = 0
  /** The gap at the end of the queue, while the card does not keep up. */
  #slow: { readonly gap: OpenGap; readonly result: Promise<AppendResult> } | undefined
  #scanned: { readonly number: number; readonly epoch: number; readonly entries: readonly Entry[] } | undefined
  readonly #replacing = new Map<Entry, Promise<void>>()
  #markTimer: Timer | undefined
  #closing: Promise<void> | undefined

  constructor(parts: CardRingParts) {
    this.#parts = parts
    this.#store = parts.store
    this.#inventory = parts.inventory
    this.#clock = parts.clock
    this.#openedUs = parts.clock.monoUs()
    this.before = lastMoment(parts.inventory.logs())
    this.#index = parts.inventory.startLog(parts.sealer.log, parts.sealer.recipient)
    this.#index.boot = parts.boot
    this.#recent = new RecentRecords(parts.recentBytes)
    this.#writer = new CardWriter({ ...parts, onKept: (entry, record) => this.#kept(entry, record) })
    this.#commits = new GroupCommit(() => this.#writer.commit(), toFailure)
  }

  get log(): string {
    return this.#index.log
  }

  /** The first writes; rejects as `append` does, and with DISK_FULL. */
  async start(): Promise<void> {
    const { claim, continuation, cutShort } = this.#parts
    await this.#commits.add(0, async () => {
      await claim()
      await this.#writer.prepare(continuation, cutShort)
    })
  }

  append(fragment: RingFragment): Promise<AppendResult> {
    const refused = this.#refusal()
    if (refused !== undefined) return Promise.reject(refused)
    const { run, boot, monoUs, wallUs, clock, durationUs } = fragment.meta
    const missed: Missed = { seq: this.#nextSeq, span: 1, run, boot, monoUs, wallUs, clock, durationUs }
    this.#nextSeq++
    this.#run = run
    const bytes = fragment.init.byteLength + fragment.fragment.byteLength
    if (this.#commits.waitingBytes + bytes > this.#parts.maxWaitingBytes) return this.#tooSlow(missed)
    this.#slow = undefined
    return this.#commits.add(bytes, () => this.#writer.keep(fragment, missed))
  }

  async addGap(span: number, reason: GapReason, times?: GapTimes): Promise<void> {
    const refused = this.#refusal()
    if (refused !== undefined) throw refused
    const missed: Missed = { seq: this.#nextSeq, span, boot: this.#parts.boot, ...(times ?? this.#now()) }
    this.#nextSeq += span
    this.#slow = undefined
    await this.#commits.add(0, () => this.#writer.miss(new OpenGap(reason, missed)))
  }

  #now(): GapTimes {
    const clock = this.#clock.quality()
    const wallUs = clock === 'none' ? 0 : this.#clock.wallUs()
    return { run: this.#run, monoUs: this.#clock.monoUs(), wallUs, clock, durationUs: 0 }
  }

  /** One gap for all that comes until there is room in the queue. */
  #tooSlow(missed: Missed): Promise<AppendResult> {
    if (this.#slow !== undefined) {
      this.#slow.gap.extend(missed)
      return this.#slow.result
    }
    const gap = new OpenGap('too-slow', missed)
    const result = this.#commits.add(0, () => {
      if (this.#slow?.gap === gap) this.#slow = undefined
      return this.#writer.miss(gap)
    })
    this.#slow = { gap, result }
    return result
  }

  #refusal(): HomewardError | undefined {
    if (this.#closing !== undefined) return new HomewardError('CANCELLED', 'the ring is closed')
    return this.#commits.failure
  }

  logs(): LogState[] {
    const states = this.#inventory.logs().map((index) => ({
      log: index.log,
      recipient: index.recipient,
      first: index.first,
      last: index.end - 1,
      unacked: index.unackedRanges(),
    }))
    return states.filter((state) => state.unacked.length > 0)
  }

  unacked(log: string): RecordRef[] {
    return this.#inventory.log(log)?.unacked() ?? []
  }

  next(log: string, fromSeq: number): RecordRef | undefined {
    return this.#inventory.log(log)?.next(fromSeq)
  }

  find(log: string, seq: number): Promise<RecordRef | undefined> {
    return this.#locate(log, seq)
  }

  async #locate(log: string, seq: number): Promise<Entry | undefined> {
    const known = this.#inventory.log(log)?.find(seq)
    if (known !== undefined) return known
    for (const number of this.#inventory.holding(log, seq)) {
      const covers = (entry: Entry) => entry.log === log && entry.seq <= seq && seq < entry.seq + entry.span
      const entry = (await this.#entriesOf(number)).findLast(covers)
      if (entry !== undefined) return entry
    }
    return undefined
  }

  /** Read from the slab itself; the last one read is remembered, for healing asks for many of one slab. */
  async #entriesOf(number: number): Promise<readonly Entry[]> {
    const epoch = this.#inventory.slab(number)?.epoch ?? 0
    if (this.#scanned?.number !== number || this.#scanned.epoch !== epoch) {
      const scan = scanSlab(this.#store.reader(number), { epoch, complete: () => true })
      const { records, reserve } = await scan.catch((error: unknown) => Promise.reject(toFailure(error)))
      this.#scanned = { number, epoch, entries: [...records, ...reserve].map((found) => entryOf(number, found)) }
    }
    return this.#scanned.entries
  }

  async read(ref: RecordRef): Promise<Uint8Array> {
    for (;;) {
      const entry = await this.#locate(ref.log, ref.seq)
      if (entry === undefined) throw unreadable(ref, 'it is not on the card any more')
      const record = (ref.log === this.log ? this.#recent.get(entry) : undefined) ?? (await this.#readCard(entry))
      if (record !== undefined) return record
      const known = this.#inventory.log(ref.log)?.find(ref.seq)
      if (known === entry) await this.#giveUp(entry)
      if (known === entry || known === undefined) throw unreadable(ref, 'its checksum is wrong')
      // A gap that grew meanwhile: its longer state is read instead.
    }
  }

  /** Undefined when the record does not stand there whole. */
  async #readCard(entry: Entry): Promise<Uint8Array | undefined> {
    const epoch = this.#inventory.slab(entry.slab)?.epoch
    if (epoch === undefined) return undefined
    try {
      return await this.#store.read(entry, epoch)
    } catch (error) {
      if (this.#inventory.slab(entry.slab)?.epoch !== epoch) return undefined
      // One bad place on the card, or the whole card? A card that still takes a write is not gone.
      if (systemCode(error) === 'EIO' && (await this.#takesWrites())) return undefined
      const failure = toFailure(error)
      this.#commits.fail(failure)
      this.#notify()
      throw failure
    }
  }

  async #takesWrites(): Promise<boolean> {
    return this.#commits
      .add(0, () => this.#writer.writeMark())
      .then(
        () => true,
        () => false,
      )
  }

  /** The record is damaged. This log's key is still there, so a gap record takes its place. */
  async #giveUp(entry: Entry): Promise<void> {
    const ours = entry.log === this.log && !this.#index.isAcked(entry) && this.#refusal() === undefined
    const known = this.#replacing.get(entry)
    const done = known ?? (ours ? this.#commits.add(0, () => this.#writer.replace(entry)) : Promise.resolve())
    this.#replacing.set(entry, done)
    await done.catch(() => {})
    this.#replacing.delete(entry)
    this.#inventory.lose(entry)
    this.#notify()
  }

  backlog(): WaitingSpan[] {
    return this.#inventory.logs().flatMap(waitingSpans)
  }

  damage(): LogRange[] {
    return this.#inventory.damage()
  }

  ack(log: string, ranges: readonly Range[]): void {
    if (!this.#inventory.ack(log, ranges)) return
    if (log === this.log) this.#recent.dropIf((entry) => this.#index.isAcked(entry))
    this.#markSoon()
    this.#notify()
  }

  async discard(keep: Uint8Array): Promise<DiscardedRange[]> {
    const others = this.logs().filter(({ recipient }) => !equalBytes(recipient, keep))
    for (const { log, unacked } of others) this.ack(log, unacked)
    await this.#commits.add(0, () => this.#writer.writeMark())
    return others.flatMap(({ log, recipient, unacked }) =>
      unacked.map(([first, last]) => ({ log, recipient, first, last })),
    )
  }

  stats(): RingStats {
    const { slabBytes } = this.#store
    const current = this.#writer.current
    const used = this.#inventory.slabs().map(({ number, unacked }) => {
      return number === current.number ? current.bytes + RESERVE_BYTES : unacked > 0 ? slabBytes : 0
    })
    const failure = this.#commits.failure
    return {
      capacityBytes: Math.max(1, Math.floor(this.#parts.capacityBytes / slabBytes)) * slabBytes,
      usedBytes: used.reduce((sum, bytes) => sum + bytes, 0),
      unackedBytes: this.#inventory.unackedBytes,
      oldestUnackedAgeMs: this.#oldestAgeMs(),
      writtenBytes: this.#store.writtenBytes,
      capturedBytes: this.#writer.capturedBytes,
      full: this.#writer.full,
      card: failure === undefined ? 'ok' : systemCode(failure.cause) === 'EROFS' ? 'read-only' : 'failed',
    }
  }

  /** By the monotonic clock for this log; for earlier ones by the wall clock, or since the opening when that is not set. */
  #oldestAgeMs(): number {
    const { monoUs, wallUs, clock } = this.#now()
    const ages = this.#inventory.logs().map((index) => {
      const oldest = index.next(0)
      if (oldest === undefined) return 0
      if (oldest.log === this.log) return monoUs - oldest.monoUs
      return clock !== 'none' && oldest.clock !== 'none' ? wallUs - oldest.wallUs : monoUs - this.#openedUs
    })
    return Math.floor(Math.max(0, ...ages) / 1000)
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }

  #kept(entry: Entry, record: Uint8Array): void {
    this.#recent.put(entry, record)
    this.#notify()
  }

  #markSoon(): void {
    if (this.#closing !== undefined) return
    this.#markTimer ??= this.#clock.after(this.#parts.markIntervalMs, () => {
      this.#markTimer = undefined
      this.#commits.add(0, () => this.#writer.writeMark()).catch(() => this.#notify())
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#markTimer?.cancel()
    await this.#commits.add(0, () => this.#writer.finish()).catch(() => {})
    await this.#commits.idle()
    this.#parts.sealer.close()
    this.#store.close()
    this.#listeners.clear()
    await this.#parts.release()
  }
}

function unreadable({ log, seq }: RecordRef, why: string): HomewardError {
  return new HomewardError('RECORD_DAMAGED', `fragment ${log}/${seq} cannot be read: ${why}`)
}

/** What a failure of the card looks like from outside. */
export function toFailure(error: unknown): HomewardError {
  if (isHomewardError(error, 'RING_FAILED', 'DISK_FULL')) return error
  const why = error instanceof Error ? error.message : String(error)
  return new HomewardError('RING_FAILED', `the card failed: ${why}`, {
    hint: 'Look at the card: is it in its place, locked, or worn out?',
    cause: error,
  })
}

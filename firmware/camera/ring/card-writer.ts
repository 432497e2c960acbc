/**
 * What a ring does to its card: records one behind the other, slab after slab, and the gap while there is no free slab. Its
 * calls follow one another; nothing is seen by a reader before `commit`.
 */
import { HomewardError, isHomewardError, systemCode } from '../../wire/errors.ts'
import { encodeGap } from '../../wire/gap.ts'
import { joinPayload, RECORD_HEADER_BYTES, type RecordMeta, type RecordSealer } from '../../wire/record.ts'
import { BLOCK_BYTES, cardBytes, encodeCardRecord } from './card-record.ts'
import type { Inventory } from './inventory.ts'
import type { Entry } from './log-index.ts'
import { GapSlots, type Missed, OpenGap } from './open-gap.ts'
import type { AppendResult, RingFragment } from './ring.ts'
import type { SlabStore } from './slab-store.ts'
import { planNextSlab, RESERVE_SLOTS, surplusSlabs } from './slabs.ts'
import type { Continuation } from './survey.ts'

export interface CardWriterParts {
  readonly store: SlabStore
  readonly inventory: Inventory
  readonly sealer: RecordSealer
  readonly boot: string
  /** Of the newest use of any slab. */
  readonly epoch: number
  /** Of the newest ACK mark. */
  readonly counter: number
  readonly capacityBytes: number
  readonly keepFreeBytes: number
  /** After a commit, for each record in it. */
  readonly onKept: (entry: Entry, record: Uint8Array) => void
}

interface Placed {
  readonly entry: Entry
  readonly record: Uint8Array
}

export class CardWriter {
  readonly #parts: CardWriterParts
  readonly #store: SlabStore
  readonly #inventory: Inventory
  #epoch: number
  #counter: number
  /** The slab in use, and where its next record goes. */
  #slab = -1
  #position = 0
  #slots = new GapSlots([])
  /** Written, not yet synced. */
  #placed: Placed[] = []
  #gap: OpenGap | undefined
  /** The card's file system has no room for the rest of a slab. */
  #noSpace = false
  #capturedBytes = 0

  constructor(parts: CardWriterParts) {
    this.#parts = parts
    this.#store = parts.store
    this.#inventory = parts.inventory
    this.#epoch = parts.epoch
    this.#counter = parts.counter
  }

  get full(): boolean {
    return this.#gap !== undefined
  }

  get capturedBytes(): number {
    return this.#capturedBytes
  }

  /** The slab in use, and how much of it is written. */
  get current(): { readonly number: number; readonly bytes: number } {
    return { number: this.#slab, bytes: this.#position }
  }

  /** Goes on where an earlier opening ended, or in a first slab. Throws DISK_FULL when there is no room for one. */
  async prepare(continuation: Continuation | undefined, damagedFiles: readonly number[]): Promise<void> {
    for (const number of damagedFiles) await this.#store.repair(number)
    if (continuation === undefined || continuation.epoch === 0) {
      if (await this.#nextSlab()) return
      throw new HomewardError('DISK_FULL', `no room for a slab of ${this.#store.slabBytes} bytes on the card`, {
        hint: `Free some space in ${this.#store.dir}, or use a larger card.`,
      })
    }
    await this.#store.select(continuation.number)
    this.#slab = continuation.number
    this.#position = continuation.position
    this.#slots = new GapSlots(continuation.freeSlots)
  }

  async keep({ meta, init, fragment }: RingFragment, missed: Missed): Promise<AppendResult> {
    if (this.#gap !== undefined && !(await this.#takeAgain())) return this.#join(new OpenGap('ring-full', missed))
    const record = { ...meta, kind: 'fragment', seq: missed.seq, span: 1 } as const
    const sealed = this.#seal(record, joinPayload(init, fragment))
    if (sealed === undefined) return this.miss(new OpenGap('too-long', missed))
    if (!(await this.#put(record, sealed))) return this.#join(new OpenGap('ring-full', missed))
    this.#capturedBytes += init.byteLength + fragment.byteLength
    return 'kept'
  }

  /** Enters a gap, whatever its reason; while the ring is full, it becomes part of that gap. */
  async miss(gap: OpenGap): Promise<'gap'> {
    if (this.#gap !== undefined && !(await this.#takeAgain())) return this.#join(gap)
    return (await this.#putGap(gap)) ? 'gap' : this.#join(gap)
  }

  /** Puts a gap record in the place of one that is not readable any more; without room for it, its numbers are damage. */
  async replace(entry: Entry): Promise<void> {
    if (this.#inventory.log(entry.log)?.find(entry.seq) !== entry) return
    const { seq, span, run, monoUs, wallUs, clock, durationUs } = entry
    const missed = { seq, span, run, boot: this.#parts.boot, monoUs, wallUs, clock, durationUs }
    const replaced = this.#gap === undefined && (await this.#putGap(new OpenGap('damaged-on-card', missed)))
    if (!replaced) this.#inventory.lose(entry)
  }

  /** Syncs what was written; then, and only then, it counts as kept. */
  async commit(): Promise<void> {
    if (this.#placed.length === 0) return
    await this.#store.sync()
    for (const { entry, record } of this.#placed.splice(0)) {
      this.#inventory.put(entry)
      this.#parts.onKept(entry, record)
    }
  }

  async writeMark(): Promise<void> {
    await this.commit()
    this.#counter++
    await this.#store.writeMark(this.#inventory.mark(this.#counter, this.#epoch))
  }

  /** What a clean end can still make durable: the exact length of a growing gap, and the mark. */
  async finish(): Promise<void> {
    if (this.#gap?.unwritten) await this.#writeGapState(this.#gap)
    await this.writeMark()
  }

  /** What was written before is synced: each caller went through `#nextSlab`. So one of the two slots holds a synced state. */
  async #join(gap: OpenGap): Promise<'gap'> {
    if (this.#gap === undefined) this.#gap = gap.because('ring-full')
    else this.#gap.absorb(gap)
    if (this.#gap.due) await this.#writeGapState(this.#gap)
    return 'gap'
  }

  async #writeGapState(gap: OpenGap): Promise<void> {
    const slot = this.#slots.next()
    if (slot === undefined) return
    const { meta, payload } = gap.record()
    const record = this.#seal(meta, [encodeGap(payload)])
    if (record === undefined) return
    await this.#write(meta, record, slot)
    gap.written()
  }

  /** Ends the gap once a whole slab is free: taking single fragments in between would cut footage into crumbs. */
  async #takeAgain(): Promise<boolean> {
    if (this.#gap === undefined || !(await this.#nextSlab())) return false
    if (!(await this.#putGap(this.#gap))) return false
    // Its whole length is on the card before anything behind it: after a power cut its end would be called damage.
    await this.commit()
    this.#gap = undefined
    return true
  }

  async #putGap(gap: OpenGap): Promise<boolean> {
    const { meta, payload } = gap.record()
    const record = this.#seal(meta, [encodeGap(payload)])
    return record !== undefined && (await this.#put(meta, record))
  }

  /** Undefined when the record is longer than the limit, or than a slab. */
  #seal(meta: RecordMeta, payload: readonly Uint8Array[]): Uint8Array | undefined {
    try {
      const record = this.#parts.sealer.seal(meta, payload)
      return cardBytes(record.byteLength - RECORD_HEADER_BYTES) <= this.#store.dataEnd ? record : undefined
    } catch (error) {
      if (isHomewardError(error, 'FRAGMENT_TOO_LONG')) return undefined
      throw error
    }
  }

  /** False when there is no room: the ring is full, or the card's file system is. */
  async #put(meta: RecordMeta, record: Uint8Array): Promise<boolean> {
    const bytes = cardBytes(record.byteLength - RECORD_HEADER_BYTES)
    while (this.#position + bytes <= this.#store.dataEnd || (await this.#nextSlab())) {
      const start = this.#position
      try {
        await this.#write(meta, record, start)
        this.#position = start + bytes
        return true
      } catch (error) {
        if (systemCode(error) !== 'ENOSPC') throw error
        // What stands there now is unknown: the rest of the slab stays unused.
        this.#position = this.#store.dataEnd
        this.#noSpace = start === 0
        if (this.#noSpace) return false
      }
    }
    return false
  }

  async #write(meta: RecordMeta, record: Uint8Array, offset: number): Promise<void> {
    await this.#store.write(encodeCardRecord(record, this.#epochOfSlab()), offset)
    const { seq, span, kind, run, monoUs, wallUs, clock, durationUs } = meta
    const where = { log: this.#parts.sealer.log, bytes: record.byteLength, slab: this.#slab, offset }
    this.#placed.push({ entry: { ...where, seq, span, kind, run, monoUs, wallUs, clock, durationUs }, record })
  }

  #epochOfSlab(): number {
    return this.#inventory.slab(this.#slab)?.epoch ?? this.#epoch
  }

  /**
   * Goes on in the oldest free slab, else in a new one; false when the ring is full. The mark is durable before the first
   * byte is overwritten: it says that what stood there was safe, and from which use on the slab's records count.
   */
  async #nextSlab(): Promise<boolean> {
    await this.commit()
    const { capacityBytes, keepFreeBytes } = this.#parts
    const { slabBytes } = this.#store
    const maxSlabs = Math.max(1, Math.floor(capacityBytes / slabBytes))
    const freeBytes = await this.#store.freeBytes()
    if (this.#noSpace && freeBytes < slabBytes + keepFreeBytes) return false
    this.#noSpace = false
    const plan = planNextSlab(this.#inventory.slabs(), { slabBytes, maxSlabs, freeBytes, keepFreeBytes })
    if (plan.kind === 'full') return false
    if (plan.kind === 'create' && !(await this.#create(plan.number))) return false
    this.#epoch++
    this.#inventory.reuse(plan.number, this.#epoch)
    this.#inventory.forgetSafe(plan.number)
    await this.writeMark()
    await this.#store.select(plan.number)
    this.#slab = plan.number
    this.#position = 0
    this.#slots = new GapSlots(
      Array.from({ length: RESERVE_SLOTS }, (_, slot) => this.#store.dataEnd + slot * BLOCK_BYTES),
    )
    for (const number of surplusSlabs(this.#inventory.slabs(), plan.number, maxSlabs)) {
      this.#inventory.removeSlab(number)
      await this.#store.remove(number)
    }
    return true
  }

  async #create(number: number): Promise<boolean> {
    try {
      await this.#store.create(number)
      return true
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw error
      await this.#store.remove(number)
      this.#noSpace = true
      return false
    }
  }
}

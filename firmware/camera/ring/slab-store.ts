/** The files of a ring: slabs and the ACK mark. */
import { join } from 'node:path'
import type { Disk, DiskFile } from '../../platform/disk.ts'
import { readWhole } from '../../platform/disk-files.ts'
import { unfilled } from '../../wire/bytes.ts'
import { HomewardError, systemCode } from '../../wire/errors.ts'
import { RECORD_HEADER_BYTES } from '../../wire/record.ts'
import { type AckMark, encodeMark, type ReadMark, readMark, SLOT_BYTES } from './acks.ts'
import { BLOCK_BYTES, CARD_HEADER_BYTES, decodeCardHeader, payloadIsWhole } from './card-record.ts'
import { KeptOpen, letGo } from './kept-open.ts'
import type { Entry } from './log-index.ts'
import { ACKS_FILE } from './marker.ts'
import type { Patience } from './patience.ts'
import { reserveStart, SLABS_AT_ONCE, type SlabReader } from './scan.ts'
import { RESERVE_BYTES, slabName, slabNumber } from './slabs.ts'

export interface SlabFile {
  readonly number: number
  readonly bytes: number
}

export class SlabStore {
  readonly dir: string
  readonly slabBytes: number
  readonly #disk: Disk
  readonly #patience: Patience
  /** The slab that was read last: backlog is read record by record. */
  readonly #reading: KeptOpen
  /** While all of the card is looked through. */
  #surveying: KeptOpen | undefined
  #selected: DiskFile | undefined
  #marks: DiskFile | undefined
  #writtenBytes = 0

  constructor(disk: Disk, dir: string, slabBytes: number, patience: Patience) {
    this.#disk = disk
    this.dir = dir
    this.slabBytes = slabBytes
    this.#patience = patience
    this.#reading = this.#keptOpen(1)
  }

  #keptOpen(most: number): KeptOpen {
    return new KeptOpen((number) => this.#disk.open(this.#path(number), 'read'), this.#patience, most)
  }

  get writtenBytes(): number {
    return this.#writtenBytes
  }

  /** Where the part of a slab for ordinary records ends. */
  get dataEnd(): number {
    return reserveStart(this.slabBytes)
  }

  async list(): Promise<SlabFile[]> {
    return (await this.#disk.list(this.dir)).flatMap(({ name, kind, bytes }) => {
      const number = kind === 'file' ? slabNumber(name) : undefined
      return number === undefined ? [] : [{ number, bytes }]
    })
  }

  async freeBytes(): Promise<number> {
    return (await this.#patience.for(this.#disk.space(this.dir))).freeBytes
  }

  /** A file of full size whose reserve is on the card for certain; the rest is taken as it is written. */
  async create(number: number): Promise<void> {
    await this.#resize(number)
    await this.#patience.for(this.#disk.syncDir(this.dir))
  }

  /** For a file that is too short: its creation was cut off, or a repair of the file system took its end. */
  async repair(number: number): Promise<void> {
    await this.#resize(number)
  }

  async #resize(number: number): Promise<void> {
    const file = await this.#patience.for(this.#disk.open(this.#path(number), 'write'))
    try {
      await this.#patience.for(file.truncate(this.slabBytes))
      await this.#put(file, [new Uint8Array(RESERVE_BYTES)], this.dataEnd)
      await this.#patience.for(file.datasync())
    } finally {
      letGo(file)
    }
  }

  async remove(number: number): Promise<void> {
    try {
      await this.#patience.for(this.#disk.remove(this.#path(number)))
    } finally {
      // Not before: a reader might open the old file once more.
      this.#reading.forget(number)
    }
    await this.#patience.for(this.#disk.syncDir(this.dir))
  }

  /** The slab that `write` and `sync` are about from now on. */
  async select(number: number): Promise<void> {
    const file = await this.#patience.for(this.#disk.open(this.#path(number), 'write'))
    letGo(this.#selected)
    this.#selected = file
  }

  async write(parts: readonly Uint8Array[], offset: number): Promise<void> {
    await this.#put(this.#current(), parts, offset)
  }

  async sync(): Promise<void> {
    await this.#patience.for(this.#current().datasync())
  }

  #current(): DiskFile {
    if (this.#selected === undefined) throw new HomewardError('INTERNAL', 'no slab is selected')
    return this.#selected
  }

  async #put(file: DiskFile, parts: readonly Uint8Array[], offset: number): Promise<void> {
    await this.#patience.for(file.write(parts, offset))
    this.#writtenBytes += parts.reduce((sum, part) => sum + part.byteLength, 0)
  }

  /** For a scan, in which what the card cannot read is damage like any other. */
  reader(number: number): SlabReader {
    return {
      bytes: this.slabBytes,
      read: async (position, bytes) => {
        try {
          return await this.#readAt(number, position, bytes)
        } catch (error) {
          if (systemCode(error) === 'EIO') return undefined
          throw error
        }
      },
    }
  }

  /** While `work` looks through the slabs, a few of them stay open, for it reads each of them in many small pieces. */
  async surveying<T>(work: () => Promise<T>): Promise<T> {
    const files = this.#keptOpen(SLABS_AT_ONCE)
    this.#surveying = files
    try {
      return await work()
    } finally {
      this.#surveying = undefined
      files.forget()
    }
  }

  async #readAt(number: number, position: number, bytes: number): Promise<Uint8Array> {
    const read = async (file: DiskFile) => {
      const into = new Uint8Array(bytes)
      return into.subarray(0, await file.read(into, position))
    }
    return this.#surveying === undefined ? this.#withFile(number, read) : this.#surveying.use(number, read)
  }

  async #withFile<T>(number: number, work: (file: DiskFile) => Promise<T>): Promise<T> {
    try {
      return await this.#reading.use(number, work)
    } finally {
      // A card that takes no writes is on its way out: nothing of ours may keep it from being unmounted.
      if (this.#selected === undefined) this.#reading.forget()
    }
  }

  /** The record as it travels, or undefined when it does not stand there as it was written. */
  async read(entry: Entry, epoch: number): Promise<Uint8Array | undefined> {
    return this.#withFile(entry.slab, async (file) => {
      const extraBytes = CARD_HEADER_BYTES - RECORD_HEADER_BYTES
      const stored = unfilled(extraBytes + entry.bytes)
      if ((await file.read(stored, entry.offset)) < stored.byteLength) return undefined
      const card = decodeCardHeader(stored)
      if (card === undefined || card.epoch !== epoch) return undefined
      const { log, seq, span } = card.header
      if (log !== entry.log || seq !== entry.seq || span !== entry.span) return undefined
      if (!payloadIsWhole(card, stored.subarray(CARD_HEADER_BYTES))) return undefined
      // What the card adds stands between header and payload: the header moves up to the payload instead of a copy of all.
      stored.copyWithin(extraBytes, 0, RECORD_HEADER_BYTES)
      return stored.subarray(extraBytes)
    })
  }

  async readMark(): Promise<ReadMark> {
    try {
      const slots = await readWhole(this.#disk, join(this.dir, ACKS_FILE), 2 * SLOT_BYTES)
      return readMark(slots ?? new Uint8Array(0))
    } catch (error) {
      if (systemCode(error) === 'EIO') return readMark(new Uint8Array(0))
      throw error
    }
  }

  /** Durable when it resolves. The slots take turns by the counter. */
  async writeMark(mark: AckMark): Promise<void> {
    const file = this.#marks ?? (await this.#patience.for(this.#disk.open(join(this.dir, ACKS_FILE), 'write')))
    this.#marks = file
    const bytes = encodeMark(mark)
    const padding = new Uint8Array((BLOCK_BYTES - (bytes.byteLength % BLOCK_BYTES)) % BLOCK_BYTES)
    await this.#put(file, [bytes, padding], (mark.counter % 2) * SLOT_BYTES)
    await this.#patience.for(file.datasync())
  }

  close(): void {
    this.#reading.forget()
    letGo(this.#selected)
    letGo(this.#marks)
    this.#selected = undefined
    this.#marks = undefined
  }

  #path(number: number): string {
    return join(this.dir, slabName(number))
  }
}

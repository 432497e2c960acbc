/** What stands on a card and what stands in the archive, read from the raw files, for tests that compare the two. */
import { createHash } from 'node:crypto'
import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readFrameNumbers } from '../camera/encoder/frame-numbers.ts'
import { readMark } from '../camera/ring/acks.ts'
import {
  BLOCK_BYTES,
  CARD_HEADER_BYTES,
  cardBytes,
  decodeCardHeader,
  encodeCardRecord,
  payloadIsWhole,
} from '../camera/ring/card-record.ts'
import { ACKS_FILE } from '../camera/ring/marker.ts'
import { slabNumber } from '../camera/ring/slabs.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { readInit, scanFile } from '../storage/archive/scan.ts'
import { toHex } from '../wire/bytes.ts'
import { addRange, type Range } from '../wire/ranges.ts'
import { RECORD_HEADER_BYTES, type RecordHeader } from '../wire/record.ts'
import type { TestHome } from './test-home.ts'

/** A record as it stands on a slab, whatever use of the slab it is from. */
export interface CardRecord {
  readonly slab: string
  readonly offset: number
  readonly header: RecordHeader
  readonly epoch: number
  /** Its payload's checksum fits. */
  readonly whole: boolean
  /** As it travels: header and sealed payload. */
  readonly bytes: Uint8Array
}

/** Every record on the card, by slab and place. */
export async function cardRecords(dir: string): Promise<CardRecord[]> {
  const records: CardRecord[] = []
  for (const name of (await readdir(dir)).sort()) {
    if (slabNumber(name) === undefined) continue
    const slab = join(dir, name)
    const bytes = new Uint8Array(await readFile(slab))
    for (let offset = 0; offset < bytes.byteLength; ) {
      const card = decodeCardHeader(bytes.subarray(offset))
      if (card === undefined) {
        offset += BLOCK_BYTES
        continue
      }
      const { header, epoch } = card
      const start = offset + CARD_HEADER_BYTES
      const payload = bytes.subarray(start, start + header.payloadBytes)
      const record = Buffer.concat([bytes.subarray(offset, offset + RECORD_HEADER_BYTES), payload])
      records.push({ slab, offset, header, epoch, whole: payloadIsWhole(card, payload), bytes: new Uint8Array(record) })
      offset += cardBytes(header.payloadBytes)
    }
  }
  return records
}

/** Puts a record, changed at will, in the place of another one; the card's own checksums fit. */
export async function putOnCard({ slab, offset, epoch }: CardRecord, record: Uint8Array): Promise<void> {
  await overwrite(slab, offset, Buffer.concat(encodeCardRecord(record, epoch)))
}

export async function overwrite(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.write(bytes, 0, bytes.byteLength, offset)
  } finally {
    await file.close()
  }
}

/** What the card's mark calls safe, by log. */
export async function markedSafe(dir: string): Promise<Map<string, readonly Range[]>> {
  const { mark } = readMark(new Uint8Array(await readFile(join(dir, ACKS_FILE))))
  return new Map((mark?.logs ?? []).map(({ log, acked }) => [log, acked]))
}

/** A hash of every file's name and content. */
export async function fingerprint(dir: string): Promise<string> {
  const hash = createHash('sha256')
  for (const name of (await readdir(dir)).sort()) hash.update(`${name}\n`).update(await readFile(join(dir, name)))
  return hash.digest('hex')
}

export interface StoredFragment {
  /** Public key, hex. */
  readonly camera: string
  readonly log: string
  readonly seq: number
  readonly runId: string
  /** Numbers that the fake encoder wrote into the frames. */
  readonly frames: readonly number[]
}

/** Every fragment of the fake encoder in every file of the archive. */
async function storedFragments(home: TestHome): Promise<StoredFragment[]> {
  const found: StoredFragment[] = []
  for (const path of await home.clips()) {
    const bytes = new Uint8Array(await readFile(path))
    const file = await new RealDisk().open(path, 'read')
    try {
      const init = await readInit(file)
      const options = { deep: true, resync: true }
      for await (const entry of scanFile(file, init, init.bytes.byteLength, bytes.byteLength, options)) {
        if (entry.kind === 'damaged') throw new Error(`${path}: ${entry.why}`)
        if (entry.kind !== 'entry') continue
        const numbers = readFrameNumbers(bytes.subarray(entry.offset + entry.headerBytes, entry.offset + entry.bytes))
        const { camera, log, seq } = entry.entry
        const frames = numbers.map(({ frame }) => frame)
        found.push({ camera: toHex(camera), log, seq, runId: numbers[0]?.runId ?? '', frames })
      }
    } finally {
      await file.close()
    }
  }
  return found
}

/** What tests read of a row of the ledger. */
export interface LedgerLine {
  readonly kind: string
  readonly camera: string
  readonly log: string
  readonly first: number
  readonly last: number
  readonly reason: string
  readonly path: string
}

/** What the storage device holds, and what it says of the rest. */
export interface Books {
  readonly fragments: readonly StoredFragment[]
  readonly ledger: readonly LedgerLine[]
  /** The times the camera was off: one number of a log stands for each. */
  readonly off: readonly LedgerLine[]
}

/** Throws unless `verify --deep` finds nothing wrong. */
export async function readBooks(home: TestHome): Promise<Books> {
  const { damaged, missing, unindexed, gaps } = await home.verify()
  const wrong = [...damaged, ...missing, ...unindexed]
  if (wrong.length > 0) throw new Error(`verify: ${JSON.stringify(wrong)}`)
  const lines = gaps as unknown as readonly LedgerLine[]
  const isOff = ({ reason }: LedgerLine) => reason === 'camera-off'
  const ledger = lines.filter((line) => !isOff(line))
  return { fragments: await storedFragments(home), ledger, off: lines.filter(isOff) }
}

/** Numbers of a log that are in a file, in the order of the files. */
export function storedSeqs({ fragments }: Books, log: string): number[] {
  return fragments.filter((fragment) => fragment.log === log).map(({ seq }) => seq)
}

/** The first `count` numbers of a log that are footage: one that stands for a time off is not. */
export function footageSeqs({ off }: Books, log: string, count: number): number[] {
  const taken = off.filter((line) => line.log === log).map(({ first }) => first)
  return Array.from({ length: count + taken.length }, (_, seq) => seq).filter((seq) => !taken.includes(seq))
}

export function ledgerOf({ ledger }: Books, log: string): LedgerLine[] {
  return ledger.filter((line) => line.log === log)
}

/** Numbers of a log that are in a file or in the ledger. */
export function settledOf(books: Books, log: string): readonly Range[] {
  const stored = storedSeqs(books, log).map((seq): Range => [seq, seq])
  const lines = [...books.ledger, ...books.off].filter((line) => line.log === log)
  const entered = lines.map(({ first, last }): Range => [first, last])
  return [...stored, ...entered].reduce<readonly Range[]>((all, [first, last]) => addRange(all, first, last), [])
}

/**
 * What is wrong with the fragments of the fake encoder: one that is there twice, or whose frames are not those that belong
 * to its number, counted from the log's lowest one. `gop` is the encoder's; the last fragment of a log may be short.
 */
export function fragmentFaults({ fragments }: Books, gop: number): string[] {
  const faults: string[] = []
  const logs = new Map<string, StoredFragment[]>()
  for (const fragment of fragments) logs.set(fragment.log, [...(logs.get(fragment.log) ?? []), fragment])
  for (const [log, unsorted] of logs) {
    const sorted = unsorted.toSorted((a, b) => a.seq - b.seq)
    const [first] = sorted
    const start = (first?.frames[0] ?? 0) - (first?.seq ?? 0) * gop
    for (const [at, { seq, runId, frames }] of sorted.entries()) {
      const isLast = at === sorted.length - 1
      if (sorted[at + 1]?.seq === seq) faults.push(`${log}/${seq} is stored twice`)
      if (runId !== first?.runId) faults.push(`${log}/${seq} is of another run than the rest of its log`)
      const whole = frames.length === gop || (isLast && frames.length > 0 && frames.length < gop)
      const right = frames.every((frame, index) => frame === start + seq * gop + index)
      if (!whole || !right) faults.push(`${log}/${seq} holds frames ${frames}`)
    }
  }
  return faults
}

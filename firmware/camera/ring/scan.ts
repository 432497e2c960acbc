/** Finds the records in a slab by their headers, around damage, and without those of an earlier use. Pure. */
import {
  BLOCK_BYTES,
  CARD_HEADER_BYTES,
  type CardHeader,
  cardBytes,
  decodeCardHeader,
  payloadIsWhole,
} from './card-record.ts'
import { RESERVE_BYTES } from './slabs.ts'

/** Reads of the first size step over damage; where the card cannot read, ever smaller ones find what it still can. */
const WINDOW_BYTES = [1024 * 1024, 64 * 1024, BLOCK_BYTES]

/** Slabs that are looked through at the same time: a card answers a few small reads together nearly as fast as one. */
export const SLABS_AT_ONCE = 4

export interface SlabReader {
  readonly bytes: number
  /** Fewer bytes at the end of the slab; undefined where the card cannot read. */
  read(position: number, bytes: number): Promise<Uint8Array | undefined>
}

export interface Found extends CardHeader {
  readonly offset: number
}

export interface SlabContents {
  /** Of the newest use seen; 0 when nothing was found. */
  readonly epoch: number
  /** Of that use, in the order on the card. Payloads are not checked. */
  readonly records: readonly Found[]
  /** Gap records of that use at the slab's end, payloads checked. */
  readonly reserve: readonly Found[]
}

export interface ScanOptions {
  /** Records of a lower epoch are left over from an earlier use. */
  readonly epoch: number
  /**
   * Asked where the headers first break off, with what was found so far: true when nothing can be missing after it.
   * Otherwise the rest of the slab is searched block by block.
   */
  readonly complete: (contents: SlabContents) => boolean
}

export function reserveStart(slabBytes: number): number {
  return slabBytes - RESERVE_BYTES
}

export async function scanSlab(reader: SlabReader, { epoch, complete }: ScanOptions): Promise<SlabContents> {
  const end = reserveStart(reader.bytes)
  const reserve = await scanReserve(reader, end)
  let newest = Math.max(epoch, ...reserve.map((found) => found.epoch))
  let records: Found[] = []
  let at = 0
  let searching = false
  while (at < end) {
    const found = searching ? await search(reader, at, end, newest) : await headerAt(reader, at, end)
    if (found === undefined || found.epoch < newest) {
      if (searching || complete(contents(newest, records, reserve))) break
      searching = true
    } else if (found.epoch > newest && records.length > 0) {
      // What was found before is of an earlier use, and may have led past records of this one.
      newest = found.epoch
      records = []
      at = 0
    } else {
      newest = found.epoch
      records.push(found)
      at = found.offset + cardBytes(found.header.payloadBytes)
      searching = false
    }
  }
  return contents(newest, records, reserve)
}

function contents(epoch: number, records: readonly Found[], reserve: readonly Found[]): SlabContents {
  return { epoch, records: [...records], reserve: reserve.filter((found) => found.epoch === epoch) }
}

/** Reads nothing but the header; undefined when there is no whole one, or its record would not fit. */
export async function headerAt(reader: SlabReader, at: number, end: number): Promise<Found | undefined> {
  const bytes = await reader.read(at, CARD_HEADER_BYTES)
  return bytes === undefined ? undefined : fitting(decodeCardHeader(bytes), at, end)
}

/** The next record at `from` or behind it whose epoch is at least `epoch`. */
async function search(reader: SlabReader, from: number, end: number, epoch: number): Promise<Found | undefined> {
  for await (const { offset, bytes } of windows(reader, from, end)) {
    for (let block = 0; block < bytes.byteLength; block += BLOCK_BYTES) {
      const found = fitting(decodeCardHeader(bytes.subarray(block)), offset + block, end)
      if (found === undefined || found.epoch < epoch) continue
      // Decoded once more from a copy, which does not hold on to the whole window.
      return fitting(decodeCardHeader(bytes.slice(block, block + CARD_HEADER_BYTES)), offset + block, end)
    }
  }
  return undefined
}

async function* windows(
  reader: SlabReader,
  from: number,
  end: number,
  level = 0,
): AsyncGenerator<{ readonly offset: number; readonly bytes: Uint8Array }> {
  const most = WINDOW_BYTES[level]
  if (most === undefined) return
  for (let offset = from; offset < end; offset += most) {
    const length = Math.min(most, end - offset)
    const bytes = await reader.read(offset, length)
    if (bytes !== undefined) yield { offset, bytes }
    else yield* windows(reader, offset, offset + length, level + 1)
  }
}

async function scanReserve(reader: SlabReader, start: number): Promise<Found[]> {
  const bytes = await reader.read(start, RESERVE_BYTES)
  const found: Found[] = []
  for (let at = 0; bytes !== undefined && at < bytes.byteLength; at += BLOCK_BYTES) {
    const slot = bytes.subarray(at, at + BLOCK_BYTES)
    const record = fitting(decodeCardHeader(slot), start + at, start + at + BLOCK_BYTES)
    if (record === undefined) continue
    const payload = slot.subarray(CARD_HEADER_BYTES, CARD_HEADER_BYTES + record.header.payloadBytes)
    if (record.header.kind === 'gap' && payloadIsWhole(record, payload)) found.push(record)
  }
  return found
}

function fitting(card: CardHeader | undefined, offset: number, end: number): Found | undefined {
  if (card === undefined || offset + cardBytes(card.header.payloadBytes) > end) return undefined
  return { ...card, offset }
}

/** Which records' payloads are as they were written. */
export async function checkPayloads(reader: SlabReader, records: readonly Found[]): Promise<boolean[]> {
  const whole: boolean[] = []
  for (const found of records) {
    const payload = await reader.read(found.offset + CARD_HEADER_BYTES, found.header.payloadBytes)
    whole.push(payload !== undefined && payloadIsWhole(found, payload))
  }
  return whole
}

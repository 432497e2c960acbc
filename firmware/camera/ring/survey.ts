/**
 * Opening a ring: which records the slabs hold, which of them are damaged, where to go on writing. Reads headers only, and
 * not even those of a slab whose records are all safe; payloads only in the newest slab, for there a write may be torn. Pure.
 */
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { containsRange } from '../../wire/ranges.ts'
import { RECORD_HEADER_BYTES } from '../../wire/record.ts'
import type { ReadMark } from './acks.ts'
import { BLOCK_BYTES, cardBytes } from './card-record.ts'
import { type Held, Inventory } from './inventory.ts'
import type { Entry } from './log-index.ts'
import {
  checkPayloads,
  type Found,
  headerAt,
  reserveStart,
  SLABS_AT_ONCE,
  type SlabContents,
  type SlabReader,
  scanSlab,
} from './scan.ts'
import { RESERVE_SLOTS } from './slabs.ts'

export interface Survey {
  readonly inventory: Inventory
  /** Of the newest use of any slab. */
  readonly epoch: number
  /** The slab to go on in; undefined when there is none. */
  readonly current: Continuation | undefined
}

export interface Continuation {
  readonly number: number
  readonly epoch: number
  /** Where the next record goes. */
  readonly position: number
  /** Offsets of the blocks of the reserve that hold nothing. */
  readonly freeSlots: readonly number[]
}

interface Scanned {
  readonly number: number
  readonly contents: SlabContents
}

/** `readers` by slab number. Throws RING_FOREIGN when a record was written by another camera than `camera`. */
export async function surveySlabs(
  readers: ReadonlyMap<number, SlabReader>,
  { mark, trusted }: ReadMark,
  camera: Uint8Array,
): Promise<Survey> {
  const inventory = new Inventory()
  for (const { log, recipient, end, acked } of mark?.logs ?? []) inventory.openLog(log, recipient).restore(end, acked)
  const lowest = (number: number) => mark?.slabs.get(number) ?? 0

  const firsts = new Map<number, Found | undefined>()
  await fewAtOnce([...readers], async ([number, reader]) => {
    firsts.set(number, await headerAt(reader, 0, reserveStart(reader.bytes)))
  })
  const epochOf = (number: number) => Math.max(firsts.get(number)?.epoch ?? 0, lowest(number))
  const order = [...readers.keys()].sort((a, b) => epochOf(a) - epochOf(b) || a - b)

  const scanned: Scanned[] = []
  await fewAtOnce([...order.entries()], async ([at, number]) => {
    const next = order[at + 1]
    const first = firsts.get(number)
    const nextFirst = next === undefined ? undefined : firsts.get(next)
    const marked = [number, next].every((slab) => slab !== undefined && firsts.get(slab)?.epoch === lowest(slab))
    const held = marked ? safeThroughout(inventory, first, nextFirst) : undefined
    if (first !== undefined && held !== undefined) {
      checkCamera(first, camera)
      inventory.addSlab(number, first.epoch, [held])
    } else {
      const complete = (contents: SlabContents) => goesOnIn(inventory, contents, nextFirst)
      scanned.push({ number, contents: await scan(readers, number, lowest(number), complete) })
    }
  })

  scanned.sort((a, b) => a.contents.epoch - b.contents.epoch || a.number - b.number)
  const newest = scanned.pop()
  for (const slab of scanned) {
    inventory.addSlab(slab.number, slab.contents.epoch)
    for (const found of [...slab.contents.records, ...slab.contents.reserve]) put(inventory, slab.number, found, camera)
  }
  let current: Continuation | undefined
  if (newest !== undefined) {
    const { number } = newest
    // Searched to the end: after a power cut a whole record may stand behind a torn one.
    const searched = number === order.at(-1)
    const contents = searched ? newest.contents : await scan(readers, number, lowest(number), () => false)
    inventory.addSlab(number, contents.epoch)
    current = await takeNewest(inventory, readerOf(readers, number), { number, contents }, camera)
  }
  inventory.dropFalseGaps()
  for (const log of inventory.logs()) log.findHoles(trusted ? 0 : log.first)
  const epoch = Math.max(mark?.epoch ?? 0, ...inventory.slabs().map((slab) => slab.epoch))
  return { inventory, epoch, current }
}

/** Rejects with the first error once all that was begun has come to its end. */
async function fewAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const run = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  const results = await Promise.allSettled(Array.from({ length: SLABS_AT_ONCE }, run))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

function scan(
  readers: ReadonlyMap<number, SlabReader>,
  number: number,
  epoch: number,
  complete: (contents: SlabContents) => boolean,
): Promise<SlabContents> {
  return scanSlab(readerOf(readers, number), { epoch, complete })
}

function readerOf(readers: ReadonlyMap<number, SlabReader>, number: number): SlabReader {
  const reader = readers.get(number)
  if (reader === undefined) throw new HomewardError('INTERNAL', `no reader for slab ${number}`)
  return reader
}

/**
 * What the slab holds when all of it is safe: the numbers from its first record up to the first of the next slab, when both
 * are of one log and the next starts with a fragment, for fragments stand in order.
 */
function safeThroughout(inventory: Inventory, first?: Found, next?: Found): Held | undefined {
  if (first === undefined || next === undefined || next.header.kind !== 'fragment') return undefined
  const log = first.header.log
  const held: Held = { log, first: first.header.seq, last: next.header.seq - 1 }
  const acked = inventory.log(log)?.acked ?? []
  const safe = log === next.header.log && held.first <= held.last && containsRange(acked, held.first, held.last)
  return safe ? held : undefined
}

/** Whether the next slab's first record follows on the last one found, or on what is safe behind it. */
function goesOnIn(inventory: Inventory, { records, reserve }: SlabContents, next?: Found): boolean {
  const log = records.at(-1)?.header.log
  if (log === undefined || next?.header.log !== log) return false
  const ends = [...records, ...reserve].map(({ header }) => (header.log === log ? header.seq + header.span : 0))
  const end = ends.reduce((a, b) => Math.max(a, b), 0)
  const { seq, span } = next.header
  if (seq <= end) return seq + span >= end
  return containsRange(inventory.log(log)?.acked ?? [], end, seq - 1)
}

async function takeNewest(
  inventory: Inventory,
  reader: SlabReader,
  { number, contents }: Scanned,
  camera: Uint8Array,
): Promise<Continuation> {
  const whole = await checkPayloads(reader, contents.records)
  const last = whole.lastIndexOf(true)
  for (const [at, found] of contents.records.slice(0, last + 1).entries()) {
    if (whole[at]) put(inventory, number, found, camera)
    else openLog(inventory, found, camera).expect(found.header.seq, found.header.span)
  }
  for (const found of contents.reserve) put(inventory, number, found, camera)
  const lastFound = contents.records[last]
  const taken = new Set(contents.reserve.map((found) => found.offset))
  const slots = Array.from({ length: RESERVE_SLOTS }, (_, slot) => reserveStart(reader.bytes) + slot * BLOCK_BYTES)
  return {
    number,
    epoch: contents.epoch,
    position: lastFound === undefined ? 0 : lastFound.offset + cardBytes(lastFound.header.payloadBytes),
    freeSlots: slots.filter((slot) => !taken.has(slot)),
  }
}

function put(inventory: Inventory, slab: number, found: Found, camera: Uint8Array): void {
  openLog(inventory, found, camera)
  inventory.put(entryOf(slab, found))
}

function openLog(inventory: Inventory, found: Found, camera: Uint8Array) {
  checkCamera(found, camera)
  const index = inventory.openLog(found.header.log, found.header.recipient.slice())
  index.boot ??= found.header.boot
  return index
}

export function entryOf(slab: number, { header, offset }: Found): Entry {
  const { log, seq, span, kind, run, monoUs, wallUs, clock, durationUs, payloadBytes } = header
  const bytes = RECORD_HEADER_BYTES + payloadBytes
  return { log, seq, span, kind, bytes, run, monoUs, wallUs, clock, durationUs, slab, offset }
}

function checkCamera({ header }: Found, camera: Uint8Array): void {
  if (equalBytes(header.camera, camera)) return
  throw new HomewardError('RING_FOREIGN', 'the card holds footage of another camera; nothing was written to it', {
    hint: 'Put the card back into its own camera, or prepare an empty one with: homeward camera ring init DIR',
  })
}

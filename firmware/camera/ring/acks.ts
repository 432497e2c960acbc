/**
 * The ACK mark: which fragments are safe on the storage device, and which use each slab is in. It stands in two slots that
 * are written by turns, so a power cut leaves at least one. It is a hint: without it footage is sent again, nothing more.
 *
 *   0   magic "HWA1"     8   counter u64        20  epoch of the newest use of any slab u64
 *   4   bytes in all u32 16  CRC-32 of the rest 28  complete u8, reserved 3
 *                            and of 0 … 15 u32  32  slabs u32, epoch u32 for each by number (0: none)
 *                                                …  logs u32, for each: id 8, recipient 32, numbers known to exist u64,
 *                                                   ranges u32, first and last u64 for each
 */
import { crc32 } from 'node:zlib'
import { ByteReader, ByteWriter } from '../../wire/bytes.ts'
import { isHomewardError } from '../../wire/errors.ts'
import type { Range } from '../../wire/ranges.ts'

export const SLOT_BYTES = 64 * 1024
const MAGIC = 0x31415748 // "HWA1"
const HEAD_BYTES = 20
const LOG_BYTES = 52
const RANGE_BYTES = 16

export interface LogMark {
  readonly log: string
  readonly recipient: Uint8Array
  /** One above the highest number that was safe on the card when the mark was written. */
  readonly end: number
  readonly acked: readonly Range[]
}

export interface AckMark {
  readonly counter: number
  readonly epoch: number
  /** Nothing was left out for want of space. */
  readonly complete: boolean
  /** Epoch by slab number; empty when it was left out. */
  readonly slabs: ReadonlyMap<number, number>
  /** Oldest first. */
  readonly logs: readonly LogMark[]
}

/** At most SLOT_BYTES. What does not fit is left out: first short ranges, then the table of slabs, then the oldest logs. */
export function encodeMark(mark: AckMark): Uint8Array {
  let fitting = mark
  for (let most = 1024; markBytes(fitting) > SLOT_BYTES && most >= 1; most = Math.floor(most / 2)) {
    fitting = { ...fitting, complete: false, logs: fitting.logs.map((log) => withRanges(log, most)) }
  }
  if (markBytes(fitting) > SLOT_BYTES) fitting = { ...fitting, complete: false, slabs: new Map() }
  while (markBytes(fitting) > SLOT_BYTES) fitting = { ...fitting, complete: false, logs: fitting.logs.slice(1) }
  return write(fitting)
}

function withRanges(log: LogMark, most: number): LogMark {
  if (log.acked.length <= most) return log
  const longest = [...log.acked].sort((a, b) => b[1] - b[0] - (a[1] - a[0])).slice(0, most)
  return { ...log, acked: longest.sort((a, b) => a[0] - b[0]) }
}

function markBytes({ slabs, logs }: AckMark): number {
  const ranges = logs.reduce((sum, log) => sum + log.acked.length, 0)
  return HEAD_BYTES + 12 + 4 + tableLength(slabs) * 4 + 4 + logs.length * LOG_BYTES + ranges * RANGE_BYTES
}

function tableLength(slabs: ReadonlyMap<number, number>): number {
  return Math.max(0, ...[...slabs.keys()].map((number) => number + 1))
}

function write(mark: AckMark): Uint8Array {
  const bytes = new Uint8Array(markBytes(mark))
  const writer = new ByteWriter(bytes).u32(MAGIC).u32(bytes.byteLength).u64(mark.counter).u32(0)
  writer.u64(mark.epoch).u8(Number(mark.complete)).zeros(3).u32(tableLength(mark.slabs))
  for (let number = 0; number < tableLength(mark.slabs); number++) writer.u32(mark.slabs.get(number) ?? 0)
  writer.u32(mark.logs.length)
  for (const { log, recipient, end, acked } of mark.logs) {
    writer.hex(log, 8).bytes(recipient, 32).u64(end).u32(acked.length)
    for (const [first, last] of acked) writer.u64(first).u64(last)
  }
  new ByteWriter(bytes.subarray(16)).u32(checksum(bytes))
  return bytes
}

function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(HEAD_BYTES), crc32(bytes.subarray(0, 16)))
}

/** The mark in a slot, or undefined when it is blank or damaged. */
export function decodeMark(slot: Uint8Array): AckMark | undefined {
  try {
    const reader = new ByteReader(slot)
    if (reader.u32() !== MAGIC) return undefined
    const length = reader.u32()
    const counter = reader.u64()
    if (length < HEAD_BYTES || length > slot.byteLength) return undefined
    if (reader.u32() !== checksum(slot.subarray(0, length))) return undefined
    const epoch = reader.u64()
    const complete = reader.u8() === 1
    reader.bytes(3)
    const slabs = new Map<number, number>()
    for (let number = 0, count = reader.u32(); number < count; number++) {
      const use = reader.u32()
      if (use > 0) slabs.set(number, use)
    }
    const logs = Array.from({ length: reader.u32() }, () => readLog(reader))
    return { counter, epoch, complete, slabs, logs }
  } catch (error) {
    if (isHomewardError(error)) return undefined
    throw error
  }
}

function readLog(reader: ByteReader): LogMark {
  const log = reader.hex(8)
  const recipient = reader.bytes(32).slice()
  const end = reader.u64()
  const acked = Array.from({ length: reader.u32() }, (): Range => [reader.u64(), reader.u64()])
  return { log, recipient, end, acked }
}

export interface ReadMark {
  /** The newer of the two slots; undefined when neither is whole. */
  readonly mark: AckMark | undefined
  /** Neither slot is damaged and nothing was left out: what the mark does not say acked was not acked when it was written. */
  readonly trusted: boolean
}

/** `slots` is the whole file; a missing or short one counts as damaged. */
export function readMark(slots: Uint8Array): ReadMark {
  const halves = [slots.subarray(0, SLOT_BYTES), slots.subarray(SLOT_BYTES, 2 * SLOT_BYTES)]
  const marks = halves.map(decodeMark)
  const [a, b] = marks
  const mark = a !== undefined && b !== undefined ? (a.counter > b.counter ? a : b) : (a ?? b)
  const damaged = halves.some((half, index) => marks[index] === undefined && !isBlank(half))
  return { mark, trusted: mark?.complete === true && !damaged }
}

function isBlank(slot: Uint8Array): boolean {
  return slot.byteLength > 0 && slot.every((byte) => byte === 0)
}

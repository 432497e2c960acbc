/**
 * The `uuid` box in front of every fragment of an archive file: what the fragment is, when, and how to check it. With it the
 * index can be rebuilt from the files alone, and a zero-filled tail is never taken for footage. Its body, little-endian:
 *
 *    0  version u8      4  camera key 32    56  fragment bytes u32    84  duration µs u64
 *    1  flags u8       36  log 8            60  boot 8                92  received µs u64
 *    2  clock u8       44  seq u64          68  monotonic µs u64     100  SHA-256 of the fragment as captured
 *    3  tracks u8      52  run u32          76  wall µs u64          132  SHA-256 of the init segment
 *
 *  164  per track: id u32, time base u64 (ticks taken from its decode times); then CRC-32 of the body up to here
 */
import { crc32 } from 'node:zlib'
import { readBoxHeader } from '../../media/boxes.ts'
import type { TimeBase } from '../../media/rebase.ts'
import { uuidBox } from '../../media/uuid.ts'
import { ByteReader, ByteWriter, equalBytes, fromHex } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { FRAGMENT_MAX_BYTES } from '../../wire/limits.ts'
import { CLOCK_QUALITIES } from '../../wire/record.ts'
import type { Stamp } from './names.ts'

/** User type of our box, drawn at random once. */
const ENTRY_TYPE = fromHex('ddf98848ac4d42ad811f71949923aa81')
const ENTRY_VERSION = 1

const UUID = new Uint8Array(Buffer.from('uuid', 'latin1'))
const BOX_HEADER_BYTES = 24
const FIXED_BODY_BYTES = 164
const BASE_BYTES = 12
const CRC_BYTES = 4
const TRACKS_MAX = 16
/** No entry header is longer. */
export const ENTRY_HEADER_MAX_BYTES = entryHeaderBytes(TRACKS_MAX)

const FLAG_KEY_FRAME = 1
const FLAG_RUN_START = 2

export interface Entry extends Stamp {
  /** Public key, 32 bytes. */
  readonly camera: Uint8Array
  readonly log: string
  readonly seq: number
  readonly run: number
  readonly keyFrame: boolean
  readonly runStart: boolean
  readonly durationUs: number
  /** When the storage device had it whole, by its own clock. */
  readonly receivedUs: number
  /** Of the moof and mdat that follow. */
  readonly fragmentBytes: number
  readonly fragmentHash: Uint8Array
  readonly initHash: Uint8Array
  readonly bases: readonly TimeBase[]
}

export function entryHeaderBytes(tracks: number): number {
  return BOX_HEADER_BYTES + FIXED_BODY_BYTES + tracks * BASE_BYTES + CRC_BYTES
}

/** The whole box. */
export function encodeEntry(entry: Entry): Uint8Array {
  if (entry.bases.length > TRACKS_MAX) throw new HomewardError('INTERNAL', `${entry.bases.length} tracks in one entry`)
  const body = new Uint8Array(entryHeaderBytes(entry.bases.length) - BOX_HEADER_BYTES)
  const writer = new ByteWriter(body)
    .u8(ENTRY_VERSION)
    .u8((entry.keyFrame ? FLAG_KEY_FRAME : 0) | (entry.runStart ? FLAG_RUN_START : 0))
    .u8(CLOCK_QUALITIES.indexOf(entry.clock))
    .u8(entry.bases.length)
    .bytes(entry.camera, 32)
    .hex(entry.log, 8)
    .u64(entry.seq)
    .u32(entry.run)
    .u32(entry.fragmentBytes)
    .hex(entry.boot, 8)
    .u64(entry.monoUs)
    .u64(entry.wallUs)
    .u64(entry.durationUs)
    .u64(entry.receivedUs)
    .bytes(entry.fragmentHash, 32)
    .bytes(entry.initHash, 32)
  for (const { track, ticks } of entry.bases) writer.u32(track).u64(ticks)
  writer.u32(crc32(body.subarray(0, writer.position)))
  return uuidBox(ENTRY_TYPE, body)
}

/** Size of the box that starts at `bytes`, or undefined when it is not one of ours. Needs its first 24 bytes. */
export function entryBoxBytes(bytes: Uint8Array): number | undefined {
  if (bytes.byteLength < BOX_HEADER_BYTES || !equalBytes(bytes.subarray(4, 8), UUID)) return undefined
  if (!equalBytes(bytes.subarray(8, BOX_HEADER_BYTES), ENTRY_TYPE)) return undefined
  const size = readBoxHeader(bytes)?.sizeBytes ?? 0
  const bases = size - entryHeaderBytes(0)
  return bases >= 0 && bases % BASE_BYTES === 0 && size <= ENTRY_HEADER_MAX_BYTES ? size : undefined
}

/**
 * Reads a whole box. Byte fields share memory with `bytes`.
 * Throws MEDIA_MALFORMED when it is not ours, of another version, or its checksum does not fit.
 */
export function decodeEntry(bytes: Uint8Array): Entry {
  if (entryBoxBytes(bytes) !== bytes.byteLength) throw malformed('it is not an archive entry')
  const body = bytes.subarray(BOX_HEADER_BYTES)
  const sum = new ByteReader(body.subarray(-CRC_BYTES)).u32()
  if (crc32(body.subarray(0, -CRC_BYTES)) !== sum) throw malformed('its checksum does not fit')
  const reader = new ByteReader(body)
  const version = reader.u8()
  if (version !== ENTRY_VERSION) throw malformed(`its version is ${version}, expected ${ENTRY_VERSION}`)
  const flags = reader.u8()
  const clock = CLOCK_QUALITIES[reader.u8()]
  const tracks = reader.u8()
  if (clock === undefined) throw malformed('its clock quality is unknown')
  if (bytes.byteLength !== entryHeaderBytes(tracks)) throw malformed(`it has no room for ${tracks} tracks`)
  const entry = {
    camera: reader.bytes(32),
    log: reader.hex(8),
    seq: reader.u64(),
    run: reader.u32(),
    fragmentBytes: reader.u32(),
    boot: reader.hex(8),
    monoUs: reader.u64(),
    wallUs: reader.u64(),
    durationUs: reader.u64(),
    receivedUs: reader.u64(),
    fragmentHash: reader.bytes(32),
    initHash: reader.bytes(32),
    bases: Array.from({ length: tracks }, () => ({ track: reader.u32(), ticks: reader.u64() })),
    keyFrame: (flags & FLAG_KEY_FRAME) !== 0,
    runStart: (flags & FLAG_RUN_START) !== 0,
    clock,
  }
  if (entry.fragmentBytes > FRAGMENT_MAX_BYTES) throw malformed(`${entry.fragmentBytes} bytes of fragment`)
  return entry
}

/** Offset of what looks like the next box of ours in `bytes`, from `from` on; -1 when there is none. */
export function findEntry(bytes: Uint8Array, from: number): number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = view.indexOf(Buffer.concat([UUID, ENTRY_TYPE]), from + 4)
  return found === -1 ? -1 : found - 4
}

function malformed(why: string): HomewardError {
  return new HomewardError('MEDIA_MALFORMED', `the box in front of a fragment cannot be read: ${why}`, {
    hint: 'Part of the file is damaged; `homeward storage verify --deep` names every damaged fragment.',
  })
}

/**
 * The record: what the camera seals, keeps on its card, sends, and the storage device opens. A record covers the names
 * (camera, log, seq … seq+span-1). Kind `fragment` carries one init segment and one fragment, so that every record plays
 * by itself; kind `gap` carries the reason why its range will never arrive.
 *
 * Header, little-endian. Everything in it is associated data of the sealed payload:
 *
 *   0  magic "HWR1"      56  span u32           104  recipient key 32      304  payload bytes u32
 *   4  version u8        60  run u32            136  wrapped log key 80    308  reserved 4
 *   5  kind u8           64  boot id 8          216  signature 64          312  end
 *   6  flags u16         72  monotonic µs u64   280  nonce 24
 *   8  camera key 32     80  wall µs u64
 *  40  log id 8          88  duration µs u64
 *  48  seq u64           96  clock u8, reserved 7
 */
import { ByteReader, ByteWriter } from './bytes.ts'
import { HomewardError } from './errors.ts'
import { RECORD_MAX_BYTES } from './limits.ts'

export const RECORD_HEADER_BYTES = 312
const RECORD_VERSION = 1
const MAGIC = 0x31525748 // "HWR1"

export const RECORD_KINDS = ['fragment', 'gap'] as const
export type RecordKind = (typeof RECORD_KINDS)[number]

/** How far the wall time may be trusted: not at all, by a hardware clock, by a synchronised clock. */
export const CLOCK_QUALITIES = ['none', 'rtc', 'synchronised'] as const
export type ClockQuality = (typeof CLOCK_QUALITIES)[number]

const FLAG_KEY_FRAME = 1
const FLAG_RUN_START = 2

/** What names and dates a record; known before anything is sealed. */
export interface RecordMeta {
  readonly kind: RecordKind
  /** First fragment number covered, unique within the log. */
  readonly seq: number
  /** How many fragment numbers are covered: 1 for a fragment. */
  readonly span: number
  /** Encoder run within the log, counted from 0. */
  readonly run: number
  /** 16 hex digits, random per boot of the camera. */
  readonly boot: string
  readonly monoUs: number
  /** Microseconds since 1970 in UTC, 0 when `clock` is `none`. */
  readonly wallUs: number
  readonly clock: ClockQuality
  readonly durationUs: number
  /** Starts on a key frame. */
  readonly keyFrame: boolean
  /** First fragment of its run. */
  readonly runStart: boolean
}

export interface RecordHeader extends RecordMeta {
  /** Ed25519 public key of the camera, 32 bytes. */
  readonly camera: Uint8Array
  /** 16 hex digits. */
  readonly log: string
  /** Ed25519 public key of the storage device it is sealed for, 32 bytes. */
  readonly recipient: Uint8Array
  /** The log's key in a libsodium sealed box, 80 bytes. */
  readonly wrappedKey: Uint8Array
  /** By the camera's key over camera, log, recipient and wrapped key, 64 bytes. */
  readonly signature: Uint8Array
  /** 24 bytes. */
  readonly nonce: Uint8Array
  /** Sealed payload that follows the header. */
  readonly payloadBytes: number
}

/** Seals one log: all its records are for `recipient`. */
export interface RecordSealer {
  /** 16 hex digits. */
  readonly log: string
  /** Ed25519 public key of the storage device, 32 bytes. */
  readonly recipient: Uint8Array
  /** A whole record, header and sealed payload; the payload is `parts` one after the other. Throws FRAGMENT_TOO_LONG. */
  seal(meta: RecordMeta, parts: readonly Uint8Array[]): Uint8Array
  /** The log is over: its key is forgotten, and nothing can be sealed any more. Idempotent. */
  close(): void
}

export function encodeRecordHeader(header: RecordHeader, into = new Uint8Array(RECORD_HEADER_BYTES)): Uint8Array {
  const flags = (header.keyFrame ? FLAG_KEY_FRAME : 0) | (header.runStart ? FLAG_RUN_START : 0)
  new ByteWriter(into)
    .u32(MAGIC)
    .u8(RECORD_VERSION)
    .u8(RECORD_KINDS.indexOf(header.kind) + 1)
    .u16(flags)
    .bytes(header.camera, 32)
    .hex(header.log, 8)
    .u64(header.seq)
    .u32(header.span)
    .u32(header.run)
    .hex(header.boot, 8)
    .u64(header.monoUs)
    .u64(header.wallUs)
    .u64(header.durationUs)
    .u8(CLOCK_QUALITIES.indexOf(header.clock))
    .zeros(7)
    .bytes(header.recipient, 32)
    .bytes(header.wrappedKey, 80)
    .bytes(header.signature, 64)
    .bytes(header.nonce, 24)
    .u32(header.payloadBytes)
    .zeros(4)
  return into
}

/**
 * Reads a header from the start of `bytes`. Fields of bytes share memory with `bytes`.
 * Throws RECORD_MALFORMED, or FRAME_TRUNCATED when fewer than RECORD_HEADER_BYTES are there.
 */
export function decodeRecordHeader(bytes: Uint8Array): RecordHeader {
  const reader = new ByteReader(bytes)
  if (reader.u32() !== MAGIC) throw malformed('magic is not HWR1')
  const version = reader.u8()
  if (version !== RECORD_VERSION) throw malformed(`version is ${version}, expected ${RECORD_VERSION}`)
  const kind = RECORD_KINDS[reader.u8() - 1]
  if (kind === undefined) throw malformed('kind is unknown')
  const flags = reader.u16()
  const camera = reader.bytes(32)
  const log = reader.hex(8)
  const seq = reader.u64()
  const span = reader.u32()
  const run = reader.u32()
  const boot = reader.hex(8)
  const monoUs = reader.u64()
  const wallUs = reader.u64()
  const durationUs = reader.u64()
  const clock = CLOCK_QUALITIES[reader.u8()]
  reader.bytes(7)
  if (clock === undefined) throw malformed('clock quality is unknown')
  const recipient = reader.bytes(32)
  const wrappedKey = reader.bytes(80)
  const signature = reader.bytes(64)
  const nonce = reader.bytes(24)
  const payloadBytes = reader.u32()
  reader.bytes(4)
  if (span === 0 || (kind === 'fragment' && span !== 1)) throw malformed(`a ${kind} cannot span ${span}`)
  if (seq + span > Number.MAX_SAFE_INTEGER) throw malformed(`seq ${seq} + ${span} is out of range`)
  if (payloadBytes > RECORD_MAX_BYTES - RECORD_HEADER_BYTES) throw malformed(`payload of ${payloadBytes} bytes`)
  return {
    kind,
    seq,
    span,
    run,
    boot,
    monoUs,
    wallUs,
    clock,
    durationUs,
    keyFrame: (flags & FLAG_KEY_FRAME) !== 0,
    runStart: (flags & FLAG_RUN_START) !== 0,
    camera,
    log,
    recipient,
    wrappedKey,
    signature,
    nonce,
    payloadBytes,
  }
}

function malformed(why: string): HomewardError {
  return new HomewardError('RECORD_MALFORMED', `not a record: ${why}`)
}

/** The plain payload of a fragment record: u32 length of the init segment, the init segment, the fragment. */
export function joinPayload(init: Uint8Array, fragment: Uint8Array): Uint8Array[] {
  const length = new Uint8Array(4)
  new ByteWriter(length).u32(init.byteLength)
  return [length, init, fragment]
}

/** The reverse of {@link joinPayload}; both parts share memory with `payload`. */
export function splitPayload(payload: Uint8Array): { init: Uint8Array; fragment: Uint8Array } {
  const reader = new ByteReader(payload)
  const init = reader.bytes(reader.u32())
  return { init, fragment: reader.rest() }
}

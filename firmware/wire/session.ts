/**
 * What travels on a channel between a camera and its storage device. The channel keeps message boundaries, encrypts and
 * authenticates; the first byte of each message is its kind:
 *
 *   1 control   a message of wire/codec, at most CONTROL_FRAME_MAX_BYTES
 *   2 piece     transfer u32, offset u32, total u32 (little-endian), then at most PIECE_BYTES of a record
 *   3 piece     the same, of a record sent under a grant instead of the credit window
 *
 * Camera to storage: hello, then ask, need, credited, lost, unheld, status and pieces. Storage to camera: welcome, then durable,
 * ack, quarantined, again, credit, grant, heal, alarm. Either side may say bye before it closes.
 */
import * as v from 'valibot'
import { ByteReader, ByteWriter } from './bytes.ts'
import { decodeMessage, encodeMessage } from './codec.ts'
import { type ErrorCode, HomewardError, isErrorCode } from './errors.ts'
import { GAP_REASONS } from './gap.ts'
import { CONTROL_FRAME_MAX_BYTES, PIECE_BYTES, RECORD_MAX_BYTES } from './limits.ts'
import type { Range } from './ranges.ts'
import { CLOCK_QUALITIES } from './record.ts'

export const SESSION_VERSION = 1

/** Ranges in one message: 1000 pairs of 64-bit numbers stay far below CONTROL_FRAME_MAX_BYTES. */
export const RANGES_PER_MESSAGE = 1000

/** Transfers named in one message. */
export const TRANSFERS_PER_MESSAGE = 1000

/** Questions, and losses, that the camera may have open at once. */
export const ASKS_AT_ONCE = 64
export const LOSSES_AT_ONCE = 64

/** Records that the storage device may have asked for again at once. */
export const HEALS_AT_ONCE = 8

/** The camera names the rings it has attached: its card and its memory, and one that is being replaced. */
export const STATUS_RINGS_MAX = 4

/** Stretches of footage that wait on the camera, in one message: the oldest and the newest ones when there are more. */
export const BACKLOG_MAX = 48
const NAME_MAX_CHARS = 64
const TEXT_MAX_CHARS = 200

const KIND_CONTROL = 1
const KIND_PIECE = 2
const KIND_GRANTED_PIECE = 3
const PIECE_HEADER_BYTES = 13
export const PIECE_FRAME_MAX_BYTES = PIECE_HEADER_BYTES + PIECE_BYTES

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const small = v.pipe(count, v.maxValue(0xffffffff))
const id16 = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/))
const name = v.pipe(v.string(), v.maxLength(NAME_MAX_CHARS))
const text = v.pipe(v.string(), v.maxLength(TEXT_MAX_CHARS))
const code = v.custom<ErrorCode>(isErrorCode)
const clock = v.picklist(CLOCK_QUALITIES)

const ranges = v.custom<readonly Range[]>(isRangeList)

/** One moment as the camera's clocks show it; `wallUs` is 0 while `clock` is `none`. */
const moment = { boot: id16, monoUs: count, wallUs: count, clock }

const ring = v.object({
  log: id16,
  capacityBytes: count,
  usedBytes: count,
  unackedBytes: count,
  oldestUnackedAgeMs: count,
  writtenBytes: count,
  full: v.boolean(),
  card: v.pipe(v.string(), v.maxLength(20)),
})

/** Footage of one log that waits on the camera, without a break in its numbers. Times as in `moment`, of the log's boot. */
const waiting = v.object({
  log: id16,
  boot: id16,
  first: count,
  last: count,
  fromMonoUs: count,
  toMonoUs: count,
  fromWallUs: count,
  toWallUs: count,
  clock,
})

const bye = v.object({ type: v.literal('bye'), code, text })

const cameraMessage = v.variant('type', [
  v.object({ type: v.literal('hello'), version: small, name, heals: v.exactOptional(v.boolean()), ...moment }),
  v.object({ type: v.literal('ask'), log: id16, first: count, last: count }),
  v.object({ type: v.literal('need'), id: small, bytes: v.pipe(count, v.maxValue(RECORD_MAX_BYTES)) }),
  v.object({ type: v.literal('credited'), id: small }),
  v.object({
    type: v.literal('lost'),
    log: id16,
    first: count,
    last: count,
    reason: v.picklist(GAP_REASONS),
  }),
  v.object({ type: v.literal('unheld'), log: id16, seq: count }),
  v.object({
    type: v.literal('status'),
    ...moment,
    state: name,
    captured: count,
    acked: count,
    rings: v.pipe(v.array(ring), v.maxLength(STATUS_RINGS_MAX)),
    heard: v.exactOptional(v.object({ wallUs: count, monoUs: count })),
    backlog: v.exactOptional(v.pipe(v.array(waiting), v.maxLength(BACKLOG_MAX))),
    why: v.exactOptional(text),
  }),
  bye,
])

const storageMessage = v.variant('type', [
  v.object({
    type: v.literal('welcome'),
    version: small,
    name,
    wallUs: count,
    clock,
    creditBytes: count,
    liveFirst: v.boolean(),
  }),
  v.object({ type: v.literal('durable'), log: id16, first: count, last: count, ranges }),
  v.object({ type: v.literal('ack'), log: id16, ranges, wallUs: v.exactOptional(count) }),
  v.object({ type: v.literal('quarantined'), transfer: small, code, text }),
  v.object({
    type: v.literal('again'),
    transfers: v.pipe(v.array(small), v.minLength(1), v.maxLength(TRANSFERS_PER_MESSAGE)),
  }),
  v.object({ type: v.literal('credit'), id: small, bytes: count }),
  v.object({ type: v.literal('grant'), id: small, bytes: count }),
  v.object({ type: v.literal('heal'), log: id16, seq: count }),
  v.object({ type: v.literal('alarm'), state: v.picklist(['raised', 'trial', 'cleared']), code, text }),
  bye,
])

/**
 * - `hello` opens the session. With `heals` the camera understands `heal`.
 * - `ask`: which of first … last of this log do you hold? Answered by `durable`, in pages.
 * - `need`: a record of `bytes` is larger than my credit; 0 withdraws. Answered by a `grant` of the same id.
 * - `credited`: the credit of this id holds from here on; nothing above it is in flight.
 * - `lost`: these numbers will never arrive and their log's key is gone, so no sealed gap record can say so.
 * - `unheld`: what `heal` asked for is not on the card any more, or cannot be read.
 * - `status` every few seconds; `captured` and `acked` count fragments since the agent started. `heard`: the storage device's
 *   last time and when it came, which bounds the camera's own from below. `backlog`: what waits on the camera, oldest log first.
 *   `why`: why the channel takes this path, for a person.
 */
export type CameraMessage = v.InferOutput<typeof cameraMessage>

/**
 * - `welcome` answers hello. `creditBytes` is the first credit window, `liveFirst` the order wanted.
 * - `durable`: of first … last, `ranges` are safe for good; the rest is not, or not yet.
 * - `ack`: these are on disk and indexed. `wallUs`: the storage device's time, when it knows it.
 * - `quarantined`: the record of this transfer is kept as it came, for it cannot be opened or parsed; do not send it again.
 * - `again`: the records of these transfers are not kept; they are no longer in flight.
 * - `credit`: from now on at most this many bytes in flight. `grant`: one record of up to `bytes` outside that window.
 * - `heal`: send this record once more, for what was kept of it is damaged. Answered by the record, or by `unheld`.
 * - `alarm`: `raised`: start no transfer; `trial`: start one; `cleared`: go on.
 */
export type StorageMessage = v.InferOutput<typeof storageMessage>

export type CameraStatus = Extract<CameraMessage, { type: 'status' }>
export type RingStatus = CameraStatus['rings'][number]

export type WaitingSpan = NonNullable<CameraStatus['backlog']>[number]

/** The camera's clocks at one moment, and with a status what they can be compared with. */
export type CameraMoment = Pick<CameraStatus, 'boot' | 'monoUs' | 'wallUs' | 'clock' | 'heard' | 'backlog'>

export interface Piece {
  /** Counted up by the camera within a channel, never used twice. */
  readonly transfer: number
  readonly offset: number
  /** Bytes of the whole record. */
  readonly total: number
  /** Sent under a grant. */
  readonly granted: boolean
  readonly bytes: Uint8Array
}

export type CameraFrame =
  | { readonly kind: 'control'; readonly message: CameraMessage }
  | { readonly kind: 'piece'; readonly piece: Piece }

export function encodeControl(message: CameraMessage | StorageMessage): Uint8Array {
  const body = encodeMessage(message, CONTROL_FRAME_MAX_BYTES)
  const frame = new Uint8Array(body.byteLength + 1)
  frame[0] = KIND_CONTROL
  frame.set(body, 1)
  return frame
}

/** Into the start of `scratch`, of PIECE_FRAME_MAX_BYTES, when it is given: the frame then shares its memory. */
export function encodePiece(piece: Piece, scratch?: Uint8Array): Uint8Array {
  const frameBytes = PIECE_HEADER_BYTES + piece.bytes.byteLength
  const frame = scratch?.subarray(0, frameBytes) ?? new Uint8Array(frameBytes)
  new ByteWriter(frame)
    .u8(piece.granted ? KIND_GRANTED_PIECE : KIND_PIECE)
    .u32(piece.transfer)
    .u32(piece.offset)
    .u32(piece.total)
    .bytes(piece.bytes)
  return frame
}

/**
 * What a camera sent. The bytes of a piece share memory with `frame`. Throws FRAME_MALFORMED, FRAME_TRUNCATED,
 * FRAME_TOO_LONG or FRAME_VERSION.
 */
export function decodeCameraFrame(frame: Uint8Array): CameraFrame {
  const kind = new ByteReader(frame).u8()
  if (kind === KIND_CONTROL) return { kind: 'control', message: control(frame, cameraMessage) }
  if (kind !== KIND_PIECE && kind !== KIND_GRANTED_PIECE) throw malformed(`frame kind ${kind} is not known`)
  return { kind: 'piece', piece: decodePiece(frame, kind === KIND_GRANTED_PIECE) }
}

/** What a storage device sent: control messages only. Throws as {@link decodeCameraFrame}. */
export function decodeStorageFrame(frame: Uint8Array): StorageMessage {
  const kind = new ByteReader(frame).u8()
  if (kind !== KIND_CONTROL) throw malformed(`frame kind ${kind} is not known`)
  return control(frame, storageMessage)
}

/** `value` shortened to what a text field of a message may hold. */
export function clipText(value: string): string {
  return value.slice(0, TEXT_MAX_CHARS)
}

/** `value` shortened to what a name field of a message may hold. */
export function clipName(value: string): string {
  return value.slice(0, NAME_MAX_CHARS)
}

/** `list` in pages of at most RANGES_PER_MESSAGE; no page for an empty list. */
export function pageRanges(list: readonly Range[]): Range[][] {
  const pages: Range[][] = []
  for (let at = 0; at < list.length; at += RANGES_PER_MESSAGE) pages.push(list.slice(at, at + RANGES_PER_MESSAGE))
  return pages
}

/** Sorted, disjoint and not touching, as wire/ranges keeps them, and few enough. */
function isRangeList(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > RANGES_PER_MESSAGE) return false
  let low = 0
  return value.every((range: unknown) => {
    if (!Array.isArray(range) || range.length !== 2) return false
    const [first, last] = range as unknown[]
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last)) return false
    if ((first as number) < low || (last as number) < (first as number)) return false
    low = (last as number) + 2
    return true
  })
}

function decodePiece(frame: Uint8Array, granted: boolean): Piece {
  if (frame.byteLength > PIECE_HEADER_BYTES + PIECE_BYTES) {
    throw new HomewardError('FRAME_TOO_LONG', `a piece of ${frame.byteLength} bytes`)
  }
  const reader = new ByteReader(frame)
  reader.u8()
  const transfer = reader.u32()
  const offset = reader.u32()
  const total = reader.u32()
  const bytes = reader.rest()
  if (bytes.byteLength === 0) throw malformed('a piece without bytes')
  if (total > RECORD_MAX_BYTES) throw malformed(`a record of ${total} bytes, at most ${RECORD_MAX_BYTES} allowed`)
  if (offset + bytes.byteLength > total) throw malformed(`a piece at ${offset} ends after its record of ${total} bytes`)
  return { transfer, offset, total, granted, bytes }
}

function control<T extends v.GenericSchema>(frame: Uint8Array, schema: T): v.InferOutput<T> {
  const result = v.safeParse(schema, decodeMessage(frame.subarray(1), CONTROL_FRAME_MAX_BYTES))
  if (result.success) return result.output
  const issue = result.issues[0]
  throw malformed(`${v.getDotPath(issue) ?? 'message'}: ${issue.message}`)
}

function malformed(why: string): HomewardError {
  return new HomewardError('FRAME_MALFORMED', `not a session message: ${why}`)
}

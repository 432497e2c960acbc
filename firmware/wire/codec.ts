/**
 * Control messages: one version byte, then one msgpack value. Before msgpackr sees a frame, a strict walk over its bytes
 * refuses what msgpackr would still decode with every option off: extension types (records, RegExp, Error, Set, Date …),
 * claims of lengths that the frame cannot hold, deep nesting, keys that are not short strings, trailing bytes.
 */
import { Packr } from 'msgpackr'
import { HomewardError } from './errors.ts'

export const MESSAGE_VERSION = 1
const MAX_DEPTH = 8
const MAX_KEY_BYTES = 32

const packr = new Packr({
  useRecords: false,
  structuredClone: false,
  moreTypes: false,
  variableMapSize: true,
  copyBuffers: true,
  int64AsType: 'number',
  mapsAsObjects: true,
})

/** Plain values only: objects, arrays, strings, finite numbers, booleans, null and Uint8Array. */
export function encodeMessage(value: unknown, maxBytes: number): Uint8Array {
  const body = packr.pack(value)
  if (body.byteLength + 1 > maxBytes) {
    throw new HomewardError('FRAME_TOO_LONG', `a message of ${body.byteLength + 1} bytes, at most ${maxBytes} allowed`)
  }
  const frame = new Uint8Array(body.byteLength + 1)
  frame[0] = MESSAGE_VERSION
  frame.set(body, 1)
  return frame
}

/**
 * The value of a frame, not yet checked against any schema. Throws FRAME_TOO_LONG, FRAME_TRUNCATED, FRAME_VERSION or
 * FRAME_MALFORMED. Nothing in the result shares memory with `frame`.
 */
export function decodeMessage(frame: Uint8Array, maxBytes: number): unknown {
  if (frame.byteLength > maxBytes) {
    throw new HomewardError('FRAME_TOO_LONG', `a frame of ${frame.byteLength} bytes, at most ${maxBytes} allowed`)
  }
  if (frame.byteLength < 2) throw new HomewardError('FRAME_TRUNCATED', 'a frame of less than two bytes')
  if (frame[0] !== MESSAGE_VERSION) {
    throw new HomewardError('FRAME_VERSION', `frame version ${frame[0]}, expected ${MESSAGE_VERSION}`)
  }
  const body = frame.subarray(1)
  const end = walk(body, 0, 0, false)
  if (end !== body.byteLength) throw malformed('bytes after the message')
  try {
    return packr.unpack(body)
  } catch (cause) {
    throw new HomewardError('FRAME_MALFORMED', 'not a message', { cause })
  }
}

/** Position after the value at `at`. https://github.com/msgpack/msgpack/blob/master/spec.md */
function walk(bytes: Uint8Array, at: number, depth: number, isKey: boolean): number {
  if (depth > MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`)
  const tag = unsigned(bytes, at, 1)
  const next = at + 1
  if (tag >= 0xa0 && tag <= 0xbf) return text(bytes, next, tag & 0x1f, isKey)
  if (tag === 0xd9) return text(bytes, next + 1, unsigned(bytes, next, 1), isKey)
  if (isKey) throw malformed('a key that is not a short string')
  if (tag <= 0x7f || tag >= 0xe0) return next
  if (tag <= 0x8f) return entries(bytes, next, tag & 0x0f, depth)
  if (tag <= 0x9f) return items(bytes, next, tag & 0x0f, depth)
  switch (tag) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return next
    case 0xc4: // bin 8
      return skip(bytes, next + 1, unsigned(bytes, next, 1))
    case 0xc5: // bin 16
    case 0xda: // str 16
      return skip(bytes, next + 2, unsigned(bytes, next, 2))
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return skip(bytes, next, 1)
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return skip(bytes, next, 2)
    case 0xca: // float 32
    case 0xce: // uint 32
    case 0xd2: // int 32
      return skip(bytes, next, 4)
    case 0xcb: // float 64
    case 0xcf: // uint 64
    case 0xd3: // int 64
      return skip(bytes, next, 8)
    case 0xdc: // array 16
      return items(bytes, next + 2, unsigned(bytes, next, 2), depth)
    case 0xde: // map 16
      return entries(bytes, next + 2, unsigned(bytes, next, 2), depth)
    default: // extensions, 32-bit lengths, the unused 0xc1
      throw malformed(`type byte 0x${tag.toString(16)} is not used here`)
  }
}

function items(bytes: Uint8Array, at: number, count: number, depth: number): number {
  let position = at
  for (let index = 0; index < count; index++) position = walk(bytes, position, depth + 1, false)
  return position
}

function entries(bytes: Uint8Array, at: number, count: number, depth: number): number {
  let position = at
  for (let index = 0; index < count; index++) {
    position = walk(bytes, walk(bytes, position, depth + 1, true), depth + 1, false)
  }
  return position
}

function text(bytes: Uint8Array, at: number, length: number, isKey: boolean): number {
  if (isKey && length > MAX_KEY_BYTES) throw malformed(`a key of ${length} bytes`)
  return skip(bytes, at, length)
}

function skip(bytes: Uint8Array, at: number, count: number): number {
  if (at + count > bytes.byteLength) throw new HomewardError('FRAME_TRUNCATED', 'the frame ends inside a value')
  return at + count
}

function unsigned(bytes: Uint8Array, at: number, width: 1 | 2): number {
  skip(bytes, at, width)
  const high = bytes[at] ?? 0
  return width === 1 ? high : high * 256 + (bytes[at + 1] ?? 0)
}

function malformed(why: string): HomewardError {
  return new HomewardError('FRAME_MALFORMED', `not a message: ${why}`)
}

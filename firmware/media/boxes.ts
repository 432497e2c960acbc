/**
 * Boxes of the ISO base media file format (ISO/IEC 14496-12 §4.2): a 32-bit size that counts the header, four characters
 * of type, then 16 bytes more for 64-bit sizes and user types. One level at a time: whoever reads a container's children
 * names them, so the depth is that of the reader's own code and never that of the input.
 */
import { HomewardError } from '../wire/errors.ts'
import { FieldReader, fourccAt, joinBytes, malformed, numberBytes, u32, u32At, u64 } from './fields.ts'

/** More children than any moov or moof has; bounds the work on a container full of empty boxes. */
const CHILDREN_MAX = 4096

export interface BoxHeader {
  readonly type: string
  /** Bytes of the whole box, header included; 0 means up to the end of the file. */
  readonly sizeBytes: number
  /** 8, or 16 when the size is 64-bit. */
  readonly headerBytes: number
}

export interface Box {
  readonly type: string
  /** Offset of the header in the bytes that were given. */
  readonly start: number
  readonly headerBytes: number
  /** First offset behind the box. */
  readonly end: number
  /** Shares memory with the bytes that were given. */
  readonly body: Uint8Array
}

/**
 * The box header at `at`, or undefined when its 8 or 16 bytes are not all there yet.
 * Throws MEDIA_MALFORMED when the size is smaller than the header or above 2^53-1.
 */
export function readBoxHeader(bytes: Uint8Array, at = 0): BoxHeader | undefined {
  if (bytes.byteLength - at < 8) return undefined
  const type = fourccAt(bytes, at + 4)
  const size = u32At(bytes, at)
  if (size === 0) return { type, sizeBytes: 0, headerBytes: 8 }
  if (size !== 1) {
    if (size < 8) throw malformed(`box ${printable(type)} of ${size} bytes is smaller than its header`)
    return { type, sizeBytes: size, headerBytes: 8 }
  }
  if (bytes.byteLength - at < 16) return undefined
  const large = new FieldReader(bytes.subarray(at + 8, at + 16), printable(type)).u64()
  if (large < 16) throw malformed(`box ${printable(type)} of ${large} bytes is smaller than its header`)
  return { type, sizeBytes: large, headerBytes: 16 }
}

/**
 * All boxes of one level. `bytes` must hold whole boxes only; the last one may have size 0 ("to the end of the file") when
 * `openEnd` is set, which is right for a file and wrong for the body of another box.
 * Throws MEDIA_MALFORMED.
 */
export function readBoxes(bytes: Uint8Array, { openEnd = false } = {}): Box[] {
  const boxes: Box[] = []
  let at = 0
  while (at < bytes.byteLength) {
    const header = readBoxHeader(bytes, at)
    if (header === undefined) throw malformed(`${bytes.byteLength - at} bytes at ${at} are too few for a box header`)
    if (header.sizeBytes === 0 && !openEnd) {
      throw malformed(`box ${printable(header.type)} at ${at} has no size, expected one inside a container`)
    }
    const end = header.sizeBytes === 0 ? bytes.byteLength : at + header.sizeBytes
    if (end > bytes.byteLength) {
      throw malformed(
        `box ${printable(header.type)} at ${at} of ${header.sizeBytes} bytes ends past ${bytes.byteLength}`,
      )
    }
    if (boxes.length === CHILDREN_MAX) throw malformed(`more than ${CHILDREN_MAX} boxes in one container`)
    const { type, headerBytes } = header
    boxes.push({ type, start: at, headerBytes, end, body: bytes.subarray(at + headerBytes, end) })
    at = end
  }
  return boxes
}

/** The only child of that type, or undefined when there is none. Throws MEDIA_MALFORMED when there are several. */
export function optionalBox(boxes: readonly Box[], type: string): Box | undefined {
  const found = boxes.filter((box) => box.type === type)
  if (found.length > 1) throw malformed(`${found.length} boxes ${type} where one was expected`)
  return found[0]
}

/** The only child of that type. Throws MEDIA_MALFORMED when there is none, or several. */
export function onlyBox(boxes: readonly Box[], type: string, parent: string): Box {
  const found = optionalBox(boxes, type)
  if (found === undefined) throw malformed(`${parent} has no ${type}`)
  return found
}

/** The fields of a box with version and flags (a "full box"). */
export function readFullBox(box: Box): { version: number; flags: number; fields: FieldReader } {
  const fields = new FieldReader(box.body, box.type)
  const version = fields.u8()
  return { version, flags: fields.u24(), fields }
}

/** A box around `parts`; the size is 64-bit only when it has to be. */
export function box(type: string, ...parts: readonly Uint8Array[]): Uint8Array {
  if (!/^[\x20-\xff]{4}$/.test(type)) throw new HomewardError('INTERNAL', `a box type has 4 characters: ${type}`)
  const name = Uint8Array.from(type, (character) => character.charCodeAt(0))
  const bodyBytes = parts.reduce((sum, part) => sum + part.byteLength, 0)
  if (bodyBytes + 8 <= 0xffffffff) return joinBytes(u32(bodyBytes + 8), name, ...parts)
  return joinBytes(u32(1), name, u64(bodyBytes + 16), ...parts)
}

/** A box with version and flags. */
export function fullBox(type: string, version: number, flags: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return box(type, numberBytes(version, 1), numberBytes(flags, 3), ...parts)
}

/** A box type as it may stand in a message: what is not plain ASCII becomes hex. */
export function printable(type: string): string {
  if (/^[\x20-\x7e]{4}$/.test(type)) return type
  return `0x${Array.from(type, (c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('')}`
}

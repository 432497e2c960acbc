/** Cursors over the fields of a box, big-endian. Reading past the end is a `MEDIA_MALFORMED`, never a RangeError. */
import { HomewardError } from '../wire/errors.ts'

export function malformed(why: string): HomewardError {
  return new HomewardError('MEDIA_MALFORMED', why, { hint: 'The media data is damaged or not fragmented MP4.' })
}

export class FieldReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #what: string
  #at = 0

  /** `what` names the box in error messages. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
  }

  get position(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#bytes.byteLength - this.#at
  }

  #take(count: number): number {
    if (count > this.remaining) {
      throw malformed(`${this.#what}: expected ${count} more bytes, found ${this.remaining}`)
    }
    const start = this.#at
    this.#at += count
    return start
  }

  skip(count: number): this {
    this.#take(count)
    return this
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  u24(): number {
    return this.u8() * 65536 + this.u16()
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4))
  }

  /** Unsigned, 64 bits; above 2^53-1 it is malformed, for no camera counts that far. */
  u64(): number {
    return this.#safe(this.#view.getBigUint64(this.#take(8)))
  }

  i64(): number {
    return this.#safe(this.#view.getBigInt64(this.#take(8)))
  }

  #safe(value: bigint): number {
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw malformed(`${this.#what}: number ${value} is out of range`)
    return number
  }

  /** Four characters, one per byte. */
  fourcc(): string {
    const start = this.#take(4)
    return fourccAt(this.#bytes, start)
  }

  /** A view of the next `count` bytes; it shares memory with the source. */
  bytes(count: number): Uint8Array {
    const start = this.#take(count)
    return this.#bytes.subarray(start, start + count)
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }
}

/** The four characters at `at`; the caller has checked that they are there. */
export function fourccAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0)
}

/** Unsigned 32-bit number at `at`; the caller has checked that it is there. */
export function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 16777216 + (bytes[at + 1] ?? 0) * 65536 + (bytes[at + 2] ?? 0) * 256 + (bytes[at + 3] ?? 0)
}

/** Big-endian unsigned number in 1 to 8 bytes. */
export function numberBytes(value: number, width: 1 | 2 | 3 | 4 | 8): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0 || value >= 256 ** width) {
    throw new HomewardError('INTERNAL', `${value} does not fit in ${width} unsigned bytes`)
  }
  const bytes = new Uint8Array(width)
  let rest = value
  for (let at = width - 1; at >= 0; at -= 1) {
    bytes[at] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return bytes
}

export const u8 = (value: number): Uint8Array => numberBytes(value, 1)
export const u16 = (value: number): Uint8Array => numberBytes(value, 2)
export const u32 = (value: number): Uint8Array => numberBytes(value, 4)
export const u64 = (value: number): Uint8Array => numberBytes(value, 8)

export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    result.set(part, at)
    at += part.byteLength
  }
  return result
}

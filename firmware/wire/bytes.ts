/** Cursors over fixed binary layouts, little-endian. Reading past the end is a `FRAME_TRUNCATED`, never a RangeError. */
import { HomewardError } from './errors.ts'

export class ByteReader {
  readonly #view: DataView
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get remaining(): number {
    return this.#bytes.byteLength - this.#at
  }

  #take(count: number): number {
    if (count > this.remaining) {
      throw new HomewardError('FRAME_TRUNCATED', `expected ${count} more bytes, found ${this.remaining}`)
    }
    const start = this.#at
    this.#at += count
    return start
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** An unsigned 64-bit number; above 2^53-1 it is malformed, for nothing here counts that far. */
  u64(): number {
    const value = this.#view.getBigUint64(this.#take(8), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new HomewardError('FRAME_MALFORMED', `number ${value} is out of range`)
    }
    return Number(value)
  }

  /** A view of the next `count` bytes; it shares memory with the source. */
  bytes(count: number): Uint8Array {
    const start = this.#take(count)
    return this.#bytes.subarray(start, start + count)
  }

  /** The next `count` bytes as lower-case hex. */
  hex(count: number): string {
    return toHex(this.bytes(count))
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }
}

export class ByteWriter {
  readonly #view: DataView
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get position(): number {
    return this.#at
  }

  u8(value: number): this {
    this.#view.setUint8(this.#at, value)
    this.#at += 1
    return this
  }

  u16(value: number): this {
    this.#view.setUint16(this.#at, value, true)
    this.#at += 2
    return this
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
    return this
  }

  u64(value: number): this {
    this.#view.setBigUint64(this.#at, BigInt(value), true)
    this.#at += 8
    return this
  }

  bytes(source: Uint8Array, expectedLength = source.byteLength): this {
    if (source.byteLength !== expectedLength) {
      throw new HomewardError('INTERNAL', `a field of ${expectedLength} bytes was given ${source.byteLength}`)
    }
    this.#bytes.set(source, this.#at)
    this.#at += source.byteLength
    return this
  }

  hex(text: string, expectedLength: number): this {
    return this.bytes(fromHex(text), expectedLength)
  }

  zeros(count: number): this {
    this.#bytes.fill(0, this.#at, this.#at + count)
    this.#at += count
    return this
  }
}

/** Memory that is about to be overwritten whole: not zeroed first, and never part of Node's shared pool. */
export function unfilled(bytes: number): Uint8Array<ArrayBuffer> {
  // A plain Uint8Array over it: a Buffer's slice() would be a view where everybody else's is a copy.
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && Buffer.compare(a, b) === 0
}

/** Input that no honest sender makes, millions of it: a fast generator, and valid messages changed a little. */

/** Numbers at which arithmetic on sizes and counts goes wrong, if it does. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff]
/** Beyond the longest datagram. */
const RANDOM_MAX_BYTES = 1_500
/** One in so many is nothing but random bytes. */
const RANDOM_EVERY = 8

export class FuzzInput {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1
  }

  /** In [0, bound). xorshift32 (Marsaglia 2003). */
  below(bound: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state % bound
  }

  /** A valid message with a few changes, or something that never was one. */
  from(sources: readonly Uint8Array[]): Uint8Array {
    const source = sources[this.below(sources.length)]
    if (source === undefined || this.below(RANDOM_EVERY) === 0) return this.#random(this.below(RANDOM_MAX_BYTES))
    return this.mutated(source, sources)
  }

  mutated(source: Uint8Array, others: readonly Uint8Array[] = [source]): Uint8Array {
    let bytes: Uint8Array = Buffer.from(source)
    for (let changes = this.below(4); changes >= 0 && bytes.byteLength > 0; changes--)
      bytes = this.#change(bytes, others)
    return bytes
  }

  #change(bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
    const at = this.below(bytes.byteLength)
    const length = this.below(Math.min(24, bytes.byteLength - at) + 1)
    switch (this.below(8)) {
      case 0:
        bytes[at] = this.below(256)
        return bytes
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << this.below(8))
        return bytes
      case 2: {
        const edge = EDGES[this.below(EDGES.length)] ?? 0
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        if (bytes.byteLength - at >= 4) view.setUint32(at, edge, this.below(2) === 0)
        return bytes
      }
      case 3:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
      case 4:
        return Buffer.concat([bytes.subarray(0, at), this.#random(length), bytes.subarray(at)])
      case 5:
        return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)])
      case 6:
        return bytes.subarray(0, at)
      default: {
        // The end of another one.
        const other = others[this.below(others.length)] ?? bytes
        return Buffer.concat([bytes.subarray(0, at), other.subarray(this.below(other.byteLength + 1))])
      }
    }
  }

  #random(count: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(count)
    for (let at = 0; at < count; at++) bytes[at] = this.below(256)
    return bytes
  }
}

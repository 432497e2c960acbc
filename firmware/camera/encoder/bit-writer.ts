/** Bits of a raw byte sequence payload (ITU-T H.264 7.2, 9.1) and the NAL units made from it (7.3.1, Annex B not used). */

export class BitWriter {
  #bytes: Uint8Array
  #at = 0
  #pending = 0
  #pendingBits = 0

  constructor(capacityBytes = 256) {
    this.#bytes = new Uint8Array(capacityBytes)
  }

  /** u(n), n ≤ 24. */
  bits(value: number, count: number): this {
    this.#pending = (this.#pending << count) | value
    this.#pendingBits += count
    while (this.#pendingBits >= 8) {
      this.#pendingBits -= 8
      this.#push((this.#pending >>> this.#pendingBits) & 0xff)
    }
    this.#pending &= (1 << this.#pendingBits) - 1
    return this
  }

  /** u(32). */
  u32(value: number): this {
    return this.bits(value >>> 16, 16).bits(value & 0xffff, 16)
  }

  /** ue(v), value < 2^24 - 1. */
  ue(value: number): this {
    const code = value + 1
    const length = 32 - Math.clz32(code)
    return this.bits(0, length - 1).bits(code, length)
  }

  /** se(v). */
  se(value: number): this {
    return this.ue(value > 0 ? 2 * value - 1 : -2 * value)
  }

  /** rbsp_trailing_bits, and the payload so far. */
  finish(): Uint8Array {
    this.bits(1, 1)
    if (this.#pendingBits > 0) this.bits(0, 8 - this.#pendingBits)
    return this.#bytes.subarray(0, this.#at)
  }

  #push(byte: number): void {
    if (this.#at === this.#bytes.byteLength) {
      const grown = new Uint8Array(this.#at * 2)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes[this.#at++] = byte
  }
}

/** A NAL unit without length prefix: `header`, then `payload` with emulation prevention bytes. */
export function nalUnit(header: number, payload: Uint8Array): Uint8Array {
  const unit = new Uint8Array(1 + payload.byteLength + Math.ceil(payload.byteLength / 2))
  unit[0] = header
  let at = 1
  let zeros = 0
  for (const byte of payload) {
    if (zeros >= 2 && byte <= 3) {
      unit[at++] = 3
      zeros = 0
    }
    unit[at++] = byte
    zeros = byte === 0 ? zeros + 1 : 0
  }
  return unit.slice(0, at)
}

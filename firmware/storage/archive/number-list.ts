/** Growing lists of 32-bit numbers for the tables of a long film: four bytes for each, big-endian when written. */
export class NumberList {
  #numbers = new Uint32Array(256)
  #length = 0

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length === this.#numbers.length) {
      const larger = new Uint32Array(this.#length * 2)
      larger.set(this.#numbers)
      this.#numbers = larger
    }
    // Negative numbers go in as their 32 bits.
    this.#numbers[this.#length++] = value
  }

  at(index: number): number {
    return this.#numbers[index] ?? 0
  }

  set(index: number, value: number): void {
    this.#numbers[index] = value
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#length * 4)
    const view = new DataView(bytes.buffer)
    for (let index = 0; index < this.#length; index++) view.setUint32(index * 4, this.at(index))
    return bytes
  }
}

/** Runs of equal numbers: how often, which. */
export class RunList {
  readonly #pairs = new NumberList()
  #last: number | undefined

  push(value: number): void {
    const counted = this.#pairs.length - 2
    if (value === this.#last) this.#pairs.set(counted, this.#pairs.at(counted) + 1)
    else {
      this.#pairs.push(1)
      this.#pairs.push(value)
    }
    this.#last = value
  }

  get runs(): number {
    return this.#pairs.length / 2
  }

  bytes(): Uint8Array {
    return this.#pairs.bytes()
  }
}

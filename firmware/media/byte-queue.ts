/** Bytes that have arrived and wait to be looked at: chunks as they came, joined only where somebody asks across a seam. */
export class ByteQueue {
  #chunks: Uint8Array[] = []
  #first = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.byteLength
  }

  /** Puts bytes back in front. */
  unshift(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    this.#chunks = [chunk, ...this.#chunks.slice(this.#first)]
    this.#first = 0
    this.#length += chunk.byteLength
  }

  /** The first bytes that lie together in memory, as many as there are. */
  head(): Uint8Array | undefined {
    return this.#chunks[this.#first]
  }

  /** The first `count` bytes, not removed; undefined while there are fewer. Copied only when they lie across a seam. */
  peek(count: number): Uint8Array | undefined {
    const head = this.head()
    if (head === undefined || count > this.#length) return undefined
    if (head.byteLength >= count) return head.subarray(0, count)
    const joined = new Uint8Array(count)
    let filled = 0
    for (let index = this.#first; filled < count; index += 1) {
      const chunk = this.#chunks[index]
      if (chunk === undefined) return undefined
      const part = chunk.subarray(0, count - filled)
      joined.set(part, filled)
      filled += part.byteLength
    }
    return joined
  }

  /** Removes up to `count` bytes; returns how many there were. */
  skip(count: number): number {
    return this.#take(count, () => {})
  }

  /** Moves bytes into `target` from `at` on, until it is full or nothing is left; returns how many were moved. */
  moveInto(target: Uint8Array, at: number): number {
    let to = at
    return this.#take(target.byteLength - at, (part) => {
      target.set(part, to)
      to += part.byteLength
    })
  }

  /** Copies what is left into memory of its own: whoever pushed a chunk may use it again. */
  detach(): void {
    const rest = this.#length === 0 ? undefined : this.peek(this.#length)
    this.#chunks = rest === undefined ? [] : [rest.slice()]
    this.#first = 0
  }

  #take(count: number, each: (part: Uint8Array) => void): number {
    let taken = 0
    while (taken < count) {
      const chunk = this.#chunks[this.#first]
      if (chunk === undefined) break
      const part = chunk.subarray(0, count - taken)
      each(part)
      taken += part.byteLength
      if (part.byteLength === chunk.byteLength) this.#first += 1
      else this.#chunks[this.#first] = chunk.subarray(part.byteLength)
    }
    this.#length -= taken
    return taken
  }
}

/**
 * Watches the length fields of a secret-stream (3 bytes, little-endian, before each frame): secret-stream itself would
 * allocate up to 16 MiB on the word of a header and decrypt only once all of it is there.
 */
export class FrameGuard {
  readonly #maxFrameBytes: number
  #headerBytes = 0
  #length = 0
  #remaining = 0

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** The next bytes of the stream, cut anywhere. False when a frame says it is longer than it may be. */
  accept(chunk: Uint8Array): boolean {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#remaining > 0) {
        const step = Math.min(this.#remaining, chunk.byteLength - at)
        this.#remaining -= step
        at += step
        continue
      }
      this.#length += (chunk[at] ?? 0) * 256 ** this.#headerBytes
      this.#headerBytes += 1
      at += 1
      if (this.#headerBytes < 3) continue
      if (this.#length > this.#maxFrameBytes) return false
      this.#remaining = this.#length
      this.#headerBytes = this.#length = 0
    }
    return true
  }
}

/** A serial line: bytes in both directions. */

export interface SerialLine {
  onData(listener: (bytes: Uint8Array) => void): void
  /** What cannot be sent, because the line is gone, is dropped. */
  write(bytes: Uint8Array): void
  /** Idempotent. */
  close(): Promise<void>
}

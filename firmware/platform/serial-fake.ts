import type { SerialLine } from './serial.ts'

export class FakeSerial implements SerialLine {
  readonly #listeners = new Set<(bytes: Uint8Array) => void>()
  #written = ''
  closed = false

  onData(listener: (bytes: Uint8Array) => void): void {
    this.#listeners.add(listener)
  }

  write(bytes: Uint8Array): void {
    this.#written += Buffer.from(bytes).toString('latin1')
  }

  /** What arrives from the other end. */
  type(input: string | Uint8Array): void {
    const bytes = typeof input === 'string' ? new Uint8Array(Buffer.from(input)) : input
    for (const listener of this.#listeners) listener(bytes)
  }

  /** What was written since the last call, as Latin-1. */
  taken(): string {
    const text = this.#written
    this.#written = ''
    return text
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

/** A serial line of the machine. One that goes away, as a pulled USB adapter does, is opened again when it is back. */
import { SerialPort } from 'serialport'
import { HomewardError } from '../wire/errors.ts'
import type { Clock, Timer } from './clock.ts'
import type { SerialLine } from './serial.ts'

const AGAIN_AFTER_MS = 5_000

export interface SerialPortOptions {
  /** Such as `/dev/ttyS0`. */
  readonly path: string
  readonly baud: number
  readonly clock: Clock
  /** Once for each time the line is lost or cannot be had. */
  readonly onTrouble: (problem: HomewardError) => void
}

export class SerialPortLine implements SerialLine {
  readonly #options: SerialPortOptions
  readonly #listeners = new Set<(bytes: Uint8Array) => void>()
  #port: SerialPort | undefined
  #timer: Timer | undefined
  #told = false
  #closed = false

  constructor(options: SerialPortOptions) {
    this.#options = options
    this.#open()
  }

  onData(listener: (bytes: Uint8Array) => void): void {
    this.#listeners.add(listener)
  }

  write(bytes: Uint8Array): void {
    if (this.#port?.isOpen === true) this.#port.write(Buffer.from(bytes))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    const port = this.#port
    if (port?.isOpen === true) await new Promise<void>((resolve) => port.close(() => resolve()))
  }

  #open(): void {
    const { path, baud } = this.#options
    const port = new SerialPort({ path, baudRate: baud, autoOpen: false })
    this.#port = port
    port.on('data', (bytes: Buffer) => {
      for (const listener of this.#listeners) listener(bytes)
    })
    // Each ends in one more try: `error` alone, or `close` after the line was open.
    port.on('error', (error) => this.#lost(port, error))
    port.on('close', (error: unknown) => this.#lost(port, error))
    port.open((error) => {
      if (error !== null) this.#lost(port, error)
      else this.#told = false
      if (this.#closed && port.isOpen) port.close()
    })
  }

  #lost(port: SerialPort, cause: unknown): void {
    if (this.#closed || port !== this.#port) return
    this.#port = undefined
    if (!this.#told) {
      this.#told = true
      const { path } = this.#options
      this.#options.onTrouble(
        new HomewardError('CONFIG_INVALID', `the serial line ${path} cannot be used: ${String(cause)}`, {
          hint: 'It is tried again every few seconds. Is it the right one in board.toml, and does a getty hold it?',
          cause,
        }),
      )
    }
    this.#timer = this.#options.clock.after(AGAIN_AFTER_MS, () => this.#open())
  }
}

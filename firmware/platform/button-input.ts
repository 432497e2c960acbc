/** A button that the kernel has as an input device (gpio-keys, adc-keys). */
import { constants, readdirSync, readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { HomewardError, systemCode } from '../wire/errors.ts'
import type { Button } from './button.ts'
import type { Clock, Timer } from './clock.ts'
import { INPUT_EVENT_BYTES, keyChanges } from './input-event.ts'

/**
 * The kernel queues events. A read that waits would hold one of Node's few threads for ever, so the device is read without
 * waiting, often enough for holds of seconds.
 */
const LOOK_EVERY_MS = 100
const EVENTS_AT_ONCE = 64

export interface InputButtonOptions {
  /** As the driver calls the device, such as `gpio-keys`. */
  readonly device: string
  /** KEY_* of include/uapi/linux/input-event-codes.h. */
  readonly key: number
  readonly clock: Clock
  readonly onTrouble: (problem: HomewardError) => void
  /** Where the kernel lists input devices and where their nodes are; for tests. */
  readonly list?: string
  readonly nodes?: string
}

export class InputButton implements Button {
  readonly #file: FileHandle
  readonly #options: InputButtonOptions
  readonly #buffer = Buffer.alloc(EVENTS_AT_ONCE * INPUT_EVENT_BYTES)
  readonly #listeners = new Set<(pressed: boolean) => void>()
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(file: FileHandle, options: InputButtonOptions) {
    this.#file = file
    this.#options = options
    this.#later()
  }

  /** Throws CONFIG_INVALID when there is no such device. */
  static async open(options: InputButtonOptions): Promise<InputButton> {
    const { list = '/sys/class/input', nodes = '/dev/input' } = options
    const path = join(nodes, eventOf(list, options.device))
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
      throw new HomewardError('CONFIG_INVALID', `the button ${path} cannot be opened: ${String(cause)}`, { cause })
    })
    return new InputButton(file, options)
  }

  onChange(listener: (pressed: boolean) => void): void {
    this.#listeners.add(listener)
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#timer?.cancel()
      await this.#looking
      await this.#file.close()
    }
  }

  #later(): void {
    this.#timer = this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#looking = this.#look()
    })
  }

  async #look(): Promise<void> {
    try {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, this.#buffer.length, null)
      for (const pressed of keyChanges(this.#buffer.subarray(0, bytesRead), this.#options.key)) {
        for (const listener of this.#listeners) listener(pressed)
      }
    } catch (cause) {
      // Nothing has happened.
      if (systemCode(cause) !== 'EAGAIN') {
        this.#options.onTrouble(
          new HomewardError('CONFIG_INVALID', `the button "${this.#options.device}" is gone: ${String(cause)}`, {
            cause,
          }),
        )
        return
      }
    }
    if (!this.#closed) this.#later()
  }
}

function eventOf(list: string, device: string): string {
  const names = readdirSync(list)
    .filter((entry) => /^event\d+$/.test(entry))
    .map((entry) => ({ entry, name: readFileSync(join(list, entry, 'device/name'), 'utf8').trim() }))
  const found = names.find(({ name }) => name === device)
  if (found !== undefined) return found.entry
  const others = names.length === 0 ? 'none' : names.map(({ name }) => `"${name}"`).join(', ')
  throw new HomewardError('CONFIG_INVALID', `there is no input device "${device}", only ${others}`, {
    hint: 'See /proc/bus/input/devices, and correct the button in board.toml.',
  })
}

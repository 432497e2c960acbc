/**
 * An LED of the kernel's LED class (Documentation/leds/leds-class.rst): files in /sys/class/leds/NAME. Its `timer` trigger
 * (Documentation/leds/ledtrig-*.rst, CONFIG_LEDS_TRIGGER_TIMER) blinks without waking a program; without it a timer here does.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HomewardError } from '../wire/errors.ts'
import { Blinker } from './blinker.ts'
import type { Clock } from './clock.ts'
import { type Blink, LED_PATTERNS, type Led, type LedPattern } from './led.ts'

const CLASS = '/sys/class/leds'

export interface ClassLedOptions {
  /** As the device tree calls it, such as `ACT` or `green:heartbeat`. */
  readonly name: string
  readonly clock: Clock
  readonly onTrouble: (problem: HomewardError) => void
  /** Where the kernel has its LEDs; for tests. */
  readonly folder?: string
}

export class ClassLed implements Led {
  readonly #folder: string
  readonly #name: string
  readonly #blinker: Blinker
  readonly #onTrouble: (problem: HomewardError) => void
  #shown: LedPattern | undefined
  #failed = false
  #closed = false
  /** One write after the other. */
  #writing: Promise<void> = Promise.resolve()

  constructor({ name, clock, onTrouble, folder = CLASS }: ClassLedOptions) {
    this.#name = name
    this.#folder = join(folder, name)
    this.#onTrouble = onTrouble
    this.#blinker = new Blinker(clock, (lit) => this.#do(() => this.#light(lit)))
  }

  show(pattern: LedPattern): void {
    if (this.#closed || pattern === this.#shown) return
    this.#shown = pattern
    this.#do(() => this.#apply(LED_PATTERNS[pattern]))
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#blinker.stop()
      this.#do(async () => {
        await this.#write('trigger', 'none')
        await this.#light(false)
      })
    }
    await this.#writing
  }

  async #apply(blink: Blink): Promise<void> {
    this.#blinker.stop()
    const steady = blink.onMs === 0 || blink.offMs === 0
    if (!steady && (await this.#blinkByKernel(blink))) return
    await this.#write('trigger', 'none')
    if (!this.#closed) this.#blinker.blink(blink)
  }

  /** False when the kernel has no such trigger. */
  async #blinkByKernel({ onMs, offMs }: Blink): Promise<boolean> {
    try {
      await this.#write('trigger', 'timer')
      await this.#write('delay_on', String(onMs))
      await this.#write('delay_off', String(offMs))
      return true
    } catch {
      return false
    }
  }

  async #light(lit: boolean): Promise<void> {
    const full = lit ? (await readFile(join(this.#folder, 'max_brightness'), 'utf8')).trim() : '0'
    await this.#write('brightness', full)
  }

  async #write(file: string, text: string): Promise<void> {
    // r+: a folder that is no LED must not get files of ours.
    await writeFile(join(this.#folder, file), text, { flag: 'r+' })
  }

  #do(task: () => Promise<void>): void {
    this.#writing = this.#writing.then(task).catch((cause: unknown) => {
      if (this.#failed) return
      this.#failed = true
      this.#onTrouble(
        new HomewardError('CONFIG_INVALID', `the LED "${this.#name}" cannot be set: ${String(cause)}`, {
          hint: 'See which LEDs there are in /sys/class/leds and name one of them in board.toml.',
          cause,
        }),
      )
    })
  }
}

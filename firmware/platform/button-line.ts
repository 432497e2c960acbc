/** A button on a GPIO line, looked at again and again: what it is for takes seconds. */
import type { Button } from './button.ts'
import type { Clock, Timer } from './clock.ts'
import type { InputLine } from './gpio.ts'

/** Contacts bounce for a few milliseconds; a press of a tenth of a second does nothing anyway. */
const LOOK_EVERY_MS = 100

export class LineButton implements Button {
  readonly #line: InputLine
  readonly #clock: Clock
  readonly #listeners = new Set<(pressed: boolean) => void>()
  #timer: Timer | undefined
  #pressed = false
  #closed = false

  /** The line is the button's from now on: `close` closes it. */
  constructor(line: InputLine, clock: Clock) {
    this.#line = line
    this.#clock = clock
    this.#look()
  }

  onChange(listener: (pressed: boolean) => void): void {
    this.#listeners.add(listener)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    this.#line.close()
  }

  #look(): void {
    const pressed = this.#line.read()
    if (pressed !== this.#pressed) {
      this.#pressed = pressed
      for (const listener of this.#listeners) listener(pressed)
    }
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => this.#look())
  }
}

/** An LED on a GPIO line. */
import { Blinker } from './blinker.ts'
import type { Clock } from './clock.ts'
import type { OutputLine } from './gpio.ts'
import { LED_PATTERNS, type Led, type LedPattern } from './led.ts'

export class LineLed implements Led {
  readonly #line: OutputLine
  readonly #blinker: Blinker
  #shown: LedPattern | undefined
  #closed = false

  /** The line is the LED's from now on: `close` closes it. */
  constructor(line: OutputLine, clock: Clock) {
    this.#line = line
    this.#blinker = new Blinker(clock, (lit) => line.set(lit))
  }

  show(pattern: LedPattern): void {
    if (this.#closed || pattern === this.#shown) return
    this.#shown = pattern
    this.#blinker.blink(LED_PATTERNS[pattern])
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#blinker.stop()
    this.#line.set(false)
    this.#line.close()
  }
}

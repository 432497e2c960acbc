/** Blinking by a timer, for LEDs that the kernel does not blink by itself. */
import type { Clock, Timer } from './clock.ts'
import type { Blink } from './led.ts'

export class Blinker {
  readonly #clock: Clock
  readonly #set: (lit: boolean) => void
  #timer: Timer | undefined

  /** `set` is called only when the light changes, and once for every new blink. */
  constructor(clock: Clock, set: (lit: boolean) => void) {
    this.#clock = clock
    this.#set = set
  }

  blink({ onMs, offMs }: Blink): void {
    this.stop()
    this.#turn(onMs > 0, { onMs, offMs })
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #turn(lit: boolean, blink: Blink): void {
    this.#set(lit)
    if (blink.onMs === 0 || blink.offMs === 0) return
    this.#timer = this.#clock.after(lit ? blink.onMs : blink.offMs, () => this.#turn(!lit, blink))
  }
}

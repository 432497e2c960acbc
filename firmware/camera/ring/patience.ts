/** A card that fails may also just hang, in a call that never comes back. */
import type { Clock } from '../../platform/clock.ts'
import { HomewardError } from '../../wire/errors.ts'

export class Patience {
  readonly #clock: Clock
  readonly #ms: number

  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#ms = ms
  }

  /** The result of `call`, or RING_FAILED when it takes too long; what it does later is passed over. */
  async for<T>(call: Promise<T>): Promise<T> {
    let cancel = () => {}
    const limit = new Promise<never>((_, reject) => {
      const late = () => reject(new HomewardError('RING_FAILED', `the card has not answered for ${this.#ms} ms`))
      cancel = this.#clock.after(this.#ms, late).cancel
    })
    try {
      return await Promise.race([call, limit])
    } finally {
      cancel()
    }
  }
}

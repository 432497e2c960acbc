/**
 * Proof that a sender receives what is sent to its address, without a byte kept for it: the time of issue and a MAC over
 * that time and the origin, under a key that lives as long as the process.
 */
import { domain } from '../link/pair.ts'
import { equalSecrets, hash } from '../link/sodium.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { COOKIE_BYTES } from '../wire/signal.ts'
import { encodeOrigin, type Origin } from './origin.ts'

/** Two refreshes of a registration and their repetitions fit; a copied cookie is worthless after it. */
export const COOKIE_LIFE_MS = 60_000

const COOKIE_DOMAIN = domain('homeward cookie v1')
const TIME_BYTES = 6
const MAC_BYTES = COOKIE_BYTES - TIME_BYTES

export class Cookies {
  readonly #clock: Clock
  readonly #secret: Uint8Array

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#secret = random.bytes(32)
  }

  issue(to: Origin): Uint8Array {
    const cookie = Buffer.alloc(COOKIE_BYTES)
    cookie.writeUIntBE(this.#nowMs(), 0, TIME_BYTES)
    cookie.set(this.#mac(cookie.subarray(0, TIME_BYTES), to), TIME_BYTES)
    return cookie
  }

  /** When it was issued, in ms of this process's monotonic clock; undefined when it is not ours, not `from`'s, or old. */
  issuedMs(cookie: Uint8Array, from: Origin): number | undefined {
    const time = cookie.subarray(0, TIME_BYTES)
    if (!equalSecrets(cookie.subarray(TIME_BYTES), this.#mac(time, from))) return undefined
    const issuedMs = Buffer.from(time).readUIntBE(0, TIME_BYTES)
    return this.#nowMs() - issuedMs <= COOKIE_LIFE_MS ? issuedMs : undefined
  }

  #mac(time: Uint8Array, origin: Origin): Uint8Array {
    return hash(MAC_BYTES, [COOKIE_DOMAIN, time, encodeOrigin(origin)], this.#secret)
  }

  #nowMs(): number {
    return Math.floor(this.#clock.monoUs() / 1000)
  }
}

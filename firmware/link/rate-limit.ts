/** So many of something for each source address, or for each of whatever has a name, in a table that cannot grow. */

import type { Clock } from '../platform/clock.ts'
import { toHex } from '../wire/bytes.ts'
import { type Address, encodeAddress } from './address.ts'

export interface Rate {
  readonly perSecond: number
  /** How many at once after a quiet time. */
  readonly burst: number
}

interface Bucket {
  tokens: number
  filledUs: number
}

/** A token bucket for each source. When the table is full, the source that was quiet for longest is forgotten. */
export class RateLimit {
  readonly #clock: Clock
  readonly #rate: Rate
  readonly #maxSources: number
  /** In the order of last use. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock, rate: Rate, maxSources: number) {
    this.#clock = clock
    this.#rate = rate
    this.#maxSources = maxSources
  }

  get sources(): number {
    return this.#buckets.size
  }

  /** True, and one less is left, or false. */
  allows(from: Address | string): boolean {
    const source = typeof from === 'string' ? from : sourceOf(from)
    const nowUs = this.#clock.monoUs()
    const bucket = this.#buckets.get(source) ?? { tokens: this.#rate.burst, filledUs: nowUs }
    const gained = ((nowUs - bucket.filledUs) / 1e6) * this.#rate.perSecond
    bucket.tokens = Math.min(this.#rate.burst, bucket.tokens + gained)
    bucket.filledUs = nowUs
    this.#buckets.delete(source)
    this.#buckets.set(source, bucket)
    this.#forgetOldest()
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  #forgetOldest(): void {
    if (this.#buckets.size <= this.#maxSources) return
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}

/** Who counts as one: an IPv4 address, or an IPv6 /64, of which everybody has as many addresses as he likes. */
export function sourceOf(address: Address): string {
  const bytes = encodeAddress(address)
  return toHex(bytes.subarray(1, bytes[0] === 4 ? 5 : 9))
}

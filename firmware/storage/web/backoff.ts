/**
 * How long somebody who typed wrong passwords has to wait. Counted for each address, or for the browser when it signed in
 * here before: whoever guesses from elsewhere, or from the same network, never keeps the owner's own browser waiting.
 */
import { isIPv6 } from 'node:net'
import type { Clock } from '../../platform/clock.ts'

/** A person mistypes this often. */
const FREE_FAILURES = 5
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 15 * 60_000
/** Without another failure all is forgotten. */
const FORGET_MS = 60 * 60_000
/** Bounds the memory that a flood of addresses takes; the one heard of longest ago goes first. */
const KEPT_MAX = 10_000

interface Failures {
  readonly count: number
  readonly untilUs: number
  readonly lastUs: number
}

export class Backoff {
  readonly #clock: Clock
  readonly #failures = new Map<string, Failures>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** 0: now. */
  waitMs(who: string): number {
    const known = this.#failures.get(who)
    return known === undefined ? 0 : Math.max(0, Math.ceil((known.untilUs - this.#clock.monoUs()) / 1000))
  }

  /** Before the password is looked at, so that many at once count as many. */
  attempt(who: string): void {
    const nowUs = this.#clock.monoUs()
    const known = this.#failures.get(who)
    const count = known === undefined || nowUs - known.lastUs > FORGET_MS * 1000 ? 1 : known.count + 1
    const over = count - FREE_FAILURES
    const waitMs = over < 0 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(over, 30))
    this.#failures.delete(who)
    this.#failures.set(who, { count, untilUs: nowUs + waitMs * 1000, lastUs: nowUs })
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= KEPT_MAX) break
      this.#failures.delete(oldest)
    }
  }

  succeeded(who: string): void {
    this.#failures.delete(who)
  }
}

/** An IPv6 address stands for its /64, which one household or one guest has whole. */
export function addressGroup(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  const all = [...groups, ...Array.from({ length: missing }, () => '0'), ...(tail ?? '').split(':')]
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group || '0', 16).toString(16))
    .join(':')}::/64`
}

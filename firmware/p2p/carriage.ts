/**
 * Boxes between a camera and its storage device by way of the server (patent step D: the punch request). The server cannot
 * read them, keeps nothing of them, and is silent about whatever it cannot deliver.
 *
 * A camera has not proven its address. So what comes back on one carry is together never longer than the carry was.
 */
import type { Identity } from '../link/identity.ts'
import { type Rate, RateLimit } from '../link/rate-limit.ts'
import { signalDatagram } from '../link/signal-port.ts'
import { signAnswer, signCarried } from '../link/signal-proof.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import type { SignalOf } from '../wire/signal.ts'
import type { Cookies } from './cookie.ts'
import { HANDLE_LIFE_MS, Handles } from './handle.ts'
import { type Delivery, type Origin, observedAddress, sameOrigin } from './origin.ts'
import type { Registry } from './registry/registry.ts'

/**
 * `source`: from one address, and only what hits counts. `key`: for one camera, so that whoever overheard its key and
 * floods it takes nothing from the others. `uid`: to one storage device, 640 cameras that all come back at once. `back`:
 * its answers.
 */
const RATES = {
  source: { perSecond: 64, burst: 512 },
  key: { perSecond: 16, burst: 64 },
  uid: { perSecond: 256, burst: 2048 },
  back: { perSecond: 512, burst: 4096 },
} as const satisfies Record<string, Rate>

const MAX_ROWS = 16_384

export interface CarriageOptions {
  readonly identity: Identity
  readonly registry: Registry
  readonly cookies: Cookies
  readonly clock: Clock
  readonly random: Random
}

/** Since the start. */
export interface CarriageCounters {
  carried: number
  /** A key that is not registered. */
  carryUnknown: number
  carryLimited: number
  returned: number
  /** An answer by somebody who is not registered from where it came. */
  returnUnproven: number
  /** An answer whose handle is not ours, not for this storage device, or old. */
  returnStale: number
  /** More would have come back than was sent. */
  returnWithheld: number
}

interface Spent {
  bytes: number
  readonly untilUs: number
}

export class Carriage {
  readonly counters: CarriageCounters = {
    carried: 0,
    carryUnknown: 0,
    carryLimited: 0,
    returned: 0,
    returnUnproven: 0,
    returnStale: 0,
    returnWithheld: 0,
  }
  readonly #options: CarriageOptions
  readonly #handles: Handles
  readonly #limits: Readonly<Record<keyof typeof RATES, RateLimit>>
  /** What came back on which carry, in the order of the first answers. */
  readonly #spent = new Map<string, Spent>()

  constructor(options: CarriageOptions) {
    this.#options = options
    this.#handles = new Handles(options.clock, options.random)
    const limit = (rate: Rate) => new RateLimit(options.clock, rate, MAX_ROWS)
    this.#limits = {
      source: limit(RATES.source),
      key: limit(RATES.key),
      uid: limit(RATES.uid),
      back: limit(RATES.back),
    }
  }

  /** `bytes`: how long the request was, with everything. */
  async carry(request: SignalOf<'carry'>, from: Origin, bytes: number): Promise<Delivery | undefined> {
    const key = toHex(request.key)
    const found = await this.#options.registry.find(key)
    if (found === undefined) {
      this.counters.carryUnknown++
      return undefined
    }
    const limits = this.#limits
    const isAllowed =
      limits.source.allows(from.address) && limits.key.allows(key) && limits.uid.allows(toHex(found.uid))
    if (!isAllowed) {
      this.counters.carryLimited++
      return undefined
    }
    this.counters.carried++
    const handle = this.#handles.issue(from, request.nonce, bytes, found.uid)
    const body = { t: 'carried', from: observedAddress(from), handle, box: request.box } as const
    return { to: found.observed, message: signCarried(this.#options.identity, request.nonce, body) }
  }

  async carryBack(request: SignalOf<'carry-back'>, from: Origin): Promise<Delivery | undefined> {
    const { cookies, registry, identity } = this.#options
    const { uid } = request
    const observed = cookies.issuedMs(request.cookie, from) === undefined ? undefined : await registry.locate(uid)
    if (observed === undefined || !sameOrigin(observed, from)) {
      this.counters.returnUnproven++
      return undefined
    }
    const handled = this.#handles.open(request.handle, uid)
    if (handled === undefined) {
      this.counters.returnStale++
      return undefined
    }
    if (!this.#limits.back.allows(toHex(uid))) {
      this.counters.carryLimited++
      return undefined
    }
    const body = { t: 'returned', box: request.box, storage: observedAddress(from) } as const
    const message = signAnswer(identity, handled.nonce, body)
    const isCovered =
      handled.to.transport === 'tls' || this.#spend(handled.id, handled.bytes, signalDatagram(message).byteLength)
    if (!isCovered) {
      this.counters.returnWithheld++
      return undefined
    }
    this.counters.returned++
    return { to: handled.to, message }
  }

  #spend(carry: string, allowedBytes: number, bytes: number): boolean {
    const nowUs = this.#options.clock.monoUs()
    for (const [id, { untilUs }] of this.#spent) {
      if (untilUs >= nowUs) break
      this.#spent.delete(id)
    }
    const spent = this.#spent.get(carry) ?? { bytes: 0, untilUs: nowUs + HANDLE_LIFE_MS * 1000 }
    if (spent.bytes + bytes > allowedBytes) return false
    // Nothing is forgotten before its handle is: a full table takes no more carries.
    if (this.#spent.size >= MAX_ROWS && !this.#spent.has(carry)) return false
    spent.bytes += bytes
    this.#spent.set(carry, spent)
    return true
  }
}

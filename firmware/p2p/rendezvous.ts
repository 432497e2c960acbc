/**
 * How storage devices register and cameras find them (patent steps A and B). One request in, at most one answer out; no
 * sockets in here. Whoever has not proven his address gets a challenge or nothing, and leaves nothing behind.
 *
 * Silence is the answer to everything that is not in order, and to a look-up without a registered tag: from outside, a UID
 * that does not exist, one that is not registered, and one whose tag the asker does not know are the same.
 */
import type { Identity } from '../link/identity.ts'
import { type Rate, RateLimit } from '../link/rate-limit.ts'
import { lookUpKey, openStatement, signAnswer } from '../link/signal-proof.ts'
import type { Clock } from '../platform/clock.ts'
import { toHex } from '../wire/bytes.ts'
import { type AnswerBody, type SignalMessage, type SignalOf, TAG_BYTES } from '../wire/signal.ts'
import type { Cookies } from './cookie.ts'
import { type Origin, observedAddress } from './origin.ts'
import type { Registry } from './registry/registry.ts'

/**
 * For each source address. Hellos and look-ups can be forged, so they have buckets of their own: forging them takes
 * nothing from a device that has proven its address. Bursts are sized for a carrier's NAT full of homes that all come
 * back after a restart; look-ups are counted only when they hit, for a miss costs next to nothing.
 */
const RATES = {
  challenge: { perSecond: 64, burst: 512 },
  register: { perSecond: 32, burst: 512 },
  keep: { perSecond: 64, burst: 512 },
  'look-up': { perSecond: 32, burst: 256 },
  // A miss costs a question to the shared registry, if there is one.
  elsewhere: { perSecond: 32, burst: 256 },
} as const satisfies Record<string, Rate>

/** 16 Ki sources in each of five tables: about 12 MB. */
const MAX_SOURCES = 16_384

export interface RendezvousOptions {
  readonly identity: Identity
  readonly registry: Registry
  readonly cookies: Cookies
  readonly clock: Clock
  /** Where the same server listens for TLS. */
  readonly tlsPort?: number | undefined
}

/** Since the start. */
export interface RendezvousCounters {
  challenged: number
  registered: number
  /** The same part again, because its answer got lost. */
  repeated: number
  /** Older than what is registered. */
  outdated: number
  /** No room. */
  refused: number
  /** A statement that its UID did not sign, or not for this server, cookie and tags. */
  forged: number
  kept: number
  found: number
  /** Another server was named. */
  elsewhere: number
  /** A look-up of a key that is not registered. */
  unknown: number
  limited: number
  /** Messages that only a server sends. */
  misdirected: number
}

export class Rendezvous {
  readonly counters: RendezvousCounters = {
    challenged: 0,
    registered: 0,
    repeated: 0,
    outdated: 0,
    refused: 0,
    forged: 0,
    kept: 0,
    found: 0,
    elsewhere: 0,
    unknown: 0,
    limited: 0,
    misdirected: 0,
  }
  readonly #identity: Identity
  readonly #registry: Registry
  readonly #cookies: Cookies
  readonly #tls: { readonly tls?: number }
  readonly #limits: Readonly<Record<keyof typeof RATES, RateLimit>>

  constructor({ identity, registry, cookies, clock, tlsPort }: RendezvousOptions) {
    this.#identity = identity
    this.#registry = registry
    this.#cookies = cookies
    this.#tls = tlsPort === undefined ? {} : { tls: tlsPort }
    const limit = (rate: Rate) => new RateLimit(clock, rate, MAX_SOURCES)
    this.#limits = {
      challenge: limit(RATES.challenge),
      register: limit(RATES.register),
      keep: limit(RATES.keep),
      'look-up': limit(RATES['look-up']),
      elsewhere: limit(RATES.elsewhere),
    }
  }

  /** Rows of all rate tables together. */
  get sources(): number {
    return Object.values(this.#limits).reduce((sum, limit) => sum + limit.sources, 0)
  }

  /** The answer to `request`, or undefined: silence. Never longer than the request. */
  async answer(request: SignalMessage, from: Origin): Promise<SignalMessage | undefined> {
    switch (request.t) {
      case 'register-hello':
        return this.challenge(request.nonce, from)
      case 'register':
        return this.#register(request, from)
      case 'keep':
        return this.#keep(request, from)
      case 'look-up':
        return this.#lookUp(request, from)
      default:
        this.counters.misdirected++
        return undefined
    }
  }

  /** Also for a request that another part answers, from an address that it wants proven. */
  challenge(nonce: Uint8Array, from: Origin): SignalMessage | undefined {
    if (!this.#allows('challenge', from)) return undefined
    this.counters.challenged++
    return { t: 'challenge', nonce, cookie: this.#cookies.issue(from), key: this.#identity.publicKey }
  }

  async #register(request: SignalOf<'register'>, from: Origin): Promise<SignalMessage | undefined> {
    const cookieMs = this.#cookies.issuedMs(request.cookie, from)
    if (cookieMs === undefined) return this.challenge(request.nonce, from)
    if (!this.#allows('register', from)) return undefined
    const announcement = openStatement(request, { serverKey: this.#identity.publicKey, terms: request })
    if (announcement === undefined) {
      this.counters.forged++
      return undefined
    }
    const { uid, serial } = announcement
    const { part, parts, statement, signature } = request
    const keys = splitTags(request.tags).map((tag) => toHex(lookUpKey(uid, tag)))
    const signed = { statement, signature }
    const result = await this.#registry.register({ uid, observed: from, signed, cookieMs, serial, part, parts, keys })
    switch (result) {
      case 'outdated':
        this.counters.outdated++
        return undefined
      case 'server-full':
      case 'address-full':
        this.counters.refused++
        return this.#sign(request.nonce, { t: 'refused', reason: result })
      case 'stored':
      case 'repeated':
        this.counters[result === 'stored' ? 'registered' : 'repeated']++
        return this.#sign(request.nonce, { t: 'registered', part, ...this.#confirmation(from) })
    }
  }

  async #keep(request: SignalOf<'keep'>, from: Origin): Promise<SignalMessage | undefined> {
    if (this.#cookies.issuedMs(request.cookie, from) === undefined) return this.challenge(request.nonce, from)
    if (!this.#allows('keep', from)) return undefined
    if (!(await this.#registry.extend(request.uid, from))) return this.challenge(request.nonce, from)
    this.counters.kept++
    return this.#sign(request.nonce, { t: 'kept', ...this.#confirmation(from) })
  }

  async #lookUp(request: SignalOf<'look-up'>, from: Origin): Promise<SignalMessage | undefined> {
    const key = toHex(request.key)
    const found = await this.#registry.find(key)
    if (found === undefined) return this.#nameOther(key, request.nonce, from)
    if (!this.#allows('look-up', from)) return undefined
    this.counters.found++
    const storage = observedAddress(found.observed)
    return this.#sign(request.nonce, {
      t: 'found',
      ...found.signed,
      storage,
      asker: observedAddress(from),
      ...this.#tls,
    })
  }

  async #nameOther(key: string, nonce: Uint8Array, from: Origin): Promise<SignalMessage | undefined> {
    if (this.#registry.elsewhere !== undefined && !this.#allows('elsewhere', from)) return undefined
    const other = await this.#registry.elsewhere?.(key)
    if (other === undefined) {
      this.counters.unknown++
      return undefined
    }
    this.counters.elsewhere++
    const { host, port, tls } = other
    return this.#sign(nonce, { t: 'elsewhere', host, port, ...(tls === undefined ? {} : { tls }) })
  }

  #allows(what: keyof typeof RATES, from: Origin): boolean {
    if (this.#limits[what].allows(from.address)) return true
    this.counters.limited++
    return false
  }

  #confirmation(from: Origin): { ttlMs: number; observed: Uint8Array; cookie: Uint8Array; tls?: number } {
    return {
      ...this.#tls,
      ttlMs: this.#registry.ttlMs,
      observed: observedAddress(from),
      cookie: this.#cookies.issue(from),
    }
  }

  #sign(nonce: Uint8Array, body: AnswerBody): SignalMessage {
    return signAnswer(this.#identity, nonce, body)
  }
}

function splitTags(tags: Uint8Array): Uint8Array[] {
  const count = tags.byteLength / TAG_BYTES
  return Array.from({ length: count }, (_, index) => tags.subarray(index * TAG_BYTES, (index + 1) * TAG_BYTES))
}

/**
 * Keeps a storage device registered at a P2P server (patent step A): hello, challenge, signed registration, then a small
 * refresh that also keeps the router's mapping open. Whatever goes wrong it starts over, with growing pauses, for ever.
 */
import { type Clock, sleep } from '../platform/clock.ts'
import { type Random, randomBelow } from '../platform/random.ts'
import { equalBytes, toHex } from '../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import {
  MAX_PARTS,
  type RefusalReason,
  SIGNAL_NONCE_BYTES,
  type SignalMessage,
  type SignalOf,
  TAGS_PER_PART,
} from '../wire/signal.ts'
import { type Address, sameAddress } from './address.ts'
import type { Identity } from './identity.ts'
import { concat } from './pair.ts'
import type { ServerAddresses } from './server-addresses.ts'
import { exchange, type SignalPort } from './signal-port.ts'
import { openAnswer, readOneAddress, signStatement } from './signal-proof.ts'

/** Below 30 s, after which many routers forget a UDP mapping; each device draws its own time, so that they do not march. */
export const REFRESH_MIN_MS = 20_000
export const REFRESH_MAX_MS = 25_000

/** Doubling gaps; the last entry is giving up, before the next refresh would be due. */
export const REQUEST_SCHEDULE_MS = [0, 300, 900, 2100, 4500, 8000] as const

/** The pause after the first failure, doubled up to the longest: a server that is back is found within one refresh. */
export const RETRY_FIRST_MS = 1000
export const RETRY_LONGEST_MS = 15_000

/** A server that answers every cookie of its own with a new challenge is broken; do not follow it round and round. */
const MAX_CHALLENGES = 4

/** More tags than this are not registered, see {@link RegistrationStatus}. */
export const MAX_TAGS = MAX_PARTS * TAGS_PER_PART

export interface RegistrationOptions {
  readonly identity: Identity
  readonly signals: SignalPort
  readonly server: ServerAddresses
  /** Read at every registration: 16 bytes for each enrolled camera and open setup code, in an order that stays. */
  readonly tags: () => readonly Uint8Array[]
  /** Read at every registration: this device's own addresses, best first. */
  readonly candidates: () => readonly Address[]
  readonly clock: Clock
  readonly random: Random
}

export type RegistrationStatus =
  | { readonly state: 'stopped' }
  | { readonly state: 'contacting' }
  | {
      readonly state: 'registered'
      readonly server: Address
      /** This device as the server sees it. */
      readonly observed: Address
      readonly confirmedMonoUs: number
      readonly tags: number
      /** Tags beyond MAX_TAGS: these cameras find the device in the LAN only. */
      readonly tagsLeftOut: number
    }
  | { readonly state: 'waiting'; readonly error: HomewardError; readonly retryMonoUs: number }

/** A server's address that answered, and the cookie that proves ours to it. */
interface Pass {
  readonly server: Address
  readonly cookie: Uint8Array
}

type Outcome =
  | { readonly kind: 'confirmed'; readonly pass: Pass; readonly observed: Address }
  | { readonly kind: 'challenged'; readonly pass: Pass }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }

interface TagCount {
  readonly registered: number
  readonly leftOut: number
}

export class Registration {
  readonly #options: RegistrationOptions
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #status: RegistrationStatus = { state: 'stopped' }
  #serial = 0
  #tags: TagCount = { registered: 0, leftOut: 0 }
  /** Tags or candidates changed since they were last read. */
  #changed = false
  #pause: AbortController | undefined

  constructor(options: RegistrationOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run(this.#stop.signal)
  }

  /** Idempotent. The server forgets the registration by itself. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#pause?.abort()
    await this.#running
    this.#status = { state: 'stopped' }
  }

  status(): RegistrationStatus {
    return this.#status
  }

  /** Tags or candidates have changed: registers anew at once, also in the middle of a pause after a failure. */
  refresh(): void {
    this.#changed = true
    this.#pause?.abort()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options
    let failures = 0
    while (!signal.aborted) {
      this.#status = { state: 'contacting' }
      let wasRegistered = false
      const error = await this.#stayRegistered(signal, () => {
        wasRegistered = true
      })
      if (signal.aborted) return
      failures = wasRegistered ? 1 : failures + 1
      const pauseMs = retryPauseMs(failures, random)
      this.#status = { state: 'waiting', error, retryMonoUs: clock.monoUs() + pauseMs * 1000 }
      await this.#wait(pauseMs)
    }
  }

  /** Returns why it is not registered any more. */
  async #stayRegistered(signal: AbortSignal, onRegistered: () => void): Promise<HomewardError> {
    let pass: Pass | undefined
    try {
      pass = await this.#greet(await this.#options.server.current(signal), signal)
    } catch (error) {
      if (isHomewardError(error)) return error
      throw error
    }
    let request: 'register' | 'keep' = 'register'
    let challenges = 0
    while (pass !== undefined) {
      const outcome: Outcome | undefined =
        request === 'register' ? await this.#register(pass, signal) : await this.#keep(pass, signal)
      if (outcome === undefined) break
      if (outcome.kind === 'refused') return refusal(this.#options.server.name, outcome.reason)
      pass = outcome.pass
      if (outcome.kind === 'challenged') {
        challenges++
        if (challenges > MAX_CHALLENGES) break
        request = 'register'
        continue
      }
      challenges = 0
      onRegistered()
      this.#confirm(pass.server, outcome.observed)
      if (!this.#changed) await this.#wait(refreshMs(this.#options.random))
      request = this.#changed ? 'register' : 'keep'
    }
    return silence(this.#options.server.name)
  }

  #confirm(server: Address, observed: Address): void {
    this.#status = {
      state: 'registered',
      server,
      observed,
      confirmedMonoUs: this.#options.clock.monoUs(),
      tags: this.#tags.registered,
      tagsLeftOut: this.#tags.leftOut,
    }
  }

  /** The first of the server's addresses that answers. */
  #greet(addresses: readonly Address[], signal: AbortSignal): Promise<Pass | undefined> {
    const { signals, random } = this.#options
    const hello: SignalMessage = { t: 'register-hello', nonce: random.bytes(SIGNAL_NONCE_BYTES) }
    return this.#exchange<Pass>(signal, {
      send: () => {
        for (const address of addresses) signals.send(hello, address)
      },
      accept: (message, from) => {
        if (message.t !== 'challenge' || !equalBytes(message.nonce, hello.nonce)) return undefined
        if (!addresses.some((address) => sameAddress(address, from))) return undefined
        return { result: { server: from, cookie: message.cookie } }
      },
    })
  }

  /** All parts, until every one is confirmed. */
  #register(pass: Pass, signal: AbortSignal): Promise<Outcome | undefined> {
    const open = new Map(this.#registerMessages(pass.cookie).map((message) => [toHex(message.nonce), message]))
    return this.#exchange<Outcome>(signal, {
      send: () => {
        for (const message of open.values()) this.#options.signals.send(message, pass.server)
      },
      accept: (message) => {
        if (!('nonce' in message) || !open.has(toHex(message.nonce))) return undefined
        const outcome = this.#readAnswer(message, pass.server, 'registered')
        if (outcome === undefined) return undefined
        if (outcome.kind !== 'confirmed') return { result: outcome }
        open.delete(toHex(message.nonce))
        return open.size === 0 ? { result: outcome } : 'taken'
      },
    })
  }

  #keep(pass: Pass, signal: AbortSignal): Promise<Outcome | undefined> {
    const { signals, identity, random } = this.#options
    const nonce = random.bytes(SIGNAL_NONCE_BYTES)
    const keep: SignalMessage = { t: 'keep', nonce, cookie: pass.cookie, uid: identity.publicKey }
    return this.#exchange<Outcome>(signal, {
      send: () => signals.send(keep, pass.server),
      accept: (message) => {
        if (!equalBytes(message.nonce, nonce)) return undefined
        const outcome = this.#readAnswer(message, pass.server, 'kept')
        return outcome === undefined ? undefined : { result: outcome }
      },
    })
  }

  #readAnswer(message: SignalMessage, server: Address, confirmation: 'registered' | 'kept'): Outcome | undefined {
    if (message.t === 'challenge') return { kind: 'challenged', pass: { server, cookie: message.cookie } }
    if (message.t !== 'signed') return undefined
    const body = openAnswer(message, this.#options.server.server.key)
    if (body?.t === 'refused') return { kind: 'refused', reason: body.reason }
    if (body?.t !== 'registered' && body?.t !== 'kept') return undefined
    const observed = readOneAddress(body.observed)
    if (body.t !== confirmation || observed === undefined) return undefined
    return { kind: 'confirmed', pass: { server, cookie: body.cookie }, observed }
  }

  /** What there is to register now, signed for this cookie. */
  #registerMessages(cookie: Uint8Array): SignalOf<'register'>[] {
    const { identity, server, clock, random } = this.#options
    this.#changed = false
    const all = this.#options.tags()
    const candidates = this.#options.candidates()
    const packed = packTags(all.slice(0, MAX_TAGS))
    this.#tags = { registered: Math.min(all.length, MAX_TAGS), leftOut: Math.max(0, all.length - MAX_TAGS) }
    this.#serial = Math.max(this.#serial + 1, clock.wallUs())
    return packed.map((tags, part) => {
      const terms = { cookie, part, parts: packed.length, tags }
      const signed = signStatement(identity, server.server.key, { serial: this.#serial, candidates }, terms)
      return { t: 'register', nonce: random.bytes(SIGNAL_NONCE_BYTES), ...terms, ...signed }
    })
  }

  #exchange<T>(
    signal: AbortSignal,
    what: {
      readonly send: () => void
      readonly accept: (message: SignalMessage, from: Address) => { readonly result: T } | 'taken' | undefined
    },
  ): Promise<T | undefined> {
    const { signals, clock } = this.#options
    return exchange<T>({ signals, clock, scheduleMs: REQUEST_SCHEDULE_MS, signal, ...what })
  }

  /** Until the time is over, something changed, or the end. */
  async #wait(ms: number): Promise<void> {
    if (this.#stop.signal.aborted) return
    const pause = new AbortController()
    this.#pause = pause
    await sleep(this.#options.clock, ms, pause.signal)
    this.#pause = undefined
  }
}

/** Tags by parts, at least one part. */
export function packTags(tags: readonly Uint8Array[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let at = 0; at < Math.max(1, tags.length); at += TAGS_PER_PART) {
    parts.push(concat(...tags.slice(at, at + TAGS_PER_PART)))
  }
  return parts
}

/** Doubling, and up to a quarter shorter by chance, so that devices do not come back all at once. */
export function retryPauseMs(failures: number, random: Random): number {
  const fullMs = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10))
  return fullMs - randomBelow(random, Math.floor(fullMs / 4))
}

function refreshMs(random: Random): number {
  return REFRESH_MIN_MS + randomBelow(random, REFRESH_MAX_MS - REFRESH_MIN_MS)
}

function silence(server: string): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', `the P2P server ${server} does not answer`, {
    hint:
      'It may be down, its UDP port may be blocked on the way, or its key may not be the pinned one. Cameras still find ' +
      'this device in the LAN.',
  })
}

function refusal(server: string, reason: RefusalReason): HomewardError {
  const why = reason === 'server-full' ? 'it is full' : 'too many devices are registered from this internet address'
  return new HomewardError('SERVER_UNREACHABLE', `the P2P server ${server} refused the registration: ${why}`, {
    hint: 'Use another P2P server, or ask who runs this one.',
  })
}

/** One registration at one server, over UDP or over a TLS line: hello, challenge, register, keep. */
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { equalBytes, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
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
import { exchange } from './signal-port.ts'
import { openAnswer, readObserved, signStatement } from './signal-proof.ts'
import type { Signals } from './signals.ts'

/** Doubling gaps; the last entry is giving up, before the next refresh would be due. */
export const REQUEST_SCHEDULE_MS = [0, 300, 900, 2100, 4500, 8000] as const
/** Where there is another way: four datagrams are not lost by chance, and UDP is tried again while TLS serves. */
export const OTHER_WAY_SCHEDULE_MS = [0, 150, 450, 1000, 2000] as const
/** The way in use is in doubt, and a camera waits: a server on the other side of an ocean has answered by then. */
export const DOUBT_SCHEDULE_MS = [0, 150, 300, 600] as const

/** More tags than this are not registered. */
export const MAX_TAGS = MAX_PARTS * TAGS_PER_PART

export interface RoundOptions {
  readonly identity: Identity
  readonly server: ServerAddresses
  readonly clock: Clock
  readonly random: Random
}

/** Which way the registration's messages go. */
export interface Way {
  readonly transport: 'udp' | 'tls'
  readonly signals: Signals
  /** The first that answers is the server. */
  readonly addresses: readonly Address[]
}

/** A server's address that answered, and the cookie that proves ours to it. */
export interface Pass {
  readonly server: Address
  readonly cookie: Uint8Array
}

/** `observed`: this device's UDP address as the server sees it; undefined over TLS. */
export type Outcome =
  | { readonly kind: 'confirmed'; readonly pass: Pass; readonly observed: Address | undefined }
  | { readonly kind: 'challenged'; readonly pass: Pass }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }

/** What is to be registered. */
export interface Announced {
  readonly tags: readonly Uint8Array[]
  readonly candidates: readonly Address[]
  readonly serial: number
}

export class RegistrationRound {
  readonly #options: RoundOptions
  readonly #way: Way
  readonly #signal: AbortSignal

  constructor(options: RoundOptions, way: Way, signal: AbortSignal) {
    this.#options = options
    this.#way = way
    this.#signal = signal
  }

  /** The first of the server's addresses that answers; undefined when none does. */
  greet(scheduleMs: readonly number[]): Promise<Pass | undefined> {
    const { signals, addresses } = this.#way
    const hello: SignalMessage = { t: 'register-hello', nonce: this.#nonce() }
    return this.#exchange<Pass>({
      scheduleMs,
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
  register(pass: Pass, announced: Announced, scheduleMs: readonly number[]): Promise<Outcome | undefined> {
    const open = new Map(this.#messages(pass.cookie, announced).map((message) => [toHex(message.nonce), message]))
    return this.#exchange<Outcome>({
      scheduleMs,
      send: () => {
        for (const message of open.values()) this.#way.signals.send(message, pass.server)
      },
      accept: (message) => {
        if (!open.has(toHex(message.nonce))) return undefined
        const outcome = this.#readAnswer(message, pass.server, 'registered')
        if (outcome === undefined) return undefined
        if (outcome.kind !== 'confirmed') return { result: outcome }
        open.delete(toHex(message.nonce))
        return open.size === 0 ? { result: outcome } : 'taken'
      },
    })
  }

  keep(pass: Pass, scheduleMs: readonly number[]): Promise<Outcome | undefined> {
    const nonce = this.#nonce()
    const keep: SignalMessage = { t: 'keep', nonce, cookie: pass.cookie, uid: this.#options.identity.publicKey }
    return this.#exchange<Outcome>({
      scheduleMs,
      send: () => this.#way.signals.send(keep, pass.server),
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
    const observed = readObserved(body.observed)
    if (body.t !== confirmation || observed === 'malformed') return undefined
    // By UDP the server sees an address.
    if (this.#way.transport === 'udp' && observed === undefined) return undefined
    if (body.tls !== undefined) this.#options.server.learnTlsPort(body.tls)
    return { kind: 'confirmed', pass: { server, cookie: body.cookie }, observed }
  }

  #messages(cookie: Uint8Array, { tags, candidates, serial }: Announced): SignalOf<'register'>[] {
    const { identity, server } = this.#options
    const packed = packTags(tags.slice(0, MAX_TAGS))
    return packed.map((part, index) => {
      const terms = { cookie, part: index, parts: packed.length, tags: part }
      const signed = signStatement(identity, server.server.key, { serial, candidates }, terms)
      return { t: 'register', nonce: this.#nonce(), ...terms, ...signed }
    })
  }

  #exchange<T>(what: {
    readonly scheduleMs: readonly number[]
    readonly send: () => void
    readonly accept: (message: SignalMessage, from: Address) => { readonly result: T } | 'taken' | undefined
  }): Promise<T | undefined> {
    const { signals } = this.#way
    const { clock } = this.#options
    return exchange<T>({ signals, clock, signal: this.#signal, ...what })
  }

  #nonce(): Uint8Array {
    return this.#options.random.bytes(SIGNAL_NONCE_BYTES)
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

/** Nobody answered, or nobody whose key is the pinned one. */
export function silence(server: string): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', `the P2P server ${server} does not answer`, {
    hint:
      'It may be down, its UDP port may be blocked on the way, or its key may not be the pinned one. Cameras still find ' +
      'this device in the LAN.',
  })
}

/** The server has no room. */
export function refusal(server: string, reason: RefusalReason): HomewardError {
  const why = reason === 'address-full' ? 'too many devices are registered from this internet address' : 'it is full'
  return new HomewardError('SERVER_UNREACHABLE', `the P2P server ${server} refused the registration: ${why}`, {
    hint: 'Use another P2P server, or ask who runs this one.',
  })
}

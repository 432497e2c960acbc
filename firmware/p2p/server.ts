/** The P2P server: one UDP port, one TLS port, and what answers behind them. */
import { type Address, canonicalAddress } from '../link/address.ts'
import { type DatagramPort, SIGNAL_KIND } from '../link/datagram-port.ts'
import type { Identity } from '../link/identity.ts'
import { readSignalDatagram, signalDatagram } from '../link/signal-port.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { SignalMessage, SignalOf } from '../wire/signal.ts'
import { Carriage, type CarriageCounters } from './carriage.ts'
import { Cookies } from './cookie.ts'
import { type Delivery, type Origin, udpOrigin } from './origin.ts'
import type { Registry, RegistryStats } from './registry/registry.ts'
import { RELAY_LIMITS, type RelayLimits, RelayShares } from './relay-shares.ts'
import { Rendezvous, type RendezvousCounters } from './rendezvous.ts'
import type { TlsCounters, TlsListener } from './tls-listener.ts'
import { TlsRelays } from './tls-relays.ts'
import type { StreamPort } from './udp-relay.ts'
import { noRelays, type RelayCounters, UdpRelays } from './udp-relays.ts'

/** Requests that wait for the registry; what comes on top is dropped, and its sender asks again. */
const MAX_WAITING = 4096

export interface P2pServerOptions {
  readonly port: DatagramPort
  /** Answers look-ups as well, for devices that want to know what their NAT does. */
  readonly second?: DatagramPort
  /** The same port, if it has udx streams: without it there is no relay over UDP. */
  readonly streams?: StreamPort
  /** Closed with the server. Without it there is nothing over TLS. */
  readonly tls?: TlsListener
  /** Its public key is the pin in setup codes. */
  readonly identity: Identity
  /** Closed with the server. */
  readonly registry: Registry
  readonly clock: Clock
  readonly random: Random
  readonly relayLimits?: RelayLimits
}

/** Since the start. */
export interface P2pServerCounters extends RendezvousCounters, CarriageCounters {
  received: number
  answered: number
  /** Not a frame, or none that this version knows. */
  malformed: number
  /** Too many were waiting. */
  dropped: number
  /** The registry failed. */
  failed: number
  /** Answers that would have been longer than their request. */
  withheld: number
  relayUdp: RelayCounters
  relayTls: RelayCounters
  tls: TlsCounters | undefined
}

export interface P2pServerStats extends RegistryStats {
  /** Rows in the tables of rates. */
  readonly sources: number
  /** Open now, those too that wait for their second end. */
  readonly relays: number
  readonly relaysByKind: { readonly udp: number; readonly tls: number }
  readonly tlsConnections: number
}

export class P2pServer {
  readonly #port: DatagramPort
  readonly #tls: TlsListener | undefined
  readonly #registry: Registry
  readonly #rendezvous: Rendezvous
  readonly #carriage: Carriage
  readonly #shares: RelayShares
  readonly #udpRelays: UdpRelays | undefined
  readonly #tlsRelays: TlsRelays | undefined
  readonly #own = { received: 0, answered: 0, malformed: 0, dropped: 0, failed: 0, withheld: 0 }
  readonly #waiting = new Set<Promise<void>>()
  readonly #second: DatagramPort | undefined
  #stop: (() => void) | undefined
  #stopSecond: (() => void) | undefined

  constructor(options: P2pServerOptions) {
    const { port, streams, tls, registry, clock, random, relayLimits = RELAY_LIMITS } = options
    this.#port = port
    this.#second = options.second
    this.#tls = tls
    this.#registry = registry
    const cookies = new Cookies(clock, random)
    const shares = new RelayShares(clock, relayLimits)
    const common = { ...options, cookies, shares }
    const rendezvous = new Rendezvous({ ...common, tlsPort: tls?.port })
    const challenge = (nonce: Uint8Array, from: Origin) => rendezvous.challenge(nonce, from)
    this.#rendezvous = rendezvous
    this.#carriage = new Carriage(common)
    this.#shares = shares
    this.#udpRelays = streams === undefined ? undefined : new UdpRelays({ ...common, port: streams, challenge })
    this.#tlsRelays = tls === undefined ? undefined : new TlsRelays({ ...common, listener: tls })
  }

  get counters(): Readonly<P2pServerCounters> {
    return {
      ...this.#own,
      ...this.#rendezvous.counters,
      ...this.#carriage.counters,
      relayUdp: this.#udpRelays?.counters ?? noRelays(),
      relayTls: this.#tlsRelays?.counters ?? noRelays(),
      tls: this.#tls?.counters,
    }
  }

  /** How much it holds now. */
  async stats(): Promise<P2pServerStats> {
    return {
      ...(await this.#registry.stats()),
      sources: this.#rendezvous.sources,
      relays: this.#shares.relays,
      relaysByKind: { udp: this.#udpRelays?.open ?? 0, tls: this.#tlsRelays?.open ?? 0 },
      tlsConnections: this.#tls?.connections ?? 0,
    }
  }

  start(): void {
    this.#stop ??= this.#port.listen(SIGNAL_KIND, (datagram, from) => this.#receive(datagram, from))
    const second = this.#second
    this.#stopSecond ??= second?.listen(SIGNAL_KIND, (datagram, from) => this.#receiveSecond(second, datagram, from))
    this.#tls?.serve((request, from, bytes) => {
      this.#own.received++
      return this.#work(request, from, bytes)
    })
  }

  /** Idempotent. Waits for the requests under way; the port stays open. */
  async close(): Promise<void> {
    this.#stop?.()
    this.#stopSecond?.()
    await this.#tls?.close()
    await Promise.all(this.#waiting)
    this.#udpRelays?.close()
    this.#tlsRelays?.close()
    await this.#registry.close()
  }

  #receive(datagram: Uint8Array, from: Address): void {
    this.#own.received++
    const request = readSignalDatagram(datagram)
    const sender = canonicalAddress(from.host, from.port)
    if (request === undefined || sender === undefined) {
      this.#own.malformed++
      return
    }
    void this.#work(request, udpOrigin(sender), datagram.byteLength)
  }

  /** Look-ups only: they tell the asker where it is seen from, and a NAT that shows each port another address is found out. */
  #receiveSecond(port: DatagramPort, datagram: Uint8Array, from: Address): void {
    const request = readSignalDatagram(datagram)
    const sender = canonicalAddress(from.host, from.port)
    if (request?.t !== 'look-up' || sender === undefined || this.#waiting.size >= MAX_WAITING) return
    this.#own.received++
    const answerOn = (message: SignalMessage | undefined) => {
      const answer = message === undefined ? undefined : signalDatagram(message)
      if (answer === undefined || answer.byteLength > datagram.byteLength) return
      this.#own.answered++
      port.send(answer, sender)
    }
    const work = this.#rendezvous
      .answer(request, udpOrigin(sender))
      .then(answerOn, () => void this.#own.failed++)
      .finally(() => this.#waiting.delete(work))
    this.#waiting.add(work)
  }

  #work(request: SignalMessage, from: Origin, bytes: number): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING) {
      this.#own.dropped++
      return Promise.resolve()
    }
    const work = this.#answers(request, from, bytes)
      .then((deliveries) => {
        for (const delivery of deliveries) this.#deliver(delivery, from, bytes)
      })
      .catch(() => {
        this.#own.failed++
      })
      .finally(() => this.#waiting.delete(work))
    this.#waiting.add(work)
    return work
  }

  async #answers(request: SignalMessage, from: Origin, bytes: number): Promise<readonly Delivery[]> {
    switch (request.t) {
      case 'carry':
        return listOf(await this.#carriage.carry(request, from, bytes))
      case 'carry-back':
        return listOf(await this.#carriage.carryBack(request, from))
      case 'relay':
        return this.#relay(request, from)
      default: {
        const message = await this.#rendezvous.answer(request, from)
        return listOf(message === undefined ? undefined : { to: from, message })
      }
    }
  }

  async #relay(request: SignalOf<'relay'>, from: Origin): Promise<readonly Delivery[]> {
    if (from.transport === 'udp') return (await this.#udpRelays?.join(request, from)) ?? []
    await this.#tlsRelays?.join(request, from)
    return []
  }

  #deliver({ to, message }: Delivery, from: Origin, requestBytes: number): void {
    if (to.transport === 'tls') {
      this.#own.answered++
      this.#tls?.send(message, to.connection)
      return
    }
    const datagram = signalDatagram(message)
    // Whatever a request makes us say, its sender, who may be unproven, never gets more bytes than were received from it.
    if (to === from && datagram.byteLength > requestBytes) {
      this.#own.withheld++
      return
    }
    this.#own.answered++
    this.#port.send(datagram, to.address)
  }
}

function listOf(delivery: Delivery | undefined): readonly Delivery[] {
  return delivery === undefined ? [] : [delivery]
}

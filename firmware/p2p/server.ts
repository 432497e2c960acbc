/** The P2P server: one UDP port, and what answers behind it. */
import { type Address, canonicalAddress } from '../link/address.ts'
import { type DatagramPort, SIGNAL_KIND } from '../link/datagram-port.ts'
import type { Identity } from '../link/identity.ts'
import { readSignalDatagram, signalDatagram } from '../link/signal-port.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { Registry, RegistryStats } from './registry/registry.ts'
import { Rendezvous, type RendezvousCounters } from './rendezvous.ts'

/** Requests that wait for the registry; what comes on top is dropped, and its sender asks again. */
const MAX_WAITING = 4096

export interface P2pServerOptions {
  readonly port: DatagramPort
  /** Its public key is the pin in setup codes. */
  readonly identity: Identity
  /** Closed with the server. */
  readonly registry: Registry
  readonly clock: Clock
  readonly random: Random
}

/** Since the start. */
export interface P2pServerCounters extends RendezvousCounters {
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
}

export interface P2pServerStats extends RegistryStats {
  /** Rows in the tables of rates. */
  readonly sources: number
}

export class P2pServer {
  readonly #port: DatagramPort
  readonly #registry: Registry
  readonly #rendezvous: Rendezvous
  readonly #own = { received: 0, answered: 0, malformed: 0, dropped: 0, failed: 0, withheld: 0 }
  readonly #waiting = new Set<Promise<void>>()
  #stop: (() => void) | undefined

  constructor(options: P2pServerOptions) {
    this.#port = options.port
    this.#registry = options.registry
    this.#rendezvous = new Rendezvous(options)
  }

  get counters(): Readonly<P2pServerCounters> {
    return { ...this.#own, ...this.#rendezvous.counters }
  }

  /** How much it holds now. */
  async stats(): Promise<P2pServerStats> {
    return { ...(await this.#registry.stats()), sources: this.#rendezvous.sources }
  }

  start(): void {
    this.#stop ??= this.#port.listen(SIGNAL_KIND, (datagram, from) => this.#receive(datagram, from))
  }

  /** Idempotent. Waits for the requests under way; the port stays open. */
  async close(): Promise<void> {
    this.#stop?.()
    await Promise.all(this.#waiting)
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
    if (this.#waiting.size >= MAX_WAITING) {
      this.#own.dropped++
      return
    }
    const work = this.#rendezvous
      .answer(request, sender)
      .then((answer) => {
        if (answer !== undefined) this.#reply(signalDatagram(answer), sender, datagram.byteLength)
      })
      .catch(() => {
        this.#own.failed++
      })
      .finally(() => this.#waiting.delete(work))
    this.#waiting.add(work)
  }

  /** Whatever a request makes us say, an unproven address never gets more bytes than were received from it. */
  #reply(datagram: Uint8Array, to: Address, requestBytes: number): void {
    if (datagram.byteLength > requestBytes) {
      this.#own.withheld++
      return
    }
    this.#own.answered++
    this.#port.send(datagram, to)
  }
}

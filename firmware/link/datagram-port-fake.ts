/**
 * A small network inside the process: ports that send datagrams to each other with delay, loss, repetition, reordering
 * and forged senders, all of it drawn from one seed, in the time of one clock. A port may appear under another address
 * than its own, as behind a router that maps one to one; routers that filter are those of nat-fake.
 */
import type { Clock } from '../platform/clock.ts'
import { type Random, randomBelow } from '../platform/random.ts'
import type { Address } from './address.ts'
import type { DatagramPort } from './datagram-port.ts'

export interface Weather {
  /** Chance of a datagram to vanish, 0 … 1. */
  lossRatio: number
  /** Chance of a datagram to arrive twice, 0 … 1. */
  repeatRatio: number
  /** Each datagram takes its own time between these, in whole milliseconds, so that a wide span reorders. */
  minDelayMs: number
  maxDelayMs: number
}

export interface Datagram {
  readonly message: Uint8Array
  /** The sender as the receiver sees it. */
  readonly from: Address
  readonly to: Address
}

/** What becomes of one datagram: on its way, or dropped. */
export type Fate = 'sent' | 'lost'

const CALM: Weather = { lossRatio: 0, repeatRatio: 0, minDelayMs: 1, maxDelayMs: 1 }

export class FakeNetwork {
  readonly weather: Weather
  /** True for a datagram that must not arrive: a cut cable, a server that is down, a firewall. */
  blocked: (datagram: Datagram) => boolean = () => false
  readonly #clock: Clock
  readonly #random: Random
  readonly #ports = new Map<string, FakeDatagramPort>()
  readonly #watchers = new Set<(datagram: Datagram, fate: Fate) => void>()

  constructor(clock: Clock, random: Random, weather: Partial<Weather> = {}) {
    this.#clock = clock
    this.#random = random
    this.weather = { ...CALM, ...weather }
  }

  /** A port bound to `local`, seen from outside as `seenAs`. */
  open(local: Address, seenAs: Address = local): FakeDatagramPort {
    const port = new FakeDatagramPort(this, local)
    this.attach(port, seenAs)
    return port
  }

  /** Puts a datagram on the way whatever its sender says: how a stranger forges a source address. */
  inject(message: Uint8Array, from: Address, to: Address): void {
    const datagram: Datagram = { message: message.slice(), from, to }
    const lost = this.#chance(this.weather.lossRatio) || this.blocked(datagram)
    for (const watcher of [...this.#watchers]) watcher(datagram, lost ? 'lost' : 'sent')
    if (lost) return
    this.#deliverLater(datagram)
    if (this.#chance(this.weather.repeatRatio)) this.#deliverLater(datagram)
  }

  /** Sees every datagram as it is sent. Returns the way to stop. */
  watch(watcher: (datagram: Datagram, fate: Fate) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** From now on `port` sends and receives as `seenAs`: a new mapping of the router. */
  attach(port: FakeDatagramPort, seenAs: Address): void {
    this.detach(port)
    const name = nameOf(seenAs)
    if (this.#ports.has(name)) throw new Error(`the fake network already has a port at ${name}`)
    this.#ports.set(name, port)
  }

  detach(port: FakeDatagramPort): void {
    for (const [name, attached] of this.#ports) if (attached === port) this.#ports.delete(name)
  }

  /** Undefined once detached: what such a port sends is lost. */
  seenAs(port: FakeDatagramPort): Address | undefined {
    for (const [name, attached] of this.#ports) if (attached === port) return addressOf(name)
    return undefined
  }

  #chance(ratio: number): boolean {
    return ratio > 0 && randomBelow(this.#random, 1_000_000) < ratio * 1_000_000
  }

  #deliverLater(datagram: Datagram): void {
    const { minDelayMs, maxDelayMs } = this.weather
    const delayMs = minDelayMs + randomBelow(this.#random, maxDelayMs - minDelayMs + 1)
    this.#clock.after(delayMs, () => {
      this.#ports.get(nameOf(datagram.to))?.deliver(datagram.message.slice(), datagram.from)
    })
  }
}

export class FakeDatagramPort implements DatagramPort {
  readonly local: Address
  readonly #network: FakeNetwork
  readonly #handlers = new Map<number, (message: Uint8Array, from: Address) => void>()

  constructor(network: FakeNetwork, local: Address) {
    this.#network = network
    this.local = local
  }

  send(message: Uint8Array, to: Address): void {
    const from = this.#network.seenAs(this)
    if (from !== undefined) this.#network.inject(message, from, to)
  }

  listen(kind: number, handler: (message: Uint8Array, from: Address) => void): () => void {
    if (this.#handlers.has(kind)) throw new Error(`datagrams of kind ${kind} already have a listener`)
    this.#handlers.set(kind, handler)
    return () => {
      if (this.#handlers.get(kind) === handler) this.#handlers.delete(kind)
    }
  }

  /** Called by the network. */
  deliver(message: Uint8Array, from: Address): void {
    const kind = message[0]
    if (kind !== undefined) this.#handlers.get(kind)?.(message, from)
  }

  /** Nothing arrives or leaves any more. */
  close(): Promise<void> {
    this.#network.detach(this)
    return Promise.resolve()
  }
}

function nameOf(address: Address): string {
  return `${address.host} ${address.port}`
}

function addressOf(name: string): Address {
  const [host = '', port = ''] = name.split(' ')
  return { host, port: Number(port) }
}

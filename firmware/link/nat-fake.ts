/**
 * A small internet inside the process: address spaces joined by NATs of every kind (RFC 4787), in the time of one clock,
 * with loss, repetition and reordering drawn from one seed. A datagram passes the NATs of its sender when it is sent and
 * those of its receiver when it arrives.
 */
import type { Clock } from '../platform/clock.ts'
import { type Random, randomBelow } from '../platform/random.ts'
import { type Address, formatAddress, sameAddress } from './address.ts'
import type { DatagramPort } from './datagram-port.ts'
import type { Weather } from './datagram-port-fake.ts'

/** What a NAT looks at (RFC 4787, 4.1 and 5): nothing of the other end, its host, or its host and port. */
export type Dependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

export interface NatKind {
  readonly mapping: Dependence
  readonly filtering: Dependence
  /** The outer port is the inner one where it is free; else it is random. */
  readonly preservesPorts?: boolean
  /** Those inside reach each other by their outer addresses. */
  readonly hairpin?: boolean
  /** A mapping is forgotten when nothing has gone out through it for so long. */
  readonly bindingMs?: number
  /** Lets no UDP through at all. */
  readonly blocksUdp?: boolean
}

interface Packet {
  readonly message: Uint8Array
  readonly from: Address
  readonly to: Address
}

/** What has an address in a realm. */
interface Attached {
  arrive(packet: Packet): void
}

interface Surroundings {
  readonly clock: Clock
  readonly random: Random
  readonly weather: Weather
}

const CALM: Weather = { lossRatio: 0, repeatRatio: 0, minDelayMs: 1, maxDelayMs: 1 }
/** Long enough for most tests not to meet it, and what RFC 4787 asks for. */
const BINDING_MS = 120_000
const FIRST_PORT = 1024

/** One address space: the internet, or what is behind one NAT. */
export class Realm {
  readonly #around: Surroundings
  readonly #ports = new Map<string, Attached>()
  readonly #hosts = new Map<string, Attached>()
  readonly #gateway: Nat | undefined

  constructor(around: Surroundings, gateway?: Nat) {
    this.#around = around
    this.#gateway = gateway
  }

  static internet(clock: Clock, random: Random, weather: Partial<Weather> = {}): Realm {
    return new Realm({ clock, random, weather: { ...CALM, ...weather } })
  }

  /** May be changed at any time, and is the same everywhere. */
  get weather(): Weather {
    return this.#around.weather
  }

  open(local: Address): NatPort {
    const name = formatAddress(local)
    if (this.#ports.has(name)) throw new Error(`there is already a port at ${name}`)
    const port = new NatPort(this, local, () => this.#ports.delete(name))
    this.#ports.set(name, port)
    return port
  }

  /** A NAT whose outer host is `host`. */
  nat(host: string, kind: NatKind): Nat {
    const nat = new Nat(this, this.#around, host, kind)
    this.#hosts.set(host, nat)
    return nat
  }

  send(packet: Packet): void {
    const isHere = this.#hosts.has(packet.to.host) || this.#ports.has(formatAddress(packet.to))
    if (!isHere) {
      this.#gateway?.leave(packet)
      return
    }
    const { lossRatio, repeatRatio } = this.#around.weather
    if (this.#chance(lossRatio)) return
    this.#arriveLater(packet)
    if (this.#chance(repeatRatio)) this.#arriveLater(packet)
  }

  #arriveLater(packet: Packet): void {
    const { clock, random, weather } = this.#around
    const delayMs = weather.minDelayMs + randomBelow(random, weather.maxDelayMs - weather.minDelayMs + 1)
    clock.after(delayMs, () => this.deliver(packet))
  }

  /** At once: the packet is here already. */
  deliver(packet: Packet): void {
    const owner = this.#ports.get(formatAddress(packet.to)) ?? this.#hosts.get(packet.to.host)
    owner?.arrive(packet)
  }

  #chance(ratio: number): boolean {
    return ratio > 0 && randomBelow(this.#around.random, 1_000_000) < ratio * 1_000_000
  }
}

export class NatPort implements DatagramPort, Attached {
  readonly local: Address
  readonly #realm: Realm
  readonly #detach: () => void
  readonly #handlers = new Map<number, (message: Uint8Array, from: Address) => void>()
  #closed = false

  constructor(realm: Realm, local: Address, detach: () => void) {
    this.#realm = realm
    this.local = local
    this.#detach = detach
  }

  send(message: Uint8Array, to: Address): void {
    if (!this.#closed) this.#realm.send({ message: message.slice(), from: this.local, to })
  }

  listen(kind: number, handler: (message: Uint8Array, from: Address) => void): () => void {
    this.#handlers.set(kind, handler)
    return () => this.#handlers.delete(kind)
  }

  arrive({ message, from }: Packet): void {
    const kind = message[0]
    if (kind !== undefined) this.#handlers.get(kind)?.(message.slice(), from)
  }

  /** Nothing arrives or leaves any more. */
  close(): void {
    this.#closed = true
    this.#detach()
  }
}

interface Mapping {
  readonly inner: Address
  readonly outerPort: number
  /** Every end that was sent to through it. */
  readonly remotes: Address[]
  usedMs: number
}

export class Nat implements Attached {
  readonly inside: Realm
  readonly #outside: Realm
  readonly #around: Surroundings
  readonly #host: string
  readonly #kind: NatKind
  readonly #mappings = new Map<string, Mapping>()
  /** Not given out again after a flush: whoever knew them has lost touch. */
  readonly #forgotten = new Set<number>()

  constructor(outside: Realm, around: Surroundings, host: string, kind: NatKind) {
    this.#outside = outside
    this.#around = around
    this.#host = host
    this.#kind = kind
    this.inside = new Realm(around, this)
  }

  /** A restart, or another address from the provider: every mapping is gone, and will be another one. */
  flush(): void {
    for (const { outerPort } of this.#mappings.values()) this.#forgotten.add(outerPort)
    this.#mappings.clear()
  }

  /** A packet from inside for somebody who is not there. */
  leave({ message, from, to }: Packet): void {
    if (this.#kind.blocksUdp === true) return
    if (to.host === this.#host && this.#kind.hairpin !== true) return
    const mapping = this.#mappingFor(from, to)
    mapping.usedMs = this.#nowMs()
    if (!mapping.remotes.some((remote) => sameAddress(remote, to))) mapping.remotes.push(to)
    this.#outside.send({ message, from: { host: this.#host, port: mapping.outerPort }, to })
  }

  /** A packet from outside. */
  arrive({ message, from, to }: Packet): void {
    this.#forgetOld()
    if (this.#kind.blocksUdp === true) return
    const mapping = [...this.#mappings.values()].find((candidate) => {
      return candidate.outerPort === to.port && candidate.remotes.some((remote) => this.#admits(remote, from))
    })
    if (mapping !== undefined) this.inside.deliver({ message, from, to: mapping.inner })
  }

  #admits(remote: Address, from: Address): boolean {
    return part(remote, this.#kind.filtering) === part(from, this.#kind.filtering)
  }

  #mappingFor(inner: Address, to: Address): Mapping {
    this.#forgetOld()
    const key = `${formatAddress(inner)} ${part(to, this.#kind.mapping)}`
    const known = this.#mappings.get(key)
    if (known !== undefined) return known
    const mapping: Mapping = { inner, outerPort: this.#freePort(inner), remotes: [], usedMs: 0 }
    this.#mappings.set(key, mapping)
    return mapping
  }

  /** A port that is kept serves all that its owner sends, wherever it goes. */
  #freePort(inner: Address): number {
    const others = [...this.#mappings.values()].filter((mapping) => !sameAddress(mapping.inner, inner))
    const isTaken = (port: number) => this.#forgotten.has(port) || others.some(({ outerPort }) => outerPort === port)
    if (this.#kind.preservesPorts === true && !isTaken(inner.port)) return inner.port
    const own = [...this.#mappings.values()].map(({ outerPort }) => outerPort)
    for (;;) {
      const port = FIRST_PORT + randomBelow(this.#around.random, 65_536 - FIRST_PORT)
      if (!isTaken(port) && !own.includes(port)) return port
    }
  }

  #forgetOld(): void {
    const oldestMs = this.#nowMs() - (this.#kind.bindingMs ?? BINDING_MS)
    for (const [key, { usedMs }] of this.#mappings) if (usedMs < oldestMs) this.#mappings.delete(key)
  }

  #nowMs(): number {
    return this.#around.clock.monoUs() / 1000
  }
}

/** What a NAT sees of the other end. */
function part(remote: Address, dependence: Dependence): string {
  switch (dependence) {
    case 'endpoint-independent':
      return ''
    case 'address-dependent':
      return remote.host
    case 'address-and-port-dependent':
      return formatAddress(remote)
  }
}

/** A P2P server, storage devices and cameras on a fake network: what the tests of this folder play with. */
import type { Address } from '../link/address.ts'
import { Carrier } from '../link/carry.ts'
import { type FakeDatagramPort, FakeNetwork, type Weather } from '../link/datagram-port-fake.ts'
import { createIdentity, type Identity } from '../link/identity.ts'
import { type Located, lookUp } from '../link/look-up.ts'
import { Registration } from '../link/registration.ts'
import { type ResolveHost, ServerAddresses } from '../link/server-addresses.ts'
import { SignalPort } from '../link/signal-port.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { type Random, seededRandom } from '../platform/random.ts'
import { MemoryRegistry, REGISTRY_LIMITS, type RegistryLimits } from './registry/memory.ts'
import { P2pServer } from './server.ts'

export const SERVER_ADDRESS: Address = { host: '203.0.113.1', port: 7440 }
const SERVER_NAME = 'p2p.example'

export interface StorageInWorld {
  readonly identity: Identity
  readonly port: FakeDatagramPort
  readonly seenAs: Address
  readonly signals: SignalPort
  readonly registration: Registration
  /** What it registers; change it and call `registration.refresh()`. */
  tags: Uint8Array[]
  candidates: Address[]
}

export interface CameraInWorld {
  readonly port: FakeDatagramPort
  readonly seenAs: Address
  readonly signals: SignalPort
  lookUp(storage: Uint8Array, tag: Uint8Array, signal?: AbortSignal): Promise<Located>
  /** Carries boxes to `storage`; closed with the world. */
  carrier(storage: Uint8Array, tag: Uint8Array): Carrier
}

export class World {
  readonly clock = new FakeClock()
  readonly random: Random
  readonly network: FakeNetwork
  readonly serverIdentity: Identity
  readonly serverPort: FakeDatagramPort
  /** What devices believe the server's key to be. */
  pinnedKey: Uint8Array
  limits: RegistryLimits = REGISTRY_LIMITS
  resolve: ResolveHost = async () => [SERVER_ADDRESS.host]
  server: P2pServer
  #hosts = 0
  readonly #closers: (() => Promise<void> | void)[] = []

  constructor(seed: number, weather: Partial<Weather> = {}) {
    this.random = seededRandom(seed)
    this.network = new FakeNetwork(this.clock, seededRandom(seed + 1), weather)
    this.serverIdentity = createIdentity(this.random.bytes(32))
    this.pinnedKey = this.serverIdentity.publicKey
    this.serverPort = this.network.open(SERVER_ADDRESS)
    this.server = this.#createServer()
    this.server.start()
  }

  /** The process ends and another begins: the same key, nothing remembered. */
  async restartServer(): Promise<void> {
    await this.server.close()
    this.server = this.#createServer()
    this.server.start()
  }

  /** Behind a router of its own: 198.51.100.x, port 40000. */
  storage(tags: Uint8Array[] = []): StorageInWorld {
    const identity = createIdentity(this.random.bytes(32))
    const { port, seenAs, inside } = this.#openHost(7441)
    const signals = new SignalPort(port)
    const storage: StorageInWorld = {
      identity,
      port,
      seenAs,
      signals,
      tags,
      candidates: [inside],
      registration: new Registration({
        identity,
        signals,
        server: this.#addresses(),
        tags: () => storage.tags,
        candidates: () => storage.candidates,
        clock: this.clock,
        random: this.random,
      }),
    }
    this.#closers.push(
      () => storage.registration.close(),
      () => signals.close(),
    )
    return storage
  }

  camera(): CameraInWorld {
    const { port, seenAs } = this.#openHost(7442)
    const signals = new SignalPort(port)
    this.#closers.push(() => signals.close())
    const server = this.#addresses()
    const { clock, random } = this
    return {
      port,
      seenAs,
      signals,
      carrier: (storage, tag) => {
        const carrier = new Carrier({
          signals,
          server: { addresses: [SERVER_ADDRESS], key: this.pinnedKey },
          storage,
          tag,
          random,
        })
        this.#closers.push(() => carrier.close())
        return carrier
      },
      lookUp: (storage, tag, signal = new AbortController().signal) =>
        lookUp({ signals, server, storage, tag, clock, random, signal }),
    }
  }

  /** A storage device that is registered with these tags. */
  async registeredStorage(tags: Uint8Array[] = []): Promise<StorageInWorld> {
    const storage = this.storage(tags)
    storage.registration.start()
    await this.pass(100)
    return storage
  }

  /** Time goes on, after what is under way has run up to where it waits. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(0)
    await this.clock.advance(ms)
  }

  /** Time goes on until `work` is done. */
  async during<T>(work: Promise<T>, stepMs = 100): Promise<T> {
    let isDone = false
    const mark = () => {
      isDone = true
    }
    work.then(mark, mark)
    for (let ms = 0; ms < 60_000 && !isDone; ms += stepMs) await this.pass(stepMs)
    return work
  }

  tag(): Uint8Array {
    return this.random.bytes(16)
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close()
    await this.server.close()
  }

  #createServer(): P2pServer {
    const { clock, random, serverPort: port, serverIdentity: identity } = this
    return new P2pServer({ port, identity, clock, random, registry: new MemoryRegistry(clock, this.limits) })
  }

  #addresses(): ServerAddresses {
    const server = { host: SERVER_NAME, port: SERVER_ADDRESS.port, key: this.pinnedKey }
    return new ServerAddresses(server, this.clock, { resolve: (host) => this.resolve(host) })
  }

  #openHost(localPort: number): { port: FakeDatagramPort; seenAs: Address; inside: Address } {
    this.#hosts++
    const inside = { host: `192.168.${this.#hosts}.10`, port: localPort }
    const seenAs = { host: `198.51.100.${this.#hosts}`, port: 40_000 }
    return { port: this.network.open(inside, seenAs), seenAs, inside }
  }
}

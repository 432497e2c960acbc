/** The P2P server's help for a storage device that is registered there. */
import { type Clock, sleep } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import { type Interfaces, ownHosts } from './candidates.ts'
import { type NatKind, natKind, secondLook } from './nat.ts'
import type { Registration } from './registration.ts'
import { joinRelayTls } from './relay-tls.ts'
import { joinRelayUdp } from './relay-udp.ts'
import type { ServerAddresses } from './server-addresses.ts'
import type { Carried, RelayLeg, RelayStream, StorageHelp } from './server-help.ts'
import type { Signals } from './signals.ts'

export interface StorageServerOptions {
  readonly registration: Registration
  readonly server: ServerAddresses
  /** Signalling by UDP. */
  readonly signals: Signals
  readonly clock: Clock
  readonly random: Random
  readonly uid: Uint8Array
  /** Tags that are registered. */
  readonly tags: () => readonly Uint8Array[]
  readonly interfaces: () => Interfaces
}

/** A network may be changed without that an address of ours is. */
const NAT_AGAIN_MS = 60_000
/** Until it is registered, and has a camera. */
const NAT_FIRST_MS = 2_000

export class StorageServer implements StorageHelp {
  readonly #options: StorageServerOptions

  readonly #cancel = new AbortController()
  readonly #looking: Promise<void>
  #nat: NatKind | undefined

  constructor(options: StorageServerOptions) {
    this.#options = options
    this.#looking = this.#watchNat(this.#cancel.signal)
  }

  /** What our own NAT does, once it is known. */
  get nat(): NatKind | undefined {
    return this.#nat
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#cancel.abort()
    await this.#looking
  }

  async #watchNat(signal: AbortSignal): Promise<void> {
    const { registration, clock } = this.#options
    while (!signal.aborted) {
      const status = registration.status()
      const isSeen = status.state === 'registered' && status.observed !== undefined
      if (isSeen) await this.#lookAtNat(status.observed, signal)
      else this.#nat = undefined
      await sleep(clock, isSeen && this.#nat !== undefined ? NAT_AGAIN_MS : NAT_FIRST_MS, signal)
    }
  }

  async #lookAtNat(first: Address, signal: AbortSignal): Promise<void> {
    const { signals, server, uid, tags, clock, random, interfaces } = this.#options
    const [tag] = tags()
    if (tag === undefined) return
    try {
      const second = await secondLook({ signals, server, storage: uid, tag, clock, random, signal })
      if (!signal.aborted) this.#nat = natKind(first, second, ownHosts(interfaces()))
    } catch (error) {
      if (!isHomewardError(error)) throw error
    }
  }

  onCarried(listener: (carried: Carried) => void): void {
    this.#options.registration.onCarried((box, from, reply) => listener({ box, from, reply }))
  }

  async relayUdp(key: Uint8Array, stream: number, signal: AbortSignal): Promise<RelayLeg> {
    const { signals, server, clock, random } = this.#options
    const { owner, status } = this.#registered()
    if (status.transport !== 'udp') throw notThisWay()
    const serverKey = server.server.key
    return joinRelayUdp({ signals, address: status.server, serverKey, key, stream, owner, clock, random, signal })
  }

  async relayTls(key: Uint8Array, signal: AbortSignal): Promise<RelayStream> {
    const { server, clock, random } = this.#options
    const { owner, status } = this.#registered()
    const { server: at, transport } = status
    const address = transport === 'tls' ? at : await server.currentTlsAt(at, signal)
    if (address === undefined) throw notThisWay()
    return joinRelayTls({ address, serverKey: server.server.key, key, owner, clock, random, signal })
  }

  #registered() {
    const { registration } = this.#options
    const status = registration.status()
    const owner = registration.owner()
    if (status.state === 'registered' && owner !== undefined) return { owner, status }
    throw notThisWay()
  }
}

function notThisWay(): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', 'the storage device is not registered at the P2P server this way')
}

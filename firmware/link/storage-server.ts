/** The P2P server's help for a storage device that is registered there. */
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { HomewardError } from '../wire/errors.ts'
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
}

export class StorageServer implements StorageHelp {
  readonly #options: StorageServerOptions

  constructor(options: StorageServerOptions) {
    this.#options = options
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
    const address = status.transport === 'tls' ? status.server : (await server.currentTls(signal))[0]
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

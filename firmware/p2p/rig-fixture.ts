/** A P2P server on real sockets of this machine, with devices that talk to it: what the tests of relay and TLS play with. */
import type { Address } from '../link/address.ts'
import { makeCertificate } from '../link/certificate.ts'
import { createIdentity, type Identity } from '../link/identity.ts'
import { Registration } from '../link/registration.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { SignalPort } from '../link/signal-port.ts'
import type { SignalLine } from '../link/signals.ts'
import { dialServer } from '../link/tls-line.ts'
import { UdxPort } from '../link/udx-port.ts'
import type { Clock } from '../platform/clock.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { MemoryRegistry } from './registry/memory.ts'
import type { RelayLimits } from './relay-shares.ts'
import { P2pServer } from './server.ts'
import { TLS_LIMITS, type TlsLimits, TlsListener } from './tls-listener.ts'

export const clock = new RealClock()
export const random = realRandom

const UNKNOWN_NAME = 'unknown.example'

export interface DeviceOnRig {
  readonly identity: Identity
  readonly port: UdxPort
  readonly signals: SignalPort
}

export interface StorageOnRig extends DeviceOnRig {
  readonly registration: Registration
  readonly tag: Uint8Array
  /** Every TLS line it dialled. */
  readonly lines: SignalLine[]
}

export interface StorageOptions {
  /** Where it looks for the server by UDP. */
  readonly udpPort?: number
  /** Its way by UDP fails at once, and not only after some seconds of silence. */
  readonly noUdp?: boolean
  readonly identity?: Identity
  readonly tag?: Uint8Array
  /** With another than the real one it is not waited for. */
  readonly clock?: Clock
}

export interface RigOptions {
  readonly relayLimits?: RelayLimits
  readonly tlsLimits?: Partial<TlsLimits>
  /** Of the server. */
  readonly clock?: Clock
}

export class Rig {
  readonly identity: Identity
  readonly server: P2pServer
  readonly listener: TlsListener
  readonly udp: Address
  readonly tls: Address
  readonly #port: UdxPort
  readonly #closers: (() => Promise<void> | void)[] = []

  private constructor(identity: Identity, port: UdxPort, listener: TlsListener, options: RigOptions) {
    this.identity = identity
    this.#port = port
    this.listener = listener
    const ownClock = options.clock ?? clock
    const { relayLimits } = options
    this.server = new P2pServer({
      port,
      streams: port,
      tls: listener,
      identity,
      registry: new MemoryRegistry(ownClock),
      clock: ownClock,
      random,
      ...(relayLimits === undefined ? {} : { relayLimits }),
    })
    this.server.start()
    this.udp = { host: '127.0.0.1', port: port.local.port }
    this.tls = { host: '127.0.0.1', port: listener.port }
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const identity = createIdentity()
    const listener = await TlsListener.listen({
      listen: { host: '127.0.0.1', port: 0 },
      certificate: makeCertificate(),
      identity,
      clock: options.clock ?? clock,
      limits: { ...TLS_LIMITS, ...options.tlsLimits },
    })
    return new Rig(identity, new UdxPort({ host: '127.0.0.1' }), listener, options)
  }

  addresses({ udpPort = this.udp.port, noUdp = false }: StorageOptions = {}): ServerAddresses {
    const server = { host: noUdp ? UNKNOWN_NAME : '127.0.0.1', port: udpPort, key: this.identity.publicKey }
    const resolve = async (host: string) => (host === UNKNOWN_NAME ? [] : [host])
    return new ServerAddresses(server, clock, { resolve, tls: { host: '127.0.0.1', port: this.tls.port } })
  }

  device(): DeviceOnRig {
    const port = new UdxPort({ host: '127.0.0.1' })
    const signals = new SignalPort(port)
    this.#closers.push(async () => {
      signals.close()
      await port.close()
    })
    return { identity: createIdentity(), port, signals }
  }

  /** Registered, over UDP unless told to go another way. */
  async storage(more: StorageOptions = {}): Promise<StorageOnRig> {
    const device = { ...this.device(), ...(more.identity === undefined ? {} : { identity: more.identity }) }
    const tag = more.tag ?? random.bytes(16)
    const lines: SignalLine[] = []
    const registration = new Registration({
      identity: device.identity,
      signals: device.signals,
      server: this.addresses(more),
      tags: () => [tag],
      candidates: () => [],
      dial: async (addresses, key, signal) => {
        const line = await dialServer({ addresses, key, clock, signal })
        lines.push(line)
        return line
      },
      clock: more.clock ?? clock,
      random,
    })
    this.#closers.unshift(() => registration.close())
    registration.start()
    if (more.clock === undefined) await until(() => registration.status().state === 'registered', 'registered')
    return { ...device, registration, tag, lines }
  }

  /** Called in the end, before anything else is closed. */
  onClose(closer: () => Promise<void> | void): void {
    this.#closers.unshift(closer)
  }

  async close(): Promise<void> {
    for (const closer of this.#closers) await closer()
    await this.server.close()
    await this.#port.close()
  }
}

/** Looks every 5 ms, for 5 s at most. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let step = 0; step < 1000; step++) {
    if (isSo()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`not within 5 s: ${what}`)
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** The P2P server's help for one camera, over UDP first, and over TLS too when UDP gets no answer. */
import { networkInterfaces } from 'node:os'
import { type Clock, sleep } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import { CameraCarriers, type Tag } from './camera-carriers.ts'
import { type Interfaces, ownHosts } from './candidates.ts'
import { type Located, type LookUp, lookUp } from './look-up.ts'
import { type NatKind, natKind, secondLook } from './nat.ts'
import { joinRelayOn } from './relay-tls.ts'
import { joinRelayUdp } from './relay-udp.ts'
import type { ServerAddresses } from './server-addresses.ts'
import type { CameraHelp, RelayLeg, RelayStream } from './server-help.ts'
import { SignalPort } from './signal-port.ts'
import type { Signals } from './signals.ts'
import { dialPatiently, dialServer, dialTls, type TlsLine } from './tls-line.ts'
import type { UdxPort } from './udx-port.ts'

/** A server that is reached by UDP has answered by then, also on the other side of an ocean. */
const TLS_AFTER_MS = 300
/** So has one by a connection that stood already; one whose network is gone says nothing, for a quarter of an hour. */
export const LINE_ANSWERS_WITHIN_MS = 500

/** Boxes of the last attempt that are kept for a server that is named only then. */
const MAX_KEPT_BOXES = 8

export interface CameraServerOptions {
  readonly port: UdxPort
  readonly server: ServerAddresses
  /** Ed25519 key of the storage device. */
  readonly storage: Uint8Array
  /** Look-up tags; without a setup token there is none of the second kind. */
  readonly tags: { readonly pair: Uint8Array; readonly token?: Uint8Array }
  readonly clock: Clock
  readonly random: Random
  readonly interfaces?: () => Interfaces
}

interface Dialled {
  readonly line: TlsLine
  readonly isNew: boolean
}

export class CameraServer implements CameraHelp {
  readonly #options: CameraServerOptions
  #udp: SignalPort | undefined
  readonly #cancel = new AbortController()
  readonly #listeners = new Set<(box: Uint8Array) => void>()
  readonly #carriers: CameraCarriers
  #nat: NatKind | undefined
  #seen: Address | undefined
  readonly #natListeners = new Set<(nat: NatKind) => void>()
  /** The look at our own NAT that is under way. */
  #looking: Promise<void> | undefined
  #tls: Promise<TlsLine> | undefined
  #line: TlsLine | undefined
  /** Which server the line leads to. */
  #lineTo: ServerAddresses | undefined
  /** Which way answered last. */
  #answers: 'udp' | 'tls' | undefined
  /** The server that did: the one we were told of, or one that it named. */
  #at: ServerAddresses
  /** The address that did, by UDP. */
  #address: Address | undefined
  /** What was carried since the last look-up began: a server at which the storage device is not carries nothing. */
  #carried: { readonly box: Uint8Array; readonly by: Tag }[] = []

  constructor(options: CameraServerOptions) {
    this.#options = options
    this.#at = options.server
    const { storage, random } = options
    this.#carriers = new CameraCarriers({
      ...{ storage, random, tag: (by) => this.#tag(by), signal: this.#cancel.signal },
      returned: (box) => {
        for (const listener of [...this.#listeners]) listener(box)
      },
    })
  }

  start(): void {
    this.#udp ??= new SignalPort(this.#options.port)
  }

  get nat(): NatKind | undefined {
    return this.#nat
  }

  get seen(): Address | undefined {
    return this.#seen
  }

  onNat(listener: (nat: NatKind) => void): void {
    this.#natListeners.add(listener)
  }

  async lookUp(by: Tag, signal: AbortSignal): Promise<Located> {
    const udp = this.#signals()
    this.#carried = []
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal, this.#cancel.signal])
    const byUdp = this.#askAll(udp, by, either).then((located) => {
      this.#answers = 'udp'
      this.#settle(located.at)
      this.#address = located.server
      this.#seen = located.self
      this.#looking ??= this.#lookAtNat(located, by).finally(() => {
        this.#looking = undefined
      })
      return located
    })
    const byTls = this.#afterHeadStart(byUdp, either).then(async (line) => {
      const located = await this.#askByTls(line, by, either)
      this.#answers = 'tls'
      this.#settle(located.at)
      return located
    })
    try {
      return await Promise.any([byUdp, byTls])
    } catch (error) {
      throw error instanceof AggregateError ? (error.errors[0] ?? error) : error
    } finally {
      over.abort()
      if (this.#answers === 'udp') this.#dropLine()
    }
  }

  carry(box: Uint8Array, by: Tag): void {
    if (this.#carried.length < MAX_KEPT_BOXES) this.#carried.push({ box, by })
    this.#carry(box, by)
  }

  #carry(box: Uint8Array, by: Tag): void {
    const server = this.#at
    if (this.#answers !== 'tls') this.#carriers.send(box, by, { signals: this.#signals(), server, isLine: false })
    if (this.#answers !== 'udp' && this.#line !== undefined) {
      this.#carriers.send(box, by, { signals: this.#line, server, isLine: true })
    }
  }

  onReturned(listener: (box: Uint8Array) => void): void {
    this.#listeners.add(listener)
  }

  async relayUdp(key: Uint8Array, stream: number, signal: AbortSignal): Promise<RelayLeg> {
    const { clock, random } = this.#options
    const server = this.#at
    const either = AbortSignal.any([signal, this.#cancel.signal])
    const [first] = await server.current(either)
    const address = this.#address ?? first
    if (address === undefined) throw nowhere()
    const serverKey = server.server.key
    return joinRelayUdp({ signals: this.#signals(), address, serverKey, key, stream, clock, random, signal: either })
  }

  async relayTls(key: Uint8Array, signal: AbortSignal): Promise<RelayStream> {
    const { clock, random } = this.#options
    const server = this.#at
    const either = AbortSignal.any([signal, this.#cancel.signal])
    const address = this.#line?.address ?? (await this.#tlsAddress(server, either))
    if (address === undefined) throw nowhere()
    const serverKey = server.server.key
    const line = await dialPatiently(() => dialTls({ address, key: serverKey, clock, signal: either }), clock, either)
    return joinRelayOn(line, { serverKey, key, clock, random, signal: either })
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#cancel.abort()
    this.#listeners.clear()
    this.#natListeners.clear()
    await this.#looking
    await this.#tls?.catch(() => undefined)
    this.#dropLine()
    const udp = this.#udp
    if (udp === undefined) return
    await this.#carriers.drop(udp)
    udp.close()
  }

  #signals(): SignalPort {
    if (this.#udp === undefined) throw new HomewardError('INTERNAL', 'the way to the server has not been started')
    return this.#udp
  }

  async #lookAtNat({ self: first, at: server }: Located, by: Tag): Promise<void> {
    const { storage, clock, random, interfaces = networkInterfaces } = this.#options
    if (first === undefined) return
    const tag = this.#tag(by)
    const signal = this.#cancel.signal
    const asked = { signals: this.#signals(), server, storage, tag, clock, random, signal }
    const second = await secondLook(asked).catch((error: unknown) => {
      if (isHomewardError(error)) return undefined
      throw error
    })
    if (signal.aborted) return
    this.#nat = natKind(first, second, ownHosts(interfaces()))
    for (const listener of [...this.#natListeners]) listener(this.#nat)
  }

  /** The server we were told of and, at the same time, the one that it named before: either may be gone. */
  async #askAll(signals: Signals, by: Tag, signal: AbortSignal): Promise<Located> {
    const servers = [...new Set([this.#options.server, this.#at])]
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    try {
      return await Promise.any(servers.map((server) => lookUp(this.#question(signals, server, by, either))))
    } catch (error) {
      throw error instanceof AggregateError ? (error.errors[0] ?? error) : error
    } finally {
      over.abort()
    }
  }

  /** Whoever is at the other end of `line`; a server that it names is dialled in its place. */
  async #ask(line: TlsLine, by: Tag, signal: AbortSignal): Promise<Located> {
    const server = this.#lineTo ?? this.#options.server
    try {
      const reach = (named: ServerAddresses) => this.#dial(named)
      return await lookUp({ ...this.#question(line, server, by, signal), reach })
    } catch (error) {
      // The one that was named may be gone: the next time begins with the one we were told of.
      if (!signal.aborted && this.#lineTo !== this.#options.server) this.#dropLine()
      throw error
    }
  }

  #question(signals: Signals, server: ServerAddresses, by: Tag, signal: AbortSignal): LookUp {
    const { storage, clock, random } = this.#options
    return { signals, server, storage, tag: this.#tag(by), clock, random, signal }
  }

  /** From now on everything goes by way of this server. */
  #settle(at: ServerAddresses): void {
    if (at.name === this.#at.name) return
    this.#at = at
    this.#address = undefined
    if (this.#udp !== undefined) void this.#carriers.drop(this.#udp)
    for (const { box, by } of this.#carried) this.#carry(box, by)
  }

  async #tlsAddress(server: ServerAddresses, signal: AbortSignal): Promise<Address | undefined> {
    if (this.#address !== undefined) return server.currentTlsAt(this.#address, signal)
    return (await server.currentTls(signal))[0]
  }

  /** By a new connection when this one has not answered in time. */
  async #askByTls({ line, isNew }: Dialled, by: Tag, signal: AbortSignal): Promise<Located> {
    if (isNew) return this.#ask(line, by, signal)
    const late = new AbortController()
    const timer = this.#options.clock.after(LINE_ANSWERS_WITHIN_MS, () => late.abort())
    try {
      return await this.#ask(line, by, AbortSignal.any([signal, late.signal]))
    } catch (error) {
      if (signal.aborted || !isHomewardError(error)) throw error
    } finally {
      timer.cancel()
    }
    if (this.#line === line) this.#dropLine()
    return this.#ask(await this.#dial(), by, signal)
  }

  #tag(by: Tag): Uint8Array {
    const { tags } = this.#options
    return by === 'token' ? (tags.token ?? tags.pair) : tags.pair
  }

  /** The TLS line, dialled when UDP has not answered in time; rejects with what UDP rejects with when that comes first. */
  async #afterHeadStart(byUdp: Promise<Located>, signal: AbortSignal): Promise<Dialled> {
    const answered = new AbortController()
    const settled = () => answered.abort()
    byUdp.then(settled, settled)
    const { clock } = this.#options
    const over = AbortSignal.any([signal, answered.signal])
    if (this.#answers !== 'tls') await sleep(clock, TLS_AFTER_MS, over)
    if (this.#answers === 'udp' && answered.signal.aborted) await byUdp
    const isNew = this.#line === undefined
    return { line: await dialPatiently(() => this.#dial(), clock, over), isNew }
  }

  /** By default where it led before, if it is still there. */
  #dial(to: ServerAddresses = this.#lineTo ?? this.#options.server): Promise<TlsLine> {
    if (this.#lineTo !== to) this.#dropLine()
    this.#lineTo = to
    this.#tls ??= this.#connect(to).catch((error: unknown) => {
      if (this.#lineTo === to) this.#dropLine()
      throw error
    })
    return this.#tls
  }

  async #connect(server: ServerAddresses): Promise<TlsLine> {
    const { clock } = this.#options
    const { signal } = this.#cancel
    const addresses = await server.currentTls(signal)
    const line = await dialServer({ addresses, key: server.server.key, clock, signal })
    if (this.#lineTo !== server) {
      await line.close()
      throw nowhere()
    }
    this.#line = line
    line.onClose(() => {
      if (this.#line !== line) return
      this.#line = undefined
      this.#lineTo = undefined
      this.#tls = undefined
      this.#answers = undefined
      void this.#carriers.drop(line)
    })
    return line
  }

  #dropLine(): void {
    const line = this.#line
    this.#line = undefined
    this.#lineTo = undefined
    this.#tls = undefined
    if (line === undefined) return
    void this.#carriers.drop(line)
    void line.close()
  }
}

function nowhere(): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', 'no address is known for the P2P server')
}

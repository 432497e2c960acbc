/**
 * The storage device's end of the link: answers the probes and opens of enrolled cameras, takes setup tokens, keeps the
 * device registered at the P2P server. Strangers get silence, whatever they send, after one look into a map.
 */
import { networkInterfaces } from 'node:os'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import type { Camera, CameraList } from './cameras.ts'
import { type Interfaces, localCandidates } from './candidates.ts'
import { CarriedRequests } from './carried-requests.ts'
import type { Channel, ChannelPath } from './channel.ts'
import { readHead } from './datagram.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { DiscoveryListener } from './discovery.ts'
import type { EnrolmentDesk } from './enrolment-desk.ts'
import { writeFrame } from './first-frame.ts'
import type { Identity } from './identity.ts'
import { watchInterfaces } from './interfaces.ts'
import type { NatKind } from './nat.ts'
import type { Peer, PeerTable } from './peer.ts'
import { Registration, type RegistrationStatus } from './registration.ts'
import type { ServerAddresses } from './server-addresses.ts'
import type { RelayStream } from './server-help.ts'
import { SignalPort } from './signal-port.ts'
import { StorageLine } from './storage-line.ts'
import { StoragePortSearches } from './storage-port-searches.ts'
import { StorageServer } from './storage-server.ts'
import { TcpListener } from './tcp.ts'
import { dialServer } from './tls-line.ts'
import type { TokenStore } from './tokens.ts'
import { UdxPort } from './udx-port.ts'

export interface StorageLinkOptions {
  readonly identity: Identity
  /** Stays the caller's, who closes it after the link. */
  readonly port: UdxPort
  /** Filled by the desk: exactly these are answered. */
  readonly peers: PeerTable
  readonly desk: EnrolmentDesk
  readonly cameras: CameraList
  readonly tokens: TokenStore
  readonly clock: Clock
  readonly random: Random
  readonly interfaces?: () => Interfaces
  /** Answers multicast questions of its cameras, too. */
  readonly discovery?: boolean
  /** Also announces loopback addresses: for several devices on one machine. */
  readonly loopback?: boolean
  /** Hears of an enrolment that could not be written down; the camera asks again. */
  readonly onError?: (error: unknown) => void
}

export interface StorageLinkStatus {
  readonly channels: readonly { readonly camera: Uint8Array; readonly path: ChannelPath; readonly forMs: number }[]
  /** Undefined without a P2P server. */
  readonly registration: RegistrationStatus | undefined
  /** What this device's own NAT does, once it is known. */
  readonly nat: NatKind | undefined
}

export class StorageLink {
  readonly #options: StorageLinkOptions
  /** By the camera's key in hex; made at its first open. */
  readonly #lines = new Map<string, StorageLine>()
  readonly #channelListeners = new Set<(camera: Peer, channel: Channel) => void>()
  readonly #enrolledListeners = new Set<(camera: Camera) => void>()
  /** Lines that end, as long as it takes. */
  readonly #ending = new Set<Promise<void>>()
  #enrolled = new Set<string>()
  #signals: SignalPort | undefined
  #discovery: DiscoveryListener | undefined
  #tcp: Promise<TcpListener | undefined> | undefined
  #registration: Registration | undefined
  #help: StorageServer | undefined
  #carried: CarriedRequests | undefined
  readonly #searches: StoragePortSearches<UdxPort>
  #stops: (() => void)[] = []
  #closing: Promise<void> | undefined

  constructor(options: StorageLinkOptions) {
    this.#options = options
    const { port, clock, random } = options
    this.#searches = new StoragePortSearches({
      ...{ clock, random },
      open: () => new UdxPort({ host: port.local.host, random }),
      send: (datagram, to) => port.send(datagram, to),
      take: (datagram, from, socket) => this.#receive(datagram, from, socket),
    })
  }

  start(): void {
    if (this.#stops.length > 0 || this.#closing !== undefined) return
    const { port, cameras, tokens, clock } = this.#options
    this.#enrolled = new Set(cameras.enrolled().map(({ key }) => toHex(key)))
    this.#stops.push(
      port.listen(PAIR_KIND, (datagram, from) => this.#receive(datagram, from)),
      cameras.onChange(() => this.#camerasChanged()),
      tokens.onChange(() => this.#registration?.refresh()),
      watchInterfaces(this.#interfaces, clock, () => {
        this.#registration?.doubt()
        this.#registration?.refresh()
        this.#discovery?.join(this.#interfaces())
      }),
    )
    if (this.#options.discovery === true) {
      this.#discovery = new DiscoveryListener(
        (datagram, from) => this.#receive(datagram, from),
        () => this.#interfaces(),
      )
    }
    this.#signals = new SignalPort(port)
    this.#tcp = this.#listenTcp()
  }

  /** Resolves once cameras may connect by TCP, or it is known that they may not. */
  async ready(): Promise<void> {
    await this.#tcp
  }

  /** Signalling over the link's port; throws INTERNAL before `start`. */
  get signals(): SignalPort {
    if (this.#signals === undefined) throw new HomewardError('INTERNAL', 'the link has not been started')
    return this.#signals
  }

  /**
   * Registers at this P2P server from now on; at most once, after `start`. Without a server the device is met at known
   * addresses only.
   */
  useServer(server: ServerAddresses): void {
    if (this.#registration !== undefined || this.#closing !== undefined) return
    const { identity, port, peers, clock, random, loopback = false } = this.#options
    const registration = new Registration({
      identity,
      signals: this.signals,
      server,
      tags: () => this.#tags(),
      candidates: () => localCandidates(this.#interfaces(), port.local, { loopback }),
      dial: (addresses, key, signal) => dialServer({ addresses, key, clock, signal }),
      clock,
      random,
    })
    const help = new StorageServer({
      ...{ registration, server, signals: this.signals, clock, random, uid: identity.publicKey },
      tags: () => this.#tags(),
      interfaces: this.#interfaces,
    })
    this.#help = help
    this.#carried = new CarriedRequests({
      ...{ help, port, peers, clock, searches: this.#searches },
      lineOf: (peer) => this.#lineOf(peer),
      receiveOn: (stream, frame) => this.#receiveOn(stream, frame),
      enrol: (box, reply) => void this.#enrol(box, reply),
    })
    this.#registration = registration
    this.#registration.start()
  }

  /** Called with each new channel; a camera's new one has replaced its old one. Returns the way to stop. */
  onChannel(listener: (camera: Peer, channel: Channel) => void): () => void {
    this.#channelListeners.add(listener)
    return () => this.#channelListeners.delete(listener)
  }

  /** Called when a camera was enrolled that was not before. Returns the way to stop. */
  onEnrolled(listener: (camera: Camera) => void): () => void {
    this.#enrolledListeners.add(listener)
    return () => this.#enrolledListeners.delete(listener)
  }

  status(): StorageLinkStatus {
    const nowMs = this.#options.clock.monoUs() / 1000
    const channels = [...this.#lines.values()].flatMap(({ peer, live }) =>
      live === undefined
        ? []
        : [{ camera: peer.remote, path: live.channel.path, forMs: Math.round(nowMs - live.sinceMs) }],
    )
    return { channels, registration: this.#registration?.status(), nat: this.#help?.nat }
  }

  /** Idempotent; resolves when no timer, stream or listener of the link is left. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const stop of this.#stops) stop()
    this.#carried?.close()
    await this.#help?.close()
    await this.#registration?.close()
    this.#signals?.close()
    await this.#discovery?.close()
    await (await this.#tcp)?.close()
    for (const line of this.#lines.values()) this.#end(line)
    await Promise.all(this.#ending)
    await this.#searches.close()
  }

  readonly #interfaces = (): Interfaces => (this.#options.interfaces ?? networkInterfaces)()

  /** Of every enrolled camera and every setup code that may still be used. */
  #tags(): Uint8Array[] {
    const { peers, tokens } = this.#options
    const enrolled = [...peers.values()].filter(({ remote }) => this.#enrolled.has(toHex(remote)))
    return [...enrolled.map(({ keys }) => keys), ...tokens.liveKeys()].map((keys) => keys.lookupTag)
  }

  /** `port`: where it arrived, a socket of a search perhaps. */
  #receive(datagram: Uint8Array, from: Address, port = this.#options.port): void {
    const { peers } = this.#options
    if (readHead(datagram)?.type === 'enrol') {
      void this.#enrol(datagram, (answer) => port.send(answer, from))
      return
    }
    const heard = peers.open(datagram)
    if (heard === undefined) return
    const { peer, message } = heard
    switch (message.type) {
      case 'probe': {
        const { tx, candidate, sentUs } = message
        port.send(peer.seal({ type: 'probe-answer', tx, candidate, sentUs, observed: from }), from)
        this.#searches.heard(peer, tx, from)
        return
      }
      case 'open': {
        if (message.path === 'relay-udp' || message.path === 'relay-tls') return
        const answer = this.#lineOf(peer).open(message, from, port)
        if (answer === undefined) return
        this.#searches.keep(port)
        port.send(peer.seal(answer), from)
        return
      }
      default:
        // The rest is what a storage device sends, not what it gets.
        return
    }
  }

  async #listenTcp(): Promise<TcpListener | undefined> {
    const { port, clock, onError } = this.#options
    try {
      return await TcpListener.listen({
        ...{ local: port.local, clock },
        onFrame: (frame, socket) => this.#receiveOn(socket, frame),
      })
    } catch (error) {
      onError?.(error)
      return undefined
    }
  }

  /** The first frame of a stream that is nobody's yet. */
  #receiveOn(stream: RelayStream, frame: Uint8Array): boolean {
    const heard = this.#closing === undefined ? this.#options.peers.open(frame) : undefined
    if (heard?.message.type !== 'open') return false
    const answer = this.#lineOf(heard.peer).openOn(stream, heard.message)
    if (answer === undefined) return false
    writeFrame(stream, heard.peer.seal(answer))
    return true
  }

  async #enrol(datagram: Uint8Array, reply: (answer: Uint8Array) => void): Promise<void> {
    const { desk, onError } = this.#options
    try {
      const answer = await desk.receive(datagram)
      if (answer === undefined || this.#closing !== undefined) return
      reply(answer)
      // Only now is the camera among the peers, whose tags are registered.
      this.#registration?.refresh()
    } catch (error) {
      onError?.(error)
    }
  }

  #lineOf(peer: Peer): StorageLine {
    const key = toHex(peer.remote)
    const known = this.#lines.get(key)
    if (known?.peer === peer) return known
    // The camera was enrolled anew: same keys, but another count of its datagrams.
    if (known !== undefined) this.#end(known)
    const { identity, port, clock } = this.#options
    const line = new StorageLine({
      identity,
      port,
      clock,
      peer,
      send: (answer, to, from) => from.send(peer.seal(answer), to),
      onChannel: (channel) => {
        for (const listener of [...this.#channelListeners]) listener(peer, channel)
      },
      onLost: () => this.#registration?.doubt(),
    })
    this.#lines.set(key, line)
    return line
  }

  #end(line: StorageLine): void {
    const ending = line.close().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  #camerasChanged(): void {
    const enrolled = this.#options.cameras.enrolled()
    const keys = new Set(enrolled.map(({ key }) => toHex(key)))
    const added = enrolled.filter(({ key }) => !this.#enrolled.has(toHex(key)))
    this.#enrolled = keys
    for (const [key, line] of this.#lines) {
      if (keys.has(key)) continue
      this.#end(line)
      this.#lines.delete(key)
      this.#carried?.forget(line.peer)
    }
    for (const camera of added) for (const listener of [...this.#enrolledListeners]) listener(camera)
    this.#registration?.refresh()
  }
}

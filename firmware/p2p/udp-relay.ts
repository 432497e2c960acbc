/**
 * One relay: two udx streams of ours, each connected to one end, each handing its packets to the other. udx forwards them
 * without asking anybody; what arrived for a stream is counted (measured). The packets of a direction that is over its
 * budget are led past us instead: to a socket of our own on this machine, from where they go on at the pace that is left.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { Address } from '../link/address.ts'
import type { PortStream } from '../link/udx-port.ts'
import type { Clock } from '../platform/clock.ts'
import { RelayShaper } from './relay-shaper.ts'
import type { Share } from './relay-shares.ts'

/** Where udx streams come from: link/udx-port. */
export interface StreamPort {
  readonly local: Address
  openStream(): PortStream
  send(packet: Uint8Array, to: Address): void
}

/** The discard port (RFC 863) of this machine, and an id that no stream has. */
const NOWHERE = { id: 0, port: 9, host: '127.0.0.1' } as const

/** `direct`: udx sends to the end. `shaped`: to our own socket. `shut`: to nowhere. */
type Way = 'direct' | 'shaped' | 'shut'

interface Leg {
  readonly stream: PortStream
  readonly to: Address
  readonly remoteId: number
  seenBytes: number
  way: Way
  detour?: Detour
}

interface Detour {
  readonly socket: Socket
  readonly shaper: RelayShaper
  /** Undefined until the socket listens. */
  address?: Address
}

interface End {
  readonly to: Address
  /** The end's own udx stream id. */
  readonly stream: number
}

export interface UdpRelayListener {
  /** Either stream is gone; told once at least. */
  onEnd(): void
  /** A direction is led past us from now on, or not any more. */
  onDetour(isOn: boolean): void
}

export class UdpRelay {
  readonly #owner: Leg
  readonly #camera: Leg
  readonly #listener: UdpRelayListener
  readonly #port: StreamPort
  readonly #share: Share
  readonly #clock: Clock
  #heardUs: number
  #bytes = 0

  constructor(
    [owner, camera]: readonly [End, End],
    port: StreamPort,
    share: Share,
    clock: Clock,
    listener: UdpRelayListener,
  ) {
    this.#listener = listener
    this.#port = port
    this.#share = share
    this.#clock = clock
    this.#heardUs = clock.monoUs()
    this.#owner = openLeg(port, owner)
    this.#camera = openLeg(port, camera)
    for (const { stream } of this.#legs) stream.bytes.on('close', () => listener.onEnd())
    // Only connected streams may be relayed.
    this.#owner.stream.bytes.relayTo(this.#camera.stream.bytes)
    this.#camera.stream.bytes.relayTo(this.#owner.stream.bytes)
  }

  get owner(): { readonly id: number } {
    return this.#owner.stream
  }

  get camera(): { readonly id: number } {
    return this.#camera.stream
  }

  /** When something last arrived, in monotonic µs. */
  get heardUs(): number {
    return this.#heardUs
  }

  /** What arrived since this was last asked. */
  takeBytes(): number {
    const bytes = this.#bytes
    this.#bytes = 0
    return bytes
  }

  /** Counts what arrived, and leads the direction that carries the most past us while there is too much of it. */
  enforce(): void {
    const fromCamera = takeReceived(this.#camera)
    const fromOwner = takeReceived(this.#owner)
    if (fromCamera + fromOwner > 0) this.#heardUs = this.#clock.monoUs()
    this.#bytes += fromCamera + fromOwner
    // What took the way past us counts when it goes on, and what was led to nowhere has cost nobody anything.
    const direct = (this.#owner.way === 'direct' ? fromCamera : 0) + (this.#camera.way === 'direct' ? fromOwner : 0)
    this.#share.spend(direct)
    for (const leg of this.#legs) this.#lookAt(leg)
    if (this.#share.allows()) return
    const heavy = fromCamera >= fromOwner ? this.#owner : this.#camera
    if (heavy.way === 'direct') this.#detour(heavy)
  }

  /** Sends one packet that waited for its turn; false when there is none, or none is allowed. */
  sendOne(): boolean {
    const atOwner = this.#owner.detour?.shaper.sendOne() ?? false
    const atCamera = this.#camera.detour?.shaper.sendOne() ?? false
    return atOwner || atCamera
  }

  /** Nothing gets through any more; udx tells the ends nothing of it, and they notice the silence. Idempotent. */
  close(): void {
    for (const leg of this.#legs) {
      leg.stream.bytes.destroy()
      this.#endDetour(leg)
    }
  }

  get #legs(): readonly [Leg, Leg] {
    return [this.#owner, this.#camera]
  }

  /** Back to the straight way when there is no need for another, and to nowhere for one look when far too much comes. */
  #lookAt(leg: Leg): void {
    const { detour } = leg
    if (detour === undefined) return
    if (detour.shaper.takeFlooded()) {
      lead(leg, 'shut', NOWHERE.id, NOWHERE)
    } else if (detour.shaper.waitingBytes === 0 && this.#share.isCalm()) {
      lead(leg, 'direct', leg.remoteId, leg.to)
      this.#endDetour(leg)
    } else if (leg.way === 'shut' && detour.address !== undefined) {
      lead(leg, 'shaped', leg.remoteId, detour.address)
    }
  }

  #detour(leg: Leg): void {
    const { local } = this.#port
    const isIpv6 = local.host.includes(':') && local.host !== '::'
    const isAny = local.host === '0.0.0.0' || local.host === '::'
    const host = isAny ? '127.0.0.1' : local.host
    const socket = createSocket(isIpv6 ? 'udp6' : 'udp4')
    const shaper = new RelayShaper(this.#share, (packet) => this.#port.send(packet, leg.to))
    const detour: Detour = { socket, shaper }
    leg.detour = detour
    this.#listener.onDetour(true)
    // Until it listens, and should it never: what is too much is lost.
    lead(leg, 'shut', NOWHERE.id, NOWHERE)
    socket.on('error', () => {})
    socket.on('message', (packet: Buffer, from: RemoteInfo) => {
      // Nobody but udx sends here, from our own port.
      if (from.port === local.port) shaper.push(packet)
    })
    socket.bind({ port: 0, address: host }, () => {
      if (leg.detour === detour) detour.address = { host, port: socket.address().port }
    })
  }

  #endDetour(leg: Leg): void {
    if (leg.detour === undefined) return
    leg.detour.socket.close()
    delete leg.detour
    this.#listener.onDetour(false)
  }
}

function openLeg(port: StreamPort, { to, stream: remoteId }: End): Leg {
  const stream = port.openStream()
  stream.connect(remoteId, to)
  return { stream, to, remoteId, seenBytes: 0, way: 'direct' }
}

function takeReceived(leg: Leg): number {
  const received = leg.stream.bytes.bytesReceived
  const fresh = received - leg.seenBytes
  leg.seenBytes = received
  return fresh
}

function lead(leg: Leg, way: Way, id: number, { port, host }: Address): void {
  const { bytes } = leg.stream
  if (bytes.socket === null) return
  leg.way = way
  // It is done at once. But a relayed stream takes numbers that arrive for its own (libudx `relay_packet`), and as soon as its
  // end has sent something, udx waits for them to be ACKed: for ever, and refuses any other change until then.
  const pending = bytes.changeRemote(bytes.socket, id, port, host)
  if (pending === null) return
  pending.catch(() => {})
  bytes._onremotechanged()
}

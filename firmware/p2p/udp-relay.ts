/**
 * One relay: two udx streams of ours, each connected to one end, each handing its packets to the other. udx forwards them
 * without asking anybody; what arrived for a stream is counted (measured), and so a direction that is over its budget is
 * led to nowhere until it may go on: to the ends that is a loss, to which their congestion control answers.
 */
import type { Address } from '../link/address.ts'
import type { PortStream } from '../link/udx-port.ts'
import type { Clock } from '../platform/clock.ts'
import type { Share } from './relay-shares.ts'

/** Where udx streams come from: link/udx-port. */
export interface StreamPort {
  openStream(): PortStream
}

/** The discard port (RFC 863) of this machine, and an id that no stream has. */
const NOWHERE = { id: 0, port: 9, host: '127.0.0.1' } as const

interface Leg {
  readonly stream: PortStream
  readonly to: Address
  readonly remoteId: number
  seenBytes: number
  /** Led to nowhere: nothing goes out by this leg. */
  isShut: boolean
}

interface End {
  readonly to: Address
  /** The end's own udx stream id. */
  readonly stream: number
}

export class UdpRelay {
  readonly #owner: Leg
  readonly #camera: Leg
  readonly #share: Share
  readonly #clock: Clock
  #heardUs: number
  #bytes = 0

  /** `onEnd`: either stream is gone; told once at least. */
  constructor([owner, camera]: readonly [End, End], port: StreamPort, share: Share, clock: Clock, onEnd: () => void) {
    this.#share = share
    this.#clock = clock
    this.#heardUs = clock.monoUs()
    this.#owner = openLeg(port, owner)
    this.#camera = openLeg(port, camera)
    for (const { stream } of [this.#owner, this.#camera]) stream.bytes.on('close', onEnd)
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

  /** Counts what arrived, and opens or shuts the direction that carries the most. */
  enforce(): void {
    const fromCamera = takeReceived(this.#camera)
    const fromOwner = takeReceived(this.#owner)
    if (fromCamera + fromOwner > 0) this.#heardUs = this.#clock.monoUs()
    this.#bytes += fromCamera + fromOwner
    // What was led to nowhere has cost nobody anything.
    this.#share.spend((this.#owner.isShut ? 0 : fromCamera) + (this.#camera.isShut ? 0 : fromOwner))
    if (this.#share.allows()) {
      for (const leg of [this.#owner, this.#camera]) if (leg.isShut) lead(leg, false)
      return
    }
    const heavy = fromCamera >= fromOwner ? this.#owner : this.#camera
    if (!heavy.isShut) lead(heavy, true)
  }

  /** Nothing gets through any more; udx tells the ends nothing of it, and they notice the silence. Idempotent. */
  close(): void {
    for (const { stream } of [this.#owner, this.#camera]) stream.bytes.destroy()
  }
}

function openLeg(port: StreamPort, { to, stream: remoteId }: End): Leg {
  const stream = port.openStream()
  stream.connect(remoteId, to)
  return { stream, to, remoteId, seenBytes: 0, isShut: false }
}

function takeReceived(leg: Leg): number {
  const received = leg.stream.bytes.bytesReceived
  const fresh = received - leg.seenBytes
  leg.seenBytes = received
  return fresh
}

function lead(leg: Leg, isShut: boolean): void {
  const { bytes } = leg.stream
  if (bytes.socket === null) return
  leg.isShut = isShut
  const changing = isShut
    ? bytes.changeRemote(bytes.socket, NOWHERE.id, NOWHERE.port, NOWHERE.host)
    : bytes.changeRemote(bytes.socket, leg.remoteId, leg.to.port, leg.to.host)
  // Null unless something of our own is under way, and a relayed stream sends nothing of its own.
  changing?.catch(() => {})
}

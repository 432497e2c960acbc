/**
 * The storage device's end of one camera's channels: at most one being opened, at most one in use, and the newest wins.
 */
import type { Duplex } from 'node:stream'
import type { UdxStream } from 'udx-native'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Address } from './address.ts'
import type { Channel } from './channel.ts'
import type { Datagram, Open, Opened } from './datagram.ts'
import type { Identity } from './identity.ts'
import { type ChannelKeys, respondNoise } from './noise.ts'
import { NoiseChannel } from './noise-channel.ts'
import type { Peer } from './peer.ts'
import type { UdxPort } from './udx-port.ts'

/** The camera gives up sooner (OPEN_GIVE_UP_MS); what it left behind is cleared away then. */
export const OPENING_LIMIT_MS = 5_000
/** A handshake costs a handful of curve operations: an enrolled camera gone mad must not keep the processor busy. */
export const OPENINGS_PER_SECOND = 10

export interface StorageLineOptions {
  readonly identity: Identity
  readonly port: UdxPort
  readonly clock: Clock
  readonly peer: Peer
  readonly send: (message: Datagram, to: Address) => void
  readonly onChannel: (channel: Channel) => void
}

interface Opening {
  readonly answer: Opened
  /** Where the camera is. */
  readonly from: Address
  readonly bytes: UdxStream | Duplex
  readonly limit: Timer
  channel: NoiseChannel | undefined
}

export class StorageLine {
  readonly peer: Peer
  readonly #options: StorageLineOptions
  #opening: Opening | undefined
  #live: { readonly answer: Opened; readonly channel: NoiseChannel; readonly sinceMs: number } | undefined
  #second = 0
  #openings = 0
  #closed = false

  constructor(options: StorageLineOptions) {
    this.#options = options
    this.peer = options.peer
  }

  get live(): { readonly channel: Channel; readonly sinceMs: number } | undefined {
    return this.#live
  }

  /** The answer to an authentic, fresh `open` over UDP: the same for the same attempt. Undefined: silence. */
  open(request: Open, from: Address): Opened | undefined {
    for (const answer of [this.#opening?.answer, this.#live?.answer]) {
      if (answer?.attempt === request.attempt) return answer
    }
    if (request.stream === 0) return undefined
    const noise = this.#respond(request)
    if (noise === undefined) return undefined
    const stream = this.#options.port.openStream()
    stream.connect(request.stream, from)
    const opening = this.#begin(
      { type: 'opened', attempt: request.attempt, stream: stream.id, noise: noise.reply },
      from,
      stream.bytes,
    )
    this.#awaitFirstBytes(opening, stream.bytes, noise.keys)
    return opening.answer
  }

  /** The answer to an authentic, fresh `open` that came on `bytes`, which the channel is to be made of. Undefined: silence. */
  openOn(bytes: Duplex, request: Open, from: Address): Opened | undefined {
    const noise = request.stream === 0 ? this.#respond(request) : undefined
    if (noise === undefined) return undefined
    const opening = this.#begin(
      { type: 'opened', attempt: request.attempt, stream: 0, noise: noise.reply },
      from,
      bytes,
    )
    // The answer goes first.
    queueMicrotask(() => this.#become(opening, noise.keys))
    return opening.answer
  }

  #respond(request: Open): ReturnType<typeof respondNoise> {
    if (this.#closed || !this.#mayOpen()) return undefined
    return respondNoise(this.#options.identity, this.peer.remote, request.noise)
  }

  #begin(answer: Opened, from: Address, bytes: Opening['bytes']): Opening {
    this.#abandon()
    const opening: Opening = {
      ...{ answer, from, bytes },
      limit: this.#options.clock.after(OPENING_LIMIT_MS, () => {
        if (this.#opening === opening) this.#abandon()
      }),
      channel: undefined,
    }
    this.#opening = opening
    return opening
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    this.#abandon()
    await this.#live?.channel.close()
  }

  #mayOpen(): boolean {
    const second = Math.floor(this.#nowMs() / 1000)
    if (second !== this.#second) this.#openings = 0
    this.#second = second
    this.#openings += 1
    return this.#openings <= OPENINGS_PER_SECOND
  }

  /**
   * The camera speaks first: what we sent before it connected its stream would be lost, and cost a second until it is
   * sent again.
   */
  #awaitFirstBytes(opening: Opening, bytes: UdxStream, keys: ChannelKeys): void {
    bytes.once('readable', () => this.#become(opening, keys))
  }

  #become(opening: Opening, keys: ChannelKeys): void {
    if (this.#opening !== opening) return
    const { clock } = this.#options
    const channel = new NoiseChannel({ path: 'lan', bytes: opening.bytes, initiator: false, keys, clock })
    opening.channel = channel
    channel.onReady(() => this.#use(opening, channel))
    channel.onClose(() => this.#ended(opening, channel))
  }

  /** The camera has proved that it holds the keys: only now does an older channel give way. */
  #use(opening: Opening, channel: NoiseChannel): void {
    if (this.#opening !== opening) return
    opening.limit.cancel()
    this.#opening = undefined
    const old = this.#live?.channel
    this.#live = { answer: opening.answer, channel, sinceMs: this.#nowMs() }
    old?.abort('replaced')
    this.#options.onChannel(channel)
  }

  /** Tells the camera, which would else notice by silence only: udx says nothing about streams it does not know. */
  #ended(opening: Opening, channel: NoiseChannel): void {
    if (this.#opening === opening) this.#abandon()
    if (this.#live?.channel !== channel) return
    this.#live = undefined
    // A TCP connection says so by itself.
    if (opening.answer.stream !== 0) this.#options.send({ type: 'bye', attempt: opening.answer.attempt }, opening.from)
  }

  #abandon(): void {
    const opening = this.#opening
    this.#opening = undefined
    opening?.limit.cancel()
    if (opening?.channel === undefined) opening?.bytes.destroy()
    else opening.channel.abort('closed')
  }

  #nowMs(): number {
    return this.#options.clock.monoUs() / 1000
  }
}

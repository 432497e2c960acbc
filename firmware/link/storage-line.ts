/**
 * The storage device's end of one camera's channels: a few being opened, for the camera tries several paths at once, and at
 * most one in use: the one that the camera has spoken on last.
 */
import type { Duplex } from 'node:stream'
import type { RawStream } from '@hyperswarm/secret-stream'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Address } from './address.ts'
import type { Channel, ChannelCloseReason } from './channel.ts'
import type { Datagram, Open, Opened } from './datagram-body.ts'
import type { Identity } from './identity.ts'
import { type ChannelKeys, respondNoise } from './noise.ts'
import { NoiseChannel } from './noise-channel.ts'
import type { Peer } from './peer.ts'
import type { RelayLeg } from './server-help.ts'
import type { PortStream, UdxPort } from './udx-port.ts'

/** The camera gives up sooner (OPEN_RELAY_LIMIT_MS); what it left behind is cleared away then. */
export const OPENING_LIMIT_MS = 8_000
/** A handshake costs a handful of curve operations: an enrolled camera gone mad must not keep the processor busy. */
export const OPENINGS_PER_SECOND = 10
/** One for each path, and some that the camera has given up already. */
const OPENINGS_MAX = 8

export interface StorageLineOptions {
  readonly identity: Identity
  readonly port: UdxPort
  readonly clock: Clock
  readonly peer: Peer
  readonly send: (message: Datagram, to: Address, from: UdxPort) => void
  readonly onChannel: (channel: Channel) => void
  /** The channel in use ended, and not at our wish: by the camera's, or by what lies between. */
  readonly onLost?: () => void
}

interface Opening {
  readonly answer: Opened
  /** To the camera, when it is by UDP that it hears of the end of the channel. */
  readonly send: ((message: Datagram) => void) | undefined
  readonly path: Open['path']
  readonly bytes: RawStream
  readonly limit: Timer
  channel: NoiseChannel | undefined
}

export class StorageLine {
  readonly peer: Peer
  readonly #options: StorageLineOptions
  /** By attempt. */
  readonly #openings = new Map<string, Opening>()
  #live: { readonly answer: Opened; readonly channel: NoiseChannel; readonly sinceMs: number } | undefined
  #second = 0
  #begun = 0
  #closed = false

  constructor(options: StorageLineOptions) {
    this.#options = options
    this.peer = options.peer
  }

  get live(): { readonly channel: Channel; readonly sinceMs: number } | undefined {
    return this.#live
  }

  /**
   * The answer to an authentic, fresh `open` that came by UDP at `port`: the same for the same attempt. Undefined: silence.
   */
  open(request: Open, from: Address, port = this.#options.port): Opened | undefined {
    const known = this.#known(request)
    if (known !== undefined) return known
    const stream = port.openStream()
    stream.connect(request.stream, from)
    return this.#openUdx(request, stream, (message) => this.#options.send(message, from, port))
  }

  /** The same for one that the server carried: `join` makes our leg of the relay. */
  openAtRelay(request: Open, join: (stream: number) => Promise<RelayLeg>): Opened | undefined {
    const known = this.#known(request)
    if (known !== undefined) return known
    const stream = this.#options.port.openStream()
    const answer = this.#openUdx(request, stream, undefined)
    if (answer === undefined) return undefined
    join(stream.id).then(
      (leg) => {
        if (this.#openings.has(request.attempt)) stream.connect(leg.stream, leg.to)
      },
      () => this.#abandon(request.attempt),
    )
    return answer
  }

  /** The answer to an authentic, fresh `open` that came on `bytes`, which the channel is to be made of. */
  openOn(bytes: Duplex & RawStream, request: Open): Opened | undefined {
    const noise = request.stream === 0 ? this.#respond(request) : undefined
    if (noise === undefined) return undefined
    const answer: Opened = { type: 'opened', attempt: request.attempt, stream: 0, noise: noise.reply }
    const opening = this.#begin(answer, request, bytes, undefined)
    // The answer goes first.
    queueMicrotask(() => this.#become(opening, noise.keys))
    return answer
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    for (const attempt of [...this.#openings.keys()]) this.#abandon(attempt)
    await this.#live?.channel.close()
  }

  #known({ attempt }: Open): Opened | undefined {
    return (
      this.#openings.get(attempt)?.answer ?? (this.#live?.answer.attempt === attempt ? this.#live.answer : undefined)
    )
  }

  /**
   * The camera speaks first: what we sent before it connected its stream would be lost, and cost a second until it is
   * sent again.
   */
  #openUdx(request: Open, stream: PortStream, send: Opening['send']): Opened | undefined {
    const noise = request.stream === 0 ? undefined : this.#respond(request)
    if (noise === undefined) {
      stream.bytes.destroy()
      return undefined
    }
    const answer: Opened = { type: 'opened', attempt: request.attempt, stream: stream.id, noise: noise.reply }
    const opening = this.#begin(answer, request, stream.bytes, send)
    stream.bytes.once('readable', () => this.#become(opening, noise.keys))
    return answer
  }

  #respond(request: Open): ReturnType<typeof respondNoise> {
    if (this.#closed || !this.#mayOpen()) return undefined
    return respondNoise(this.#options.identity, this.peer.remote, request.noise)
  }

  #mayOpen(): boolean {
    const second = Math.floor(this.#nowMs() / 1000)
    if (second !== this.#second) this.#begun = 0
    this.#second = second
    this.#begun += 1
    return this.#begun <= OPENINGS_PER_SECOND
  }

  #begin(answer: Opened, { path, attempt }: Open, bytes: RawStream, send: Opening['send']): Opening {
    const [oldest] = this.#openings.keys()
    if (oldest !== undefined && this.#openings.size >= OPENINGS_MAX) this.#abandon(oldest)
    const limit = this.#options.clock.after(OPENING_LIMIT_MS, () => this.#abandon(attempt))
    const opening: Opening = { answer, send, path, bytes, limit, channel: undefined }
    this.#openings.set(attempt, opening)
    return opening
  }

  #become(opening: Opening, keys: ChannelKeys): void {
    if (this.#openings.get(opening.answer.attempt) !== opening || opening.channel !== undefined) return
    const { clock } = this.#options
    const { path, bytes } = opening
    const channel = new NoiseChannel({ path, bytes, initiator: false, keys, clock })
    opening.channel = channel
    channel.onUsed(() => this.#use(opening, channel))
    channel.onClose((reason) => this.#ended(opening, channel, reason))
  }

  /** The camera holds the keys, and has chosen this channel: only now does an older one give way. */
  #use(opening: Opening, channel: NoiseChannel): void {
    const { attempt } = opening.answer
    if (this.#openings.get(attempt) !== opening) return
    opening.limit.cancel()
    this.#openings.delete(attempt)
    const old = this.#live?.channel
    this.#live = { answer: opening.answer, channel, sinceMs: this.#nowMs() }
    old?.abort('replaced')
    this.#options.onChannel(channel)
  }

  /** Tells the camera, which would else notice by silence only: udx says nothing about streams it does not know. */
  #ended(opening: Opening, channel: NoiseChannel, reason: ChannelCloseReason): void {
    const { attempt } = opening.answer
    if (this.#openings.get(attempt) === opening) this.#abandon(attempt)
    if (this.#live?.channel !== channel) return
    this.#live = undefined
    opening.send?.({ type: 'bye', attempt })
    if (reason !== 'closed' && reason !== 'replaced') this.#options.onLost?.()
  }

  #abandon(attempt: string): void {
    const opening = this.#openings.get(attempt)
    if (opening === undefined) return
    this.#openings.delete(attempt)
    opening.limit.cancel()
    if (opening.channel === undefined) opening.bytes.destroy()
    else opening.channel.abort('closed')
  }

  #nowMs(): number {
    return this.#options.clock.monoUs() / 1000
  }
}

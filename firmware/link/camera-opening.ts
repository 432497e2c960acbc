/**
 * One opening of a channel, the camera's end: a byte stream, a handshake, and then the channel they become. Over TCP where
 * the storage device accepts it, over udx otherwise.
 */
import type { Duplex } from 'node:stream'
import type { RawStream } from '@hyperswarm/secret-stream'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import type { Address } from './address.ts'
import type { ChannelCloseReason, ChannelPath } from './channel.ts'
import type { Datagram, Opened } from './datagram.ts'
import { readFrame, writeFrame } from './first-frame.ts'
import type { Identity } from './identity.ts'
import { NoiseInitiator } from './noise.ts'
import { NoiseChannel } from './noise-channel.ts'
import type { Peer } from './peer.ts'
import { dialTcp } from './tcp.ts'
import type { PortStream, UdxPort } from './udx-port.ts'

/** An accepted connection is answered within a round trip; the machine gives up soon after. */
const ANSWER_WITHIN_MS = 1_000

export interface CameraOpeningOptions {
  /** The connect machine's number for it. */
  readonly number: number
  readonly identity: Identity
  readonly peer: Peer
  readonly port: UdxPort
  readonly path: ChannelPath
  readonly to: Address
  readonly clock: Clock
  readonly random: Random
  /** What a storage device says on a stream that is not the channel yet. */
  readonly hear: (message: Datagram) => void
  /** The channel carries bytes. */
  readonly ready: () => void
  readonly closed: (reason: ChannelCloseReason) => void
}

type State =
  | { readonly name: 'dialling' }
  | { readonly name: 'asking by TCP'; readonly socket: Duplex }
  | { readonly name: 'asking by UDP'; readonly stream: PortStream }
  | { readonly name: 'answered'; readonly channel: NoiseChannel }
  | { readonly name: 'closed' }

export class CameraOpening {
  readonly number: number
  /** 16 hex digits. */
  readonly attempt: string
  readonly #options: CameraOpeningOptions
  readonly #noise: NoiseInitiator
  readonly #cancel = new AbortController()
  readonly #dialled: Promise<void>
  #state: State = { name: 'dialling' }

  constructor(options: CameraOpeningOptions) {
    this.#options = options
    this.number = options.number
    this.attempt = toHex(options.random.bytes(8))
    this.#noise = new NoiseInitiator(options.identity, options.peer.remote)
    this.#dialled = this.#dial()
  }

  get channel(): NoiseChannel | undefined {
    return this.#state.name === 'answered' ? this.#state.channel : undefined
  }

  /** Says the same once more, for a datagram may be lost. */
  ask(): void {
    if (this.#state.name !== 'asking by UDP') return
    const { port, peer, to } = this.#options
    port.send(peer.seal(this.#request(this.#state.stream.id)), to)
  }

  /** Makes the channel of the first answer that is for this opening. */
  answer(message: Opened): void {
    const state = this.#state
    if (message.attempt !== this.attempt) return
    if (state.name === 'asking by TCP') this.#become(message, state.socket)
    else if (state.name === 'asking by UDP') {
      state.stream.connect(message.stream, this.#options.to)
      this.#become(message, state.stream.bytes)
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const state = this.#state
    if (state.name === 'asking by UDP') state.stream.bytes.destroy()
    if (state.name === 'asking by TCP') state.socket.destroy()
    if (state.name !== 'answered') this.#state = { name: 'closed' }
    this.#cancel.abort()
    await this.#dialled
    if (state.name === 'answered') await state.channel.close()
  }

  async #dial(): Promise<void> {
    const { to, clock, peer, hear } = this.#options
    const socket = await dialTcp(to, clock, this.#cancel.signal)
    if (this.#state.name === 'closed') {
      socket?.destroy()
      return
    }
    if (socket === undefined) {
      this.#askByUdp()
      return
    }
    this.#state = { name: 'asking by TCP', socket }
    writeFrame(socket, peer.seal(this.#request(0)))
    const frame = await readFrame(socket, ANSWER_WITHIN_MS, clock)
    const message = frame === undefined ? undefined : peer.open(frame)
    if (message !== undefined) hear(message)
    // It accepted, but is not the one that answered the probe, or has no time: udx may still get through.
    if (this.#state.name === 'asking by TCP') {
      socket.destroy()
      this.#askByUdp()
    }
  }

  #askByUdp(): void {
    this.#state = { name: 'asking by UDP', stream: this.#options.port.openStream() }
    this.ask()
  }

  #request(stream: number): Datagram {
    return { type: 'open', attempt: this.attempt, stream, noise: this.#noise.message }
  }

  #become(message: Opened, bytes: RawStream & { destroy(): unknown }): void {
    const { path, clock, ready, closed } = this.#options
    const keys = this.#noise.finish(message.noise)
    if (keys === undefined) {
      // The datagram was the storage device's own, so no second answer will be any better.
      this.#state = { name: 'closed' }
      bytes.destroy()
      closed('malformed')
      return
    }
    const channel = new NoiseChannel({ path, bytes, initiator: true, keys, clock })
    this.#state = { name: 'answered', channel }
    channel.onReady(ready)
    channel.onClose(closed)
  }
}

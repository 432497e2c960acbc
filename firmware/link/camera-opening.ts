/** One opening of a channel, the camera's end: a udx stream, a handshake, and then the channel they become. */
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import type { Address } from './address.ts'
import type { ChannelCloseReason, ChannelPath } from './channel.ts'
import type { Open, Opened } from './datagram.ts'
import type { Identity } from './identity.ts'
import { NoiseInitiator } from './noise.ts'
import { NoiseChannel } from './noise-channel.ts'
import type { PortStream, UdxPort } from './udx-port.ts'

export interface CameraOpeningOptions {
  /** The connect machine's number for it. */
  readonly number: number
  readonly identity: Identity
  readonly storage: Uint8Array
  readonly port: UdxPort
  readonly path: ChannelPath
  readonly to: Address
  readonly clock: Clock
  readonly random: Random
}

export class CameraOpening {
  readonly number: number
  /** 16 hex digits. */
  readonly attempt: string
  readonly #options: CameraOpeningOptions
  readonly #stream: PortStream
  readonly #noise: NoiseInitiator
  #channel: NoiseChannel | undefined
  #closed = false

  constructor(options: CameraOpeningOptions) {
    this.#options = options
    this.number = options.number
    this.attempt = toHex(options.random.bytes(8))
    this.#stream = options.port.openStream()
    this.#noise = new NoiseInitiator(options.identity, options.storage)
  }

  /** What to send, as often as needed; undefined once it was answered. */
  get request(): Open | undefined {
    if (this.#channel !== undefined || this.#closed) return undefined
    return { type: 'open', attempt: this.attempt, stream: this.#stream.id, noise: this.#noise.message }
  }

  get channel(): NoiseChannel | undefined {
    return this.#channel
  }

  /** Makes the channel of the first answer that is for this opening; says when it carries bytes, and when it is over. */
  answer(message: Opened, on: { ready(): void; closed(reason: ChannelCloseReason): void }): void {
    if (message.attempt !== this.attempt || this.#channel !== undefined || this.#closed) return
    const { path, clock, to } = this.#options
    const keys = this.#noise.finish(message.noise)
    if (keys === undefined) {
      // The datagram was the storage device's own, so no second answer will be any better.
      this.#closed = true
      this.#stream.bytes.destroy()
      on.closed('malformed')
      return
    }
    this.#stream.connect(message.stream, to)
    this.#channel = new NoiseChannel({ path, bytes: this.#stream.bytes, initiator: true, keys, clock })
    this.#channel.onReady(on.ready)
    this.#channel.onClose(on.closed)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#channel === undefined) this.#stream.bytes.destroy()
    else await this.#channel.close()
  }
}

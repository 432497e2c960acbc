/**
 * A Channel over any ordered byte stream: Noise keys that a handshake made beforehand, secret-stream around every message,
 * heartbeats inside of it. One byte in front of each message tells the session's from the channel's own.
 */
import NoiseSecretStream, { type RawStream } from '@hyperswarm/secret-stream'
import type { Clock, Timer } from '../platform/clock.ts'
import { HomewardError, systemCode } from '../wire/errors.ts'
import { CHANNEL_MESSAGE_MAX_BYTES, type Channel, type ChannelCloseReason, type ChannelPath } from './channel.ts'
import { FrameGuard } from './frame-guard.ts'
import { Heartbeat } from './heartbeat.ts'
import type { ChannelKeys } from './noise.ts'

const USER = 0
const PING = 1
const PONG = 2

/** What secret-stream adds to a message (a tag byte and a Poly1305 tag), and our own first byte. */
const FRAME_EXTRA_BYTES = 17 + 1
/** What may wait for a receiver that is not set yet; nobody sends more before the first answer. */
const HELD_MAX_BYTES = 256 * 1024
/** Pings are answered at most this often: one that floods us with pings must not fill our own send queue. */
const PONG_SPACING_MS = 200
/** How long a closed channel may go on sending what it has queued. */
const CLOSE_LINGER_MS = 500

export interface NoiseChannelOptions {
  readonly path: ChannelPath
  /** A udx stream or a socket, connected and read by nobody yet. The channel owns it from now on. */
  readonly bytes: RawStream
  /** Who made the first message of the handshake. */
  readonly initiator: boolean
  readonly keys: ChannelKeys
  readonly clock: Clock
}

export class NoiseChannel implements Channel {
  readonly path: ChannelPath
  readonly remote: Uint8Array
  readonly #clock: Clock
  readonly #bytes: RawStream
  readonly #secret: NoiseSecretStream
  readonly #heartbeat: Heartbeat
  readonly #gone: Promise<void>
  #reason: ChannelCloseReason | undefined
  #linger: Timer | undefined
  #ready = false
  #pongedMs = Number.NEGATIVE_INFINITY
  #held: Uint8Array[] = []
  #heldBytes = 0
  #messageListener: ((message: Uint8Array) => void) | undefined
  #drainListener: (() => void) | undefined
  #readyListener: (() => void) | undefined
  #used = false
  #usedListener: (() => void) | undefined
  #closeListeners: ((reason: ChannelCloseReason) => void)[] = []

  constructor(options: NoiseChannelOptions) {
    const { bytes, keys } = options
    this.path = options.path
    this.remote = keys.remotePublicKey
    this.#clock = options.clock
    this.#bytes = bytes
    this.#secret = new NoiseSecretStream(options.initiator, this.#guarded(bytes), {
      handshake: keys,
      enableSend: false,
    })
    this.#heartbeat = new Heartbeat(options.clock, {
      ping: (streaming) => this.#write(PING, Uint8Array.of(streaming ? 1 : 0)),
      beat: () => this.#write(PONG),
      dead: () => this.#end('silent'),
    })
    this.#gone = new Promise((resolve) => {
      bytes.on('close', () => {
        this.#linger?.cancel()
        this.#end('reset')
        resolve()
      })
    })
    bytes.on('error', (error) => this.#fail(error))
    this.#secret.on('error', (error) => this.#fail(error))
    this.#secret.on('end', () => this.#end('ended'))
    this.#secret.on('drain', () => {
      if (this.#reason === undefined) this.#drainListener?.()
    })
    this.#secret.on('data', (message) => this.#receive(message))
    // Says the first word, which proves to the other end that these keys are held here and that the path carries bytes.
    this.#heartbeat.streaming()
  }

  send(message: Uint8Array): boolean {
    if (message.byteLength === 0 || message.byteLength > CHANNEL_MESSAGE_MAX_BYTES) {
      throw new HomewardError('INTERNAL', `a message of ${message.byteLength} bytes on a channel`)
    }
    if (this.#reason !== undefined) return false
    this.#heartbeat.streaming()
    this.#heartbeat.sent()
    return this.#write(USER, message)
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#messageListener = listener
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    for (const message of held) listener(message)
  }

  onDrain(listener: () => void): void {
    this.#drainListener = listener
  }

  onClose(listener: (reason: ChannelCloseReason) => void): void {
    if (this.#reason === undefined) this.#closeListeners.push(listener)
    else listener(this.#reason)
  }

  /** Told once, when the first message has been verified: the other end holds its keys, and bytes get through. */
  onReady(listener: () => void): void {
    if (this.#ready) listener()
    else this.#readyListener = listener
  }

  /** Told once, when the other end's first message of the session arrives: it has chosen this channel. */
  onUsed(listener: () => void): void {
    if (this.#used) listener()
    else this.#usedListener = listener
  }

  /** Ends at once and tells listeners why; what is queued is dropped. */
  abort(reason: ChannelCloseReason): void {
    this.#end(reason)
  }

  close(): Promise<void> {
    if (this.#reason === undefined) {
      this.#settle('closed')
      this.#secret.end()
      this.#linger = this.#clock.after(CLOSE_LINGER_MS, () => this.#secret.destroy())
    }
    return this.#gone
  }

  /** `bytes` as secret-stream gets to see it: every chunk is looked at first. */
  #guarded(bytes: RawStream): RawStream {
    const guard = new FrameGuard(CHANNEL_MESSAGE_MAX_BYTES + FRAME_EXTRA_BYTES)
    const on = (event: string, listener: (value: never) => void) => {
      if (event !== 'data') return bytes.on(event as 'close', listener as () => void)
      return bytes.on('data', (chunk) => {
        this.#heartbeat.received()
        if (guard.accept(chunk)) (listener as (chunk: Uint8Array) => void)(chunk)
        else this.#end('overrun')
      })
    }
    return {
      write: (chunk) => bytes.write(chunk),
      end: () => bytes.end(),
      destroy: (error) => bytes.destroy(error),
      resume: () => bytes.resume(),
      pause: () => bytes.pause(),
      on,
    }
  }

  #receive(message: Uint8Array): void {
    if (this.#reason !== undefined) return
    if (!this.#ready) {
      this.#ready = true
      this.#readyListener?.()
    }
    const body = message.subarray(1)
    switch (message[0]) {
      case USER:
        this.#heartbeat.streaming()
        this.#deliver(body)
        this.#chosen()
        break
      case PING:
        if (body[0] === 1) this.#heartbeat.streaming()
        this.#answerPing()
        break
      case PONG:
        break
      default:
        this.#end('malformed')
    }
  }

  #chosen(): void {
    if (this.#used) return
    this.#used = true
    this.#usedListener?.()
  }

  #deliver(message: Uint8Array): void {
    if (this.#messageListener !== undefined) {
      this.#messageListener(message)
      return
    }
    this.#heldBytes += message.byteLength
    if (this.#heldBytes > HELD_MAX_BYTES) this.#end('overrun')
    else this.#held.push(message)
  }

  #answerPing(): void {
    const nowMs = this.#clock.monoUs() / 1000
    if (nowMs < this.#pongedMs + PONG_SPACING_MS) return
    this.#pongedMs = nowMs
    this.#heartbeat.sent()
    this.#write(PONG)
  }

  #write(tag: number, body: Uint8Array = new Uint8Array(0)): boolean {
    const message = this.#secret.alloc(body.byteLength + 1)
    message[0] = tag
    message.set(body, 1)
    return this.#secret.write(message)
  }

  /** An error of the system came from the stream below; any other is secret-stream's, about what it was given. */
  #fail(error: Error): void {
    this.#end(systemCode(error) === undefined ? 'malformed' : 'reset')
  }

  #end(reason: ChannelCloseReason): void {
    if (this.#reason !== undefined) return
    this.#settle(reason)
    this.#secret.destroy()
    this.#bytes.destroy()
  }

  #settle(reason: ChannelCloseReason): void {
    this.#reason = reason
    this.#heartbeat.stop()
    this.#held = []
    const listeners = this.#closeListeners
    this.#closeListeners = []
    for (const listener of listeners) listener(reason)
  }
}

/**
 * One TLS connection to the server. First it signals, frame by frame; then it may wait for the other end of a relay, in
 * which it says nothing; then it belongs to the relay. Each of these has its time, and nothing is kept for it beyond one
 * chunk that arrived and a few answers that wait to leave.
 */
import type { TLSSocket } from 'node:tls'
import type { Address } from '../link/address.ts'
import type { Identity } from '../link/identity.ts'
import { signTls } from '../link/signal-proof.ts'
import { TlsFrames, tlsFrame } from '../link/tls-frames.ts'
import { TLS_EXPORT_BYTES, TLS_EXPORT_LABEL } from '../link/tls-line.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import { isHomewardError } from '../wire/errors.ts'
import { decodeSignal, encodeSignal, encodeTlsProof, type SignalMessage } from '../wire/signal.ts'
import type { Origin } from './origin.ts'

/** The first frame follows the handshake at once, and a frame is sent in one piece. */
export const FRAME_WITHIN_MS = 5_000
/** A device that stays says something every 25 s. */
export const QUIET_MS = 60_000
/** Requests under way; more wait in the socket. */
const MAX_PENDING = 16
/** Answers that the other end does not fetch. */
const MAX_UNSENT_BYTES = 64 * 1024

export type TlsOrigin = Extract<Origin, { transport: 'tls' }>

/** Resolves when the request has been dealt with. `bytes`: how long it was. */
export type TlsHandler = (request: SignalMessage, from: TlsOrigin, bytes: number) => Promise<void>

export interface TlsConnectionOptions {
  readonly socket: TLSSocket
  readonly number: number
  readonly address: Address
  readonly identity: Identity
  readonly clock: Clock
  readonly handler: TlsHandler
  /** What came was no frame. */
  readonly onMalformed: () => void
  /** It ran out of time. */
  readonly onLate: () => void
}

export class TlsConnection {
  readonly #options: TlsConnectionOptions
  readonly #socket: TLSSocket
  readonly #frames = new TlsFrames()
  readonly #origin: TlsOrigin
  #mode: 'signalling' | 'held' | 'released' = 'signalling'
  #deadline: Timer
  #isInFrame = false
  #pending = 0

  constructor(options: TlsConnectionOptions) {
    const { socket, number, address, identity } = options
    this.#options = options
    this.#socket = socket
    this.#origin = { transport: 'tls', address, connection: number }
    this.#deadline = this.#within(FRAME_WITHIN_MS)
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', () => this.#deadline.cancel())
    const exported = socket.exportKeyingMaterial(TLS_EXPORT_BYTES, TLS_EXPORT_LABEL, Buffer.alloc(0))
    socket.write(tlsFrame(encodeTlsProof(signTls(identity, exported))))
  }

  send(message: SignalMessage): void {
    if (this.#mode === 'released') return
    if (this.#socket.writableLength > MAX_UNSENT_BYTES) this.#socket.destroy()
    else this.#socket.write(tlsFrame(encodeSignal(message)))
  }

  /** From now on it waits for `ms` for a relay, in silence: whatever it says ends it. False when it has said more already. */
  hold(ms: number): boolean {
    if (this.#mode !== 'signalling' || this.#frames.waitingBytes > 0) return false
    this.#mode = 'held'
    this.#deadline.cancel()
    this.#deadline = this.#within(ms)
    return true
  }

  /** The socket, after hold(); paused, and somebody else's from now on. */
  release(): TLSSocket {
    this.#mode = 'released'
    this.#deadline.cancel()
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.pause()
    return this.#socket
  }

  onClose(listener: () => void): void {
    if (this.#socket.destroyed) listener()
    else this.#socket.once('close', listener)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  readonly #onEnd = () => this.#socket.destroy()

  readonly #onData = (chunk: Uint8Array) => {
    if (this.#mode === 'held') {
      this.#malformed()
      return
    }
    this.#frames.push(chunk)
    this.#drain()
  }

  #drain(): void {
    let taken = 0
    while (this.#mode === 'signalling' && this.#pending < MAX_PENDING) {
      const frame = this.#frames.next()
      if (frame === undefined) break
      const request = frame === 'malformed' ? undefined : readMessage(frame)
      if (request === undefined || frame === 'malformed') {
        this.#malformed()
        return
      }
      taken++
      this.#pending++
      void this.#options.handler(request, this.#origin, frame.byteLength).finally(() => {
        this.#pending--
        if (!this.#socket.destroyed) this.#drain()
      })
    }
    if (this.#mode !== 'signalling') return
    this.#time(taken)
    if (this.#pending >= MAX_PENDING) this.#socket.pause()
    else this.#socket.resume()
  }

  #time(taken: number): void {
    // Requests that wait for us are not late.
    const isInFrame = this.#frames.waitingBytes > 0 && this.#pending < MAX_PENDING
    if (taken === 0 && isInFrame === this.#isInFrame) return
    this.#isInFrame = isInFrame
    this.#deadline.cancel()
    this.#deadline = this.#within(isInFrame ? FRAME_WITHIN_MS : QUIET_MS)
  }

  #within(ms: number): Timer {
    return this.#options.clock.after(ms, () => {
      this.#options.onLate()
      this.#socket.destroy()
    })
  }

  #malformed(): void {
    this.#options.onMalformed()
    this.#socket.destroy()
  }
}

function readMessage(frame: Uint8Array): SignalMessage | undefined {
  try {
    return decodeSignal(frame)
  } catch (error) {
    if (isHomewardError(error)) return undefined
    throw error
  }
}

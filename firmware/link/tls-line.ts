/**
 * A TLS connection to a P2P server, for networks that let no UDP out. Whose certificate it is does not matter: the server
 * proves its own key on each connection, over what only the two ends of that connection can know.
 */
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { RawStream } from '@hyperswarm/secret-stream'
import { type Clock, sleep } from '../platform/clock.ts'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { decodeSignal, decodeTlsProof, encodeSignal, type SignalMessage } from '../wire/signal.ts'
import { type Address, formatAddress } from './address.ts'
import { isTlsProven } from './signal-proof.ts'
import type { SignalLine, SignalListener } from './signals.ts'
import { TlsFrames, tlsFrame } from './tls-frames.ts'

/** What both ends of a connection export, and nobody else can (RFC 8446 §7.5, RFC 5705). */
export const TLS_EXPORT_LABEL = 'EXPORTER-homeward-p2p'
export const TLS_EXPORT_BYTES = 32

/** Connection, handshake and proof: four round trips, and the slowest link that could carry video after them. */
export const DIAL_WITHIN_MS = 5_000
/** Between two tries of one who waits for a server. */
const DIAL_AGAIN_MS = 500
/** Signalling that the network does not take: dropped, as UDP would. */
const MAX_UNSENT_BYTES = 64 * 1024

export interface DialTls {
  readonly address: Address
  /** The server's pinned key; without one whichever server answers is taken, and `TlsLine.key` says which. */
  readonly key: Uint8Array | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Throws SERVER_UNREACHABLE after DIAL_WITHIN_MS at most, also for another key than the pinned one; CANCELLED. */
export async function dialTls({ address, key, clock, signal }: DialTls): Promise<TlsLine> {
  if (signal.aborted) throw cancelled()
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    host: address.host,
    port: address.port,
    minVersion: 'TLSv1.3',
    // The proof below takes the place of the certificate.
    rejectUnauthorized: false,
    allowHalfOpen: true,
  }
  const socket = connect(options)
  socket.setNoDelay(true)
  const frames = new TlsFrames()
  return new Promise((resolve, reject) => {
    const settle = () => {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', fail)
    }
    const fail = (cause: unknown) => {
      settle()
      socket.on('error', () => {})
      socket.destroy()
      reject(isHomewardError(cause) ? cause : unreachable(address, cause))
    }
    const onAbort = () => fail(cancelled())
    const onEnd = () => fail(new Error('the connection was closed'))
    const onData = (chunk: Uint8Array) => {
      frames.push(chunk)
      const frame = frames.next()
      if (frame === undefined) return
      const proven = frame === 'malformed' ? undefined : provenKey(frame, socket)
      if (proven === undefined) return fail(new Error('no P2P server answers there'))
      if (key !== undefined && !equalBytes(proven, key)) return fail(wrongKey(address))
      settle()
      resolve(new TlsLine(socket, frames, address, proven))
    }
    const timer = clock.after(DIAL_WITHIN_MS, () => fail(new Error(`no answer within ${DIAL_WITHIN_MS / 1000} s`)))
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', fail).on('close', onEnd).on('end', onEnd).on('data', onData)
  })
}

export interface DialServer extends Omit<DialTls, 'address'> {
  readonly addresses: readonly Address[]
}

/** The first of a server's addresses that answers; all are tried at once. Throws as {@link dialTls}. */
export async function dialServer({ addresses, key, clock, signal }: DialServer): Promise<TlsLine> {
  const rest = new AbortController()
  const stop = () => rest.abort()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  let first: TlsLine | undefined
  const dials = addresses.map(async (address) => {
    const line = await dialTls({ address, key, clock, signal: rest.signal })
    if (first !== undefined) {
      await line.close()
      throw cancelled()
    }
    first = line
    return line
  })
  try {
    return await Promise.any(dials)
  } catch (error) {
    if (signal.aborted) throw cancelled()
    throw error instanceof AggregateError && isHomewardError(error.errors[0]) ? error.errors[0] : error
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

/** Dials again and again, for a server that is being started refuses connections; throws what came last once `over`. */
export async function dialPatiently(dial: () => Promise<TlsLine>, clock: Clock, over: AbortSignal): Promise<TlsLine> {
  for (;;) {
    try {
      return await dial()
    } catch (error) {
      if (isHomewardError(error)) await sleep(clock, DIAL_AGAIN_MS, over)
      if (over.aborted || !isHomewardError(error)) throw error
    }
  }
}

function provenKey(frame: Uint8Array, socket: TLSSocket): Uint8Array | undefined {
  try {
    const proof = decodeTlsProof(frame)
    const exported = socket.exportKeyingMaterial(TLS_EXPORT_BYTES, TLS_EXPORT_LABEL, Buffer.alloc(0))
    return isTlsProven(proof, exported) ? proof.key : undefined
  } catch (error) {
    if (isHomewardError(error)) return undefined
    throw error
  }
}

/** Signalling over one connection; `to` means nothing, and every message comes from `address`. */
export class TlsLine implements SignalLine {
  readonly address: Address
  /** The server's, proven. */
  readonly key: Uint8Array
  readonly #socket: TLSSocket
  readonly #frames: TlsFrames
  readonly #listeners = new Set<SignalListener>()
  readonly #gone: Promise<void>
  #isRaw = false

  /** By {@link dialTls}. */
  constructor(socket: TLSSocket, frames: TlsFrames, address: Address, key: Uint8Array) {
    this.#socket = socket
    this.#frames = frames
    this.address = address
    this.key = key
    // What goes wrong with a connection ends it, and its end is what its owner looks at.
    socket.on('error', () => {})
    this.#gone = new Promise((resolve) => {
      if (socket.destroyed) resolve()
      else socket.once('close', () => resolve())
    })
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  send(message: SignalMessage): void {
    if (!this.isOpen || this.#isRaw || this.#socket.writableLength > MAX_UNSENT_BYTES) return
    this.#socket.write(tlsFrame(encodeSignal(message)))
  }

  listen(listener: SignalListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Told once, also when it has ended already. */
  onClose(listener: () => void): void {
    void this.#gone.then(listener)
  }

  /**
   * No frames any more: what comes from now on, and what came already, belongs to the caller. Call it in the listener that
   * got the last frame.
   */
  raw(): Duplex & RawStream {
    this.#isRaw = true
    const socket = this.#socket
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    this.#listeners.clear()
    // Stops the flow until somebody reads, by whichever means: a pause() would have to be undone by a resume().
    const stop = () => {}
    socket.on('readable', stop)
    socket.off('readable', stop)
    const rest = this.#frames.takeRest()
    if (rest.byteLength > 0) socket.unshift(Buffer.from(rest))
    return socket
  }

  /** Idempotent; resolves when nothing of it is left. After raw() it ends the stream too. */
  close(): Promise<void> {
    this.#listeners.clear()
    this.#socket.destroy()
    return this.#gone
  }

  readonly #onEnd = () => this.#socket.destroy()

  readonly #onData = (chunk: Uint8Array) => {
    this.#frames.push(chunk)
    while (!this.#isRaw) {
      const frame = this.#frames.next()
      if (frame === undefined) return
      const message = frame === 'malformed' ? undefined : readMessage(frame)
      if (frame === 'malformed') {
        this.#socket.destroy()
        return
      }
      if (message === undefined) continue
      for (const listener of [...this.#listeners]) if (listener(message, this.address)) break
    }
  }
}

/** A later version of the server may say what this one does not know. */
function readMessage(frame: Uint8Array): SignalMessage | undefined {
  try {
    return decodeSignal(frame)
  } catch (error) {
    if (isHomewardError(error)) return undefined
    throw error
  }
}

function unreachable(address: Address, cause: unknown): HomewardError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new HomewardError('SERVER_UNREACHABLE', `no P2P server by TLS at ${formatAddress(address)}: ${why}`, {
    hint: 'It may be down, or its TLS port may be another or blocked on the way.',
    cause,
  })
}

function wrongKey(address: Address): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', `the P2P server at ${formatAddress(address)} has not the pinned key`, {
    hint: 'It is another server, or somebody stands in between: nothing was said to it.',
  })
}

const cancelled = () => new HomewardError('CANCELLED', 'the connection to the P2P server was cancelled')

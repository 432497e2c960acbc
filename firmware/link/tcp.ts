/**
 * TCP beside UDP, under the same port number, for devices that reach each other directly: one system call moves 64 KiB
 * where udx needs one for each 1.4 KB, a fifth of the processor time. Whoever cannot connect goes on with udx.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../platform/clock.ts'
import { HomewardError, systemCode } from '../wire/errors.ts'
import { type Address, canonicalAddress } from './address.ts'
import { readFrame } from './first-frame.ts'

/** A peer that answers probes and listens accepts within a round trip; a firewall that drops TCP costs no more than this. */
export const DIAL_WITHIN_MS = 250
/** The first frame follows the connection at once. */
export const FIRST_FRAME_WITHIN_MS = 3_000
/** Connections that have not said anything yet: a scan of the network leaves a few, an attack no more than these. */
export const SILENT_MAX = 64

/** Undefined when there is no connection within DIAL_WITHIN_MS. */
export function dialTcp(to: Address, clock: Clock, signal: AbortSignal): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: to.host, port: to.port, noDelay: true })
    const settle = (result: Socket | undefined) => {
      timer.cancel()
      signal.removeEventListener('abort', onFail)
      socket.off('connect', onConnect)
      if (result === undefined) socket.destroy()
      resolve(result)
    }
    const onConnect = () => settle(socket)
    const onFail = () => settle(undefined)
    const timer = clock.after(DIAL_WITHIN_MS, onFail)
    // Stays for good: the end of a socket is what its owner looks at.
    socket.on('error', onFail)
    socket.once('connect', onConnect)
    if (signal.aborted) onFail()
    else signal.addEventListener('abort', onFail, { once: true })
  })
}

export interface TcpListenerOptions {
  readonly local: Address
  readonly clock: Clock
  /** The first frame of a connection. False: it is not for us, and the connection ends without a word. */
  readonly onFrame: (frame: Uint8Array, socket: Socket, from: Address) => boolean
}

/** Accepts connections, and says nothing to whoever does not begin with what only a peer can say. */
export class TcpListener {
  readonly #server: Server
  readonly #options: TcpListenerOptions
  readonly #silent = new Set<Socket>()
  readonly #sockets = new Set<Socket>()

  private constructor(options: TcpListenerOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true }, (socket) => void this.#accept(socket))
  }

  /** Throws ADDRESS_IN_USE or CONFIG_INVALID. */
  static async listen(options: TcpListenerOptions): Promise<TcpListener> {
    const listener = new TcpListener(options)
    const { host, port } = options.local
    await new Promise<void>((resolve, reject) => {
      listener.#server.once('error', (cause) => {
        const code = systemCode(cause) === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'CONFIG_INVALID'
        reject(
          new HomewardError(code, `cannot listen on TCP port ${port}`, {
            hint: 'Cameras in this network use UDP instead, which costs both sides more processor time.',
            cause,
          }),
        )
      })
      listener.#server.listen({ host, port }, resolve)
    })
    return listener
  }

  /** Ends every connection with it. Idempotent. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  async #accept(socket: Socket): Promise<void> {
    const from = canonicalAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)
    socket.on('error', () => {})
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#silent.delete(socket)
    })
    if (from === undefined || this.#silent.size >= SILENT_MAX) {
      socket.destroy()
      return
    }
    this.#silent.add(socket)
    const frame = await readFrame(socket, FIRST_FRAME_WITHIN_MS, this.#options.clock)
    this.#silent.delete(socket)
    if (frame === undefined || !this.#options.onFrame(frame, socket, from)) socket.destroy()
  }
}

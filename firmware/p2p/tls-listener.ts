/**
 * Where devices come whose network lets no UDP out. Whoever connects costs a handshake, so addresses are counted before
 * it: how many are open, and how many came lately.
 */
import { constants } from 'node:crypto'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import { type Address, canonicalAddress } from '../link/address.ts'
import type { Certificate } from '../link/certificate.ts'
import type { Identity } from '../link/identity.ts'
import { type Rate, RateLimit, sourceOf } from '../link/rate-limit.ts'
import type { Clock } from '../platform/clock.ts'
import { HomewardError, systemCode } from '../wire/errors.ts'
import type { SignalMessage } from '../wire/signal.ts'
import { TlsConnection, type TlsHandler } from './tls-connection.ts'

export interface TlsLimits {
  readonly connections: number
  /** From one IPv4 address or IPv6 /64. */
  readonly connectionsPerSource: number
  /** Handshakes of one such source. */
  readonly handshakes: Rate
  readonly handshakeMs: number
}

/** Some tens of KiB for each connection: a few hundred MB at the very most. */
export const TLS_LIMITS: TlsLimits = {
  connections: 4096,
  connectionsPerSource: 64,
  handshakes: { perSecond: 16, burst: 128 },
  handshakeMs: 5_000,
}

const MAX_SOURCES = 16_384

export interface TlsListenerOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly certificate: Certificate
  readonly identity: Identity
  readonly clock: Clock
  readonly limits?: TlsLimits
}

/** Since the start. */
export interface TlsCounters {
  accepted: number
  /** Too many connections, in all or from one address. */
  turnedAway: number
  /** The TLS handshake failed or took too long. */
  failedHandshakes: number
  malformed: number
  late: number
}

export class TlsListener {
  readonly counters: TlsCounters = { accepted: 0, turnedAway: 0, failedHandshakes: 0, malformed: 0, late: 0 }
  readonly #options: TlsListenerOptions
  readonly #limits: TlsLimits
  readonly #server: Server
  /** Listens nowhere: it is handed the connections that are worth a handshake. */
  readonly #tls: TlsServer
  readonly #rate: RateLimit
  readonly #sockets = new Set<Socket>()
  readonly #perSource = new Map<string, number>()
  readonly #connections = new Map<number, TlsConnection>()
  #handler: TlsHandler = async () => {}
  #lastNumber = 0
  #closing: Promise<void> | undefined

  private constructor(options: TlsListenerOptions) {
    this.#options = options
    this.#limits = options.limits ?? TLS_LIMITS
    this.#rate = new RateLimit(options.clock, this.#limits.handshakes, MAX_SOURCES)
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#admit(socket))
    this.#tls = createTlsServer({
      ...contextOf(options.certificate),
      handshakeTimeout: this.#limits.handshakeMs,
    })
    this.#tls.on('secureConnection', (socket) => this.#accept(socket))
    this.#tls.on('tlsClientError', (_error, socket) => {
      this.counters.failedHandshakes++
      socket.destroy()
    })
  }

  /** Throws ADDRESS_IN_USE or CONFIG_INVALID. */
  static async listen(options: TlsListenerOptions): Promise<TlsListener> {
    const listener = new TlsListener(options)
    const { host, port } = options.listen
    await new Promise<void>((resolve, reject) => {
      listener.#server.once('error', (cause) => {
        const isTaken = systemCode(cause) === 'EADDRINUSE'
        const where = `${host}, TCP port ${port}`
        reject(
          isTaken
            ? new HomewardError('ADDRESS_IN_USE', `${where} is taken by another program`, {
                hint: 'Choose another port, or stop the other program.',
                cause,
              })
            : new HomewardError('CONFIG_INVALID', `cannot listen on ${where}`, {
                hint: 'The address must be one of this machine.',
                cause,
              }),
        )
      })
      listener.#server.listen({ host, port }, resolve)
    })
    // Running out of descriptors drops the newest connection, not the server.
    listener.#server.on('error', () => {})
    return listener
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Open now, those in their handshake too. */
  get connections(): number {
    return this.#sockets.size
  }

  /** For connections from now on; those that are open stay as they are. */
  useCertificate(certificate: Certificate): void {
    this.#tls.setSecureContext(contextOf(certificate))
  }

  /** Who answers from now on. */
  serve(handler: TlsHandler): void {
    this.#handler = handler
  }

  /** To a connection that may be gone. */
  send(message: SignalMessage, connection: number): void {
    this.#connections.get(connection)?.send(message)
  }

  /** The connection, while it is one that signals or waits for a relay. */
  connection(number: number): TlsConnection | undefined {
    return this.#connections.get(number)
  }

  /** Ends every connection with it. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve())
      for (const socket of this.#sockets) socket.destroy()
    })
    return this.#closing
  }

  #admit(socket: Socket): void {
    socket.on('error', () => {})
    const from = canonicalAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)
    const source = from === undefined ? undefined : sourceOf(from)
    const open = this.#perSource.get(source ?? '') ?? 0
    const isAdmitted =
      from !== undefined &&
      source !== undefined &&
      this.#closing === undefined &&
      this.#sockets.size < this.#limits.connections &&
      open < this.#limits.connectionsPerSource &&
      this.#rate.allows(from)
    if (!isAdmitted) {
      this.counters.turnedAway++
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    this.#perSource.set(source, open + 1)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      const left = (this.#perSource.get(source) ?? 1) - 1
      if (left > 0) this.#perSource.set(source, left)
      else this.#perSource.delete(source)
    })
    this.#tls.emit('connection', socket)
  }

  #accept(socket: TLSSocket): void {
    // What goes wrong with a connection ends it, and its end is all that matters.
    socket.on('error', () => {})
    const address = canonicalAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)
    if (address === undefined || this.#closing !== undefined) {
      socket.destroy()
      return
    }
    this.counters.accepted++
    this.#lastNumber++
    const number = this.#lastNumber
    socket.once('close', () => this.#connections.delete(number))
    this.#connections.set(number, this.#connect(socket, number, address))
  }

  #connect(socket: TLSSocket, number: number, address: Address): TlsConnection {
    const { identity, clock } = this.#options
    return new TlsConnection({
      socket,
      number,
      address,
      identity,
      clock,
      handler: (request, from, bytes) => this.#handler(request, from, bytes),
      onMalformed: () => this.counters.malformed++,
      onLate: () => this.counters.late++,
    })
  }
}

function contextOf(certificate: Certificate) {
  // A connection that is taken up again saves nobody here anything, and tickets cost memory and a write.
  return { ...certificate, minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET } as const
}

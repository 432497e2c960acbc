/**
 * The listening socket in front of the HTTP server: bounds how many connections there are, and lets HTTPS and a redirect
 * from HTTP share one port, so that an address typed without `https://` works too.
 */
import { createServer as createHttp, type Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { RateLimit } from '../../link/rate-limit.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { HomewardError, systemCode } from '../../wire/errors.ts'
import { addressGroup } from './backoff.ts'
import type { Pace } from './pace.ts'

/** A browser opens six, a household has a handful of them. */
const PER_ADDRESS_MAX = 64
/** Each takes some memory and a file descriptor, of which the footage needs some. */
const TOTAL_MAX = 512
/** Each costs the processor a handshake. A browser opens six and keeps them. */
const ACCEPTS_PER_ADDRESS = { perSecond: 20, burst: 200 } as const
const ACCEPTS = { perSecond: 100, burst: 400 } as const
const ADDRESSES_MAX = 4096
/** While too many connect, the next of them are let in after this. */
const REST_MS = 100
/** Whoever connects wants something. */
const FIRST_BYTE_MS = 10_000
/** First byte of a TLS record that carries a handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 22

export interface FrontOptions {
  /** Gets the connections; never listens itself. */
  readonly inner: HttpServer | HttpsServer
  readonly tls: boolean
  readonly pace: Pace
  readonly clock: Clock
  readonly perAddressMax?: number
  readonly totalMax?: number
}

export class Front {
  readonly #options: FrontOptions
  readonly #server: Server
  readonly #redirect: HttpServer
  /** By address, oldest first. */
  readonly #sockets = new Map<string, Set<Socket>>()
  readonly #perAddress: RateLimit
  readonly #together: RateLimit
  #rest: Timer | undefined
  #total = 0
  refused = 0

  constructor(options: FrontOptions) {
    this.#options = options
    this.#perAddress = new RateLimit(options.clock, ACCEPTS_PER_ADDRESS, ADDRESSES_MAX)
    this.#together = new RateLimit(options.clock, ACCEPTS, 1)
    this.#server = createServer((socket) => this.#take(socket))
    this.#server.on('drop', () => {
      this.refused += 1
    })
    this.#redirect = createHttp(
      { requestTimeout: FIRST_BYTE_MS, headersTimeout: FIRST_BYTE_MS },
      (request, response) => {
        const { host = '' } = request.headers
        const isHost = /^[a-z0-9._:[\]-]+$/i.test(host)
        response.setHeader('connection', 'close')
        if (isHost) response.setHeader('location', `https://${host}${request.url ?? '/'}`)
        response.writeHead(isHost ? 308 : 400).end()
      },
    )
    for (const server of [options.inner, this.#redirect]) {
      // They look for slow clients from the moment that they would listen.
      server.emit('listening')
      server.on('clientError', (_error: Error, socket: Socket) => socket.destroy())
    }
  }

  get connections(): number {
    return this.#total
  }

  /** Once it listens. */
  get address(): AddressInfo {
    return this.#server.address() as AddressInfo
  }

  /** Rejects with ADDRESS_IN_USE, or CONFIG_INVALID when the host is none of this machine's. */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog: 511 }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', () => undefined)
        resolve()
      })
    }).catch((cause: unknown) => {
      const where = `the page cannot be served at ${host}, port ${port}`
      if (systemCode(cause) === 'EADDRINUSE') {
        throw new HomewardError('ADDRESS_IN_USE', `${where}: another program has it`, {
          hint: 'Choose another one with --http, or stop the other program.',
          cause,
        })
      }
      throw new HomewardError('CONFIG_INVALID', `${where} (${systemCode(cause) ?? cause})`, {
        hint: 'Give an address of this machine with --http, 0.0.0.0 for all of them, or --http off.',
        cause,
      })
    })
  }

  /** Ends every connection. Idempotent. */
  async close(): Promise<void> {
    this.#rest?.cancel()
    this.#options.pace.close()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.destroy()
    this.#redirect.close()
    await closed
  }

  #take(socket: Socket): void {
    const { perAddressMax = PER_ADDRESS_MAX, totalMax = TOTAL_MAX, inner, tls } = this.#options
    const group = addressGroup(socket.remoteAddress ?? '')
    const sockets = this.#sockets.get(group) ?? new Set()
    socket.on('error', () => socket.destroy())
    if (!this.#together.allows('')) this.#restAWhile()
    if (sockets.size >= perAddressMax || !this.#perAddress.allows(group)) {
      this.refused += 1
      socket.destroy()
      return
    }
    if (this.#total >= totalMax) this.#dropOne()
    this.#sockets.set(group, sockets.add(socket))
    this.#total += 1
    socket.once('close', () => {
      this.#total -= 1
      sockets.delete(socket)
      if (sockets.size === 0 && this.#sockets.get(group) === sockets) this.#sockets.delete(group)
    })
    if (!tls) {
      this.#handOver(() => inner.emit('connection', socket), socket)
      return
    }
    const onTimeout = () => socket.destroy()
    socket.setTimeout(FIRST_BYTE_MS, onTimeout)
    socket.once('readable', () => {
      const first: Buffer | null = socket.read(1)
      if (first === null) return
      socket.setTimeout(0)
      socket.off('timeout', onTimeout)
      socket.unshift(first)
      const server = first[0] === TLS_HANDSHAKE ? inner : this.#redirect
      this.#handOver(() => server.emit('connection', socket), socket)
    })
  }

  /** One in each turn of the event loop: a handshake is work. */
  #handOver(work: () => void, socket: Socket): void {
    const waits = this.#options.pace.add(() => {
      if (!socket.destroyed) work()
    })
    if (waits) return
    this.refused += 1
    socket.destroy()
  }

  /** Connections are dropped before anything is made of them, at a small part of the cost. */
  #restAWhile(): void {
    // 0 would be no limit.
    this.#server.maxConnections = 1
    this.#rest ??= this.#options.clock.after(REST_MS, () => {
      this.#rest = undefined
      this.#server.maxConnections = Number.POSITIVE_INFINITY
    })
  }

  /** The oldest connection of whoever has most of them. */
  #dropOne(): void {
    let most: Set<Socket> | undefined
    for (const sockets of this.#sockets.values()) if (sockets.size > (most?.size ?? 0)) most = sockets
    const [oldest] = most ?? []
    this.refused += 1
    oldest?.destroy()
  }
}

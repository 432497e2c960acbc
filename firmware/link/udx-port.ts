/**
 * The real DatagramPort: one udx socket that carries raw datagrams and udx streams side by side. udx takes every packet
 * that starts 0xFF 0x01 and belongs to an open stream; packets of closed or unknown streams come out as messages
 * (measured) and are dropped here, as is everything else whose first byte nobody listens for.
 */
import UDX, { type UdxSocket, type UdxStream } from 'udx-native'
import { type Random, realRandom } from '../platform/random.ts'
import { HomewardError, systemCode } from '../wire/errors.ts'
import { type Address, canonicalAddress } from './address.ts'
import type { DatagramPort } from './datagram-port.ts'

/** First byte of udx packets (libudx UDX_MAGIC_BYTE). */
const UDX_KIND = 0xff

/** One instance in a process: udx looks streams up by id across all sockets of an instance. */
const udx = new UDX()
const openIds = new Set<number>()

type Handler = (message: Uint8Array, from: Address) => void

export interface UdxPortOptions {
  /** IP literal; without one every interface, IPv6 and IPv4. */
  readonly host?: string
  /** 0: any free port. */
  readonly port?: number
  readonly random?: Random
}

/** One end of a udx stream on a port: made first, so that its id can be told to the other side, connected later. */
export interface PortStream {
  /** Random, not zero: whoever knows it can reset the stream, so it only ever travels encrypted. */
  readonly id: number
  readonly bytes: UdxStream
  connect(remoteId: number, to: Address): void
}

export class UdxPort implements DatagramPort {
  readonly local: Address
  readonly #socket: UdxSocket
  readonly #random: Random
  readonly #handlers = new Map<number, Handler>()
  readonly #streams = new Set<UdxStream>()
  #closing: Promise<void> | undefined

  /** Binds at once. Throws ADDRESS_IN_USE or CONFIG_INVALID. */
  constructor(options: UdxPortOptions = {}) {
    this.#random = options.random ?? realRandom
    this.#socket = bind(options.port ?? 0, options.host)
    const bound = this.#socket.address()
    if (bound === null) throw new HomewardError('INTERNAL', 'the socket has no address after it was bound')
    this.local = { host: bound.host, port: bound.port }
    this.#socket.on('message', (message, { host, port }) => {
      const kind = message[0]
      if (kind === undefined || kind === UDX_KIND) return
      const handler = this.#handlers.get(kind)
      const from = handler === undefined ? undefined : canonicalAddress(host, port)
      // A link-local sender has a zone, and cannot be answered by its address alone.
      if (from !== undefined) handler?.(message, from)
    })
  }

  send(message: Uint8Array, to: Address): void {
    if (this.#closing === undefined) this.#socket.trySend(message, to.port, to.host)
  }

  listen(kind: number, handler: Handler): () => void {
    if (kind === UDX_KIND || this.#handlers.has(kind)) {
      throw new HomewardError('INTERNAL', `datagrams of kind 0x${kind.toString(16)} already have a receiver`)
    }
    this.#handlers.set(kind, handler)
    return () => {
      if (this.#handlers.get(kind) === handler) this.#handlers.delete(kind)
    }
  }

  openStream(): PortStream {
    if (this.#closing !== undefined) throw new HomewardError('CANCELLED', 'the port is closed')
    const id = this.#freeId()
    const bytes = udx.createStream(id)
    openIds.add(id)
    this.#streams.add(bytes)
    // What goes wrong with a stream ends it, and its end is what its owner looks at.
    bytes.on('error', () => {})
    bytes.on('close', () => {
      openIds.delete(id)
      this.#streams.delete(bytes)
    })
    return { id, bytes, connect: (remoteId, to) => bytes.connect(this.#socket, remoteId, to.port, to.host) }
  }

  /** Resolves once no stream is left on it. */
  async whenIdle(): Promise<void> {
    for (let [stream] = this.#streams; stream !== undefined; [stream] = this.#streams) {
      const last = stream
      await new Promise<void>((resolve) => last.once('close', resolve))
    }
  }

  /** Ends every stream with it. Idempotent; resolves when the socket is free. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#handlers.clear()
    for (const stream of this.#streams) stream.destroy()
    await this.#socket.close()
  }

  #freeId(): number {
    for (;;) {
      const id = new DataView(this.#random.bytes(4).buffer).getUint32(0)
      if (id !== 0 && !openIds.has(id)) return id
    }
  }
}

function bind(port: number, host: string | undefined): UdxSocket {
  const hosts = host === undefined ? ['::', '0.0.0.0'] : [host]
  let failure: unknown
  for (const candidate of hosts) {
    const socket = udx.createSocket()
    try {
      socket.bind(port, candidate)
      return socket
    } catch (error) {
      failure = error
      void socket.close()
    }
    // Only a machine without IPv6 goes on to IPv4 alone.
    if (systemCode(failure) === 'EADDRINUSE') break
  }
  const where = `${host ?? 'any address'}, port ${port}`
  if (systemCode(failure) === 'EADDRINUSE') {
    throw new HomewardError('ADDRESS_IN_USE', `${where} is taken by another program`, {
      hint: 'Choose another port, or stop the other program.',
      cause: failure,
    })
  }
  throw new HomewardError('CONFIG_INVALID', `cannot listen on ${where}`, {
    hint: 'The address must be one of this machine.',
    cause: failure,
  })
}

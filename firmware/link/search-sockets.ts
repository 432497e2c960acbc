/**
 * The sockets of a side behind a symmetric NAT, while a port is searched for: each sends one probe to where the other side
 * is seen, and with it opens one port of the NAT for what comes from there. Few at a time, never more than SEARCH_SOCKETS.
 */
import { type Clock, sleep } from '../platform/clock.ts'
import { isHomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import { type DatagramPort, PAIR_KIND } from './datagram-port.ts'
import { SEARCH_SOCKETS, SOCKETS_AT_ONCE, SOCKETS_EVERY_MS } from './port-search.ts'

/** A datagram port that can be given up. */
export interface SearchSocket extends DatagramPort {
  close(): Promise<void> | void
}

export interface SearchSocketsOptions<Socket extends SearchSocket> {
  readonly clock: Clock
  /** Throws a HomewardError when the system gives no more sockets: then fewer have to do. */
  readonly open: () => Socket
  /** Sealed anew for each. */
  readonly probe: () => Uint8Array
  readonly to: Address
  readonly take: (datagram: Uint8Array, from: Address, socket: Socket) => void
}

export class SearchSockets<Socket extends SearchSocket> {
  readonly #options: SearchSocketsOptions<Socket>
  readonly #sockets = new Set<Socket>()
  readonly #cancel = new AbortController()
  readonly #running: Promise<void>
  #closing: Promise<void> | undefined

  /** Begins at once. */
  constructor(options: SearchSocketsOptions<Socket>) {
    this.#options = options
    this.#running = this.#run(this.#cancel.signal)
  }

  /** How many are open and not taken out. */
  get size(): number {
    return this.#sockets.size
  }

  /** The socket is the caller's from now on, who closes it; what it hears still comes here. False: it is not here. */
  takeOut(socket: Socket): boolean {
    return this.#sockets.delete(socket)
  }

  /** Closes all but those that were taken out. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#cancel.abort()
    await this.#running
    const sockets = [...this.#sockets]
    this.#sockets.clear()
    await Promise.all(sockets.map((socket) => socket.close()))
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let opened = 0; opened < SEARCH_SOCKETS; opened += SOCKETS_AT_ONCE) {
      if (signal.aborted || !this.#openSome()) return
      await sleep(this.#options.clock, SOCKETS_EVERY_MS, signal)
    }
  }

  #openSome(): boolean {
    const { open, probe, to, take } = this.#options
    for (let count = 0; count < SOCKETS_AT_ONCE; count++) {
      try {
        const socket = open()
        this.#sockets.add(socket)
        socket.listen(PAIR_KIND, (datagram, from) => take(datagram, from, socket))
        socket.send(probe(), to)
      } catch (error) {
        if (isHomewardError(error)) return false
        throw error
      }
    }
    return true
  }
}

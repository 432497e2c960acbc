/**
 * The storage device's half of a search for a port. One search at a time for all its cameras, so that they never open more
 * than one set of sockets nor send more than one spray, and few for each: a camera that has gone mad, or lies about where
 * it is, makes little traffic.
 */
import { type Clock, sleep, type Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { Address } from './address.ts'
import type { Punch } from './datagram-body.ts'
import type { NatKind } from './nat.ts'
import type { Peer } from './peer.ts'
import { SEARCH_LIMIT_MS, type SearchAnswer, type SearchRole, SPRAY_PROBES, searchRole } from './port-search.ts'
import { type SearchSocket, SearchSockets } from './search-sockets.ts'
import { Spray } from './spray.ts'

/**
 * Probes for one camera within PROBES_WITHIN_MS, as many as eight searches in vain or four dozen that found their port. Past
 * them no search begins, so whoever made a camera lie about its address gets 13 kB/s out of it.
 */
export const PROBES_MAX = 8 * SPRAY_PROBES
export const PROBES_WITHIN_MS = 240_000
/** The last word on a channel that ended goes out over its socket. */
const LINGER_MS = 200

/** A socket that carries streams once it was hit. */
export interface StreamSocket extends SearchSocket {
  whenIdle(): Promise<void>
}

export interface StoragePortSearchesOptions<Socket extends StreamSocket> {
  readonly clock: Clock
  readonly random: Random
  readonly open: () => Socket
  /** From the device's own port. */
  readonly send: (datagram: Uint8Array, to: Address) => void
  /** What arrives at one of the sockets. */
  readonly take: (datagram: Uint8Array, from: Address, socket: Socket) => void
}

interface Begun {
  readonly tx: string
  readonly atMs: number
  probes: number
}

interface Running<Socket extends StreamSocket> {
  readonly peer: Peer
  readonly tx: string
  readonly to: Address
  readonly limit: Timer
  readonly half: SearchSockets<Socket> | Spray
}

export class StoragePortSearches<Socket extends StreamSocket> {
  readonly #options: StoragePortSearchesOptions<Socket>
  /** Each camera's searches in the last while, the newest at the end. */
  readonly #begun = new WeakMap<Peer, readonly Begun[]>()
  readonly #cancel = new AbortController()
  readonly #ending = new Set<Promise<void>>()
  #running: Running<Socket> | undefined

  constructor(options: StoragePortSearchesOptions<Socket>) {
    this.#options = options
  }

  /** `own`: what our own NAT does. `from`: where the server sees the camera; undefined when it comes by TLS. */
  request(peer: Peer, punch: Punch, own: NatKind | undefined, from: Address | undefined): SearchAnswer {
    const role = searchRole(own, punch.nat)
    // The server's word alone is not enough: whoever sends a camera's request on under another address would direct us.
    if (role === undefined || from === undefined || punch.seen?.host !== from.host) return 'no'
    // Also when it is over: what was asked twice is done once.
    if (this.#begun.get(peer)?.at(-1)?.tx === punch.tx) return 'running'
    if (this.#running?.peer === peer) this.#end()
    const begun = this.#running === undefined && !this.#cancel.signal.aborted ? this.#book(peer, punch.tx) : undefined
    if (begun === undefined) return 'busy'
    const limit = this.#options.clock.after(SEARCH_LIMIT_MS, () => this.#end())
    this.#running = { peer, tx: punch.tx, to: from, limit, half: this.#begin(role, peer, begun, from) }
    return 'running'
  }

  /** A probe of the camera got through from there: if that is what we sprayed for, it is enough. */
  heard(peer: Peer, tx: string, { host }: Address): void {
    const running = this.#running
    const isHit = running?.peer === peer && running.tx === tx && running.to.host === host
    if (isHit && running.half instanceof Spray) this.#end()
  }

  /** A channel is opened on it: it stays until its streams are gone, the others are closed. */
  keep(socket: Socket): void {
    const half = this.#running?.half
    if (!(half instanceof SearchSockets) || !half.takeOut(socket)) return
    this.#end()
    this.#wait(this.#closeWhenIdle(socket))
  }

  /** The camera is not ours any more. */
  forget(peer: Peer): void {
    this.#begun.delete(peer)
    if (this.#running?.peer === peer) this.#end()
  }

  /** Idempotent; resolves when no socket of a search is left. Ends the streams on them. */
  async close(): Promise<void> {
    this.#cancel.abort()
    this.#end()
    await Promise.all(this.#ending)
  }

  #begin(role: SearchRole, peer: Peer, begun: Begun, to: Address): SearchSockets<Socket> | Spray {
    const { clock, random, open, send, take } = this.#options
    const probe = () => {
      begun.probes += 1
      return peer.seal({ type: 'probe', tx: begun.tx, candidate: 0, sentUs: clock.monoUs() })
    }
    if (role === 'listen') return new SearchSockets({ clock, open, probe, to, take })
    return new Spray({ clock, random, send: (port) => send(probe(), { host: to.host, port }) })
  }

  /** Undefined when the camera has had its share. */
  #book(peer: Peer, tx: string): Begun | undefined {
    const nowMs = this.#options.clock.monoUs() / 1000
    const recent = (this.#begun.get(peer) ?? []).filter(({ atMs }) => atMs > nowMs - PROBES_WITHIN_MS)
    if (recent.reduce((sum, { probes }) => sum + probes, 0) >= PROBES_MAX) return undefined
    const begun: Begun = { tx, atMs: nowMs, probes: 0 }
    this.#begun.set(peer, [...recent, begun])
    return begun
  }

  #end(): void {
    const running = this.#running
    this.#running = undefined
    running?.limit.cancel()
    if (running?.half instanceof Spray) running.half.close()
    else if (running !== undefined) this.#wait(running.half.close())
  }

  async #closeWhenIdle(socket: Socket): Promise<void> {
    const { signal } = this.#cancel
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([socket.whenIdle(), stopped])
    await sleep(this.#options.clock, LINGER_MS, signal)
    await socket.close()
  }

  #wait(work: Promise<void>): void {
    const ending = work.finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }
}

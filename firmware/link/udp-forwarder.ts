/**
 * A box between two UDP ends, for tests: it forwards datagrams both ways over real loopback sockets, and on demand drops,
 * delays, reorders or adds some. Each end that talks to it appears to the target under a port of its own, as behind a NAT.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Random, randomBelow, seededRandom } from '../platform/random.ts'
import { type Address, formatAddress } from './address.ts'

/** `up`: towards the target. */
export type Direction = 'up' | 'down'

export interface ForwarderRules {
  /** Which way nothing gets through. */
  drop: 'none' | Direction | 'both'
  /** Every datagram takes this long, and up to `jitterMs` more by chance, which reorders them. */
  delayMs: number
  jitterMs: number
  /** Chance of a datagram to get lost, 0 … 1. */
  lossRatio: number
}

export class UdpForwarder {
  readonly rules: ForwarderRules = { drop: 'none', delayMs: 0, jitterMs: 0, lossRatio: 0 }
  /** Datagrams that came in, whatever became of them. */
  readonly seen: Record<Direction, number> = { up: 0, down: 0 }
  /** Sees each datagram as it comes in; true takes it out. */
  filter: (message: Uint8Array, direction: Direction) => boolean = () => false
  readonly #front: Socket
  readonly #target: Address
  readonly #random: Random
  readonly #backs = new Map<string, Socket>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #closed = false

  private constructor(front: Socket, target: Address, seed: number) {
    this.#front = front
    this.#target = target
    this.#random = seededRandom(seed)
    front.on('message', (message, from) => this.#fromClient(message, from))
  }

  static async start(target: Address, seed = 1): Promise<UdpForwarder> {
    return new UdpForwarder(await bound(), target, seed)
  }

  /** Where the client sends to instead of the target. */
  get address(): Address {
    return { host: '127.0.0.1', port: this.#front.address().port }
  }

  /** The address under which the target sees its only client. */
  get seenByTarget(): Address {
    const [back] = this.#backs.values()
    if (back === undefined) throw new Error('nobody has sent anything through the forwarder yet')
    return { host: '127.0.0.1', port: back.address().port }
  }

  /** New source ports towards the target from now on, as a NAT that forgot its mappings. */
  rebind(): void {
    for (const back of this.#backs.values()) back.close()
    this.#backs.clear()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.rebind()
    await new Promise<void>((resolve) => this.#front.close(() => resolve()))
  }

  #fromClient(message: Uint8Array, from: RemoteInfo): void {
    const client = { host: from.address, port: from.port }
    const key = formatAddress(client)
    let back = this.#backs.get(key)
    if (back === undefined) {
      back = createSocket('udp4')
      this.#backs.set(key, back)
      back.on('message', (answer) => this.#pass(answer, 'down', this.#front, client))
      back.bind(0, '127.0.0.1')
    }
    this.#pass(message, 'up', back, this.#target)
  }

  #pass(message: Uint8Array, direction: Direction, out: Socket, to: Address): void {
    this.seen[direction] += 1
    const { drop, delayMs, jitterMs, lossRatio } = this.rules
    if (this.filter(message, direction) || drop === 'both' || drop === direction) return
    if (lossRatio > 0 && randomBelow(this.#random, 1_000_000) < lossRatio * 1_000_000) return
    const waitMs = delayMs + (jitterMs > 0 ? randomBelow(this.#random, jitterMs + 1) : 0)
    if (waitMs === 0) {
      this.#send(out, message, to)
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#send(out, message, to)
    }, waitMs)
    this.#timers.add(timer)
  }

  #send(out: Socket, message: Uint8Array, to: Address): void {
    // A socket that was closed meanwhile has nobody to deliver to.
    if (!this.#closed && (out === this.#front || [...this.#backs.values()].includes(out))) {
      out.send(message, to.port, to.host)
    }
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

/**
 * Finding the storage device in the own network without server or known address: a probe of the pair, sealed as always, to
 * a multicast group. It names nobody: whoever is not the other device sees eight opaque bytes and a box, and the storage
 * device answers nobody else.
 */
import { createSocket, type Socket } from 'node:dgram'
import { type Address, canonicalAddress } from './address.ts'
import type { Interfaces } from './candidates.ts'

/** Of the organisation-local scope (RFC 2365 §6.2); routers at home do not pass it on. */
const DISCOVERY_GROUP = '239.255.72.77'
/** A port of its own, for the storage device's may be any, and others on the machine may listen as well. */
const DISCOVERY_PORT = 7442
/** One network is enough: the answer comes from the same one. */
const HOPS = 1

export type Hear = (datagram: Uint8Array, from: Address) => void

/** IPv4 addresses of interfaces that are up, loopback left out. */
function multicastHosts(interfaces: Interfaces): string[] {
  return Object.values(interfaces).flatMap((infos = []) =>
    (infos ?? []).flatMap(({ address, family, internal }) => (family === 'IPv4' && !internal ? [address] : [])),
  )
}

/** The storage device's ear. What fails on one interface leaves the others alone: without any, nothing is heard. */
export class DiscoveryListener {
  readonly #socket: Socket
  readonly #joined = new Set<string>()

  /** `interfaces` are read once it is bound. */
  constructor(hear: Hear, interfaces: () => Interfaces) {
    this.#socket = createSocket({ type: 'udp4', reuseAddr: true })
    // A port that is taken, a machine without IPv4: discovery is one way of several.
    this.#socket.on('error', () => {})
    this.#socket.on('message', (message, { address, port }) => {
      const from = canonicalAddress(address, port)
      if (from !== undefined) hear(message, from)
    })
    this.#socket.bind(DISCOVERY_PORT, () => this.join(interfaces()))
  }

  /** Joins on interfaces that are new. To be called again when they change. */
  join(interfaces: Interfaces): void {
    const hosts = multicastHosts(interfaces)
    for (const host of this.#joined) if (!hosts.includes(host)) this.#joined.delete(host)
    for (const host of hosts) {
      if (this.#joined.has(host)) continue
      try {
        this.#socket.addMembership(DISCOVERY_GROUP, host)
        this.#joined.add(host)
      } catch {
        // Not a multicast interface, or not bound yet: the next change of interfaces tries again.
      }
    }
  }

  /** Idempotent. */
  close(): Promise<void> {
    return closed(this.#socket)
  }
}

/** The camera's voice: one socket for each interface, so that the question goes out on all of them. */
export class DiscoveryQuery {
  readonly #sockets: Socket[] = []
  readonly #hear: Hear

  constructor(hear: Hear) {
    this.#hear = hear
  }

  /** Sends what `seal` makes, a new datagram for each interface. Answers come to `hear` until `close`. */
  send(interfaces: Interfaces, seal: () => Uint8Array): void {
    for (const host of multicastHosts(interfaces)) this.#sendFrom(host, seal())
  }

  async close(): Promise<void> {
    await Promise.all(this.#sockets.splice(0).map(closed))
  }

  #sendFrom(host: string, datagram: Uint8Array): void {
    const known = this.#sockets.find((socket) => socket.address().address === host)
    if (known !== undefined) {
      known.send(datagram, DISCOVERY_PORT, DISCOVERY_GROUP)
      return
    }
    const socket = createSocket('udp4')
    socket.on('error', () => this.#forget(socket))
    socket.on('message', (message, { address, port }) => {
      const from = canonicalAddress(address, port)
      if (from !== undefined) this.#hear(message, from)
    })
    socket.bind({ address: host }, () => {
      socket.setMulticastInterface(host)
      socket.setMulticastTTL(HOPS)
      this.#sockets.push(socket)
      socket.send(datagram, DISCOVERY_PORT, DISCOVERY_GROUP)
    })
  }

  #forget(socket: Socket): void {
    const at = this.#sockets.indexOf(socket)
    if (at >= 0) this.#sockets.splice(at, 1)
    void closed(socket)
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(resolve)
    } catch {
      resolve()
    }
  })
}

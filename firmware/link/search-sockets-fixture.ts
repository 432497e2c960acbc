/** Sockets of a search that are none: what they sent stands in them, what arrives is made by the test. */
import { HomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import type { StreamSocket } from './storage-port-searches.ts'

export class FakeSocket implements StreamSocket {
  readonly local: Address
  readonly sent: { readonly message: Uint8Array; readonly to: Address }[] = []
  readonly #handlers = new Map<number, (message: Uint8Array, from: Address) => void>()
  readonly #onClose: () => void
  #idle: (() => void)[] = []

  constructor(port: number, onClose: () => void) {
    this.local = { host: '192.168.1.10', port }
    this.#onClose = onClose
  }

  send(message: Uint8Array, to: Address): void {
    this.sent.push({ message, to })
  }

  listen(kind: number, handler: (message: Uint8Array, from: Address) => void): () => void {
    this.#handlers.set(kind, handler)
    return () => this.#handlers.delete(kind)
  }

  arrive(message: Uint8Array, from: Address): void {
    this.#handlers.get(message[0] ?? 0)?.(message, from)
  }

  whenIdle(): Promise<void> {
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Its last stream has ended. */
  becomeIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async close(): Promise<void> {
    this.#onClose()
  }
}

export class FakeSockets {
  readonly alive = new Set<FakeSocket>()
  opened = 0
  refused = 0
  readonly #room: number

  /** `room`: how many the system gives at the same time. */
  constructor(room = Number.POSITIVE_INFINITY) {
    this.#room = room
  }

  readonly open = (): FakeSocket => {
    if (this.alive.size >= this.#room) {
      this.refused += 1
      throw new HomewardError('CONFIG_INVALID', 'no more sockets')
    }
    this.opened += 1
    const socket: FakeSocket = new FakeSocket(10_000 + this.opened, () => this.alive.delete(socket))
    this.alive.add(socket)
    return socket
  }
}

/**
 * Boxes to the storage device by way of the P2P server, for a camera that cannot reach it otherwise yet (patent step D). A
 * box is a sealed datagram of the pair: the server cannot read it, and whoever made it is known by what is in it.
 */
import type { Random } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { BOX_MAX_BYTES, SIGNAL_NONCE_BYTES, type SignalMessage } from '../wire/signal.ts'
import type { Address } from './address.ts'
import { lookUpKey, openAnswer, readObserved } from './signal-proof.ts'
import type { Signals } from './signals.ts'

/** Boxes under way whose answers are still taken; at ten a second this is longer than a handle lives. */
const MAX_OPEN = 128

export interface CarrierOptions {
  readonly signals: Signals
  readonly server: {
    /** Each box goes to all of them: best only the one that answered the look-up. */
    readonly addresses: readonly Address[]
    readonly key: Uint8Array
  }
  /** Ed25519 key of the storage device, 32 bytes. */
  readonly storage: Uint8Array
  /** The look-up tag of the pair, or of the setup token, 16 bytes. */
  readonly tag: Uint8Array
  readonly random: Random
}

/** `observed`: the storage device's UDP address as the server sees it; undefined when it is registered over TLS. */
export type ReturnedListener = (box: Uint8Array, observed: Address | undefined) => void

/** Sends boxes, each once and under a nonce of its own; what gets lost, the caller sends again. */
export class Carrier {
  readonly #options: CarrierOptions
  readonly #key: Uint8Array
  readonly #listeners = new Set<ReturnedListener>()
  /** Nonces in the order in which they were used. */
  readonly #open = new Set<string>()
  readonly #stop: () => void

  constructor(options: CarrierOptions) {
    this.#options = options
    this.#key = lookUpKey(options.storage, options.tag)
    this.#stop = options.signals.listen((message) => this.#receive(message))
  }

  /** At most BOX_MAX_BYTES (INTERNAL otherwise). */
  send(box: Uint8Array): void {
    checkBox(box)
    const { signals, server, random } = this.#options
    const nonce = random.bytes(SIGNAL_NONCE_BYTES)
    this.#open.add(toHex(nonce))
    const [oldest] = this.#open
    if (this.#open.size > MAX_OPEN && oldest !== undefined) this.#open.delete(oldest)
    for (const address of server.addresses) signals.send({ t: 'carry', nonce, key: this.#key, box }, address)
  }

  /** Every box that came back, more than one for a box that was sent if the storage device said more. Returns the way to stop. */
  onReturned(listener: ReturnedListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Idempotent. */
  close(): void {
    this.#stop()
    this.#listeners.clear()
    this.#open.clear()
  }

  #receive(message: SignalMessage): boolean {
    if (message.t !== 'signed' || !this.#open.has(toHex(message.nonce))) return false
    const body = openAnswer(message, this.#options.server.key)
    const observed = body?.t === 'returned' ? readObserved(body.storage) : 'malformed'
    if (body?.t !== 'returned' || observed === 'malformed') return false
    for (const listener of [...this.#listeners]) listener(body.box, observed)
    return true
  }
}

/** Throws INTERNAL for a box that no server carries. */
export function checkBox(box: Uint8Array): void {
  if (box.byteLength <= BOX_MAX_BYTES) return
  throw new HomewardError('INTERNAL', `a box of ${box.byteLength} bytes, at most ${BOX_MAX_BYTES} are carried`)
}

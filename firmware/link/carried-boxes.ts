/** What a P2P server carries to a storage device, and the way back for the answers (patent step D). */
import type { Random } from '../platform/random.ts'
import { SIGNAL_NONCE_BYTES, type SignalMessage } from '../wire/signal.ts'
import { type Address, sameAddress } from './address.ts'
import { checkBox } from './carry.ts'
import type { Pass, Way } from './registration-round.ts'
import { openAnswer, readObserved } from './signal-proof.ts'

/**
 * A box that the server carried here. `from`: the camera's UDP address as the server sees it; undefined when it came by TLS.
 * `reply` sends a box back the same way, within 10 s, and a few times at most; INTERNAL when it is too long.
 */
export type CarriedListener = (box: Uint8Array, from: Address | undefined, reply: (box: Uint8Array) => void) => void

/** Where the device is registered just now. */
export interface Stay {
  readonly way: Way
  readonly pass: Pass
}

export interface CarriedBoxesOptions {
  readonly serverKey: Uint8Array
  /** The storage device's own. */
  readonly uid: Uint8Array
  readonly random: Random
  readonly stay: () => Stay | undefined
}

export class CarriedBoxes {
  readonly #options: CarriedBoxesOptions
  readonly #listeners = new Set<CarriedListener>()

  constructor(options: CarriedBoxesOptions) {
    this.#options = options
  }

  /** Returns the way to stop. */
  listen(listener: CarriedListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** True when the message came by `way`, from the server at which the device is registered by it, and holds a box. */
  receive(message: SignalMessage, from: Address, way: Way): boolean {
    const stay = this.#options.stay()
    if (message.t !== 'carried' || stay?.way !== way || !sameAddress(from, stay.pass.server)) return false
    const body = openAnswer(message, this.#options.serverKey)
    const camera = body?.t === 'carried' ? readObserved(body.from) : 'malformed'
    if (body?.t !== 'carried' || camera === 'malformed') return false
    const reply = (box: Uint8Array) => this.#reply(box, body.handle, way)
    for (const listener of [...this.#listeners]) listener(body.box, camera, reply)
    return true
  }

  #reply(box: Uint8Array, handle: Uint8Array, way: Way): void {
    checkBox(box)
    const { random, uid, stay } = this.#options
    const current = stay()
    // Once another way is taken, the server would not take an answer by this one.
    if (current?.way !== way) return
    const { cookie, server } = current.pass
    const nonce = random.bytes(SIGNAL_NONCE_BYTES)
    way.signals.send({ t: 'carry-back', nonce, cookie, uid, handle, box }, server)
  }
}

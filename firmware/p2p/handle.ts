/**
 * Where the answer to a carry goes, without a byte kept for it: the storage device holds it, a MAC under a key that lives
 * as long as the process says that it is ours, and that it was made for this storage device.
 *
 *   time of issue in ms 6 · length of the carry 2 · its nonce 16 · MAC 16 · origin of the carry, the rest
 */
import { domain } from '../link/pair.ts'
import { equalSecrets, hash } from '../link/sodium.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import { SIGNAL_NONCE_BYTES } from '../wire/signal.ts'
import { type Destination, decodeOrigin, encodeOrigin, type Origin } from './origin.ts'

/** Longer than a storage device takes to answer over any way that is of use. */
export const HANDLE_LIFE_MS = 10_000

const HANDLE_DOMAIN = domain('homeward handle v1')
const TIME_BYTES = 6
const NONCE_AT = TIME_BYTES + 2
const MAC_AT = NONCE_AT + SIGNAL_NONCE_BYTES
const MAC_BYTES = 16
const ORIGIN_AT = MAC_AT + MAC_BYTES

/** A carry as its handle tells of it. */
export interface Handled {
  /** Different for any two carries. */
  readonly id: string
  readonly to: Destination
  readonly nonce: Uint8Array
  /** How long the carry was. */
  readonly bytes: number
}

export class Handles {
  readonly #clock: Clock
  readonly #secret: Uint8Array

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#secret = random.bytes(32)
  }

  issue(from: Origin, nonce: Uint8Array, bytes: number, uid: Uint8Array): Uint8Array {
    const origin = encodeOrigin(from)
    const handle = Buffer.alloc(ORIGIN_AT + origin.byteLength)
    handle.writeUIntBE(this.#nowMs(), 0, TIME_BYTES)
    handle.writeUInt16BE(bytes, TIME_BYTES)
    handle.set(nonce, NONCE_AT)
    handle.set(origin, ORIGIN_AT)
    handle.set(this.#mac(handle, uid), MAC_AT)
    return handle
  }

  /** Undefined when it is not ours, not for this storage device, or old. */
  open(handle: Uint8Array, uid: Uint8Array): Handled | undefined {
    if (handle.byteLength <= ORIGIN_AT) return undefined
    const mac = handle.subarray(MAC_AT, ORIGIN_AT)
    if (!equalSecrets(mac, this.#mac(handle, uid))) return undefined
    const fields = Buffer.from(handle)
    if (this.#nowMs() - fields.readUIntBE(0, TIME_BYTES) > HANDLE_LIFE_MS) return undefined
    const to = decodeOrigin(handle.subarray(ORIGIN_AT))
    if (to === undefined) return undefined
    return { id: toHex(mac), to, nonce: handle.slice(NONCE_AT, MAC_AT), bytes: fields.readUInt16BE(TIME_BYTES) }
  }

  #mac(handle: Uint8Array, uid: Uint8Array): Uint8Array {
    return hash(MAC_BYTES, [HANDLE_DOMAIN, uid, handle.subarray(0, MAC_AT), handle.subarray(ORIGIN_AT)], this.#secret)
  }

  #nowMs(): number {
    return Math.floor(this.#clock.monoUs() / 1000)
  }
}

/**
 * Packets of one direction of a relay that is over its budget: they wait their turn for a moment, and only what finds no
 * room is lost. To congestion control that is a slower link, where losing everything for a while is a broken one.
 */
import type { Share } from './relay-shares.ts'

/** What waits longer has been sent again by its sender. */
const WAIT_MAX_S = 0.1
/** Room for a few packets at whatever rate. */
const ROOM_MIN_BYTES = 64 * 1024

export class RelayShaper {
  readonly #share: Share
  readonly #send: (packet: Uint8Array) => void
  #waiting: Uint8Array[] = []
  #next = 0
  #bytes = 0
  #lostBytes = 0

  constructor(share: Share, send: (packet: Uint8Array) => void) {
    this.#share = share
    this.#send = send
  }

  get waitingBytes(): number {
    return this.#bytes
  }

  /** False: there was no room for it. */
  push(packet: Uint8Array): boolean {
    if (this.#bytes + packet.byteLength > this.#roomBytes()) {
      this.#lostBytes += packet.byteLength
      return false
    }
    this.#bytes += packet.byteLength
    this.#waiting.push(packet)
    return true
  }

  /** Sends the packet that came first, if there is one and the budget allows it. */
  sendOne(): boolean {
    const packet = this.#waiting[this.#next]
    if (packet === undefined || !this.#share.allows()) return false
    this.#next++
    if (this.#next === this.#waiting.length) {
      this.#waiting = []
      this.#next = 0
    }
    this.#bytes -= packet.byteLength
    this.#share.spend(packet.byteLength)
    this.#send(packet)
    return true
  }

  /** True when since the last call more was lost than fits: so much comes that taking it in costs more than it is worth. */
  takeFlooded(): boolean {
    const isFlooded = this.#lostBytes > this.#roomBytes()
    this.#lostBytes = 0
    return isFlooded
  }

  #roomBytes(): number {
    return Math.max(ROOM_MIN_BYTES, this.#share.bytesPerSecond * WAIT_MAX_S)
  }
}

/** One other device, as seen by the socket: keys, numbering and replay protection in one place. */
import { openDatagram, readHead, sealDatagram } from './datagram.ts'
import type { Datagram } from './datagram-body.ts'
import type { Identity } from './identity.ts'
import { PairKeys } from './pair.ts'
import { type FreshnessSource, ReplayWindow } from './replay.ts'

const PURPOSE = 'datagram'

export class Peer {
  readonly keys: PairKeys
  readonly replay: ReplayWindow
  readonly #source: FreshnessSource
  readonly #sendKey: Uint8Array
  readonly #receiveKey: Uint8Array

  /** Throws UID_INVALID when `remote` is no usable public key. */
  constructor(own: Identity, remote: Uint8Array, source: FreshnessSource, replay = new ReplayWindow()) {
    this.keys = new PairKeys(own, remote)
    this.replay = replay
    this.#source = source
    this.#sendKey = this.keys.sendKey(PURPOSE)
    this.#receiveKey = this.keys.receiveKey(PURPOSE)
  }

  get remote(): Uint8Array {
    return this.keys.remote
  }

  seal(message: Datagram): Uint8Array {
    return sealDatagram(message, this.#source.next(), this.keys.shortTag, this.#sendKey)
  }

  /** Undefined when the datagram is forged, malformed, or was here before. */
  open(bytes: Uint8Array): Datagram | undefined {
    const opened = openDatagram(bytes, this.#receiveKey)
    return opened !== undefined && this.replay.accept(opened.fresh) ? opened.message : undefined
  }
}

/** The devices that are answered at all, found by the short tag at the front of a datagram. */
export class PeerTable {
  readonly #byTag = new Map<string, Peer>()

  add(peer: Peer): void {
    this.#byTag.set(peer.keys.shortTagHex, peer)
  }

  remove(peer: Peer): void {
    this.#byTag.delete(peer.keys.shortTagHex)
  }

  values(): IterableIterator<Peer> {
    return this.#byTag.values()
  }

  /** Undefined, after one map look-up, for a stranger's datagram; and for a forged or repeated one of a peer. */
  open(bytes: Uint8Array): { peer: Peer; message: Datagram } | undefined {
    const head = readHead(bytes)
    const peer = head === undefined ? undefined : this.#byTag.get(head.tag)
    const message = peer?.open(bytes)
    return peer === undefined || message === undefined ? undefined : { peer, message }
  }
}

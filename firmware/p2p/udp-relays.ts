/**
 * The relay over UDP (patent step F): two udx streams on the server's own socket, joined so that udx forwards their packets
 * by itself. Only a registered storage device makes a relay, and a leg leads to a proven address only. Whoever does not
 * know a relay's key gets silence.
 */
import type { Identity } from '../link/identity.ts'
import { signAnswer } from '../link/signal-proof.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import { toHex } from '../wire/bytes.ts'
import type { AnswerBody, SignalMessage, SignalOf } from '../wire/signal.ts'
import type { Cookies } from './cookie.ts'
import { type Delivery, type Origin, sameOrigin } from './origin.ts'
import type { Registry } from './registry/registry.ts'
import type { RelayShares, Share } from './relay-shares.ts'
import { type StreamPort, UdpRelay } from './udp-relay.ts'

/** A relay that its second end has not joined by then is given up. */
export const JOIN_WITHIN_MS = 10_000
/** Nothing in either direction for so long: both ends have long gone another way. */
export const IDLE_MS = 30_000
/** How often budgets are looked at while somebody may use his up: packets that wait for their turn go out in such steps. */
const TICK_MS = 10
/**
 * And when nobody can. Each look wakes the process, which at one camera's pace costs more than forwarding what it sends; a
 * sender that speeds up all at once has so much time for free.
 */
export const REST_MS = 250

export interface UdpRelaysOptions {
  readonly identity: Identity
  readonly registry: Registry
  readonly cookies: Cookies
  readonly shares: RelayShares
  readonly port: StreamPort
  readonly clock: Clock
  /** Asks for a proof of the sender's address. */
  readonly challenge: (nonce: Uint8Array, from: Origin) => SignalMessage | undefined
}

/** Since the start. */
export interface RelayCounters {
  opened: number
  joined: number
  /** A key without a relay, or a relay that is somebody else's. */
  unknown: number
  /** Who wanted to make a relay is not registered from where he asked. */
  unproven: number
  /** No room. */
  refused: number
  /** Never joined. */
  abandoned: number
  idle: number
  /** Directions that were led past us because there was too much of them; over UDP only. */
  detours: number
  /** Of these, now. */
  onDetour: number
  /** Bytes that arrived for relays. */
  bytes: number
}

export const noRelays = (): RelayCounters => ({
  opened: 0,
  joined: 0,
  unknown: 0,
  unproven: 0,
  refused: 0,
  abandoned: 0,
  idle: 0,
  detours: 0,
  onDetour: 0,
  bytes: 0,
})

/** One end, as it asked. */
interface End {
  readonly origin: Extract<Origin, { transport: 'udp' }>
  readonly stream: number
  /** Of its last request: what the answer belongs to. */
  readonly nonce: Uint8Array
}

interface Entry {
  readonly uid: string
  readonly share: Share
  readonly untilUs: number
  owner: End
  camera?: End
  relay?: UdpRelay
}

type RelayRequest = SignalOf<'relay'>
type UdpOrigin = Extract<Origin, { transport: 'udp' }>

export class UdpRelays {
  readonly counters: RelayCounters = noRelays()
  readonly #options: UdpRelaysOptions
  readonly #entries = new Map<string, Entry>()
  #tick: Timer | undefined
  /** Whose turn it is to begin. */
  #first = 0

  constructor(options: UdpRelaysOptions) {
    this.#options = options
  }

  /** Those too that wait for their second end. */
  get open(): number {
    return this.#entries.size
  }

  /** The answers to one end's request, to either end. */
  async join(request: RelayRequest, from: UdpOrigin): Promise<readonly Delivery[]> {
    const { uid } = request
    return uid === undefined ? this.#joinCamera(request, from) : this.#joinOwner({ ...request, uid }, from)
  }

  /** Ends every relay. */
  close(): void {
    for (const key of [...this.#entries.keys()]) this.#end(key)
    this.#tick?.cancel()
    this.#tick = undefined
  }

  async #joinOwner(request: RelayRequest & { uid: Uint8Array }, from: UdpOrigin): Promise<readonly Delivery[]> {
    const { cookies, registry, shares, clock } = this.#options
    const isFresh = request.cookie !== undefined && cookies.issuedMs(request.cookie, from) !== undefined
    const observed = isFresh ? await registry.locate(request.uid) : undefined
    if (observed === undefined || !sameOrigin(observed, from)) {
      this.counters.unproven++
      return []
    }
    const [key, uid] = [toHex(request.key), toHex(request.uid)]
    const owner: End = { origin: from, stream: request.stream, nonce: request.nonce }
    const known = this.#entries.get(key)
    if (known !== undefined && known.uid !== uid) {
      this.counters.unknown++
      return []
    }
    if (known !== undefined && sameEnd(known.owner, owner)) {
      known.owner = owner
      return known.relay === undefined ? [] : [this.#ready(owner, known.relay.owner.id)]
    }
    // It asks again from a new address or for a new stream: the old relay leads nowhere.
    if (known !== undefined) this.#end(key)
    const share = shares.open(uid)
    if (share === undefined) {
      this.counters.refused++
      return [this.#answer(owner, { t: 'refused', reason: 'relay-full' })]
    }
    this.counters.opened++
    this.#entries.set(key, { uid, share, owner, untilUs: clock.monoUs() + JOIN_WITHIN_MS * 1000 })
    this.#watch()
    return []
  }

  async #joinCamera(request: RelayRequest, from: UdpOrigin): Promise<readonly Delivery[]> {
    const key = toHex(request.key)
    const entry = this.#entries.get(key)
    const camera: End = { origin: from, stream: request.stream, nonce: request.nonce }
    if (entry === undefined || (entry.camera !== undefined && !sameEnd(entry.camera, camera))) {
      this.counters.unknown++
      return []
    }
    const { cookies, challenge, port, clock } = this.#options
    if (request.cookie === undefined || cookies.issuedMs(request.cookie, from) === undefined) {
      const message = challenge(request.nonce, from)
      return message === undefined ? [] : [{ to: from, message }]
    }
    if (entry.relay !== undefined) return [this.#ready(camera, entry.relay.camera.id)]
    const { owner, share } = entry
    const legs = [owner, camera].map(({ origin, stream }) => ({ to: origin.address, stream })) as [LegEnd, LegEnd]
    const relay = new UdpRelay(legs, port, share, clock, {
      onEnd: () => {
        if (this.#entries.get(key) === entry) this.#end(key)
      },
      onDetour: (isOn) => {
        if (isOn) this.counters.detours++
        this.counters.onDetour += isOn ? 1 : -1
      },
    })
    entry.camera = camera
    entry.relay = relay
    this.counters.joined++
    return [this.#ready(camera, relay.camera.id), this.#ready(owner, relay.owner.id)]
  }

  #ready(to: End, stream: number): Delivery {
    return this.#answer(to, { t: 'relay-ready', stream })
  }

  #answer({ origin, nonce }: End, body: AnswerBody): Delivery {
    return { to: origin, message: signAnswer(this.#options.identity, nonce, body) }
  }

  #end(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.counters.bytes += entry.relay?.takeBytes() ?? 0
    entry.relay?.close()
    entry.share.close()
  }

  #watch(): void {
    if (this.#entries.size === 0) return
    const { clock, shares } = this.#options
    this.#tick ??= clock.after(Math.min(REST_MS, Math.max(TICK_MS, shares.restMs())), () => {
      this.#tick = undefined
      this.#sweep()
      this.#watch()
    })
  }

  #sweep(): void {
    this.#look()
    this.#sendWaiting()
  }

  /** Packet by packet in turn, so that no relay takes what is left before the others. */
  #sendWaiting(): void {
    const relays = [...this.#entries.values()].flatMap(({ relay }) => relay ?? [])
    this.#first = relays.length === 0 ? 0 : (this.#first + 1) % relays.length
    let inTurn = [...relays.slice(this.#first), ...relays.slice(0, this.#first)]
    while (inTurn.length > 0) inTurn = inTurn.filter((relay) => relay.sendOne())
  }

  #look(): void {
    const nowUs = this.#options.clock.monoUs()
    for (const [key, { relay, untilUs }] of this.#entries) {
      if (relay === undefined) {
        if (nowUs < untilUs) continue
        this.counters.abandoned++
        this.#end(key)
        continue
      }
      relay.enforce()
      this.counters.bytes += relay.takeBytes()
      if (nowUs - relay.heardUs < IDLE_MS * 1000) continue
      this.counters.idle++
      this.#end(key)
    }
  }
}

type LegEnd = { readonly to: Origin['address']; readonly stream: number }

const sameEnd = (a: End, b: End) => sameOrigin(a.origin, b.origin) && a.stream === b.stream

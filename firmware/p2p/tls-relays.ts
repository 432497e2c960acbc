/**
 * The relay over TLS: two connections that name the same key are joined. Each asks once and then keeps silent until it is
 * told that both are there; so nothing that is said can be taken for the other end's.
 */
import type { Identity } from '../link/identity.ts'
import { signAnswer } from '../link/signal-proof.ts'
import type { Clock } from '../platform/clock.ts'
import { toHex } from '../wire/bytes.ts'
import type { AnswerBody, SignalOf } from '../wire/signal.ts'
import type { Cookies } from './cookie.ts'
import type { Registry } from './registry/registry.ts'
import type { RelayShares, Share } from './relay-shares.ts'
import type { TlsConnection, TlsOrigin } from './tls-connection.ts'
import type { TlsListener } from './tls-listener.ts'
import { TlsRelay } from './tls-relay.ts'
import { JOIN_WITHIN_MS, noRelays, type RelayCounters } from './udp-relays.ts'

export interface TlsRelaysOptions {
  readonly identity: Identity
  readonly registry: Registry
  readonly cookies: Cookies
  readonly shares: RelayShares
  readonly listener: TlsListener
  readonly clock: Clock
}

/** A connection that waits for the other end. */
interface End {
  readonly connection: TlsConnection
  readonly nonce: Uint8Array
}

interface Owner extends End {
  readonly uid: string
  readonly share: Share
}

interface Entry {
  owner?: Owner
  camera?: End
}

type RelayRequest = SignalOf<'relay'>

export class TlsRelays {
  readonly counters: RelayCounters = noRelays()
  readonly #options: TlsRelaysOptions
  readonly #waiting = new Map<string, Entry>()
  readonly #relays = new Set<TlsRelay>()

  constructor(options: TlsRelaysOptions) {
    this.#options = options
  }

  /** Connections that wait for their other end. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, { owner, camera }) => sum + Number(!!owner) + Number(!!camera), 0)
  }

  /** Relays, those too that wait for one of their ends. */
  get open(): number {
    return this.#waiting.size + this.#relays.size
  }

  async join(request: RelayRequest, from: TlsOrigin): Promise<void> {
    const isOwner = request.uid !== undefined
    const isProven = !isOwner || (await this.#isRegistered(request))
    // Only now: the connection may have gone while the registry was asked.
    const connection = this.#options.listener.connection(from.connection)
    if (connection === undefined) return
    if (!isProven) {
      this.counters.unproven++
      connection.destroy()
      return
    }
    const end = { connection, nonce: request.nonce }
    const key = toHex(request.key)
    const uid = toHex(request.uid ?? new Uint8Array(0))
    const known = this.#waiting.get(key)?.owner
    if (isOwner && known !== undefined && known.uid !== uid) {
      this.counters.unknown++
      connection.destroy()
      return
    }
    const share = isOwner ? this.#options.shares.open(uid) : undefined
    if (isOwner && share === undefined) {
      this.counters.refused++
      this.#answer(end, { t: 'refused', reason: 'relay-full' })
      return
    }
    if (!connection.hold(JOIN_WITHIN_MS)) {
      share?.close()
      connection.destroy()
      return
    }
    this.#wait(key, share === undefined ? { camera: end } : { owner: { ...end, uid, share } })
  }

  /** Ends every relay; those that wait end with the listener. */
  close(): void {
    for (const relay of this.#relays) relay.close()
  }

  async #isRegistered({ uid, cookie }: RelayRequest): Promise<boolean> {
    const { registry, cookies } = this.#options
    const observed = uid === undefined ? undefined : await registry.locate(uid)
    // The cookie is that of the registration, wherever this connection comes from.
    return observed !== undefined && cookie !== undefined && cookies.issuedMs(cookie, observed) !== undefined
  }

  #wait(key: string, arrived: Entry): void {
    const entry = this.#waiting.get(key) ?? {}
    // Who asks again has given his older connection up.
    if (arrived.owner !== undefined) {
      entry.owner?.connection.destroy()
      entry.owner?.share.close()
    }
    if (arrived.camera !== undefined) entry.camera?.connection.destroy()
    Object.assign(entry, arrived)
    this.#waiting.set(key, entry)
    if (arrived.owner !== undefined) this.counters.opened++
    for (const end of [arrived.owner, arrived.camera]) {
      end?.connection.onClose(() => this.#gone(key, end))
    }
    const { owner, camera } = entry
    if (owner === undefined || camera === undefined) return
    this.#waiting.delete(key)
    this.#join(owner, camera)
  }

  /** A connection that waited has ended, by itself or because its time was up. */
  #gone(key: string, end: End): void {
    const entry = this.#waiting.get(key)
    if (entry?.owner === end) {
      entry.owner.share.close()
      delete entry.owner
      this.counters.abandoned++
    } else if (entry?.camera === end) {
      delete entry.camera
      this.counters.unknown++
    }
    if (entry !== undefined && entry.owner === undefined && entry.camera === undefined) this.#waiting.delete(key)
  }

  #join(owner: Owner, camera: End): void {
    for (const end of [owner, camera]) this.#answer(end, { t: 'relay-ready', stream: 0 })
    const relay = new TlsRelay({
      ends: [owner.connection.release(), camera.connection.release()],
      share: owner.share,
      clock: this.#options.clock,
      onBytes: (bytes) => {
        this.counters.bytes += bytes
      },
      onEnd: (why) => {
        if (why === 'idle') this.counters.idle++
        owner.share.close()
        this.#relays.delete(relay)
      },
    })
    this.#relays.add(relay)
    this.counters.joined++
  }

  #answer({ connection, nonce }: End, body: AnswerBody): void {
    connection.send(signAnswer(this.#options.identity, nonce, body))
  }
}

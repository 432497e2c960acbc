/**
 * A storage device's side of the connect machine over the NATs of nat-fake: registering, punching, searching for a port and
 * answering, as the real one does it, without sockets, keys and streams.
 */
import { type Clock, sleep, type Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { Address } from './address.ts'
import {
  type FakeServer,
  type PairMessage,
  pack,
  repeat,
  ServerLine,
  type SignalMessage,
  unpack,
} from './connect-nat-server-fixture.ts'
import { PAIR_KIND } from './datagram-port.ts'
import type { NatKind } from './nat.ts'
import type { NatPort } from './nat-fake.ts'
import { SEARCH_LIMIT_MS, type SearchAnswer, searchRole } from './port-search.ts'
import { PunchAnswer } from './punch-answer.ts'
import { SearchSockets } from './search-sockets.ts'
import { Spray } from './spray.ts'

const REGISTER_EVERY_MS = 10_000

export interface DeviceOptions {
  readonly clock: Clock
  readonly port: NatPort
  readonly server: FakeServer
  readonly random: Random
  /** What the server's two ports see of the device's NAT. */
  readonly nat: NatKind
  /** Another socket of the device. */
  readonly openSocket: () => NatPort
}

export class StorageDriver {
  readonly #options: DeviceOptions
  readonly #line: ServerLine
  readonly #cancel = new AbortController()
  readonly #punch: PunchAnswer
  /** Where the camera's end of each channel is, and which socket of ours it is to: both stay. */
  readonly #ends = new Map<number, { readonly to: Address; readonly port: NatPort }>()
  #search: { readonly tx: number; readonly half: Spray | SearchSockets<NatPort>; readonly limit: Timer } | undefined
  /** Our legs of relays, and whether the camera's is joined to them. */
  readonly #legs = new Map<number, { isJoined: boolean }>()
  /** Calls to meet at a relay by TLS; the camera's driver looks here, for bytes over TCP need no simulation. */
  readonly called = new Set<number>()
  #tx = 0

  constructor(options: DeviceOptions) {
    this.#options = options
    const { clock, port, server } = options
    this.#line = new ServerLine(clock, port, server, (message) => this.#hear(message))
    this.#punch = new PunchAnswer(clock, (to) => {
      this.#send({ t: 'probe', tx: this.#tx, candidate: 0, sentMs: clock.monoUs() / 1000 }, to)
    })
    port.listen(PAIR_KIND, (bytes, from) => this.#receive(unpack(bytes), from, port))
    this.#line.start(this.#cancel.signal)
    void this.#register()
  }

  close(): void {
    this.#cancel.abort()
    this.#punch.close()
    this.#endSearch()
  }

  async #register(): Promise<void> {
    const { clock, port } = this.#options
    while (!this.#cancel.signal.aborted) {
      this.#line.send({ t: 'register', candidates: [port.local] })
      await sleep(clock, REGISTER_EVERY_MS, this.#cancel.signal)
    }
  }

  #send(message: PairMessage, to: Address, port = this.#options.port): void {
    port.send(pack(PAIR_KIND, message), to)
  }

  #receive(message: PairMessage, from: Address, port: NatPort): void {
    switch (message.t) {
      case 'probe':
        this.#send({ ...message, t: 'probe-answer' }, from, port)
        if (this.#search?.tx === message.tx && this.#search.half instanceof Spray) this.#endSearch()
        return
      case 'open':
        if (!this.#ends.has(message.opening)) this.#ends.set(message.opening, { to: from, port })
        this.#send({ t: 'opened', opening: message.opening }, from, port)
        if (port !== this.#options.port) this.#keep(port)
        return
      case 'beat': {
        const end = this.#ends.get(message.opening)
        if (end !== undefined) this.#send({ ...message, t: 'beat-answer' }, end.to, end.port)
        return
      }
      default:
        return
    }
  }

  #beginSearch(tx: number, role: ReturnType<typeof searchRole>, to: Address | undefined): SearchAnswer {
    if (this.#search?.tx === tx) return 'running'
    if (role === undefined || to === undefined) return 'no'
    this.#endSearch()
    const { clock, random, openSocket } = this.#options
    const probe = (): PairMessage => ({ t: 'probe', tx, candidate: 0, sentMs: clock.monoUs() / 1000 })
    const half =
      role === 'spray'
        ? new Spray({ clock, random, send: (port) => this.#send(probe(), { host: to.host, port }) })
        : new SearchSockets({
            ...{ clock, to, open: openSocket },
            probe: () => pack(PAIR_KIND, probe()),
            take: (bytes, from, port) => this.#receive(unpack(bytes), from, port),
          })
    this.#search = { tx, half, limit: clock.after(SEARCH_LIMIT_MS, () => this.#endSearch()) }
    return 'running'
  }

  #keep(port: NatPort): void {
    const half = this.#search?.half
    if (!(half instanceof SearchSockets)) return
    if (half.takeOut(port)) this.#endSearch()
  }

  #endSearch(): void {
    this.#search?.limit.cancel()
    void this.#search?.half.close()
    this.#search = undefined
  }

  #hear(message: SignalMessage): void {
    if (this.#cancel.signal.aborted) return
    if (message.t === 'relay') {
      this.#line.send({ ...message, side: 'storage', box: { ...message.box, t: 'beat-answer' } as PairMessage })
      return
    }
    if (message.t === 'joined') {
      const leg = this.#legs.get(message.key)
      if (leg !== undefined) leg.isJoined = true
      return
    }
    if (message.t !== 'carry') return
    const { box, from } = message
    switch (box.t) {
      case 'punch': {
        this.#tx = box.tx
        const { nat } = this.#options
        const search = box.search ? this.#beginSearch(box.tx, searchRole(nat, box.nat), from) : 'unasked'
        this.#line.send({ t: 'reply', box: { t: 'punched', tx: box.tx, nat, search } })
        if (!box.search) this.#punch.start(from === undefined ? box.candidates : [from, ...box.candidates])
        return
      }
      case 'open': {
        this.#line.send({ t: 'reply', box: { t: 'opened', opening: box.opening } })
        if (this.#legs.has(box.opening)) return
        const leg = { isJoined: false }
        this.#legs.set(box.opening, leg)
        const join = () => {
          if (!leg.isJoined) this.#line.send({ t: 'join', key: box.opening, side: 'storage' })
        }
        void repeat(this.#options.clock, this.#cancel.signal, join)
        return
      }
      case 'relay-call':
        this.called.add(box.opening)
        return
      default:
        return
    }
  }
}

/**
 * A P2P server in memory, over the NATs of nat-fake: says where a storage device is, carries messages to it and back, and
 * joins the legs of a relay over UDP.
 */
import { type Clock, sleep } from '../platform/clock.ts'
import type { Address } from './address.ts'
import { SIGNAL_KIND } from './datagram-port.ts'
import type { NatKind } from './nat.ts'
import type { NatPort } from './nat-fake.ts'
import type { SearchAnswer } from './port-search.ts'

/** Between the two devices, directly or carried. */
export type PairMessage =
  | { readonly t: 'probe' | 'probe-answer'; readonly tx: number; readonly candidate: number; readonly sentMs: number }
  | {
      readonly t: 'punch'
      readonly tx: number
      readonly candidates: readonly Address[]
      readonly nat: NatKind
      readonly search: boolean
    }
  | { readonly t: 'punched'; readonly tx: number; readonly nat: NatKind; readonly search: SearchAnswer }
  | { readonly t: 'open' | 'opened' | 'relay-call' | 'beat' | 'beat-answer'; readonly opening: number }

/** To and from the server. */
export type SignalMessage =
  | { readonly t: 'hello' | 'welcome' }
  | { readonly t: 'register'; readonly candidates: readonly Address[] }
  | { readonly t: 'look-up'; readonly attempt: number }
  | {
      readonly t: 'found'
      readonly attempt: number
      readonly candidates: readonly Address[]
      readonly observed?: Address
    }
  | { readonly t: 'carry' | 'reply'; readonly box: PairMessage; readonly from?: Address }
  | { readonly t: 'join' | 'joined'; readonly key: number; readonly side?: Side }
  | { readonly t: 'relay'; readonly key: number; readonly side: Side; readonly box: PairMessage }

type Side = 'camera' | 'storage'

const SEND_SCHEDULE_MS = [0, 100, 300, 700, 1500, 3000] as const
/** Until UDP has answered for so long, nobody goes by TLS. */
const UDP_WITHIN_MS = 1_000
/** One way over TCP, which loses nothing. */
const TLS_MS = 30

export function pack(kind: number, message: PairMessage | SignalMessage): Uint8Array {
  return Uint8Array.from([kind, ...Buffer.from(JSON.stringify(message))])
}

export function unpack<T extends PairMessage | SignalMessage>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes.subarray(1)).toString())
}

export async function repeat(clock: Clock, signal: AbortSignal, send: () => void): Promise<void> {
  for (const [index, atMs] of SEND_SCHEDULE_MS.entries()) {
    if (signal.aborted) return
    send()
    await sleep(clock, (SEND_SCHEDULE_MS[index + 1] ?? atMs) - atMs, signal)
  }
}

/** Where the server sends to, and whence it hears: by UDP, or by TLS. */
interface Route {
  readonly from: Address | undefined
  send(message: SignalMessage): void
}

export class FakeServer {
  readonly address: Address
  readonly #port: NatPort
  #storage: { route: Route; candidates: readonly Address[] } | undefined
  #camera: Route | undefined
  readonly #legs = new Map<number, Partial<Record<Side, Route>>>()

  constructor(port: NatPort) {
    this.#port = port
    this.address = port.local
    port.listen(SIGNAL_KIND, (bytes, from) => {
      this.receive(unpack(bytes), { from, send: (message) => this.#port.send(pack(SIGNAL_KIND, message), from) })
    })
  }

  receive(message: SignalMessage, route: Route): void {
    switch (message.t) {
      case 'hello':
        route.send({ t: 'welcome' })
        return
      case 'register':
        this.#storage = { route, candidates: message.candidates }
        route.send({ t: 'welcome' })
        return
      case 'look-up': {
        if (this.#storage === undefined) return
        const { candidates, route: at } = this.#storage
        const observed = at.from === undefined ? {} : { observed: at.from }
        route.send({ t: 'found', attempt: message.attempt, candidates, ...observed })
        return
      }
      case 'carry':
        this.#camera = route
        this.#storage?.route.send({ ...message, ...(route.from === undefined ? {} : { from: route.from }) })
        return
      case 'reply':
        this.#camera?.send(message)
        return
      case 'join': {
        // A relay over UDP has legs that came by UDP.
        if (message.side === undefined || route.from === undefined) return
        const legs = { ...this.#legs.get(message.key), [message.side]: route }
        this.#legs.set(message.key, legs)
        if (legs.camera === undefined || legs.storage === undefined) return
        for (const leg of [legs.camera, legs.storage]) leg.send({ t: 'joined', key: message.key })
        return
      }
      case 'relay':
        this.#legs.get(message.key)?.[message.side === 'camera' ? 'storage' : 'camera']?.send(message)
        return
      default:
        return
    }
  }
}

/** A device's way to the server: by UDP, and by TLS once UDP has not answered. */
export class ServerLine {
  readonly #clock: Clock
  readonly #port: NatPort
  readonly #server: FakeServer
  readonly #listener: (message: SignalMessage) => void
  readonly #waiting: SignalMessage[] = []
  #udp: 'unknown' | 'works' | 'blocked' = 'unknown'

  constructor(clock: Clock, port: NatPort, server: FakeServer, listener: (message: SignalMessage) => void) {
    this.#clock = clock
    this.#port = port
    this.#server = server
    this.#listener = listener
    port.listen(SIGNAL_KIND, (bytes) => {
      this.#udp = 'works'
      listener(unpack(bytes))
    })
  }

  start(signal: AbortSignal): void {
    void repeat(this.#clock, signal, () => this.#byUdp({ t: 'hello' }))
    void sleep(this.#clock, UDP_WITHIN_MS, signal).then(() => {
      if (this.#udp !== 'unknown') return
      this.#udp = 'blocked'
      for (const message of this.#waiting.splice(0)) this.byTls(message)
    })
  }

  send(message: SignalMessage): void {
    if (this.#udp === 'blocked') {
      this.byTls(message)
      return
    }
    this.#byUdp(message)
    if (this.#udp === 'unknown') this.#waiting.push(message)
  }

  /** Loses nothing, and works everywhere. */
  byTls(message: SignalMessage): void {
    const back: Route = {
      from: undefined,
      send: (answer) => void this.#clock.after(TLS_MS, () => this.#listener(answer)),
    }
    this.#clock.after(TLS_MS, () => this.#server.receive(message, back))
  }

  #byUdp(message: SignalMessage): void {
    this.#port.send(pack(SIGNAL_KIND, message), this.#server.address)
  }
}

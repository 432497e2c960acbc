/**
 * A camera's connect machine and a storage device's punch answering over the NATs of nat-fake, a P2P server between them:
 * what the real drivers do, without sockets, keys and streams. A channel is a beat and its answer: like a udx stream it
 * keeps the addresses that it began with.
 */
import { type Clock, sleep, type Timer } from '../platform/clock.ts'
import { type Random, randomBelow } from '../platform/random.ts'
import type { Address } from './address.ts'
import type { Candidate } from './attempt.ts'
import type { ChannelPath } from './channel.ts'
import { initialMachine, nextWakeMs, reduce } from './connect.ts'
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
import {
  type ConnectConfig,
  currentPath,
  type LinkAction,
  type LinkEvent,
  type Machine,
  type Way,
} from './link-state.ts'
import type { NatPort } from './nat-fake.ts'
import { PunchAnswer } from './punch-answer.ts'

const LOOK_UP_WITHIN_MS = 3_000
const REGISTER_EVERY_MS = 10_000
const BEAT_EVERY_MS = 1_000
const FIRST_BEATS_EVERY_MS = 100
const SILENT_AFTER_MS = 3_500

export interface DeviceOptions {
  readonly clock: Clock
  readonly port: NatPort
  readonly server: FakeServer
}

export class StorageDriver {
  readonly #options: DeviceOptions
  readonly #line: ServerLine
  readonly #cancel = new AbortController()
  readonly #punch: PunchAnswer
  /** Where the camera's end of each channel is, and stays. */
  readonly #ends = new Map<number, Address>()
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
    port.listen(PAIR_KIND, (bytes, from) => this.#receive(unpack(bytes), from))
    this.#line.start(this.#cancel.signal)
    void this.#register()
  }

  close(): void {
    this.#cancel.abort()
    this.#punch.close()
  }

  async #register(): Promise<void> {
    const { clock, port } = this.#options
    while (!this.#cancel.signal.aborted) {
      this.#line.send({ t: 'register', candidates: [port.local] })
      await sleep(clock, REGISTER_EVERY_MS, this.#cancel.signal)
    }
  }

  #send(message: PairMessage, to: Address): void {
    this.#options.port.send(pack(PAIR_KIND, message), to)
  }

  #receive(message: PairMessage, from: Address): void {
    switch (message.t) {
      case 'probe':
        this.#send({ ...message, t: 'probe-answer' }, from)
        return
      case 'open':
        if (!this.#ends.has(message.opening)) this.#ends.set(message.opening, from)
        this.#send({ t: 'opened', opening: message.opening }, from)
        return
      case 'beat': {
        const to = this.#ends.get(message.opening)
        if (to !== undefined) this.#send({ ...message, t: 'beat-answer' }, to)
        return
      }
      default:
        return
    }
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
      case 'punch':
        this.#tx = box.tx
        this.#punch.start(from === undefined ? box.candidates : [from, ...box.candidates])
        return
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

/** One opening of the camera, and the channel that it becomes. */
interface Opening {
  readonly way: Way
  readonly cancel: AbortController
  /** The storage device took it, or our leg of the relay is joined to its own. */
  isAnswered: boolean
  isOpen: boolean
  heardMs: number
}

export interface CameraOptions extends DeviceOptions {
  readonly random: Random
  readonly storage: StorageDriver
}

export class CameraDriver {
  readonly #options: CameraOptions
  readonly #line: ServerLine
  readonly #cancel = new AbortController()
  readonly #openings = new Map<number, Opening>()
  readonly #events: LinkEvent[] = []
  /** Paths in the order they were used. */
  readonly used: ChannelPath[] = []
  #working = false
  #machine: Machine
  #timer: Timer | undefined
  #lookUp = new AbortController()

  constructor(options: CameraOptions, config: Partial<ConnectConfig> = {}) {
    this.#options = options
    const { clock, port, server } = options
    this.#machine = initialMachine({ known: [], enrolled: true, server: true, ...config })
    this.#line = new ServerLine(clock, port, server, (message) => this.#hear(message))
    port.listen(PAIR_KIND, (bytes, from) => this.#receive(unpack(bytes), from))
    this.#line.start(this.#cancel.signal)
    this.#dispatch({ type: 'started' })
  }

  get path(): ChannelPath | undefined {
    return currentPath(this.#machine.state)
  }

  /** Openings and channels that were not dropped. */
  get open(): number {
    return this.#openings.size
  }

  wake(): void {
    this.#dispatch({ type: 'wake' })
  }

  close(): void {
    this.#dispatch({ type: 'stopped' })
    this.#cancel.abort()
    this.#timer?.cancel()
  }

  #dispatch(event: LinkEvent): void {
    this.#events.push(event)
    if (this.#working) return
    this.#working = true
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      const chance = randomBelow(this.#options.random, 1000) / 1000
      const { machine, actions } = reduce(this.#machine, next, { nowMs: this.#nowMs(), chance })
      this.#machine = machine
      for (const action of actions) this.#perform(action)
    }
    this.#working = false
    this.#timer?.cancel()
    const wakeMs = nextWakeMs(this.#machine)
    if (wakeMs === undefined) return
    const waitMs = Math.max(0, Math.ceil(wakeMs - this.#nowMs()))
    this.#timer = this.#options.clock.after(waitMs, () => this.#dispatch({ type: 'timer' }))
  }

  #perform(action: LinkAction): void {
    const { port } = this.#options
    switch (action.type) {
      case 'look-up':
        this.#startLookUp(action.attempt)
        return
      case 'stop-look-up':
        this.#lookUp.abort()
        return
      case 'probe': {
        const { attempt: tx, candidate, to } = action
        this.#send({ t: 'probe', tx, candidate, sentMs: this.#nowMs() }, to)
        return
      }
      case 'punch':
        this.#line.send({ t: 'carry', box: { t: 'punch', tx: action.attempt, candidates: [port.local] } })
        return
      case 'open':
        this.#open(action.opening, action.way)
        return
      case 'drop':
        this.#openings.get(action.opening)?.cancel.abort()
        this.#openings.delete(action.opening)
        return
      case 'use': {
        const opening = this.#openings.get(action.opening)
        if (opening?.isOpen !== true) throw new Error(`opening ${action.opening} carries no bytes`)
        this.used.push(opening.way.path)
        return
      }
      default:
        return
    }
  }

  #startLookUp(attempt: number): void {
    const cancel = new AbortController()
    this.#lookUp = cancel
    const { clock } = this.#options
    void repeat(clock, cancel.signal, () => this.#line.send({ t: 'look-up', attempt }))
    void sleep(clock, LOOK_UP_WITHIN_MS, cancel.signal).then(() => {
      const code = cancel.signal.aborted ? 'CANCELLED' : 'SERVER_UNREACHABLE'
      if (!this.#cancel.signal.aborted) this.#dispatch({ type: 'look-up-failed', attempt, code, hint: undefined })
      cancel.abort()
    })
  }

  #open(number: number, way: Way): void {
    const { clock } = this.#options
    const cancel = new AbortController()
    const opening: Opening = { way, cancel, isAnswered: false, isOpen: false, heardMs: this.#nowMs() }
    this.#openings.set(number, opening)
    const { signal } = cancel
    const ask = (t: 'open' | 'relay-call') => this.#line.send({ t: 'carry', box: { t, opening: number } })
    void repeat(clock, signal, () => {
      if (opening.isAnswered) return
      if ('to' in way) this.#send({ t: 'open', opening: number }, way.to)
      else ask(way.path === 'relay-udp' ? 'open' : 'relay-call')
      if (way.path === 'relay-udp') this.#line.send({ t: 'join', key: number, side: 'camera' })
    })
    void this.#beat(number, opening)
  }

  /** Says that it is there as long as the opening lasts; first to open it, then to keep it. */
  async #beat(number: number, opening: Opening): Promise<void> {
    const { clock, storage } = this.#options
    const { way, cancel } = opening
    while (!cancel.signal.aborted) {
      if (way.path === 'relay-tls') {
        if (storage.called.has(number)) this.#answered(number)
      } else if (opening.isAnswered) {
        const box: PairMessage = { t: 'beat', opening: number }
        if ('to' in way) this.#send(box, way.to)
        else this.#line.send({ t: 'relay', key: number, side: 'camera', box })
      }
      await sleep(clock, opening.isOpen ? BEAT_EVERY_MS : FIRST_BEATS_EVERY_MS, cancel.signal)
      if (!cancel.signal.aborted && opening.isOpen && this.#nowMs() > opening.heardMs + SILENT_AFTER_MS) {
        this.#dispatch({ type: 'channel-closed', opening: number, reason: 'silent' })
      }
    }
  }

  #answered(number: number): void {
    const opening = this.#openings.get(number)
    if (opening === undefined) return
    opening.heardMs = this.#nowMs()
    if (opening.isOpen) return
    opening.isOpen = true
    this.#dispatch({ type: 'opened', opening: number })
  }

  #receive(message: PairMessage, from: Address): void {
    switch (message.t) {
      case 'probe':
        this.#send({ ...message, t: 'probe-answer' }, from)
        this.#dispatch({ type: 'heard', from })
        return
      case 'probe-answer': {
        const { tx: attempt, candidate, sentMs } = message
        this.#dispatch({ type: 'probe-answered', attempt, candidate, rttMs: this.#nowMs() - sentMs })
        return
      }
      case 'opened': {
        const opening = this.#openings.get(message.opening)
        if (opening !== undefined) opening.isAnswered = true
        return
      }
      case 'beat-answer':
        this.#answered(message.opening)
        return
      default:
        return
    }
  }

  #hear(message: SignalMessage): void {
    switch (message.t) {
      case 'found': {
        const { attempt, candidates, observed } = message
        const found = candidates.map((address): Candidate => ({ path: 'lan', source: 'looked-up', address }))
        if (observed !== undefined) found.push({ path: 'punched', source: 'observed', address: observed })
        this.#dispatch({ type: 'looked-up', attempt, candidates: found })
        return
      }
      case 'joined': {
        const opening = this.#openings.get(message.key)
        if (opening !== undefined) opening.isAnswered = true
        return
      }
      case 'relay':
        this.#receive(message.box, this.#options.server.address)
        return
      default:
        return
    }
  }

  #send(message: PairMessage, to: Address): void {
    this.#options.port.send(pack(PAIR_KIND, message), to)
  }

  #nowMs(): number {
    return this.#options.clock.monoUs() / 1000
  }
}

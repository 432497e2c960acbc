/**
 * A camera's connect machine over the NATs of nat-fake: what the real driver does, without sockets, keys and streams. A
 * channel is a beat and its answer: like a udx stream it keeps the addresses that it began with.
 */
import { sleep } from '../platform/clock.ts'
import type { Address } from './address.ts'
import type { Candidate } from './attempt.ts'
import { CameraPortSearch } from './camera-port-search.ts'
import type { ChannelPath } from './channel.ts'
import { initialMachine } from './connect.ts'
import { type PairMessage, pack, repeat, ServerLine, type SignalMessage, unpack } from './connect-nat-server-fixture.ts'
import type { DeviceOptions, StorageDriver } from './connect-nat-storage-fixture.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { type ConnectConfig, currentPath, type LinkAction, type Way } from './link-state.ts'
import { MachineLoop } from './machine-loop.ts'
import type { NatPort } from './nat-fake.ts'

const LOOK_UP_WITHIN_MS = 3_000
const BEAT_EVERY_MS = 1_000
const FIRST_BEATS_EVERY_MS = 100
const SILENT_AFTER_MS = 3_500
/** Stands in a probe to a random port where others have the number of an address. */
const SEARCH_CANDIDATE = 0xffff

/** One opening of the camera, and the channel that it becomes. */
interface Opening {
  readonly way: Way
  /** The one of our sockets that it is made from. */
  readonly port: NatPort
  readonly cancel: AbortController
  /** The storage device took it, or our leg of the relay is joined to its own. */
  isAnswered: boolean
  isOpen: boolean
  heardMs: number
}

export interface CameraOptions extends DeviceOptions {
  readonly storage: StorageDriver
}

export class CameraDriver {
  readonly #options: CameraOptions
  readonly #line: ServerLine
  readonly #cancel = new AbortController()
  readonly #openings = new Map<number, Opening>()
  /** Paths in the order they were used. */
  readonly used: ChannelPath[] = []
  readonly #loop: MachineLoop
  #lookUp = new AbortController()
  readonly #search: CameraPortSearch<NatPort>
  #attempt = 0

  constructor(options: CameraOptions, config: Partial<ConnectConfig> = {}) {
    this.#options = options
    const { clock, port, server } = options
    this.#loop = new MachineLoop({
      machine: initialMachine({ known: [], enrolled: true, server: true, ...config }),
      ...{ clock, random: options.random },
      perform: (action) => this.#perform(action),
    })
    this.#line = new ServerLine(clock, port, server, (message) => this.#hear(message))
    const { random, nat, openSocket } = options
    this.#search = new CameraPortSearch({
      ...{ clock, random, open: openSocket },
      ask: () => this.#punch(this.#attempt, true),
      probe: () => pack(PAIR_KIND, this.#probe(this.#attempt, SEARCH_CANDIDATE)),
      send: (datagram, to) => port.send(datagram, to),
      take: (bytes, from, socket) => this.#receive(unpack(bytes), from, socket),
    })
    port.listen(PAIR_KIND, (bytes, from) => this.#receive(unpack(bytes), from))
    this.#line.start(this.#cancel.signal)
    this.#loop.dispatch({ type: 'started' })
    this.#loop.dispatch({ type: 'nat-seen', side: 'camera', nat })
  }

  get path(): ChannelPath | undefined {
    return currentPath(this.#loop.machine.state)
  }

  /** Openings and channels that were not dropped. */
  get open(): number {
    return this.#openings.size
  }

  wake(): void {
    this.#loop.dispatch({ type: 'wake' })
  }

  close(): void {
    this.#loop.dispatch({ type: 'stopped' })
    this.#cancel.abort()
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
        const { attempt, candidate, to, via } = action
        this.#attempt = attempt
        this.#send(this.#probe(attempt, candidate), to, via === undefined ? port : this.#search.socket(via))
        return
      }
      case 'punch':
        this.#attempt = action.attempt
        this.#punch(action.attempt, false)
        return
      case 'search':
        this.#search.start(action.role, action.to)
        return
      case 'stop-search':
        this.#search.stop()
        return
      case 'open':
        this.#open(action.opening, action.way)
        return
      case 'drop':
        this.#drop(action.opening)
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

  #probe(tx: number, candidate: number): PairMessage {
    return { t: 'probe', tx, candidate, sentMs: this.#nowMs() }
  }

  #punch(tx: number, search: boolean): void {
    const { port, nat } = this.#options
    this.#line.send({ t: 'carry', box: { t: 'punch', tx, candidates: [port.local], nat, search } })
  }

  #drop(number: number): void {
    const opening = this.#openings.get(number)
    opening?.cancel.abort()
    if (opening !== undefined && opening.port !== this.#options.port) opening.port.close()
    this.#openings.delete(number)
  }

  #startLookUp(attempt: number): void {
    const cancel = new AbortController()
    this.#lookUp = cancel
    const { clock } = this.#options
    void repeat(clock, cancel.signal, () => this.#line.send({ t: 'look-up', attempt }))
    void sleep(clock, LOOK_UP_WITHIN_MS, cancel.signal).then(() => {
      const code = cancel.signal.aborted ? 'CANCELLED' : 'SERVER_UNREACHABLE'
      if (!this.#cancel.signal.aborted) this.#loop.dispatch({ type: 'look-up-failed', attempt, code, hint: undefined })
      cancel.abort()
    })
  }

  #open(number: number, way: Way): void {
    const { clock } = this.#options
    const cancel = new AbortController()
    const via = 'via' in way ? way.via : undefined
    const port = (via === undefined ? undefined : this.#search.takeOut(via)) ?? this.#options.port
    const opening: Opening = { way, port, cancel, isAnswered: false, isOpen: false, heardMs: this.#nowMs() }
    this.#openings.set(number, opening)
    const { signal } = cancel
    const ask = (t: 'open' | 'relay-call') => this.#line.send({ t: 'carry', box: { t, opening: number } })
    void repeat(clock, signal, () => {
      if (opening.isAnswered) return
      if ('to' in way) this.#send({ t: 'open', opening: number }, way.to, port)
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
        if ('to' in way) this.#send(box, way.to, opening.port)
        else this.#line.send({ t: 'relay', key: number, side: 'camera', box })
      }
      await sleep(clock, opening.isOpen ? BEAT_EVERY_MS : FIRST_BEATS_EVERY_MS, cancel.signal)
      if (!cancel.signal.aborted && opening.isOpen && this.#nowMs() > opening.heardMs + SILENT_AFTER_MS) {
        this.#loop.dispatch({ type: 'channel-closed', opening: number, reason: 'silent' })
      }
    }
  }

  #answered(number: number): void {
    const opening = this.#openings.get(number)
    if (opening === undefined) return
    opening.heardMs = this.#nowMs()
    if (opening.isOpen) return
    opening.isOpen = true
    this.#loop.dispatch({ type: 'opened', opening: number })
  }

  #receive(message: PairMessage, from: Address, socket?: NatPort): void {
    switch (message.t) {
      case 'probe':
        this.#send({ ...message, t: 'probe-answer' }, from, socket)
        this.#heard(from, socket)
        return
      case 'punched':
        this.#loop.dispatch({ type: 'nat-seen', side: 'storage', nat: message.nat })
        if (message.search === 'running') this.#search.begun()
        else if (message.search !== 'unasked') this.#loop.dispatch({ type: 'search-refused', attempt: message.tx })
        return
      case 'probe-answer': {
        const { tx: attempt, candidate, sentMs } = message
        if (candidate === SEARCH_CANDIDATE) {
          this.#heard(from, socket)
          return
        }
        this.#loop.dispatch({ type: 'probe-answered', attempt, candidate, rttMs: this.#nowMs() - sentMs })
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
        this.#loop.dispatch({ type: 'looked-up', attempt, candidates: found })
        return
      }
      case 'reply':
        // What opens a channel over the relay is that the legs are joined.
        if (message.box.t === 'punched') this.#receive(message.box, this.#options.server.address)
        return
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

  #heard(from: Address, socket: NatPort | undefined): void {
    if (socket === undefined) this.#search.answeredFrom(from)
    this.#loop.dispatch({
      type: 'heard',
      from,
      ...(socket === undefined ? {} : { via: this.#search.numberOf(socket) }),
    })
  }

  #send(message: PairMessage, to: Address, port: NatPort | undefined = this.#options.port): void {
    port.send(pack(PAIR_KIND, message), to)
  }

  #nowMs(): number {
    return this.#options.clock.monoUs() / 1000
  }
}

/**
 * Keeps a storage device registered at a P2P server (patent step A): hello, challenge, signed registration, then a small
 * refresh that also keeps the router's mapping open. Where UDP does not get through, the same goes over TLS, until it does.
 * Whatever goes wrong it starts over, with growing pauses, for ever. What the server carries here comes out of it too.
 */
import { type Clock, sleep } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { type HomewardError, isHomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import { CarriedBoxes, type CarriedListener, type Stay } from './carried-boxes.ts'
import type { Identity } from './identity.ts'
import { refreshMs, retryPauseMs } from './registration-pauses.ts'
import {
  DOUBT_SCHEDULE_MS,
  MAX_TAGS,
  OTHER_WAY_SCHEDULE_MS,
  type Outcome,
  type Pass,
  REQUEST_SCHEDULE_MS,
  RegistrationRound,
  refusal,
  silence,
  type Way,
} from './registration-round.ts'
import type { RelayOwner } from './relay-udp.ts'
import type { ServerAddresses } from './server-addresses.ts'
import type { SignalLine, Signals } from './signals.ts'

export { REFRESH_MAX_MS, REFRESH_MIN_MS, RETRY_LONGEST_MS, retryPauseMs } from './registration-pauses.ts'
export { MAX_TAGS, packTags, REQUEST_SCHEDULE_MS } from './registration-round.ts'

/**
 * When UDP is tried again while TLS serves: at once, for the way may have been cut until the connection stood, soon, for it
 * may be a moment's trouble, then seldom, for networks do not change often. The last one repeats; a try is four small
 * datagrams at most.
 */
const UDP_AGAIN_MS = [0, 5_000, 15_000, 60_000] as const
/** A registration that held for so long was a good one: its end is news, and no reason to wait before the next. */
export const STABLE_MS = 10_000

/** A server that answers every cookie of its own with a new challenge is broken; do not follow it round and round. */
const MAX_CHALLENGES = 4

/** Opens a TLS line to the first of these addresses that proves this key: dialServer of tls-line. */
export type TlsDialer = (addresses: readonly Address[], key: Uint8Array, signal: AbortSignal) => Promise<SignalLine>

export interface RegistrationOptions {
  readonly identity: Identity
  readonly signals: Signals
  readonly server: ServerAddresses
  /** Read at every registration: 16 bytes for each enrolled camera and open setup code, in an order that stays. */
  readonly tags: () => readonly Uint8Array[]
  /** Read at every registration: this device's own addresses, best first. */
  readonly candidates: () => readonly Address[]
  /** Without it there is no way but UDP. */
  readonly dial?: TlsDialer | undefined
  readonly clock: Clock
  readonly random: Random
}

export type RegistrationStatus =
  | { readonly state: 'stopped' }
  | { readonly state: 'contacting' }
  | {
      readonly state: 'registered'
      readonly transport: 'udp' | 'tls'
      /** Its UDP address, or its TLS address. */
      readonly server: Address
      /** This device's UDP address as the server sees it; undefined over TLS. */
      readonly observed: Address | undefined
      readonly confirmedMonoUs: number
      readonly tags: number
      /** Tags beyond MAX_TAGS: these cameras find the device in the LAN only. */
      readonly tagsLeftOut: number
    }
  | { readonly state: 'waiting'; readonly error: HomewardError; readonly retryMonoUs: number }

type Transport = Way['transport']

/** Why a stay came to its end. */
interface End {
  readonly error: HomewardError
  readonly wasRegistered: boolean
  /** It was registered for long. */
  readonly wasStable?: boolean
}

const UDP_FIRST: readonly Transport[] = ['udp', 'tls']
const TLS_FIRST: readonly Transport[] = ['tls', 'udp']

export class Registration {
  readonly #options: RegistrationOptions
  readonly #stop = new AbortController()
  readonly #carried: CarriedBoxes
  #running: Promise<void> | undefined
  #status: RegistrationStatus = { state: 'stopped' }
  #serial = 0
  #tags = { registered: 0, leftOut: 0 }
  /** Tags or candidates changed since they were last read. */
  #changed = false
  /** The way in use may not be one any more. */
  #doubted = false
  #pause: AbortController | undefined
  /** The way and the pass of the last confirmation, while it holds. */
  #stay: Stay | undefined

  constructor(options: RegistrationOptions) {
    this.#options = options
    const { identity, server, random } = options
    this.#carried = new CarriedBoxes({
      serverKey: server.server.key,
      uid: identity.publicKey,
      random,
      stay: () => this.#stay,
    })
  }

  start(): void {
    this.#running ??= this.#run(this.#stop.signal)
  }

  /** Idempotent. The server forgets the registration by itself. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#pause?.abort()
    await this.#running
    this.#status = { state: 'stopped' }
  }

  status(): RegistrationStatus {
    return this.#status
  }

  /** What makes a relay ours, whichever way we are registered; undefined while we are not. */
  owner(): RelayOwner | undefined {
    if (this.#stay === undefined) return undefined
    return { cookie: this.#stay.pass.cookie, uid: this.#options.identity.publicKey }
  }

  /** Returns the way to stop. */
  onCarried(listener: CarriedListener): () => void {
    return this.#carried.listen(listener)
  }

  /** Tags or candidates have changed: registers anew at once, also in the middle of a pause after a failure. */
  refresh(): void {
    this.#changed = true
    this.#pause?.abort()
  }

  /**
   * A camera's channel ended, or the network changed: whether the server still reaches us is asked at once,
   * and not for long. Our router may have forgotten us, or our address be another one, and the camera comes by the server.
   */
  doubt(): void {
    if (this.#stay === undefined) return
    this.#doubted = true
    this.#pause?.abort()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options
    let failures = 0
    let order = UDP_FIRST
    while (!signal.aborted) {
      const outcome = await this.#tryWays(order, signal)
      if (signal.aborted) return
      order = outcome.order
      if (outcome.end === undefined) continue
      const { error, wasRegistered } = outcome.end
      failures = wasRegistered ? 1 : failures + 1
      const pauseMs = retryPauseMs(failures, random)
      this.#status = { state: 'waiting', error, retryMonoUs: clock.monoUs() + pauseMs * 1000 }
      await this.#wait(pauseMs, signal)
    }
  }

  /** One way after the other. Without an `end` there is something better than a pause: to go on in this order at once. */
  async #tryWays(
    order: readonly Transport[],
    signal: AbortSignal,
  ): Promise<{ readonly order: readonly Transport[]; readonly end?: End }> {
    let failed: End | undefined
    for (const transport of order) {
      this.#status = { state: 'contacting' }
      const end = transport === 'udp' ? await this.#overUdp(signal) : await this.#overTls(signal)
      if (end === 'udp is back') return { order: UDP_FIRST }
      // UDP has just failed, so it is not what to begin with.
      if (transport === 'tls' && end?.wasRegistered === true) {
        return end.wasStable === true ? { order: TLS_FIRST } : { order: TLS_FIRST, end }
      }
      if (end !== undefined) {
        failed = { error: failed?.error ?? end.error, wasRegistered: failed?.wasRegistered || end.wasRegistered }
      }
    }
    const end = failed ?? { error: silence(this.#options.server.name), wasRegistered: false }
    return { order: UDP_FIRST, end }
  }

  async #overUdp(signal: AbortSignal): Promise<End> {
    const { signals, server } = this.#options
    try {
      return await this.#stayRegistered({ transport: 'udp', signals, addresses: await server.current(signal) }, signal)
    } catch (error) {
      if (isHomewardError(error)) return { error, wasRegistered: false }
      throw error
    }
  }

  /** Undefined when there is no such way. */
  async #overTls(signal: AbortSignal): Promise<End | 'udp is back' | undefined> {
    const { dial, server } = this.#options
    if (dial === undefined) return undefined
    let line: SignalLine
    try {
      line = await dial(await server.currentTls(signal), server.server.key, signal)
    } catch (error) {
      if (isHomewardError(error)) return { error, wasRegistered: false }
      throw error
    }
    const over = new AbortController()
    const stop = () => {
      over.abort()
      this.#pause?.abort()
    }
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    line.onClose(stop)
    const watching = this.#untilUdp(over.signal).then((isBack) => {
      if (isBack) stop()
      return isBack
    })
    const end = await this.#stayRegistered({ transport: 'tls', signals: line, addresses: [line.address] }, over.signal)
    stop()
    signal.removeEventListener('abort', stop)
    await line.close()
    return (await watching) ? 'udp is back' : end
  }

  /** True when the server answers by UDP; false when `signal` aborts before. */
  async #untilUdp(signal: AbortSignal): Promise<boolean> {
    const { signals, server, clock } = this.#options
    for (let tries = 0; ; tries += 1) {
      await sleep(clock, UDP_AGAIN_MS[Math.min(tries, UDP_AGAIN_MS.length - 1)] ?? 0, signal)
      if (signal.aborted) return false
      try {
        const way: Way = { transport: 'udp', signals, addresses: await server.current(signal) }
        if ((await new RegistrationRound(this.#options, way, signal).greet(OTHER_WAY_SCHEDULE_MS)) !== undefined)
          return true
      } catch (error) {
        if (!isHomewardError(error)) throw error
      }
    }
  }

  /** Returns why it is not registered any more. */
  async #stayRegistered(way: Way, signal: AbortSignal): Promise<End> {
    const round = new RegistrationRound(this.#options, way, signal)
    const stopListening = way.signals.listen((message, from) => this.#carried.receive(message, from, way))
    try {
      return await this.#stayIn(round, way, signal)
    } finally {
      stopListening()
      this.#stay = undefined
      this.#doubted = false
    }
  }

  async #stayIn(round: RegistrationRound, way: Way, signal: AbortSignal): Promise<End> {
    const { server, random, dial, clock } = this.#options
    const patientMs = dial === undefined ? REQUEST_SCHEDULE_MS : OTHER_WAY_SCHEDULE_MS
    let scheduleMs: readonly number[] = patientMs
    let sinceUs: number | undefined
    const ended = (error: HomewardError): End => {
      const wasStable = sinceUs !== undefined && clock.monoUs() >= sinceUs + STABLE_MS * 1000
      return { error, wasRegistered: sinceUs !== undefined, wasStable }
    }
    let pass = await round.greet(scheduleMs)
    let request: 'register' | 'keep' = 'register'
    let challenges = 0
    while (pass !== undefined) {
      const outcome: Outcome | undefined =
        request === 'register'
          ? await round.register(pass, this.#announced(), scheduleMs)
          : await round.keep(pass, scheduleMs)
      if (outcome === undefined) break
      if (outcome.kind === 'refused') return ended(refusal(server.name, outcome.reason))
      pass = outcome.pass
      if (outcome.kind === 'challenged') {
        challenges++
        if (challenges > MAX_CHALLENGES) break
        request = 'register'
        continue
      }
      challenges = 0
      sinceUs ??= clock.monoUs()
      this.#confirm(way, pass, outcome.observed)
      if (!this.#changed && !this.#doubted) await this.#wait(refreshMs(random), signal)
      request = this.#changed ? 'register' : 'keep'
      scheduleMs = this.#doubted && dial !== undefined ? DOUBT_SCHEDULE_MS : patientMs
      this.#doubted = false
    }
    return ended(silence(server.name))
  }

  #confirm(way: Way, pass: Pass, observed: Address | undefined): void {
    this.#stay = { way, pass }
    this.#status = {
      state: 'registered',
      transport: way.transport,
      server: pass.server,
      observed,
      confirmedMonoUs: this.#options.clock.monoUs(),
      tags: this.#tags.registered,
      tagsLeftOut: this.#tags.leftOut,
    }
  }

  /** What there is to register now. */
  #announced() {
    this.#changed = false
    const tags = this.#options.tags()
    this.#tags = { registered: Math.min(tags.length, MAX_TAGS), leftOut: Math.max(0, tags.length - MAX_TAGS) }
    this.#serial = Math.max(this.#serial + 1, this.#options.clock.wallUs())
    return { tags, candidates: this.#options.candidates(), serial: this.#serial }
  }

  /** Until the time is over, something changed, or the end. */
  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const pause = new AbortController()
    this.#pause = pause
    await sleep(this.#options.clock, ms, pause.signal)
    this.#pause = undefined
  }
}

/**
 * The camera's end of one channel. It says what it has, asks what the storage device holds already, sends the rest within
 * the credit, and tells its owner what became safe. Nothing here outlives the channel: the next one asks again.
 */
import type { Clock, Timer } from '../../platform/clock.ts'
import { type ErrorCode, HomewardError, isHomewardError } from '../../wire/errors.ts'
import { addRange, type Range } from '../../wire/ranges.ts'
import {
  BACKLOG_MAX,
  type CameraMoment,
  type CameraStatus,
  clipName,
  clipText,
  decodeStorageFrame,
  HEALS_AT_ONCE,
  LOSSES_AT_ONCE,
  SESSION_VERSION,
  STATUS_RINGS_MAX,
  type StorageMessage,
  type WaitingSpan,
} from '../../wire/session.ts'
import type { Channel } from '../channel.ts'
import { Sender } from './sender.ts'
import type { LostRange, RecordRef, RecordSource } from './source.ts'

/** How often the storage device hears how the camera is doing. */
export const STATUS_EVERY_MS = 5000

/** A storage device that answers the channel's handshake but not the session is left like a dead path. */
export const WELCOME_WITHIN_MS = 10_000

/** How records became safe: stored or kept apart on this channel, or held by the storage device before. */
export type AckKind = 'stored' | 'quarantined' | 'durable'

/** Why the storage device keeps nothing right now. */
export interface PeerAlarm {
  readonly code: ErrorCode
  readonly text: string
}

/** The storage device's clock at a moment of the camera's monotonic one. */
export interface PeerTime {
  readonly wallUs: number
  readonly clock: CameraMoment['clock']
  readonly monoUs: number
}

export interface CameraSessionOwner {
  readonly name: string
  /** 16 hex digits of this boot. */
  readonly boot: string
  /** Every ring that is attached. */
  sources(): readonly RecordSource[]
  status(): Pick<CameraStatus, 'state' | 'captured' | 'acked' | 'rings' | 'backlog' | 'why'>
  /** The rings' own `ack` is called by the owner, which knows what is still attached. */
  acked(source: RecordSource, log: string, ranges: readonly Range[], kind: AckKind): void
  /** Acknowledged before, on this channel or another. */
  wasAcked(log: string, first: number, last: number): boolean
  peerTime(time: PeerTime): void
  /** Undefined when it is over. */
  alarm(alarm: PeerAlarm | undefined): void
  warn(problem: HomewardError): void
  ended(): void
}

/** Transfers that may begin while an alarm is on, and when it is over. */
const STARTS = { raised: 0, trial: 1, cleared: Number.POSITIVE_INFINITY } as const

type Phase = 'new' | 'greeting' | 'open' | 'closed'
type Message<T extends StorageMessage['type']> = Extract<StorageMessage, { type: T }>

export class CameraSession {
  readonly #channel: Channel
  readonly #owner: CameraSessionOwner
  readonly #clock: Clock
  readonly #sender: Sender
  /** Told on this channel and not acknowledged. */
  readonly #losses = new Map<string, { readonly source: RecordSource; readonly loss: LostRange }>()
  #phase: Phase = 'new'
  #timer: Timer | undefined
  #healing = 0
  /** The storage device's clock as heard last, and when that was. */
  #heard: CameraStatus['heard']
  #stopListening: (() => void)[] = []

  constructor(channel: Channel, owner: CameraSessionOwner, clock: Clock) {
    this.#channel = channel
    this.#owner = owner
    this.#clock = clock
    this.#sender = new Sender(channel, clock, (problem) => owner.warn(problem))
  }

  /** Records and bytes that wait for their answer. */
  get inFlight(): { readonly records: number; readonly bytes: number } {
    return this.#sender.inFlight
  }

  /** The storage device has answered. */
  get welcomed(): boolean {
    return this.#phase === 'open'
  }

  start(): void {
    if (this.#phase !== 'new') return
    this.#phase = 'greeting'
    this.#timer = this.#clock.after(WELCOME_WITHIN_MS, () =>
      this.#fail(new HomewardError('TIMED_OUT', `no welcome within ${WELCOME_WITHIN_MS} ms`)),
    )
    const name = clipName(this.#owner.name)
    this.#sender.tell({ type: 'hello', version: SESSION_VERSION, name, heals: true, ...this.#moment() })
    this.#channel.onMessage((frame) => this.#receive(frame))
    // Last, for a channel that has ended already says so at once.
    this.#channel.onClose(() => this.#end())
  }

  /** Rings were attached or detached. */
  sourcesChanged(): void {
    if (this.#phase !== 'open') return
    const sources = this.#owner.sources()
    for (const stop of this.#stopListening) stop()
    this.#stopListening = sources.map((source) => source.onChange(() => this.#changed(source)))
    for (const [key, { source }] of this.#losses) if (!sources.includes(source)) this.#losses.delete(key)
    this.#sender.setSources(sources)
    this.#tellLosses(sources)
    this.#sender.pump()
  }

  /** Closes the channel; what is in flight is asked about on the next one. Idempotent. */
  async close(): Promise<void> {
    this.#leave('CANCELLED', 'the camera closes this channel')
    await this.#channel.close()
  }

  #changed(source: RecordSource): void {
    this.#tellLosses([source])
    this.#sender.pump()
  }

  #receive(frame: Uint8Array): void {
    if (this.#phase === 'closed') return
    try {
      this.#handle(decodeStorageFrame(frame))
      this.#sender.pump()
    } catch (error) {
      this.#fail(isHomewardError(error) ? error : new HomewardError('INTERNAL', String(error), { cause: error }))
    }
  }

  #handle(message: StorageMessage): void {
    if (message.type === 'bye') this.#dismissed(message)
    else if (message.type === 'welcome') this.#welcome(message)
    else if (this.#phase !== 'open') throw new HomewardError('FRAME_MALFORMED', `${message.type} came before welcome`)
    else this.#handleOpen(message)
  }

  #handleOpen(message: Exclude<StorageMessage, { type: 'bye' | 'welcome' }>): void {
    switch (message.type) {
      case 'durable':
        this.#durable(message)
        break
      case 'ack':
        this.#acked(message)
        break
      case 'quarantined':
        this.#quarantined(message)
        break
      case 'again':
        for (const transfer of message.transfers) if (!this.#sender.land(transfer)) this.#notUnderWay(transfer)
        this.#sender.rewind()
        break
      case 'credit':
        this.#sender.setCredit(message.id, message.bytes)
        break
      case 'grant':
        this.#sender.giveGrant(message.id, message.bytes)
        break
      case 'heal':
        this.#heal(message)
        break
      case 'alarm':
        this.#alarm(message)
        break
    }
  }

  #welcome(message: Message<'welcome'>): void {
    if (this.#phase !== 'greeting') throw new HomewardError('FRAME_MALFORMED', 'a second welcome')
    if (message.version !== SESSION_VERSION) {
      throw new HomewardError('FRAME_VERSION', `session version ${message.version}, expected ${SESSION_VERSION}`)
    }
    this.#phase = 'open'
    const monoUs = this.#clock.monoUs()
    this.#owner.peerTime({ wallUs: message.wallUs, clock: message.clock, monoUs })
    if (message.clock !== 'none') this.#heard = { wallUs: message.wallUs, monoUs }
    this.#sender.open(message.creditBytes, message.liveFirst)
    this.#reportStatus()
    this.sourcesChanged()
  }

  #durable({ log, first, last, ranges }: Message<'durable'>): void {
    const source = this.#sender.answered(log, first, last)
    if (ranges.some(([low, high]) => low < first || high > last)) {
      throw new HomewardError('FRAME_MALFORMED', `durable ranges outside ${first} to ${last}`)
    }
    if (ranges.length > 0) this.#owner.acked(source, log, ranges, 'durable')
    if (this.#sender.isAnswered(source, log)) this.#tellLosses([source])
  }

  /** Only what was wholly sent, or acknowledged before, can be acknowledged; anything else is not believed. */
  #acked({ log, ranges, wallUs }: Message<'ack'>): void {
    if (wallUs !== undefined) this.#heard = { wallUs, monoUs: this.#clock.monoUs() }
    const accepted = new Map<RecordSource, Range[]>()
    const accept = (source: RecordSource, first: number, last: number) =>
      accepted.set(source, addRange(accepted.get(source) ?? [], first, last))
    for (const { source, ref } of this.#sender.landWithin(log, ranges)) accept(source, ref.seq, ref.seq + ref.span - 1)
    for (const [key, { source, loss }] of this.#losses) {
      if (loss.log !== log || !ranges.some(([first, last]) => first <= loss.first && loss.last <= last)) continue
      this.#losses.delete(key)
      accept(source, loss.first, loss.last)
    }
    for (const [source, list] of accepted) this.#owner.acked(source, log, list, 'stored')
    if (accepted.size > 0) this.#tellLosses(this.#owner.sources())
    const strange = ranges.filter(([first, last]) => !this.#owner.wasAcked(log, first, last))
    if (strange.length === 0) return
    const which = strange.map(([first, last]) => `${first} to ${last}`).join(', ')
    this.#owner.warn(new HomewardError('FRAME_MALFORMED', clipText(`${log} ${which}: acknowledged, but never sent`)))
  }

  #quarantined({ transfer, code, text }: Message<'quarantined'>): void {
    const flight = this.#sender.land(transfer)
    if (flight === undefined) {
      this.#notUnderWay(transfer)
      return
    }
    const { log, seq, span } = flight.ref
    this.#owner.acked(flight.source, log, [[seq, seq + span - 1]], 'quarantined')
    this.#owner.warn(new HomewardError(code, `${log}/${seq} was quarantined by the storage device: ${text}`))
  }

  #notUnderWay(transfer: number): void {
    this.#owner.warn(new HomewardError('FRAME_MALFORMED', `transfer ${transfer} was answered, but is not under way`))
  }

  /** What the storage device kept of this record is damaged; the ring may have it still. */
  #heal({ log, seq }: Message<'heal'>): void {
    if (this.#healing >= HEALS_AT_ONCE) throw new HomewardError('FRAME_MALFORMED', 'too many records to heal at once')
    this.#healing++
    void this.#findAgain(log, seq).then((found) => {
      this.#healing--
      if (this.#phase !== 'open') return
      if (found === undefined) this.#sender.tell({ type: 'unheld', log, seq })
      else this.#sender.sendAgain(found.source, found.ref)
      this.#sender.pump()
    })
  }

  async #findAgain(log: string, seq: number): Promise<{ source: RecordSource; ref: RecordRef } | undefined> {
    for (const source of this.#owner.sources()) {
      // A card that fails right now does not have it either.
      const ref = await source.find(log, seq).catch(() => undefined)
      if (ref?.kind === 'fragment') return { source, ref }
    }
    return undefined
  }

  #alarm({ state, code, text }: Message<'alarm'>): void {
    this.#sender.allowStarts(STARTS[state])
    if (state === 'raised') this.#owner.alarm({ code, text })
    if (state !== 'cleared') return
    this.#owner.alarm(undefined)
    this.#losses.clear()
    this.#tellLosses(this.#owner.sources())
  }

  /** What is lost, once the storage device has said that it does not hold it after all. */
  #tellLosses(sources: readonly RecordSource[]): void {
    for (const source of sources) {
      for (const loss of source.damage()) {
        const { log, first, last } = loss
        const key = `${log}:${first}:${last}`
        if (this.#losses.size >= LOSSES_AT_ONCE) return
        if (this.#losses.has(key) || !this.#sender.isAnswered(source, log)) continue
        this.#losses.set(key, { source, loss })
        this.#sender.tell({ type: 'lost', log, first, last, reason: 'damaged-on-card' })
      }
    }
  }

  #reportStatus(): void {
    const { state, captured, acked, rings, backlog, why } = this.#owner.status()
    const shown = {
      ...{ state: clipName(state), captured, acked, rings: rings.slice(0, STATUS_RINGS_MAX) },
      ...(this.#heard === undefined ? {} : { heard: this.#heard }),
      ...(backlog === undefined ? {} : { backlog: boundBacklog(backlog) }),
      ...(why === undefined ? {} : { why: clipText(why) }),
    }
    this.#sender.tell({ type: 'status', ...this.#moment(), ...shown })
    this.#timer?.cancel()
    this.#timer = this.#clock.after(STATUS_EVERY_MS, () => this.#reportStatus())
  }

  #moment(): CameraMoment {
    const clock = this.#clock.quality()
    const wallUs = clock === 'none' ? 0 : this.#clock.wallUs()
    return { boot: this.#owner.boot, monoUs: this.#clock.monoUs(), wallUs, clock }
  }

  #dismissed({ code, text }: Message<'bye'>): void {
    if (code !== 'CANCELLED') this.#owner.warn(new HomewardError(code, `the storage device says bye: ${text}`))
    this.#end()
    void this.#channel.close()
  }

  #fail(problem: HomewardError): void {
    this.#owner.warn(problem)
    this.#leave(problem.code, problem.message)
    void this.#channel.close()
  }

  #leave(code: ErrorCode, text: string): void {
    if (this.#phase !== 'closed') this.#sender.tell({ type: 'bye', code, text: clipText(text) })
    this.#end()
  }

  #end(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#timer?.cancel()
    for (const stop of this.#stopListening) stop()
    this.#sender.close()
    this.#owner.ended()
  }
}

/** The oldest and the newest: what lies between is told when its turn comes. */
function boundBacklog(spans: readonly WaitingSpan[]): WaitingSpan[] {
  if (spans.length <= BACKLOG_MAX) return [...spans]
  return [...spans.slice(0, BACKLOG_MAX / 2), ...spans.slice(-BACKLOG_MAX / 2)]
}

/** The camera's sending half of one channel: reads records ahead, cuts them into pieces, keeps within the credit. */
import type { Clock, Timer } from '../../platform/clock.ts'
import { HomewardError, isHomewardError } from '../../wire/errors.ts'
import { RECORD_MAX_BYTES } from '../../wire/limits.ts'
import type { Range } from '../../wire/ranges.ts'
import { type CameraMessage, encodeControl, encodePiece, PIECE_FRAME_MAX_BYTES } from '../../wire/session.ts'
import type { Channel } from '../channel.ts'
import { type Flight, Flights, recordKey } from './flights.ts'
import { bypassesBacklog, type Lane, pickPiece, pickRecord, type RecordState } from './pick.ts'
import type { RecordRef, RecordSource } from './source.ts'
import { type Candidate, Survey } from './survey.ts'
import { CreditWindow } from './window.ts'

/** A record that could not be read is left in peace this long: the ring may be busy replacing it. */
export const READ_AGAIN_MS = 5000

export class Sender {
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #warn: (problem: HomewardError) => void
  readonly #flights = new Flights()
  readonly #survey: Survey
  readonly #unreadable = new Set<string>()
  /** Acknowledged records that were asked for once more; those under way stand in `#healing`. */
  readonly #again: Candidate[] = []
  readonly #healing = new Set<string>()
  /** One for all pieces: a channel copies what it sends. */
  readonly #frame = new Uint8Array(PIECE_FRAME_MAX_BYTES)
  #window = new CreditWindow(0)
  #liveFirst = true
  #startsAllowed = 0
  #bypassed = 0
  #last: Lane = 'backlog'
  #blocked = false
  #pumping = false
  #closed = false
  #readAgain: Timer | undefined

  constructor(channel: Channel, clock: Clock, warn: (problem: HomewardError) => void) {
    this.#channel = channel
    this.#clock = clock
    this.#warn = warn
    this.#survey = new Survey(channel.remote, (log, first, last) => this.tell({ type: 'ask', log, first, last }))
    channel.onDrain(() => {
      this.#blocked = false
      this.pump()
    })
  }

  /** Records and bytes that wait for their answer. */
  get inFlight(): { readonly records: number; readonly bytes: number } {
    return { records: this.#flights.count, bytes: this.#flights.bytes }
  }

  open(creditBytes: number, liveFirst: boolean): void {
    this.#window = new CreditWindow(creditBytes)
    this.#liveFirst = liveFirst
    this.#startsAllowed = Number.POSITIVE_INFINITY
  }

  close(): void {
    this.#closed = true
    this.#readAgain?.cancel()
    this.#flights.clear()
  }

  /** A control message; it goes whatever waits. */
  tell(message: CameraMessage): void {
    if (!this.#channel.send(encodeControl(message))) this.#blocked = true
  }

  setSources(sources: readonly RecordSource[]): void {
    this.#survey.refresh(sources)
  }

  /** A page of what the storage device holds; the source it is about. Throws FRAME_MALFORMED. */
  answered(log: string, first: number, last: number): RecordSource {
    return this.#survey.answer(log, first, last).source
  }

  /** The storage device has said all it holds of this log. */
  isAnswered(source: RecordSource, log: string): boolean {
    return this.#survey.isAnswered(source, log)
  }

  setCredit(id: number, bytes: number): void {
    this.#window.setCredit(id, bytes)
  }

  giveGrant(id: number, bytes: number): void {
    this.#window.giveGrant({ id, bytes })
  }

  /** How many transfers may still begin. */
  allowStarts(count: number): void {
    this.#startsAllowed = count
  }

  /** Takes the wholly sent records that lie within `ranges` out of flight. */
  landWithin(log: string, ranges: readonly Range[]): Flight[] {
    const landed = this.#flights.sentWithin(log, ranges)
    for (const flight of landed) this.#land(flight)
    return landed
  }

  /** Takes the wholly sent record of this transfer out of flight. */
  land(transfer: number): Flight | undefined {
    const flight = this.#flights.sent(transfer)
    if (flight !== undefined) this.#land(flight)
    return flight
  }

  /** A record that is acknowledged, once more: when nothing of the backlog waits. `unheld` when it cannot be read. */
  sendAgain(source: RecordSource, ref: RecordRef): void {
    if (!this.#passOver(ref)) this.#again.push({ source, ref })
  }

  /** Records that were in flight are to be sent again. */
  rewind(): void {
    this.#survey.rewind()
  }

  /** Reads ahead and sends for as long as there is something, room in the window and room in the channel. */
  pump(): void {
    if (this.#closed || this.#pumping) return
    this.#pumping = true
    this.#readAhead()
    for (let sent = this.#sendPiece(); sent !== 'nothing'; sent = this.#sendPiece()) {
      if (sent === 'last piece') this.#readAhead()
    }
    this.#pumping = false
  }

  #land(flight: Flight): void {
    this.#healing.delete(recordKey(flight.ref))
    this.#flights.remove(flight)
    if (flight.granted) this.#window.endGrant()
  }

  /** Sends what is next, if there is anything and the channel takes it. */
  #sendPiece(): 'nothing' | 'piece' | 'last piece' {
    if (this.#blocked) return 'nothing'
    const heads = { live: this.#flights.head('live'), backlog: this.#flights.head('backlog') }
    const lane = pickPiece({ heads, last: this.#last, startsAllowed: this.#startsAllowed })
    const piece = lane === undefined ? undefined : this.#flights.cut(lane)
    if (lane === undefined || piece === undefined) return 'nothing'
    if (piece.offset === 0) this.#startsAllowed--
    this.#last = lane
    this.#blocked = !this.#channel.send(encodePiece(piece, this.#frame))
    return piece.offset + piece.bytes.byteLength === piece.total ? 'last piece' : 'piece'
  }

  #readAhead(): void {
    const confirmation = this.#window.takeConfirmation(this.#flights.windowBytes)
    if (confirmation !== undefined) this.tell({ type: 'credited', id: confirmation })
    for (;;) {
      const next = {
        live: this.#survey.next('live', this.#liveFirst, this.#passOver),
        backlog: this.#survey.next('backlog', this.#liveFirst, this.#passOver) ?? this.#again[0],
      }
      const state = this.#state(next)
      const choice = pickRecord(state)
      if (choice.do === 'wait') return
      if (choice.do === 'need') {
        this.tell({ type: 'need', ...this.#window.ask(choice.bytes) })
        continue
      }
      const candidate = next[choice.lane]
      if (candidate === undefined) return
      if (candidate === this.#again[0]) this.#healing.add(recordKey((this.#again.shift() ?? candidate).ref))
      if (choice.lane === 'backlog') this.#bypassed = 0
      else if (bypassesBacklog(state)) this.#bypassed++
      this.#read({ ...candidate, lane: choice.lane, granted: choice.granted })
    }
  }

  readonly #passOver = (ref: RecordRef): boolean =>
    this.#flights.has(ref) || this.#unreadable.has(recordKey(ref)) || ref.bytes > RECORD_MAX_BYTES

  #state(next: Record<Lane, Candidate | undefined>): RecordState {
    const lane = (name: Lane) => ({ nextBytes: next[name]?.ref.bytes, ahead: this.#flights.ahead(name) })
    return {
      lanes: { live: lane('live'), backlog: lane('backlog') },
      creditBytes: this.#window.creditBytes,
      inFlightBytes: this.#flights.windowBytes,
      inFlightRecords: this.#flights.count,
      grant: this.#window.grant,
      needBytes: this.#window.needBytes,
      startsAllowed: this.#startsAllowed,
      notStarted: this.#flights.notStarted,
      bypassed: this.#bypassed,
    }
  }

  #read(flight: Flight): void {
    if (flight.granted) this.#window.useGrant()
    this.#flights.add(flight)
    const { source, ref } = flight
    source.read(ref).then(
      (data) => {
        if (data.byteLength === 0 || data.byteLength > ref.bytes) {
          this.#cannotRead(flight, new HomewardError('RECORD_DAMAGED', `${data.byteLength} of ${ref.bytes} bytes`))
        } else if (this.#flights.fill(flight, data)) this.pump()
      },
      (error: unknown) => this.#cannotRead(flight, error),
    )
  }

  /** The ring replaces what is damaged by itself; whatever it is, nothing else waits for it. */
  #cannotRead(flight: Flight, error: unknown): void {
    if (this.#closed) return
    this.#flights.remove(flight)
    if (flight.granted) this.#window.keepGrant()
    const code = isHomewardError(error) ? error.code : 'INTERNAL'
    const { log, seq } = flight.ref
    const why = error instanceof Error ? error.message : String(error)
    this.#warn(new HomewardError(code, `${log}/${seq} could not be read: ${why}`, { cause: error }))
    if (this.#healing.delete(recordKey(flight.ref))) {
      this.tell({ type: 'unheld', log, seq })
      this.pump()
      return
    }
    this.#unreadable.add(recordKey(flight.ref))
    this.#readAgain ??= this.#clock.after(READ_AGAIN_MS, () => {
      this.#readAgain = undefined
      this.#unreadable.clear()
      this.#survey.rewind()
      this.pump()
    })
    this.pump()
  }
}

/**
 * The storage device's end of one channel. It answers what it holds, gives credit, opens and stores what arrives, and
 * acknowledges a record only after the sink said that it is on the disk. A record that is no good is kept apart and never
 * blocks the others; a disk that is no good stops the acknowledgements, and the camera keeps its copies.
 */
import type { Clock, Timer } from '../../platform/clock.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError, isHomewardError, systemCode } from '../../wire/errors.ts'
import { decodeGap } from '../../wire/gap.ts'
import type { RecordHeader } from '../../wire/record.ts'
import {
  type CameraMessage,
  type CameraMoment,
  type CameraStatus,
  clipName,
  clipText,
  decodeCameraFrame,
  encodeControl,
  SESSION_VERSION,
  type StorageMessage,
} from '../../wire/session.ts'
import type { Channel } from '../channel.ts'
import { Answers } from './answers.ts'
import type { CreditBudget, CreditShare } from './credit.ts'
import { type Admission, DiskAlarm } from './disk-alarm.ts'
import { DurablePages } from './durable-pages.ts'
import type { RecordSink, StoreOutcome } from './sink.ts'
import { type ReceivedRecord, Transfers } from './transfers.ts'

/** A camera that made a handshake but says nothing is left. */
export const HELLO_WITHIN_MS = 10_000

/** A grant whose record does not move while other cameras wait for one is taken back, with the channel. */
export const GRANT_STALLED_MS = 60_000

/** A record that fails this often, and not for the disk's sake, is quarantined: it would stop everything behind it. */
export const INTERNAL_FAILURES_MAX = 3

export interface RecordOpening {
  /** Throws RECORD_MALFORMED, RECORD_MISADDRESSED, RECORD_FORGED or RECORD_DAMAGED. */
  open(record: Uint8Array, expectedCamera: Uint8Array): { header: RecordHeader; payload: Uint8Array }
}

export interface StoredRecord {
  readonly header: RecordHeader
  readonly bytes: number
  readonly receivedUs: number
  readonly outcome: StoreOutcome
}

export interface StorageSessionOwner {
  readonly name: string
  /** Whether the camera should send what it captures now before what it kept. */
  readonly liveFirst: boolean
  readonly sink: RecordSink
  readonly opener: RecordOpening
  readonly budget: CreditBudget
  /** The camera's clocks, as of `receivedUs` of our own at the latest. */
  moment(moment: CameraMoment, receivedUs: number): void
  hello(name: string): void
  status(status: CameraStatus): void
  stored(record: StoredRecord): void
  gap(bytes: number): void
  quarantined(problem: HomewardError): void
  alarm(problem: HomewardError | undefined): void
  warn(problem: HomewardError): void
  ended(): void
}

type Phase = 'new' | 'waiting' | 'open' | 'closed'

export class StorageSession {
  readonly #channel: Channel
  readonly #owner: StorageSessionOwner
  readonly #clock: Clock
  readonly #transfers = new Transfers()
  readonly #answers: Answers
  readonly #pages: DurablePages
  readonly #alarm: DiskAlarm
  readonly #storing = new Set<Promise<void>>()
  readonly #internalFailures = new Map<string, number>()
  #share: CreditShare | undefined
  #phase: Phase = 'new'
  #timer: Timer | undefined
  /** Bytes of the granted record that arrived, when they were last looked at. */
  #grantSeen = -1
  #grantPieces = 0

  constructor(channel: Channel, owner: StorageSessionOwner, clock: Clock) {
    this.#channel = channel
    this.#owner = owner
    this.#clock = clock
    this.#answers = new Answers({
      ack: (log, ranges) => this.#tell({ type: 'ack', log, ranges }),
      again: (transfers) => this.#tell({ type: 'again', transfers }),
      settle: (bytes, granted) => this.#share?.settle(bytes, granted),
    })
    this.#pages = new DurablePages({
      lookUp: (log, first, last) => owner.sink.durable(log, first, last),
      tell: (page) => this.#tell({ type: 'durable', ...page }),
      failed: (error) => this.#troubled(error, 'usual'),
    })
    this.#alarm = new DiskAlarm(clock, (state, { code, message }) => {
      this.#tell({ type: 'alarm', state, code, text: clipText(message) })
      owner.alarm(this.#alarm.problem)
    })
  }

  /** Sets everything going; the session ends with its channel. */
  start(): void {
    if (this.#phase !== 'new') return
    this.#phase = 'waiting'
    this.#channel.onClose(() => this.#end())
    this.#channel.onDrain(() => this.#pages.resume())
    this.#timer = this.#clock.after(HELLO_WITHIN_MS, () =>
      this.#fail(new HomewardError('TIMED_OUT', `no hello within ${HELLO_WITHIN_MS} ms`)),
    )
    this.#channel.onMessage((frame) => this.#receive(frame))
  }

  /** Closes the channel and waits until what arrived is stored or has failed. Idempotent. */
  async close(): Promise<void> {
    this.#leave(new HomewardError('CANCELLED', 'the storage device closes this channel'))
    await this.#channel.close()
    await Promise.all(this.#storing)
  }

  #receive(frame: Uint8Array): void {
    if (this.#phase === 'closed') return
    try {
      const decoded = decodeCameraFrame(frame)
      if (decoded.kind === 'control') this.#handle(decoded.message)
      else {
        if (this.#phase !== 'open') throw new HomewardError('FRAME_MALFORMED', 'a piece came before hello')
        const record = this.#transfers.accept(decoded.piece, (total, granted) => this.#share?.take(total, granted))
        if (decoded.piece.granted) this.#grantPieces++
        if (record !== undefined) this.#arrived(record)
      }
    } catch (error) {
      this.#fail(isHomewardError(error) ? error : new HomewardError('INTERNAL', String(error), { cause: error }))
    }
  }

  #handle(message: CameraMessage): void {
    if (message.type === 'bye') {
      this.#dismissed(message.code, message.text)
      return
    }
    if (message.type === 'hello') {
      this.#welcome(message)
      return
    }
    if (this.#phase !== 'open') throw new HomewardError('FRAME_MALFORMED', `${message.type} came before hello`)
    switch (message.type) {
      case 'ask':
        this.#pages.ask(message.log, message.first, message.last)
        break
      case 'need':
        this.#grantSeen = -1
        this.#share?.need(message.id, message.bytes)
        break
      case 'credited':
        this.#share?.confirm(message.id)
        break
      case 'lost':
        this.#lost(message)
        break
      case 'status':
        this.#owner.moment(message, this.#clock.wallUs())
        this.#owner.status(message)
        break
    }
  }

  #welcome(message: Extract<CameraMessage, { type: 'hello' }>): void {
    if (this.#phase !== 'waiting') throw new HomewardError('FRAME_MALFORMED', 'a second hello')
    if (message.version !== SESSION_VERSION) {
      throw new HomewardError('FRAME_VERSION', `session version ${message.version}, expected ${SESSION_VERSION}`)
    }
    this.#phase = 'open'
    this.#owner.moment(message, this.#clock.wallUs())
    this.#owner.hello(message.name)
    this.#share = this.#owner.budget.join({
      credit: (id, bytes) => this.#tell({ type: 'credit', id, bytes }),
      grant: (id, bytes) => this.#tell({ type: 'grant', id, bytes }),
    })
    this.#tell({
      type: 'welcome',
      version: SESSION_VERSION,
      name: clipName(this.#owner.name),
      wallUs: this.#clock.wallUs(),
      clock: this.#clock.quality(),
      creditBytes: this.#share.creditBytes,
      liveFirst: this.#owner.liveFirst,
    })
    this.#watchGrant()
  }

  #arrived(record: ReceivedRecord): void {
    const admission = this.#alarm.admit()
    if (admission === 'refused') {
      this.#answers.again(record)
      return
    }
    const receivedUs = this.#clock.wallUs()
    const done = this.#keep(record, admission, receivedUs).catch((error: unknown) => {
      this.#troubled(error, admission)
      this.#answers.again(record)
    })
    this.#track(done)
  }

  /** Rejects when the disk, not the record, is at fault. */
  async #keep(record: ReceivedRecord, admission: Admission, receivedUs: number): Promise<void> {
    let opened: { header: RecordHeader; payload: Uint8Array } | undefined
    try {
      opened = this.#open(record.bytes)
      const outcome = await this.#store(opened, receivedUs)
      if (outcome === 'duplicate') this.#alarm.inconclusive(admission)
      else this.#alarm.worked(admission)
      const { header } = opened
      this.#answers.ack(record, header.log, header.seq, header.span)
      if (header.kind === 'gap') this.#owner.gap(record.bytes.byteLength)
      else this.#owner.stored({ header, bytes: record.bytes.byteLength, receivedUs, outcome })
    } catch (error) {
      const problem = this.#recordFault(error, opened?.header)
      if (problem === undefined) throw error
      await this.#quarantine(record, problem)
      this.#alarm.worked(admission)
    }
  }

  #open(record: Uint8Array): { header: RecordHeader; payload: Uint8Array } {
    const opened = this.#owner.opener.open(record, this.#channel.remote)
    if (equalBytes(opened.header.camera, this.#channel.remote)) return opened
    throw new HomewardError('RECORD_FORGED', 'the record names another camera than the one that sent it')
  }

  async #store({ header, payload }: ReturnType<RecordOpening['open']>, receivedUs: number): Promise<StoreOutcome> {
    const { sink } = this.#owner
    if (header.kind === 'fragment') return sink.store(header, payload, receivedUs)
    await sink.gap(header, decodeGap(payload), receivedUs)
    return 'stored'
  }

  async #quarantine(record: ReceivedRecord, problem: HomewardError): Promise<void> {
    const text = clipText(problem.message)
    await this.#owner.sink.quarantine(record.bytes, { code: problem.code, text })
    this.#tell({ type: 'quarantined', transfer: record.transfer, code: problem.code, text })
    this.#answers.settled(record)
    this.#owner.quarantined(problem)
  }

  /** Why the record belongs in quarantine; undefined when it may be stored another time. */
  #recordFault(error: unknown, header: RecordHeader | undefined): HomewardError | undefined {
    if (isRecordFault(error)) return error
    const internal = isHomewardError(error, 'INTERNAL') || (!isHomewardError(error) && systemCode(error) === undefined)
    if (!internal || header === undefined) return undefined
    const name = `${header.log}:${header.seq}`
    const failures = (this.#internalFailures.get(name) ?? 0) + 1
    this.#internalFailures.set(name, failures)
    if (failures < INTERNAL_FAILURES_MAX) return undefined
    this.#internalFailures.delete(name)
    const why = error instanceof Error ? error.message : String(error)
    return new HomewardError('INTERNAL', `it could not be stored ${failures} times: ${why}`, { cause: error })
  }

  #lost({ log, first, last, reason }: Extract<CameraMessage, { type: 'lost' }>): void {
    if (last < first) throw new HomewardError('FRAME_MALFORMED', `lost from ${first} to ${last}`)
    if (this.#alarm.problem !== undefined) return
    const done = this.#owner.sink.lost({ log, first, last, reason }, this.#clock.wallUs()).then(
      () => this.#tell({ type: 'ack', log, ranges: [[first, last]] }),
      (error: unknown) => this.#troubled(error, 'usual'),
    )
    this.#track(done)
  }

  #troubled(error: unknown, admission: Admission): void {
    const problem = isHomewardError(error)
      ? error
      : new HomewardError(systemCode(error) === undefined ? 'INTERNAL' : 'DISK_FAILED', String(error), { cause: error })
    this.#owner.warn(problem)
    if (this.#phase === 'open') this.#alarm.failed(problem, admission)
  }

  #track(done: Promise<void>): void {
    this.#storing.add(done)
    void done.finally(() => this.#storing.delete(done))
  }

  #watchGrant(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(GRANT_STALLED_MS, () => {
      const stalled = this.#share?.grantPending === true && this.#grantSeen === this.#grantPieces
      if (stalled && this.#owner.budget.waiting > 0 && this.#alarm.problem === undefined) {
        this.#fail(new HomewardError('TIMED_OUT', 'a granted record does not come, and other cameras wait'))
        return
      }
      this.#grantSeen = this.#grantPieces
      this.#watchGrant()
    })
  }

  #tell(message: StorageMessage): boolean {
    return this.#phase !== 'closed' && this.#channel.send(encodeControl(message))
  }

  #dismissed(code: HomewardError['code'], text: string): void {
    if (code !== 'CANCELLED') this.#owner.warn(new HomewardError(code, `the camera says bye: ${text}`))
    this.#end()
    void this.#channel.close()
  }

  #fail(problem: HomewardError): void {
    this.#owner.warn(problem)
    this.#leave(problem)
    void this.#channel.close()
  }

  #leave({ code, message }: HomewardError): void {
    this.#tell({ type: 'bye', code, text: clipText(message) })
    this.#end()
  }

  #end(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#timer?.cancel()
    this.#alarm.close()
    this.#pages.close()
    for (const { totalBytes, granted } of this.#transfers.open()) this.#share?.settle(totalBytes, granted)
    this.#transfers.clear()
    this.#share?.close()
    this.#owner.ended()
  }
}

const RECORD_FAULTS = [
  'RECORD_MALFORMED',
  'RECORD_DAMAGED',
  'RECORD_FORGED',
  'RECORD_MISADDRESSED',
  'MEDIA_MALFORMED',
  'FRAGMENT_TOO_LONG',
  'FRAME_VERSION',
  'FRAME_TOO_LONG',
  'FRAME_TRUNCATED',
  'FRAME_MALFORMED',
] as const

/** True when the record itself is no good, whatever the disk does. */
export function isRecordFault(error: unknown): error is HomewardError {
  return isHomewardError(error, ...RECORD_FAULTS)
}

/**
 * What becomes of the records that arrive on one channel: opened, stored, and acknowledged only after the sink said that
 * they are on the disk. A record that is no good is quarantined and never blocks the others; a disk that is no good stops
 * the acknowledgements, and the camera keeps its copies.
 */
import type { Clock } from '../../platform/clock.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError, isHomewardError, systemCode } from '../../wire/errors.ts'
import { decodeGap } from '../../wire/gap.ts'
import { decodeRecordHeader, type RecordHeader } from '../../wire/record.ts'
import { clipText, LOSSES_AT_ONCE, type StorageMessage } from '../../wire/session.ts'
import { Answers } from './answers.ts'
import { type Admission, DiskAlarm } from './disk-alarm.ts'
import type { Loss, RecordName, RecordSink, StoreOutcome } from './sink.ts'
import type { ReceivedRecord } from './transfers.ts'

/** A record that fails this often, and not for the disk's sake, is quarantined: it would stop everything behind it. */
export const INTERNAL_FAILURES_MAX = 3

export interface OpenedRecord {
  readonly header: RecordHeader
  readonly payload: Uint8Array
}

export interface RecordOpening {
  /** Throws RECORD_MALFORMED, RECORD_MISADDRESSED, RECORD_FORGED or RECORD_DAMAGED. */
  open(record: Uint8Array, expectedCamera: Uint8Array): OpenedRecord
}

export interface KeptRecord {
  readonly header: RecordHeader
  /** As it travelled. */
  readonly bytes: number
  readonly receivedUs: number
  readonly outcome: StoreOutcome
}

export interface KeeperOwner {
  readonly sink: RecordSink
  readonly opener: RecordOpening
  kept(record: KeptRecord): void
  quarantined(problem: HomewardError): void
  /** Undefined when it is over. */
  alarm(problem: HomewardError | undefined): void
  warn(problem: HomewardError): void
}

export interface KeeperWire {
  /** Key of the camera at the other end of the channel. */
  readonly camera: Uint8Array
  tell(message: StorageMessage): void
  /** The record is answered: its credit is free. */
  settle(bytes: number, granted: boolean): void
}

type Result =
  | { readonly is: 'kept'; readonly header: RecordHeader; readonly outcome: StoreOutcome }
  | { readonly is: 'quarantined'; readonly problem: HomewardError }

export class Keeper {
  readonly #wire: KeeperWire
  readonly #owner: KeeperOwner
  readonly #clock: Clock
  readonly #answers: Answers
  readonly #alarm: DiskAlarm
  readonly #busy = new Set<Promise<void>>()
  readonly #internalFailures = new Map<string, number>()
  #losing = 0
  #closed = false

  constructor(wire: KeeperWire, owner: KeeperOwner, clock: Clock) {
    this.#wire = wire
    this.#owner = owner
    this.#clock = clock
    this.#answers = new Answers({
      ack: (log, ranges) => wire.tell({ type: 'ack', log, ranges }),
      again: (transfers) => wire.tell({ type: 'again', transfers }),
      settle: (bytes, granted) => wire.settle(bytes, granted),
    })
    this.#alarm = new DiskAlarm(clock, (state, { code, message }) => {
      wire.tell({ type: 'alarm', state, code, text: clipText(message) })
      owner.alarm(this.#alarm.problem)
    })
  }

  /** What is wrong with the disk, while something is. */
  get problem(): HomewardError | undefined {
    return this.#alarm.problem
  }

  /** A whole record arrived. */
  take(record: ReceivedRecord): void {
    const admission = this.#alarm.admit()
    if (admission === 'refused') this.#answers.again(record)
    else this.#track(this.#take(record, admission))
  }

  /** Numbers that will never arrive. Throws FRAME_MALFORMED when there are too many at once. */
  lost(loss: Loss): void {
    if (loss.last < loss.first) throw new HomewardError('FRAME_MALFORMED', `lost from ${loss.first} to ${loss.last}`)
    if (this.#losing >= LOSSES_AT_ONCE) throw new HomewardError('FRAME_MALFORMED', 'too many losses at once')
    // The camera says them again when the alarm is over.
    if (this.#alarm.problem === undefined) this.#track(this.#lose(loss))
  }

  /** Something else about the disk failed. */
  troubled(error: unknown, admission: Admission = 'usual'): void {
    const problem = isHomewardError(error)
      ? error
      : new HomewardError(systemCode(error) === undefined ? 'INTERNAL' : 'DISK_FAILED', String(error), { cause: error })
    this.#owner.warn(problem)
    if (!this.#closed) this.#alarm.failed(problem, admission)
  }

  /** No more answers. What is being stored goes on: see `idle`. */
  close(): void {
    this.#closed = true
    this.#alarm.close()
  }

  /** Resolves when everything that arrived is stored or has failed. */
  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy)
  }

  async #take(record: ReceivedRecord, admission: Admission): Promise<void> {
    const receivedUs = this.#clock.wallUs()
    let result: Result
    try {
      result = await this.#keep(record.bytes, receivedUs)
    } catch (error) {
      this.troubled(error, admission)
      this.#answers.again(record)
      return
    }
    if (result.is === 'kept' && result.outcome === 'duplicate') this.#alarm.inconclusive(admission)
    else this.#alarm.worked(admission)
    if (result.is === 'quarantined') {
      const { code, message } = result.problem
      this.#wire.tell({ type: 'quarantined', transfer: record.transfer, code, text: clipText(message) })
      this.#answers.settled(record)
      this.#owner.quarantined(result.problem)
      return
    }
    const { header, outcome } = result
    this.#answers.ack(record, header.log, header.seq, header.span)
    this.#owner.kept({ header, bytes: record.bytes.byteLength, receivedUs, outcome })
  }

  /** Rejects when the disk, not the record, is at fault. */
  async #keep(record: Uint8Array, receivedUs: number): Promise<Result> {
    let opened: OpenedRecord | undefined
    try {
      opened = this.#open(record)
      const outcome = await this.#store(opened, receivedUs)
      this.#internalFailures.delete(nameOf(opened.header))
      return { is: 'kept', header: opened.header, outcome }
    } catch (error) {
      const problem = recordFault(error) ?? this.#internalFault(error, opened?.header)
      if (problem === undefined) throw error
      await this.#owner.sink.quarantine(record, problem, nameIn(record, opened?.header))
      return { is: 'quarantined', problem }
    }
  }

  #open(record: Uint8Array): OpenedRecord {
    const opened = this.#owner.opener.open(record, this.#wire.camera)
    if (equalBytes(opened.header.camera, this.#wire.camera)) return opened
    throw new HomewardError('RECORD_FORGED', 'the record names another camera than the one that sent it')
  }

  async #store({ header, payload }: OpenedRecord, receivedUs: number): Promise<StoreOutcome> {
    const { sink } = this.#owner
    if (header.kind === 'fragment') return sink.store(header, payload, receivedUs)
    await sink.gap(header, decodeGap(payload), receivedUs)
    return 'stored'
  }

  /** A fault of the program, met again and again with this record; undefined while it may still pass. */
  #internalFault(error: unknown, header: RecordHeader | undefined): HomewardError | undefined {
    const internal = isHomewardError(error) ? error.code === 'INTERNAL' : systemCode(error) === undefined
    if (!internal || header === undefined) return undefined
    const failures = (this.#internalFailures.get(nameOf(header)) ?? 0) + 1
    this.#internalFailures.set(nameOf(header), failures)
    if (failures < INTERNAL_FAILURES_MAX) return undefined
    const why = error instanceof Error ? error.message : String(error)
    return new HomewardError('INTERNAL', `it could not be stored in ${failures} attempts: ${why}`, { cause: error })
  }

  async #lose(loss: Loss): Promise<void> {
    this.#losing++
    try {
      await this.#owner.sink.lost(loss, this.#clock.wallUs())
      this.#wire.tell({ type: 'ack', log: loss.log, ranges: [[loss.first, loss.last]] })
    } catch (error) {
      this.troubled(error)
    } finally {
      this.#losing--
    }
  }

  #track(work: Promise<void>): void {
    const done = work
      .catch((cause: unknown) => this.#owner.warn(new HomewardError('INTERNAL', String(cause), { cause })))
      .finally(() => this.#busy.delete(done))
    this.#busy.add(done)
  }
}

/** All an authenticated header says; of any other only its first number, so that a forged span settles nothing else. */
function nameIn(record: Uint8Array, authentic: RecordHeader | undefined): RecordName | undefined {
  if (authentic !== undefined) {
    return { log: authentic.log, first: authentic.seq, last: authentic.seq + authentic.span - 1 }
  }
  try {
    const { log, seq } = decodeRecordHeader(record)
    return { log, first: seq, last: seq }
  } catch {
    return undefined
  }
}

function nameOf({ log, seq }: RecordHeader): string {
  return `${log}:${seq}`
}

/** The record itself is no good, whatever the disk does; undefined for any other error. */
export function recordFault(error: unknown): HomewardError | undefined {
  if (isHomewardError(error, ...RECORD_FAULTS)) return error
  if (!isHomewardError(error, ...PAYLOAD_FAULTS)) return undefined
  return new HomewardError('RECORD_MALFORMED', `its payload cannot be read: ${error.message}`, { cause: error })
}

const RECORD_FAULTS = [
  'RECORD_MALFORMED',
  'RECORD_DAMAGED',
  'RECORD_FORGED',
  'RECORD_MISADDRESSED',
  'MEDIA_MALFORMED',
  'FRAGMENT_TOO_LONG',
] as const

const PAYLOAD_FAULTS = ['FRAME_VERSION', 'FRAME_TOO_LONG', 'FRAME_TRUNCATED', 'FRAME_MALFORMED'] as const

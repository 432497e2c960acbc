/** An archive in memory that commits in groups, remembers everything, and fails when it is told to. */
import type { Clock } from '../../platform/clock.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { GapPayload } from '../../wire/gap.ts'
import { addRange, containsRange, missingFrom, type Range } from '../../wire/ranges.ts'
import { decodeRecordHeader, RECORD_HEADER_BYTES, type RecordHeader } from '../../wire/record.ts'
import type { OpenedRecord, RecordOpening } from './keeper.ts'
import type { Loss, RecordName, RecordSink, StoreOutcome } from './sink.ts'

export interface FakeStored {
  readonly log: string
  readonly seq: number
  readonly bytes: number
}

/** What is tried: `fault` may refuse it. */
export type SinkAction = 'store' | 'gap' | 'lost' | 'quarantine' | 'durable'

export class FakeSink implements RecordSink {
  /** Every fragment stored, in order; a name appears once. */
  readonly stored: FakeStored[] = []
  readonly gaps: { readonly log: string; readonly first: number; readonly last: number; readonly reason: string }[] = []
  readonly quarantined: {
    readonly record: Uint8Array
    readonly code: string
    readonly name: RecordName | undefined
  }[] = []
  duplicates = 0
  conflicts = 0
  /** Attempts of every kind, also those that failed. */
  attempts = 0
  /** Rejects an action when it gives an error; looked at when its commit is due. */
  fault: (action: SinkAction, header?: RecordHeader) => Error | undefined = () => undefined
  /** Questions are answered when this is. */
  answering: Promise<void> = Promise.resolve()
  onStored: (log: string, seq: number) => void = () => {}
  readonly #clock: Clock
  readonly #commitMs: number
  readonly #durable = new Map<string, Range[]>()
  readonly #contents = new Map<string, Uint8Array>()
  #waiting: (() => void)[] = []

  /** What arrives within `commitMs` is committed together. */
  constructor(clock: Clock, commitMs = 5) {
    this.#clock = clock
    this.#commitMs = commitMs
  }

  /** As if these had been stored before. */
  hold(log: string, first: number, last: number): void {
    this.#durable.set(log, addRange(this.#durable.get(log) ?? [], first, last))
  }

  async store(header: RecordHeader, payload: Uint8Array): Promise<StoreOutcome> {
    await this.#commit('store', header)
    const { log, seq } = header
    if (payload[0] === 0xee) throw new HomewardError('MEDIA_MALFORMED', 'no fragment')
    const name = `${log}:${seq}`
    const before = this.#contents.get(name)
    if (before !== undefined && !equalBytes(before, payload)) {
      this.conflicts++
      return 'conflict'
    }
    if (containsRange(this.#held(log, seq, seq), seq, seq)) {
      this.duplicates++
      return 'duplicate'
    }
    this.#contents.set(name, payload.slice())
    this.hold(log, seq, seq)
    this.stored.push({ log, seq, bytes: payload.byteLength })
    this.onStored(log, seq)
    return 'stored'
  }

  async gap(header: RecordHeader, gap: GapPayload): Promise<void> {
    await this.#commit('gap', header)
    const [first, last] = [header.seq, header.seq + header.span - 1]
    this.gaps.push({ log: header.log, first, last, reason: gap.reason })
    this.hold(header.log, first, last)
  }

  async lost({ log, first, last, reason }: Loss): Promise<void> {
    await this.#commit('lost')
    for (const [low, high] of missingFrom(this.#held(log, first, last), first, last)) {
      this.gaps.push({ log, first: low, last: high, reason })
    }
    this.hold(log, first, last)
  }

  async quarantine(record: Uint8Array, why: HomewardError, name: RecordName | undefined): Promise<void> {
    await this.#commit('quarantine')
    this.quarantined.push({ record, code: why.code, name })
    if (name !== undefined) this.hold(name.log, name.first, name.last)
  }

  async durable(log: string, first: number, last: number): Promise<Range[]> {
    await this.answering
    const fault = this.fault('durable')
    if (fault !== undefined) throw fault
    return this.#held(log, first, last)
  }

  #held(log: string, first: number, last: number): Range[] {
    return missingFrom(missingFrom(this.#durable.get(log) ?? [], first, last), first, last)
  }

  async #commit(action: SinkAction, header?: RecordHeader): Promise<void> {
    this.attempts++
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
      if (this.#waiting.length > 1) return
      this.#clock.after(this.#commitMs, () => {
        const due = this.#waiting
        this.#waiting = []
        for (const go of due) go()
      })
    })
    const fault = this.fault(action, header)
    if (fault !== undefined) throw fault
  }
}

/** Opens what `FakeSource` made. A signature of ones is forged, a nonce of ones was changed on the way. */
export class FakeOpener implements RecordOpening {
  open(record: Uint8Array, expectedCamera: Uint8Array): OpenedRecord {
    const header = decodeRecordHeader(record)
    if (!equalBytes(header.camera, expectedCamera)) throw new HomewardError('RECORD_FORGED', 'another camera')
    if (header.signature[0] === 1) throw new HomewardError('RECORD_FORGED', 'not signed')
    if (header.nonce[0] === 1) throw new HomewardError('RECORD_DAMAGED', 'does not open')
    return { header, payload: record.slice(RECORD_HEADER_BYTES) }
  }
}

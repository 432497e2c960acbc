/** A ring in memory whose records are not sealed, and which can lose, damage and hide them. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { HomewardError } from '../../wire/errors.ts'
import { encodeGap, type GapReason } from '../../wire/gap.ts'
import { addRange, containsRange, missingFrom, type Range } from '../../wire/ranges.ts'
import {
  decodeRecordHeader,
  encodeRecordHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  type RecordKind,
} from '../../wire/record.ts'
import type { LostRange, RecordRef, RecordSource, WaitingLog } from './source.ts'

interface Kept {
  readonly ref: RecordRef
  readonly record: Uint8Array
}

interface FakeLog {
  readonly recipient: Uint8Array
  records: Kept[]
  acked: Range[]
  damaged: Range[]
}

export interface FakeSourceOptions {
  readonly camera: Uint8Array
  readonly recipient: Uint8Array
  /** The log that is being written. */
  readonly log: string
}

export class FakeSource implements RecordSource {
  readonly log: string
  /** What was acknowledged, in order, for tests that look at the order of things. */
  readonly acks: { readonly log: string; readonly ranges: readonly Range[] }[] = []
  /** Records that were read. */
  readonly reads: RecordRef[] = []
  /** Rejects the reading of a record when it gives an error. */
  readFault: (ref: RecordRef) => HomewardError | undefined = () => undefined
  onAck: (log: string, ranges: readonly Range[]) => void = () => {}
  readonly #options: FakeSourceOptions
  readonly #logs = new Map<string, FakeLog>()
  readonly #listeners = new Set<() => void>()

  constructor(options: FakeSourceOptions) {
    this.#options = options
    this.log = options.log
  }

  /** Listeners that are registered: a closed session leaves none. */
  get listeners(): number {
    return this.#listeners.size
  }

  /** One more fragment, whose record is `bytes` long as it travels. In another log than the current one when named. */
  append(bytes: number, log = this.log, recipient = this.#options.recipient): RecordRef {
    const seq = this.#endOf(log)
    const payload = new Uint8Array(bytes - RECORD_HEADER_BYTES).fill(seq & 255)
    return this.put('fragment', seq, 1, payload, log, recipient)
  }

  appendGap(span: number, reason: GapReason = 'ring-full', log = this.log): RecordRef {
    return this.put('gap', this.#endOf(log), span, encodeGap({ reason }), log)
  }

  /** A record as it is given, in the place of one with the same number. */
  put(
    kind: RecordKind,
    seq: number,
    span: number,
    payload: Uint8Array,
    log = this.log,
    recipient = this.#options.recipient,
    change: Partial<RecordHeader> = {},
  ): RecordRef {
    const header: RecordHeader = {
      kind,
      seq,
      span,
      run: 0,
      boot: 'b007b007b007b007',
      monoUs: seq * 2_000_000,
      wallUs: 0,
      clock: 'none',
      durationUs: 2_000_000,
      keyFrame: true,
      runStart: false,
      camera: this.#options.camera,
      log,
      recipient,
      wrappedKey: new Uint8Array(80),
      signature: new Uint8Array(64),
      nonce: new Uint8Array(24),
      payloadBytes: payload.byteLength,
      ...change,
    }
    const record = new Uint8Array(RECORD_HEADER_BYTES + payload.byteLength)
    encodeRecordHeader(header, record.subarray(0, RECORD_HEADER_BYTES))
    record.set(payload, RECORD_HEADER_BYTES)
    return this.putRecord(record)
  }

  /** A record that was made elsewhere, under the names of its own header. */
  putRecord(record: Uint8Array): RecordRef {
    const { log, seq, span, kind, recipient } = decodeRecordHeader(record)
    const ref = { log, seq, span, kind, bytes: record.byteLength }
    const own = this.#logs.get(log) ?? { recipient, records: [], acked: [], damaged: [] }
    own.records = [...own.records.filter((kept) => kept.ref.seq !== seq), { ref, record }]
    own.records.sort((one, other) => one.ref.seq - other.ref.seq)
    this.#logs.set(log, own)
    this.#changed()
    return ref
  }

  /** A record as it travels. */
  record(log: string, seq: number): Uint8Array {
    const kept = this.#logs.get(log)?.records.find(({ ref }) => ref.seq === seq)
    if (kept === undefined) throw new HomewardError('RECORD_DAMAGED', `no record ${log}/${seq}`)
    return kept.record
  }

  /** The record is not readable any more, and its log's key is gone. */
  damageRecord({ log, seq, span }: RecordRef): void {
    const own = this.#logs.get(log)
    if (own === undefined) return
    own.records = own.records.filter((kept) => kept.ref.seq !== seq)
    own.damaged = addRange(own.damaged, seq, seq + span - 1)
    this.#changed()
  }

  /** The acknowledgements were not written before the power cut: everything waits again. */
  forgetAcks(): void {
    for (const own of this.#logs.values()) own.acked = []
    this.#changed()
  }

  /** Numbers that wait, of all logs. */
  waiting(): number {
    return this.logs().reduce((sum, { unacked }) => sum + unacked.reduce((part, [a, b]) => part + b - a + 1, 0), 0)
  }

  logs(): WaitingLog[] {
    return [...this.#logs].flatMap(([log, { recipient, acked }]) => {
      const last = this.#endOf(log) - 1
      const unacked = missingFrom(acked, 0, last)
      return unacked.length === 0 ? [] : [{ log, recipient, first: 0, last, unacked }]
    })
  }

  next(log: string, fromSeq: number): RecordRef | undefined {
    const own = this.#logs.get(log)
    let at = fromSeq
    for (;;) {
      const missing = missingFrom(own?.acked ?? [], at, this.#endOf(log) - 1)[0]?.[0]
      const ref = own?.records.find(({ ref: { seq, span } }) => missing !== undefined && seq + span > missing)?.ref
      if (ref === undefined || !containsRange(own?.acked ?? [], ref.seq, ref.seq + ref.span - 1)) return ref
      at = ref.seq + ref.span
    }
  }

  async find(log: string, seq: number): Promise<RecordRef | undefined> {
    const covers = ({ ref }: Kept) => ref.seq <= seq && seq < ref.seq + ref.span
    return this.#logs.get(log)?.records.find(covers)?.ref
  }

  async read(ref: RecordRef): Promise<Uint8Array> {
    this.reads.push(ref)
    await nextTurn()
    const fault = this.readFault(ref)
    if (fault !== undefined) throw fault
    const kept = this.#logs.get(ref.log)?.records.find((each) => each.ref.seq === ref.seq && each.ref.span === ref.span)
    if (kept === undefined) throw new HomewardError('RECORD_DAMAGED', `no record ${ref.log}/${ref.seq}`)
    return kept.record
  }

  damage(): LostRange[] {
    return [...this.#logs].flatMap(([log, { damaged, acked }]) =>
      damaged.flatMap(([from, to]) => missingFrom(acked, from, to).map(([first, last]) => ({ log, first, last }))),
    )
  }

  ack(log: string, ranges: readonly Range[]): void {
    this.acks.push({ log, ranges })
    this.onAck(log, ranges)
    const own = this.#logs.get(log)
    if (own === undefined) return
    for (const [first, last] of ranges) own.acked = addRange(own.acked, first, last)
    this.#changed()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #endOf(log: string): number {
    const own = this.#logs.get(log)
    const last = own?.records.at(-1)?.ref
    return Math.max(last === undefined ? 0 : last.seq + last.span, (own?.damaged.at(-1)?.[1] ?? -1) + 1)
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

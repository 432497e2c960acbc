/** What the archive holds, as typed questions to the tables. Every answer reads only the rows it needs. */

import { fromHex, toHex } from '../../wire/bytes.ts'
import { addRange, type Range } from '../../wire/ranges.ts'
import type { ClockSegment } from './clock-segments.ts'
import { EXPIRED_ROW_US } from './expired-rows.ts'
import type { Change, IndexStore, Row } from './index-store.ts'
import {
  afterPrefix,
  CAMERA_BYTES,
  type FileId,
  fileKey,
  fragmentKey,
  joinKey,
  LEDGER_KIND_AT,
  logKey,
  parseFileKey,
  parseFragmentKey,
  rangeKey,
  readU64,
  TABLES,
  type Table,
  timeKey,
  u64Bytes,
} from './keys.ts'
import { FRAGMENT_MAX_US, WINDOW_US } from './names.ts'
import {
  type BootRow,
  type CameraRow,
  type DamagedRow,
  decodeFragmentRow,
  decodeJson,
  type FileRow,
  type FragmentRow,
  type KeepRow,
  LEDGER_KINDS,
  type LedgerRow,
  type LockRow,
  NO_TOTALS,
  type OpenRow,
  type TotalsRow,
} from './rows.ts'

/** A file ends at most this long after it starts: its window, and the longest last fragment. */
const FILE_MAX_US = WINDOW_US + FRAGMENT_MAX_US
const PAGE_ROWS = 1000

/** Tables of merged number ranges by log. */
export type RangeTable = Extract<Table, 'ranges' | 'expired'>

export interface IndexedFile {
  readonly id: FileId
  readonly row: FileRow
}

export interface IndexedFragment {
  readonly camera: Uint8Array
  readonly log: string
  readonly seq: number
  readonly row: FragmentRow
}

export class ArchiveIndex {
  readonly #store: IndexStore

  constructor(store: IndexStore) {
    this.#store = store
  }

  /** See IndexStore. */
  get doubtful(): Error | undefined {
    return this.#store.doubtful
  }

  fragment(camera: Uint8Array, log: string, seq: number): FragmentRow | undefined {
    const value = this.#store.get('fragments', fragmentKey(camera, log, seq))
    return value === undefined ? undefined : decodeFragmentRow(value)
  }

  /** The fragments of one file in ascending order. */
  fragmentsOf({ id, row }: IndexedFile): IndexedFragment[] {
    const from = fragmentKey(id.camera, id.log, row.firstSeq)
    const until = fragmentKey(id.camera, id.log, row.lastSeq + 1)
    return this.#store
      .range('fragments', { from, until })
      .map(toFragment)
      .filter((found) => found.row.fileFirstSeq === id.firstSeq && found.row.fileStartUs === id.startUs)
  }

  /** The numbers from `first` to `last` that have a fragment in a file. */
  storedWithin(camera: Uint8Array, log: string, first: number, last: number): Range[] {
    let stored: readonly Range[] = []
    const until = fragmentKey(camera, log, last + 1)
    for (let from: Uint8Array | undefined = fragmentKey(camera, log, first); from !== undefined; ) {
      const rows: readonly Row[] = this.#store.range('fragments', { from, until, limit: PAGE_ROWS })
      for (const { key } of rows) {
        const { seq } = parseFragmentKey(key)
        stored = addRange(stored, seq, seq)
      }
      const end = rows.at(-1)
      from = end === undefined || rows.length < PAGE_ROWS ? undefined : joinKey(end.key, Uint8Array.of(0))
    }
    return [...stored]
  }

  file(id: FileId): FileRow | undefined {
    const value = this.#store.get('files', fileKey(id))
    return value === undefined ? undefined : decodeJson<FileRow>(value)
  }

  /** Dated files with footage between the two times, by start. */
  files(camera: Uint8Array, fromUs: number, toUs: number): IndexedFile[] {
    const from = timeKey(camera, Math.max(1, fromUs - FILE_MAX_US))
    const rows = this.#store.range('files', { from, until: timeKey(camera, Math.max(1, toUs)) })
    return rows.map(toFile).filter(({ row }) => row.endUs > fromUs)
  }

  undatedFiles(camera: Uint8Array): IndexedFile[] {
    return this.#store.range('files', { from: timeKey(camera, 0), until: timeKey(camera, 1) }).map(toFile)
  }

  /** The dated file that starts last before `beforeUs`, or first from `fromUs` on. */
  lastFile(camera: Uint8Array, beforeUs: number): IndexedFile | undefined {
    const query = { from: timeKey(camera, 1), until: timeKey(camera, beforeUs), reverse: true, limit: 1 }
    return this.#store.range('files', query).map(toFile)[0]
  }

  firstFile(camera: Uint8Array, fromUs: number): IndexedFile | undefined {
    const query = { from: timeKey(camera, Math.max(1, fromUs)), until: afterPrefix(camera), limit: 1 }
    return this.#store.range('files', query).map(toFile)[0]
  }

  /** Every file of a camera, or of all of them, a page at a time: rows written meanwhile may or may not appear. */
  *allFiles(camera?: Uint8Array): Generator<IndexedFile> {
    for (const row of this.#scan('files', camera)) yield toFile(row)
  }

  /** The first `limit` files of a camera behind `after`, in the order of their keys. */
  filesAfter(camera: Uint8Array, after: FileId | undefined, limit: number): IndexedFile[] {
    const from = after === undefined ? camera : joinKey(fileKey(after), Uint8Array.of(0))
    return this.#store.range('files', { from, until: afterPrefix(camera), limit }).map(toFile)
  }

  /** Files that may stand on the disk unfinished. */
  openFiles(): { readonly id: FileId; readonly row: OpenRow }[] {
    return this.#store.range('open', {}).map(({ key, value }) => ({
      id: parseFileKey(key),
      row: decodeJson<OpenRow>(value),
    }))
  }

  /** The numbers from `first` to `last` that are settled for good: stored, or in the ledger. */
  durable(camera: Uint8Array, log: string, first: number, last: number): Range[] {
    return this.touchingRanges(camera, log, first, last).flatMap(([low, high]): Range[] =>
      high < first || low > last ? [] : [[Math.max(low, first), Math.min(high, last)]],
    )
  }

  /** Whole stored ranges that overlap or touch `first` to `last`. */
  touchingRanges(camera: Uint8Array, log: string, first: number, last: number, table: RangeTable = 'ranges'): Range[] {
    const before = { from: logKey(camera, log), until: rangeKey(camera, log, first), reverse: true, limit: 1 }
    const inside = { from: rangeKey(camera, log, first), until: rangeKey(camera, log, last + 2) }
    const rows = [...this.#store.range(table, before), ...this.#store.range(table, inside)]
    return rows.map(toRange).filter(([, high]) => high + 1 >= first)
  }

  /** Every log a camera has sent, with what is settled of it. */
  logs(camera: Uint8Array): { readonly log: string; readonly ranges: readonly Range[] }[] {
    const found = new Map<string, Range[]>()
    for (const row of this.#scan('ranges', camera)) {
      const { log } = parseFragmentKey(row.key)
      const ranges = found.get(log) ?? []
      ranges.push(toRange(row))
      found.set(log, ranges)
    }
    return [...found].map(([log, ranges]) => ({ log, ranges }))
  }

  totals(camera: Uint8Array): TotalsRow {
    const value = this.#store.get('totals', camera)
    return value === undefined ? NO_TOTALS : decodeJson<TotalsRow>(value)
  }

  camerasWithTotals(): Uint8Array[] {
    return this.#store.range('totals', {}).map(({ key }) => key)
  }

  cameras(): { readonly camera: Uint8Array; readonly row: CameraRow }[] {
    return this.#store
      .range('cameras', {})
      .map(({ key, value }) => ({ camera: key, row: decodeJson<CameraRow>(value) }))
  }

  /** Dated entries of the ledger that reach into the span, by start. */
  ledger(camera: Uint8Array, fromUs: number, toUs: number): LedgerRow[] {
    const from = timeKey(camera, Math.max(1, fromUs - this.totals(camera).longestLedgerUs))
    const rows = this.#store.range('ledger', { from, until: timeKey(camera, Math.max(1, toUs)) })
    return rows.map(({ value }) => decodeJson<LedgerRow>(value)).filter((row) => row.endUs >= fromUs)
  }

  /** Entries of the ledger without a date, of one number or of all. */
  undatedLedger(camera: Uint8Array, log?: string, first?: number): { key: Uint8Array; row: LedgerRow }[] {
    const at = log === undefined || first === undefined ? new Uint8Array() : joinKey(fromHex(log), u64Bytes(first))
    const prefix = joinKey(timeKey(camera, 0), at)
    const rows = this.#store.range('ledger', { from: prefix, until: afterPrefix(prefix) })
    return rows.map(({ key, value }) => ({ key, row: decodeJson<LedgerRow>(value) })).filter(({ row }) => !row.dated)
  }

  /** What expired of a log, in rows with a date that begin at `startUs` or up to a day before. */
  expiredNear(camera: Uint8Array, log: string, startUs: number): { key: Uint8Array; row: LedgerRow }[] {
    const from = timeKey(camera, Math.max(1, startUs - EXPIRED_ROW_US))
    const rows = this.#store.range('ledger', { from, until: timeKey(camera, startUs + 1) })
    return rows.flatMap(({ key, value }) => {
      if (!isExpiryOf(key, log)) return []
      return [{ key, row: decodeJson<LedgerRow>(value) }]
    })
  }

  /** Every boot of a camera that is known, by its id. */
  boots(camera: Uint8Array): { readonly boot: string; readonly row: BootRow }[] {
    const rows = this.#store.range('boots', { from: camera, until: afterPrefix(camera) })
    return rows.map(({ key, value }) => ({
      boot: toHex(key.subarray(CAMERA_BYTES)),
      row: decodeJson<BootRow>(value),
    }))
  }

  *allLedger(camera?: Uint8Array): Generator<{ camera: Uint8Array; row: LedgerRow }> {
    for (const { key, value } of this.#scan('ledger', camera)) {
      yield { camera: key.subarray(0, CAMERA_BYTES), row: decodeJson<LedgerRow>(value) }
    }
  }

  ledgerRow(key: Uint8Array): LedgerRow | undefined {
    const value = this.#store.get('ledger', key)
    return value === undefined ? undefined : decodeJson<LedgerRow>(value)
  }

  /** True when the fragment was stored once and has been deleted since. */
  isExpired(camera: Uint8Array, log: string, seq: number): boolean {
    return this.touchingRanges(camera, log, seq, seq, 'expired').some(([first, last]) => first <= seq && seq <= last)
  }

  /** Spans that retention leaves alone, of one camera or of all. */
  locks(camera?: Uint8Array): { readonly camera: Uint8Array; readonly row: LockRow }[] {
    return Array.from(this.#scan('locks', camera), ({ key, value }) => ({
      camera: key.subarray(0, CAMERA_BYTES),
      row: decodeJson<LockRow>(value),
    }))
  }

  /** What the camera's footage is limited to by itself; undefined when nobody said. */
  keep(camera: Uint8Array): KeepRow | undefined {
    const value = this.#store.get('keeps', camera)
    return value === undefined ? undefined : decodeJson<KeepRow>(value)
  }

  /** Fragments that were found damaged and are not settled yet, of one camera or of all. */
  *damaged(camera?: Uint8Array): Generator<{ camera: Uint8Array; log: string; seq: number; row: DamagedRow }> {
    for (const { key, value } of this.#scan('damaged', camera)) {
      yield { ...parseFragmentKey(key), row: decodeJson<DamagedRow>(value) }
    }
  }

  isDamaged(camera: Uint8Array, log: string, seq: number): boolean {
    return this.damagedRow(camera, log, seq) !== undefined
  }

  damagedRow(camera: Uint8Array, log: string, seq: number): DamagedRow | undefined {
    const value = this.#store.get('damaged', fragmentKey(camera, log, seq))
    return value === undefined ? undefined : decodeJson<DamagedRow>(value)
  }

  meta(name: string): string | undefined {
    const value = this.#store.get('meta', metaKey(name))
    return value === undefined ? undefined : Buffer.from(value).toString()
  }

  /** How the storage device's clock has run. */
  clock(): ClockSegment[] {
    const text = this.meta(CLOCK_META)
    return text === undefined ? [] : decodeJson<ClockSegment[]>(new Uint8Array(Buffer.from(text)))
  }

  commit(changes: readonly Change[]): Promise<void> {
    return this.#store.commit(changes)
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  /** Every row as text, for comparing two indexes. */
  dump(): string[] {
    return TABLES.flatMap((table) =>
      Array.from(this.#scan(table), ({ key, value }) => {
        const text =
          table === 'fragments' || table === 'ranges' || table === 'expired'
            ? toHex(value)
            : Buffer.from(value).toString()
        return `${table} ${toHex(key)} ${text}`
      }),
    )
  }

  *#scan(table: Table, prefix?: Uint8Array): Generator<Row> {
    const until = prefix === undefined ? undefined : afterPrefix(prefix)
    let from = prefix
    for (;;) {
      const rows = this.#store.range(table, { from, until, limit: PAGE_ROWS })
      yield* rows
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_ROWS) return
      from = joinKey(last.key, Uint8Array.of(0))
    }
  }
}

export const CLOCK_META = 'clock'

/** By its key alone: most rows of a day may be others. */
function isExpiryOf(key: Uint8Array, log: string): boolean {
  return key[LEDGER_KIND_AT] === LEDGER_KINDS.indexOf('expired') && toHex(key.subarray(40, 48)) === log
}

export function metaKey(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(name))
}

function toFile({ key, value }: Row): IndexedFile {
  return { id: parseFileKey(key), row: decodeJson<FileRow>(value) }
}

function toFragment({ key, value }: Row): IndexedFragment {
  return { ...parseFragmentKey(key), row: decodeFragmentRow(value) }
}

function toRange({ key, value }: Row): Range {
  return [parseFragmentKey(key).seq, readU64(value, 0)]
}

/** `ranges` with all of `added` in it. */
export function withRanges(ranges: readonly Range[], added: readonly Range[]): Range[] {
  return added.reduce<Range[]>((all, [first, last]) => addRange(all, first, last), [...ranges])
}

/** The changes of one commit, gathered; what several of them add up in (ranges, totals) is read once and merged here. */
import { equalBytes, fromHex, toHex } from '../../wire/bytes.ts'
import type { Range } from '../../wire/ranges.ts'
import { type ClockSegment, extendClock } from './clock-segments.ts'
import { EXPIRED_ROW_US, withExpired } from './expired-rows.ts'
import { type ArchiveIndex, CLOCK_META, metaKey, type RangeTable, withRanges } from './index.ts'
import type { Change } from './index-store.ts'
import type { FileDatedEntry, LedgerDatedEntry, SinceDatedEntry } from './journal-entry.ts'
import {
  bootKey,
  type FileId,
  fileKey,
  fragmentKey,
  joinKey,
  lockKey,
  rangeKey,
  type Table,
  timeKey,
  u64Bytes,
} from './keys.ts'
import {
  type BootRow,
  type CameraRow,
  type DamagedRow,
  encodeFragmentRow,
  encodeJson,
  type FileRow,
  type FragmentRow,
  type KeepRow,
  LEDGER_KINDS,
  type LedgerRow,
  type LockRow,
  type OpenRow,
  type TotalsRow,
} from './rows.ts'

interface LogRanges {
  readonly table: RangeTable
  readonly camera: Uint8Array
  readonly log: string
  readonly added: Range[]
}

interface CameraTotals {
  readonly camera: Uint8Array
  row: TotalsRow
}

export class IndexBatch {
  readonly #index: ArchiveIndex
  readonly #changes: Change[] = []
  readonly #ranges = new Map<string, LogRanges>()
  readonly #totals = new Map<string, CameraTotals>()
  #damaged: boolean | undefined
  readonly #removed = new Set<string>()
  /** Rows of expiries in this batch, by key. */
  readonly #expiries = new Map<string, { readonly camera: Uint8Array; readonly row: LedgerRow }>()
  readonly #clocks: Pick<ClockSegment, 'atUs' | 'ageUs'>[] = []

  constructor(index: ArchiveIndex) {
    this.#index = index
  }

  putFile(id: FileId, row: FileRow): void {
    this.#put('files', fileKey(id), encodeJson(row))
  }

  putOpen(id: FileId, row: OpenRow): void {
    this.#put('open', fileKey(id), encodeJson(row))
  }

  removeOpen(id: FileId): void {
    this.#remove('open', fileKey(id))
  }

  putFragment(camera: Uint8Array, log: string, seq: number, row: FragmentRow): void {
    this.#put('fragments', fragmentKey(camera, log, seq), encodeFragmentRow(row))
    if (this.#anyDamaged() && this.#index.isDamaged(camera, log, seq)) this.removeDamaged(camera, log, seq)
    this.addDurable(camera, log, seq, seq)
    this.#addTotals(camera, { fragments: 1, bytes: row.bytes, lastReceivedUs: row.receivedUs })
  }

  /** Hardly ever: then no fragment has to be looked for. */
  #anyDamaged(): boolean {
    this.#damaged ??= this.#index.damaged().next().done !== true
    return this.#damaged
  }

  /** The file's row and its fragments' rows go; what they held stays durable. */
  removeFile(id: FileId): void {
    const row = this.#index.file(id)
    const name = toHex(fileKey(id))
    // Twice in one batch, when two ask for it at once: its fragments go out of the totals once.
    if (row === undefined || this.#removed.has(name)) return
    this.#removed.add(name)
    this.#remove('files', fileKey(id))
    this.removeOpen(id)
    for (const { seq, row: fragment } of this.#index.fragmentsOf({ id, row })) {
      this.#remove('fragments', fragmentKey(id.camera, id.log, seq))
      if (this.#anyDamaged() && this.#index.isDamaged(id.camera, id.log, seq))
        this.removeDamaged(id.camera, id.log, seq)
      this.#addTotals(id.camera, { fragments: -1, bytes: -fragment.bytes, lastReceivedUs: 0 })
    }
  }

  /** Something came at that time, and may be gone since. */
  addReceived(camera: Uint8Array, lastReceivedUs: number): void {
    this.#addTotals(camera, { fragments: 0, bytes: 0, lastReceivedUs })
  }

  addDurable(camera: Uint8Array, log: string, first: number, last: number): void {
    this.#addRange('ranges', camera, log, first, last)
  }

  /** Stored once, deleted on purpose: it does not come back. */
  addExpired(camera: Uint8Array, log: string, first: number, last: number): void {
    this.#addRange('expired', camera, log, first, last)
  }

  #addRange(table: RangeTable, camera: Uint8Array, log: string, first: number, last: number): void {
    const name = `${table}/${toHex(camera)}/${log}`
    const known = this.#ranges.get(name) ?? { table, camera, log, added: [] }
    this.#ranges.set(name, known)
    known.added.push([first, last])
  }

  putLedger(camera: Uint8Array, row: LedgerRow, hash: string): void {
    const key = ledgerKey(camera, row, hash)
    this.#put('ledger', key, encodeJson(row))
    if (row.kind === 'expired' && row.dated) this.#expiries.set(toHex(key), { camera, row })
    this.addDurable(camera, row.log, row.first, row.last)
    const totals = this.#totalsOf(camera)
    const lengthUs = row.dated ? row.endUs - row.startUs : 0
    totals.row = { ...totals.row, longestLedgerUs: Math.max(totals.row.longestLedgerUs, lengthUs) }
  }

  /** As `putLedger`, but in one row with what expired just before it. */
  putExpiredRow(camera: Uint8Array, row: LedgerRow): void {
    const near = row.dated ? this.#expiredNear(camera, row) : []
    const put = withExpired(near, row)
    if (put !== undefined) this.putLedger(camera, put, '')
  }

  #expiredNear(camera: Uint8Array, { log, startUs }: LedgerRow): LedgerRow[] {
    const rows = new Map(this.#index.expiredNear(camera, log, startUs).map(({ key, row }) => [toHex(key), row]))
    for (const [key, fresh] of this.#expiries) {
      if (isNear(fresh, camera, log, startUs)) rows.set(key, fresh.row)
    }
    return [...rows.values()]
  }

  putBoot(camera: Uint8Array, boot: string, row: BootRow): void {
    this.#put('boots', bootKey(camera, boot), encodeJson(row))
  }

  /** A closed file and its fragments move to another time. Nothing happens when it is not where it was. */
  dateFile(camera: Uint8Array, { log, first, fromStartUs, startUs, path, shiftUs }: FileDatedEntry): void {
    const from = { camera, startUs: fromStartUs, log, firstSeq: first }
    const row = this.#index.file(from)
    if (row === undefined) return
    const id = { ...from, startUs }
    this.#remove('files', fileKey(from))
    const endUs = row.endUs + shiftUs
    this.putFile(id, { ...row, path, dated: true, startUs, endUs, shiftUs: (row.shiftUs ?? 0) + shiftUs })
    for (const { seq, row: fragment } of this.#index.fragmentsOf({ id: from, row })) {
      const moved = { ...fragment, fileStartUs: startUs, startUs: fragment.startUs + shiftUs }
      this.#put('fragments', fragmentKey(camera, log, seq), encodeFragmentRow(moved))
    }
  }

  /** Entries of the ledger of this number that have no date get one. */
  dateLedger(camera: Uint8Array, { log, first, kind, boot, shiftUs }: LedgerDatedEntry): void {
    for (const { key, row } of this.#index.undatedLedger(camera, log, first)) {
      if (row.kind !== kind || row.boot !== boot) continue
      this.#remove('ledger', key)
      const dated = { ...row, dated: true, startUs: row.startUs + shiftUs, endUs: row.endUs + shiftUs }
      this.putLedger(camera, dated, toHex(key.subarray(-LEDGER_HASH_BYTES)))
    }
  }

  /** The camera was off for longer than was known. Nothing happens when the entry is not where it was. */
  extendOff(camera: Uint8Array, { log, first, fromStartUs, startUs }: SinceDatedEntry): void {
    const kind = 'gap' as const
    const key = ledgerKey(camera, { dated: true, startUs: fromStartUs, log, first, kind }, '')
    const row = this.#index.ledgerRow(key)
    if (row?.since === undefined) return
    const { since: _, ...known } = row
    this.#remove('ledger', key)
    this.putLedger(camera, { ...known, startUs, note: '' }, '')
  }

  putCamera(camera: Uint8Array, row: CameraRow): void {
    this.#put('cameras', camera, encodeJson(row))
  }

  putLock(camera: Uint8Array, row: LockRow): void {
    this.#put('locks', lockKey(camera, row.id), encodeJson(row))
  }

  removeLock(camera: Uint8Array, id: string): void {
    this.#remove('locks', lockKey(camera, id))
  }

  putKeep(camera: Uint8Array, row: KeepRow): void {
    this.#put('keeps', camera, encodeJson(row))
  }

  putDamaged(camera: Uint8Array, log: string, seq: number, row: DamagedRow): void {
    this.#put('damaged', fragmentKey(camera, log, seq), encodeJson(row))
  }

  removeDamaged(camera: Uint8Array, log: string, seq: number): void {
    this.#remove('damaged', fragmentKey(camera, log, seq))
  }

  putMeta(name: string, value: string): void {
    this.#put('meta', metaKey(name), new Uint8Array(Buffer.from(value)))
  }

  removeMeta(name: string): void {
    this.#remove('meta', metaKey(name))
  }

  /** The storage device's clock beside the age of the archive. */
  addClock(moment: Pick<ClockSegment, 'atUs' | 'ageUs'>): void {
    this.#clocks.push(moment)
  }

  /** To be handed to the index at once: merged from what is committed now. */
  changes(): Change[] {
    const ranges = [...this.#ranges.values()].flatMap((log) => this.#rangeChanges(log))
    const totals = [...this.#totals.values()].map(({ camera, row }) => change('totals', camera, encodeJson(row)))
    return [...this.#changes, ...ranges, ...totals, ...this.#clockChanges()]
  }

  #rangeChanges({ table, camera, log, added }: LogRanges): Change[] {
    const low = Math.min(...added.map(([first]) => first))
    const high = Math.max(...added.map(([, last]) => last))
    const before = this.#index.touchingRanges(camera, log, low, high, table)
    const after = withRanges(before, added)
    const kept = new Set(after.map(([first]) => first))
    const same = new Set(before.map(([first, last]) => `${first}-${last}`))
    const gone = before.filter(([first]) => !kept.has(first))
    const fresh = after.filter(([first, last]) => !same.has(`${first}-${last}`))
    return [
      ...gone.map(([first]) => change(table, rangeKey(camera, log, first), undefined)),
      ...fresh.map(([first, last]) => change(table, rangeKey(camera, log, first), u64Bytes(last))),
    ]
  }

  #clockChanges(): Change[] {
    if (this.#clocks.length === 0) return []
    const segments = this.#clocks.reduce(extendClock, this.#index.clock())
    return [change('meta', metaKey(CLOCK_META), new Uint8Array(Buffer.from(JSON.stringify(segments))))]
  }

  #totalsOf(camera: Uint8Array): CameraTotals {
    const name = toHex(camera)
    const known = this.#totals.get(name) ?? { camera, row: this.#index.totals(camera) }
    this.#totals.set(name, known)
    return known
  }

  #addTotals(camera: Uint8Array, delta: { fragments: number; bytes: number; lastReceivedUs: number }): void {
    const totals = this.#totalsOf(camera)
    totals.row = {
      ...totals.row,
      fragments: totals.row.fragments + delta.fragments,
      bytes: totals.row.bytes + delta.bytes,
      lastReceivedUs: Math.max(totals.row.lastReceivedUs, delta.lastReceivedUs),
    }
  }

  #put(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.#changes.push(change(table, key, value))
  }

  #remove(table: Table, key: Uint8Array): void {
    this.#changes.push(change(table, key, undefined))
  }
}

const LEDGER_HASH_BYTES = 4

function isNear(
  { camera, row }: { readonly camera: Uint8Array; readonly row: LedgerRow },
  of: Uint8Array,
  log: string,
  startUs: number,
): boolean {
  return row.log === log && row.startUs <= startUs && row.startUs >= startUs - EXPIRED_ROW_US && equalBytes(camera, of)
}

/** One entry per kind and content for each number: entering the same again changes nothing. */
export function ledgerKey(
  camera: Uint8Array,
  row: Pick<LedgerRow, 'dated' | 'startUs' | 'log' | 'first' | 'kind'>,
  hash: string,
): Uint8Array {
  return joinKey(
    timeKey(camera, row.dated ? row.startUs : 0),
    fromHex(row.log),
    u64Bytes(row.first),
    Uint8Array.of(LEDGER_KINDS.indexOf(row.kind)),
    fromHex(hash.slice(0, 8).padEnd(8, '0')),
  )
}

function change(table: Table, key: Uint8Array, value: Uint8Array | undefined): Change {
  return { table, key, value }
}

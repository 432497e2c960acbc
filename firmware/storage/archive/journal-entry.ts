/**
 * Lines of the journal, and the rows of the index that follow from each. Pure. A line is the CRC-32 of its JSON as 8 hex
 * digits, a space, the JSON, a line feed. Keys are hex, times are microseconds.
 */
import { crc32 } from 'node:zlib'
import { fromHex } from '../../wire/bytes.ts'
import type { IndexBatch } from './index-batch.ts'
import { type BootRow, LEDGER_KINDS, type LedgerKind, type LedgerRow, type Since } from './rows.ts'

/** A camera got a folder for its new files. */
export interface CameraEntry {
  readonly type: 'camera'
  readonly atUs: number
  readonly camera: string
  readonly folder: string
  readonly folders: readonly string[]
}

/** Numbers that are settled without a fragment in a file. */
export interface LedgerEntry {
  readonly type: LedgerKind
  readonly atUs: number
  readonly camera: string
  readonly log: string
  readonly first: number
  readonly last: number
  readonly dated: boolean
  readonly boot: string
  readonly startUs: number
  readonly endUs: number
  readonly reason: string
  readonly note: string
  /** Relative to the root: what was kept apart, or the file that expired; '' for a gap. */
  readonly path: string
  /** SHA-256 of what was kept apart, hex; '' when nothing was. */
  readonly hash: string
  /** `expired` and `damaged`: start of the file as in its key, 0 when undated. */
  readonly fileStartUs?: number
  /** `expired`, and `damaged` with `gone`: when the last of it was received. */
  readonly receivedUs?: number
  /** `damaged`: the whole file is gone. Otherwise its fragments are there, but not as they were captured. */
  readonly gone?: boolean
  /** `gap` for a time in which the camera was off, which began by a boot whose clock is not known yet. */
  readonly since?: Since
}

/** A span that retention leaves alone from now on, or no longer. */
export interface LockEntry {
  readonly type: 'lock' | 'unlock'
  readonly atUs: number
  readonly camera: string
  readonly id: string
  readonly fromUs: number
  readonly toUs: number
  readonly name: string
}

/** How much of the camera's footage is kept from now on. */
export interface KeepEntry {
  readonly type: 'keep'
  readonly atUs: number
  readonly camera: string
  readonly days: number | null
  readonly bytes: number | null
}

/** The storage device's clock from here on, beside the age of the archive, which only ever counts time that passed. */
export interface ClockEntry {
  readonly type: 'clock'
  readonly atUs: number
  readonly ageUs: number
}

/** What is known of a boot now: the whole row. */
export interface BootEntry extends BootRow {
  readonly type: 'boot'
  readonly atUs: number
  readonly camera: string
  readonly boot: string
}

/** A file got another time, and its name and folder with it. */
export interface FileDatedEntry {
  readonly type: 'dated-file'
  readonly atUs: number
  readonly camera: string
  readonly log: string
  readonly first: number
  /** Relative to the root. */
  readonly from: string
  readonly path: string
  /** As in its key before, 0 when it was undated; and as it is now. */
  readonly fromStartUs: number
  readonly startUs: number
  /** Added to all its times, on top of earlier ones. */
  readonly shiftUs: number
}

/** An entry of the ledger without a date got one. */
export interface LedgerDatedEntry {
  readonly type: 'dated-ledger'
  readonly atUs: number
  readonly camera: string
  readonly log: string
  readonly first: number
  readonly kind: LedgerKind
  readonly boot: string
  readonly shiftUs: number
}

/** It got known since when a camera was off. */
export interface SinceDatedEntry {
  readonly type: 'dated-since'
  readonly atUs: number
  readonly camera: string
  readonly log: string
  readonly first: number
  /** As in its key before, and from now on. */
  readonly fromStartUs: number
  readonly startUs: number
}

/** Something about a file that a person may want to know later; no rows follow from it. */
export interface NoteEntry {
  readonly type: 'cut' | 'doubtful' | 'unreadable'
  readonly atUs: number
  readonly path: string
  readonly bytes: number
  readonly reason: string
}

export type JournalEntry =
  | CameraEntry
  | LedgerEntry
  | BootEntry
  | FileDatedEntry
  | LedgerDatedEntry
  | SinceDatedEntry
  | NoteEntry
  | LockEntry
  | KeepEntry
  | ClockEntry

export function isLedgerEntry(entry: JournalEntry): entry is LedgerEntry {
  return LEDGER_KINDS.some((kind) => kind === entry.type)
}

export function encodeLine(entry: JournalEntry): Uint8Array {
  const json = Buffer.from(JSON.stringify(entry))
  return new Uint8Array(Buffer.concat([Buffer.from(`${sum(json)} `), json, Buffer.from('\n')]))
}

/** The entry of one line without its line feed, or undefined when the line is damaged. */
export function decodeLine(line: Uint8Array): JournalEntry | undefined {
  const json = line.subarray(9)
  const found = Buffer.from(line.subarray(0, 9)).toString('latin1')
  if (json.byteLength === 0 || found !== `${sum(json)} `) return undefined
  try {
    return JSON.parse(Buffer.from(json).toString()) as JournalEntry
  } catch {
    return undefined
  }
}

function sum(json: Uint8Array): string {
  return crc32(json).toString(16).padStart(8, '0')
}

export interface Lines {
  readonly entries: readonly JournalEntry[]
  /** Bytes up to the end of the last whole line that is sound; what follows is a torn tail. */
  readonly goodBytes: number
  /** Damaged lines with sound ones behind them. */
  readonly damaged: number
}

export function decodeLines(bytes: Uint8Array): Lines {
  const entries: JournalEntry[] = []
  let goodBytes = 0
  let damaged = 0
  let suspect = 0
  let at = 0
  for (;;) {
    const end = bytes.indexOf(10, at)
    if (end === -1) break
    const entry = decodeLine(bytes.subarray(at, end))
    at = end + 1
    if (entry === undefined) suspect++
    else {
      entries.push(entry)
      damaged += suspect
      suspect = 0
      goodBytes = at
    }
  }
  return { entries, goodBytes, damaged }
}

/** What it changes is looked up in the index: whatever came before it must be there. */
export function needsIndex({ type }: JournalEntry): boolean {
  return type === 'dated-ledger' || type === 'dated-since'
}

/** Adds the rows that follow from an entry. The same when it happens and, with `rebuilding`, when the index is made anew. */
export function applyEntry(batch: IndexBatch, entry: JournalEntry, rebuilding = false): void {
  if (entry.type === 'camera') {
    batch.putCamera(fromHex(entry.camera), { folder: entry.folder, folders: entry.folders })
    return
  }
  if (entry.type === 'lock' || entry.type === 'unlock') {
    const { id, fromUs, toUs, name, atUs } = entry
    if (entry.type === 'lock') batch.putLock(fromHex(entry.camera), { id, fromUs, toUs, name, atUs })
    else batch.removeLock(fromHex(entry.camera), id)
    return
  }
  if (entry.type === 'keep') {
    batch.putKeep(fromHex(entry.camera), { days: entry.days, bytes: entry.bytes })
    return
  }
  if (entry.type === 'clock') {
    batch.addClock(entry)
    return
  }
  if (entry.type === 'boot') {
    const { order, heardUs, endUs, clock } = entry
    batch.putBoot(fromHex(entry.camera), entry.boot, { order, heardUs, endUs, clock })
    return
  }
  if (entry.type === 'dated-file') batch.dateFile(fromHex(entry.camera), entry)
  if (entry.type === 'dated-ledger') batch.dateLedger(fromHex(entry.camera), entry)
  if (entry.type === 'dated-since') batch.extendOff(fromHex(entry.camera), entry)
  if (!isLedgerEntry(entry)) return
  const camera = fromHex(entry.camera)
  if (entry.type === 'expired') batch.putExpiredRow(camera, ledgerRowOf(entry))
  else batch.putLedger(camera, ledgerRowOf(entry), entry.hash)
  if (entry.receivedUs !== undefined) batch.addReceived(camera, entry.receivedUs)
  if (entry.type === 'expired') {
    batch.addExpired(camera, entry.log, entry.first, entry.last)
    batch.removeFile({ camera, startUs: entry.fileStartUs ?? 0, log: entry.log, firstSeq: entry.first })
  }
  if (entry.type !== 'damaged') return
  if (entry.gone !== true) {
    const row = { path: entry.path, why: entry.note, foundUs: entry.atUs, state: 'lost' } as const
    for (let seq = entry.first; seq <= entry.last; seq++) batch.putDamaged(camera, entry.log, seq, row)
  } else if (!rebuilding) {
    // In a rebuild it has no rows, and what healed it has the rows of a file of its own.
    batch.removeFile({ camera, startUs: entry.fileStartUs ?? 0, log: entry.log, firstSeq: entry.first })
  }
}

export function ledgerRowOf(entry: LedgerEntry): LedgerRow {
  const { type: kind, log, first, last, dated, boot, startUs, endUs, reason, note, path, atUs, since } = entry
  const row = { kind, log, first, last, dated, boot, startUs, endUs, reason, note, path, atUs }
  return since === undefined ? row : { ...row, since }
}

/**
 * At a start: files that were open are read on from their last committed row. Further fragments that verify are kept and
 * indexed, the rest is cut off, and the file is closed for good. A file that cannot be dealt with is set aside as doubtful
 * and never keeps the archive from starting.
 */
import { join } from 'node:path'
import type { InitSegment } from '../../media/init.ts'
import { buildMfra } from '../../media/mfra.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Disk, DiskFile } from '../../platform/disk.ts'
import { toHex } from '../../wire/bytes.ts'
import { HomewardError, systemCode } from '../../wire/errors.ts'
import { extendedFileRow, firstFileRow, fragmentRowOf, mfraEntries } from './file-rows.ts'
import type { Folders } from './folders.ts'
import { sha256 } from './hash.ts'
import type { ArchiveIndex } from './index.ts'
import { IndexBatch } from './index-batch.ts'
import type { Journal } from './journal.ts'
import type { NoteEntry } from './journal-entry.ts'
import type { FileId } from './keys.ts'
import { removeIfThere } from './open-file.ts'
import type { FileRow } from './rows.ts'
import { readInit, type SoundEntry, scanFile } from './scan.ts'

export interface RecoverParts {
  readonly disk: Disk
  readonly root: string
  readonly clock: Clock
  readonly index: ArchiveIndex
  readonly journal: Journal
  readonly folders: Folders
}

interface Run extends RecoverParts {
  /** Fragments that a file of this recovery has: two files may have the same one when neither was committed. */
  readonly claimed: Set<string>
}

export interface Recovery {
  /** Files that were open and are closed now. */
  readonly files: number
  /** Fragments found behind the last committed one. */
  readonly fragments: number
  /** What was cut off or set aside. */
  readonly notes: readonly NoteEntry[]
}

/** What becomes of one file: its rows, and what to enter about it. */
interface Outcome {
  readonly fragments: number
  readonly notes: readonly NoteEntry[]
  readonly rows: (batch: IndexBatch) => void
}

const FILES_AT_ONCE = 4

export async function recoverOpenFiles(parts: RecoverParts): Promise<Recovery> {
  const { index, journal } = parts
  const open = index.openFiles()
  const run: Run = { ...parts, claimed: new Set() }
  const outcomes: Outcome[] = []
  for (let at = 0; at < open.length; at += FILES_AT_ONCE) {
    const some = open.slice(at, at + FILES_AT_ONCE)
    outcomes.push(...(await Promise.all(some.map(({ id, row }) => recoverSafely(run, id, row.path)))))
  }
  const notes = outcomes.flatMap((outcome) => outcome.notes)
  await journal.append(notes)
  const batch = new IndexBatch(index)
  for (const outcome of outcomes) outcome.rows(batch)
  if (notes.length > 0) batch.putMeta('journal', String(journal.bytes))
  await index.commit(batch.changes())
  return { files: open.length, fragments: outcomes.reduce((sum, { fragments }) => sum + fragments, 0), notes }
}

async function recoverSafely(parts: Run, id: FileId, path: string): Promise<Outcome> {
  try {
    return await recoverFile(parts, id, path)
  } catch (error) {
    // These concern the disk as a whole, not this file.
    if (['EROFS', 'ENODEV', 'ENXIO'].includes(systemCode(error) ?? '')) throw error
    return setAside(parts, id, path, error instanceof Error ? error.message : String(error))
  }
}

function setAside({ clock, index }: RecoverParts, id: FileId, path: string, reason: string): Outcome {
  const row = index.file(id)
  return {
    fragments: 0,
    notes: [{ type: 'doubtful', atUs: clock.wallUs(), path, bytes: row?.bytes ?? 0, reason }],
    rows(batch) {
      batch.removeOpen(id)
      if (row !== undefined) batch.putFile(id, { ...row, state: 'doubtful' })
    },
  }
}

async function recoverFile(parts: Run, id: FileId, path: string): Promise<Outcome> {
  const { disk, root, index } = parts
  const row = index.file(id)
  const found = await disk.stat(join(root, path))
  if (found === undefined) {
    if (row !== undefined) return setAside(parts, id, path, 'the file is gone')
    return { fragments: 0, notes: [], rows: (batch) => batch.removeOpen(id) }
  }
  const file = await disk.open(join(root, path), 'write')
  try {
    const size = await file.size()
    if (row !== undefined && size < row.bytes) {
      return setAside(parts, id, path, `the file has ${size} bytes, ${row.bytes} were committed`)
    }
    const init = await initOf(file, row)
    const kept = init === undefined ? NOTHING : await readOn(parts, file, init, id, row, size)
    if (init === undefined || (row === undefined && kept.entries.length === 0)) {
      return await removed(parts, id, path, size)
    }
    return await closed(parts, id, path, file, init, row, kept, size)
  } finally {
    await file.close()
  }
}

/** Undefined when the file was cut inside its init segment before anything in it was committed. */
async function initOf(file: DiskFile, row: FileRow | undefined): Promise<InitSegment | undefined> {
  try {
    return await readInit(file)
  } catch (error) {
    if (row !== undefined || !(error instanceof HomewardError)) throw error
    return undefined
  }
}

interface Kept {
  readonly entries: readonly SoundEntry[]
  /** A whole mfra follows the last of them. */
  readonly mfra: boolean
  readonly why: string
}

const NOTHING: Kept = { entries: [], mfra: false, why: 'no whole init segment' }

/** Entries behind the last committed one, as long as each verifies, follows the one before and is stored nowhere else. */
async function readOn(
  { index, claimed }: Run,
  file: DiskFile,
  init: InitSegment,
  id: FileId,
  row: FileRow | undefined,
  size: number,
): Promise<Kept> {
  const entries: SoundEntry[] = []
  let next = row === undefined ? id.firstSeq : row.lastSeq + 1
  const initHash = toHex(sha256(init.bytes))
  for await (const found of scanFile(file, init, row?.bytes ?? init.bytes.byteLength, size, SCAN)) {
    if (found.kind === 'mfra') return { entries, mfra: true, why: '' }
    if (found.kind === 'damaged') return { entries, mfra: false, why: found.why }
    const { camera, log, seq } = found.entry
    const belongs = toHex(camera) === toHex(id.camera) && log === id.log && seq === next
    if (!belongs || toHex(found.entry.initHash) !== initHash) {
      return { entries, mfra: false, why: `${log}-${seq} does not belong there` }
    }
    const name = `${toHex(camera)}/${log}/${seq}`
    if (claimed.has(name) || index.durable(camera, log, seq, seq).length > 0) {
      return { entries, mfra: false, why: `${log}-${seq} is settled elsewhere` }
    }
    claimed.add(name)
    entries.push(found)
    next++
  }
  return { entries, mfra: false, why: '' }
}

const SCAN = { deep: true, resync: false }

async function removed({ disk, root, clock }: RecoverParts, id: FileId, path: string, size: number): Promise<Outcome> {
  await removeIfThere(disk, join(root, path))
  const reason = 'nothing in it was committed and nothing verifies'
  const note = { type: 'cut', atUs: clock.wallUs(), path, bytes: size, reason } as const
  return { fragments: 0, notes: size > 0 ? [note] : [], rows: (batch) => batch.removeOpen(id) }
}

async function closed(
  { clock, folders, index }: RecoverParts,
  id: FileId,
  path: string,
  file: DiskFile,
  init: InitSegment,
  row: FileRow | undefined,
  { entries, mfra, why }: Kept,
  size: number,
): Promise<Outcome> {
  const last = entries.at(-1)
  const end = last === undefined ? (row?.bytes ?? size) : last.offset + last.bytes
  if (!mfra) {
    if (end < size) await file.truncate(end)
    const before = row === undefined ? [] : index.fragmentsOf({ id, row }).map((fragment) => fragment.row)
    await appendMfra(file, end, buildMfra(mfraEntries(init, [...before, ...entries])))
  }
  await file.datasync()
  const unsettled = await folders.settle([path])
  if (unsettled.size > 0) throw unsettled.get(path)
  const cut = mfra ? 0 : size - end
  const note = { type: 'cut', atUs: clock.wallUs(), path, bytes: cut, reason: why } as const
  return {
    fragments: entries.length,
    notes: cut > 0 ? [note] : [],
    rows(batch) {
      let now = row
      for (const entry of entries) {
        now =
          now === undefined ? firstFileRow(path, init, toHex(entry.entry.initHash), entry) : extendedFileRow(now, entry)
        batch.putFragment(id.camera, id.log, entry.entry.seq, fragmentRowOf(id, entry))
      }
      if (now !== undefined) batch.putFile(id, { ...now, state: 'closed' })
      batch.removeOpen(id)
    },
  }
}

/** The mfra only makes seeking faster: a full disk must not keep the archive from starting. */
async function appendMfra(file: DiskFile, end: number, mfra: Uint8Array): Promise<void> {
  try {
    await file.write([mfra], end)
  } catch (error) {
    if (systemCode(error) !== 'ENOSPC') throw error
    await file.truncate(end)
  }
}

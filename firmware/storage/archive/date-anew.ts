/**
 * Footage gets its date, or another one, once the clock of its boot is known: files are renamed, their rows move. The journal
 * says so first; a start or a `reindex` in between finishes it.
 */
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Disk } from '../../platform/disk.ts'
import { equalBytes, toHex } from '../../wire/bytes.ts'
import { type BootClock, wallAt } from './boot-clock.ts'
import { SKEW_US } from './dating.ts'
import type { ArchiveIndex, IndexedFile } from './index.ts'
import { type Job, promised } from './jobs.ts'
import type { FileDatedEntry, LedgerDatedEntry } from './journal-entry.ts'
import { fileFolder, fileName, type Stamp } from './names.ts'
import type { OpenFile } from './open-file.ts'

const LOOK_ROWS = 500

export interface DatingParts {
  readonly disk: Disk
  readonly root: string
  readonly index: () => ArchiveIndex
  readonly nowUs: () => number
  readonly folderOf: (camera: Uint8Array) => string
  /** Closes open files and waits for it. */
  readonly finish: (which: (file: OpenFile) => boolean) => Promise<void>
  readonly submit: (job: Job) => Promise<void>
}

/** Boots whose clock is known and that still have something without a date: a power cut came in between. */
export function undatedBoots(index: ArchiveIndex): { readonly camera: Uint8Array; readonly boot: string }[] {
  return index.cameras().flatMap(({ camera }) => {
    const undated = new Set([
      ...index.undatedFiles(camera).map(({ row }) => row.boot),
      ...index.undatedLedger(camera).map(({ row }) => row.boot),
    ])
    const clocked = index.boots(camera).filter(({ boot, row }) => undated.has(boot) && row.clock !== null)
    return clocked.map(({ boot }) => ({ camera, boot }))
  })
}

/** What has no date, or also what has a wrong one, of one boot. Rejects when the disk does; what was done until then is done. */
export async function dateAnew(
  parts: DatingParts,
  camera: Uint8Array,
  boot: string,
  clock: BootClock,
  which: 'undated' | 'all',
): Promise<void> {
  const { index, finish, submit } = parts
  const differs = (row: IndexedFile['row']) => Math.abs(row.startUs - wallAt(clock, row.monoUs)) > SKEW_US
  const isWrong = (row: IndexedFile['row']) => row.boot === boot && (!row.dated || (which === 'all' && differs(row)))
  await finish(({ id, plannedRow }) => equalBytes(id.camera, camera) && isWrong(plannedRow))
  const files: IndexedFile[] = []
  let looked = 0
  for (const file of which === 'all' ? index().allFiles(camera) : index().undatedFiles(camera)) {
    if (file.row.state === 'closed' && isWrong(file.row)) files.push(file)
    // Years of footage: whatever else is to be done comes in between.
    if (++looked % LOOK_ROWS === 0) await nextTurn()
  }
  const moves = await Promise.all(files.map((file) => moveOf(parts, file, clock)))
  const rows = index()
    .undatedLedger(camera)
    .filter(({ row }) => row.boot === boot)
  const entries = rows.map(({ row }): LedgerDatedEntry => {
    const { log, first, kind, startUs } = row
    const shiftUs = wallAt(clock, startUs) - startUs
    return { type: 'dated-ledger', atUs: parts.nowUs(), camera: toHex(camera), log, first, kind, boot, shiftUs }
  })
  const jobs = [
    ...moves.flatMap((entry): Job[] => {
      if (entry === undefined) return []
      const rename = { from: entry.from, to: entry.path }
      return [{ kind: 'ledger', entry, aside: [], rename, ...promised() }]
    }),
    ...entries.map((entry): Job => ({ kind: 'ledger', entry, aside: [], ...promised() })),
  ]
  await Promise.all(jobs.map(submit))
}

/** Undefined when the file is not where its row says, or something stands where it would go. */
async function moveOf(
  { disk, root, nowUs, folderOf }: DatingParts,
  { id, row }: IndexedFile,
  clock: BootClock,
): Promise<FileDatedEntry | undefined> {
  const { camera, log, firstSeq } = id
  const startUs = wallAt(clock, row.monoUs)
  const stamp: Stamp = { boot: row.boot, monoUs: row.monoUs, wallUs: startUs, clock: 'synchronised' }
  const folder = folderOf(camera)
  const path = `${fileFolder(folder, stamp)}/${fileName(stamp, log, firstSeq)}`
  const free = path !== row.path && (await disk.stat(join(root, path))) === undefined
  if (!free || (await disk.stat(join(root, row.path))) === undefined) return undefined
  return {
    ...{ type: 'dated-file', atUs: nowUs(), camera: toHex(camera), log, first: firstSeq, from: row.path, path },
    ...{ fromStartUs: id.startUs, startUs, shiftUs: startUs - row.startUs },
  }
}

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
import type { FileDatedEntry, LedgerDatedEntry, SinceDatedEntry } from './journal-entry.ts'
import type { FileId } from './keys.ts'
import { fileFolder, fileName, type Stamp } from './names.ts'
import type { OpenFile } from './open-file.ts'

const LOOK_ROWS = 500
/** Moved in one go: so long, what is to be deleted waits. */
const MOVES_AT_ONCE = 64

export interface DatingParts {
  readonly disk: Disk
  readonly root: string
  readonly index: () => ArchiveIndex
  readonly nowUs: () => number
  readonly folderOf: (camera: Uint8Array) => string
  /** Closes open files of the boot and waits for it. */
  readonly finish: (camera: Uint8Array, boot: string, which: (file: OpenFile) => boolean) => Promise<void>
  readonly submit: (job: Job) => Promise<void>
  readonly clockOf: (camera: Uint8Array, boot: string) => BootClock | undefined
  /** Nothing is deleted meanwhile, nor entered into the ledger without a date. */
  readonly alone: (work: () => Promise<void>) => Promise<void>
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

/**
 * What has no date, or also what has a wrong one, of one boot. Rejects when the disk does; what was done until then is done.
 * `next-start`: something has to wait for it, a file whose end the disk did not let be put right.
 */
export async function dateAnew(
  parts: DatingParts,
  camera: Uint8Array,
  boot: string,
  clock: BootClock,
  which: 'undated' | 'all',
): Promise<'done' | 'next-start'> {
  const { index, finish, submit } = parts
  const differs = (row: IndexedFile['row']) => Math.abs(row.startUs - wallAt(clock, row.monoUs)) > SKEW_US
  const isWrong = (row: IndexedFile['row']) => row.boot === boot && (!row.dated || (which === 'all' && differs(row)))
  await finish(camera, boot, ({ id, plannedRow }) => equalBytes(id.camera, camera) && isWrong(plannedRow))
  const files: IndexedFile[] = []
  let looked = 0
  let leftOpen = false
  for (const file of which === 'all' ? index().allFiles(camera) : index().undatedFiles(camera)) {
    if (isWrong(file.row)) {
      if (file.row.state === 'open') leftOpen = true
      else files.push(file)
    }
    // Years of footage: whatever else is to be done comes in between.
    if (++looked % LOOK_ROWS === 0) await nextTurn()
  }
  const troubles: unknown[] = []
  const enter = async (jobs: readonly Job[]) => {
    for (const result of await Promise.allSettled(jobs.map(submit))) {
      if (result.status === 'rejected') troubles.push(result.reason)
    }
  }
  for (let at = 0; at < files.length; at += MOVES_AT_ONCE) {
    const some = files.slice(at, at + MOVES_AT_ONCE)
    await parts.alone(async () => {
      const moves = await Promise.all(some.map(({ id }) => moveOf(parts, id, clock)))
      await enter(moves.flatMap((move) => (move === undefined ? [] : [move])))
    })
    await nextTurn()
  }
  await parts.alone(() => enter(ledgerJobs(parts, camera, boot, clock)))
  await parts.alone(async () => enter(await sinceJobs(parts, camera, boot)))
  if (troubles.length > 0) throw troubles[0]
  return leftOpen ? 'next-start' : 'done'
}

function ledgerJobs({ index, nowUs }: DatingParts, camera: Uint8Array, boot: string, clock: BootClock): Job[] {
  const rows = index()
    .undatedLedger(camera)
    .filter(({ row }) => row.boot === boot)
  return rows.map(({ row }): Job => {
    const { log, first, kind, startUs } = row
    const shiftUs = wallAt(clock, startUs) - startUs
    const entry: LedgerDatedEntry = {
      ...{ type: 'dated-ledger', atUs: nowUs(), camera: toHex(camera), log, first, kind, boot, shiftUs },
    }
    return { kind: 'ledger', entry, aside: [], ...promised() }
  })
}

/** Times in which the camera was off, of which it is known only now when they began. */
async function sinceJobs(
  { index, nowUs, clockOf }: DatingParts,
  camera: Uint8Array,
  boot: string,
): Promise<readonly Job[]> {
  const jobs: Job[] = []
  let looked = 0
  for (const { row } of index().allLedger(camera)) {
    if (++looked % LOOK_ROWS === 0) await nextTurn()
    const { since, dated, log, first, startUs: fromStartUs } = row
    if (since === undefined || !dated || (since.boot !== boot && row.boot !== boot)) continue
    const clock = clockOf(camera, since.boot)
    if (clock === undefined) continue
    const startUs = Math.min(fromStartUs, wallAt(clock, since.monoUs))
    const entry: SinceDatedEntry = {
      ...{ type: 'dated-since', atUs: nowUs(), camera: toHex(camera), log, first, fromStartUs, startUs },
    }
    jobs.push({ kind: 'ledger', entry, aside: [], ...promised() })
  }
  return jobs
}

/** Undefined when the file is gone, not where its row says, or something stands where it would go. */
async function moveOf(
  { disk, root, index, nowUs, folderOf }: DatingParts,
  id: FileId,
  clock: BootClock,
): Promise<Job | undefined> {
  const row = index().file(id)
  if (row === undefined) return undefined
  const { camera, log, firstSeq } = id
  const startUs = wallAt(clock, row.monoUs)
  const stamp: Stamp = { boot: row.boot, monoUs: row.monoUs, wallUs: startUs, clock: 'synchronised' }
  const folder = folderOf(camera)
  const path = `${fileFolder(folder, stamp)}/${fileName(stamp, log, firstSeq)}`
  const free = path !== row.path && (await disk.stat(join(root, path))) === undefined
  if (!free || (await disk.stat(join(root, row.path))) === undefined) return undefined
  const entry: FileDatedEntry = {
    ...{ type: 'dated-file', atUs: nowUs(), camera: toHex(camera), log, first: firstSeq, from: row.path, path },
    ...{ fromStartUs: id.startUs, startUs, shiftUs: startUs - row.startUs },
  }
  return { kind: 'ledger', entry, aside: [], rename: { from: row.path, to: path }, ...promised() }
}

/** Damage on the disk itself: what is found is noted and asked for again; what nobody has any more goes into the ledger. */
import { join } from 'node:path'
import type { Disk } from '../../platform/disk.ts'
import type { ArchiveIndex, IndexedFile } from './index.ts'
import type { IndexBatch } from './index-batch.ts'
import { type Job, promised } from './jobs.ts'
import { damageOf } from './ledger.ts'
import { fileOf } from './mend.ts'
import type { DamagedRow } from './rows.ts'

export interface DamagedFragment {
  readonly camera: Uint8Array
  readonly log: string
  readonly seq: number
  readonly row: DamagedRow
}

interface Parts {
  readonly disk: Disk
  readonly root: string
  readonly index: ArchiveIndex
  readonly nowUs: number
  readonly submit: (job: Job) => Promise<void>
}

export async function noteDamaged(
  { index, nowUs, submit }: Parts,
  camera: Uint8Array,
  log: string,
  seq: number,
  why: string,
): Promise<void> {
  const file = fileWith(index, camera, log, seq)
  if (file === undefined || index.isDamaged(camera, log, seq)) return
  const note = { path: file.row.path, why, foundUs: nowUs, state: 'asked' } as const
  const run = async () => (rows: IndexBatch) => rows.putDamaged(camera, log, seq, note)
  await submit({ kind: 'mend', run, ...promised() })
}

/** Nothing happens when the file is there after all, or still open. */
export async function noteGone({ disk, root, index, nowUs, submit }: Parts, { id }: IndexedFile): Promise<void> {
  const row = index.file(id)
  if (row === undefined || row.state === 'open') return
  if ((await disk.stat(join(root, row.path))) !== undefined) return
  const known = { id, row }
  const why = 'the file is gone'
  const { camera, log } = id
  const note = { path: row.path, why, foundUs: nowUs, state: 'asked' } as const
  const fragments = index.fragmentsOf(known)
  const rows = (batch: IndexBatch) => {
    for (const { seq } of fragments) batch.putDamaged(camera, log, seq, note)
  }
  const damage = damageOf(known, row.firstSeq, row.lastSeq, [row.startUs, row.endUs], why, true, nowUs)
  const entry = { ...damage, receivedUs: lastReceivedUs(index, known) }
  await submit({ kind: 'ledger', entry, aside: [], rows, ...promised() })
}

export async function giveUpDamaged(
  { index, nowUs, submit }: Parts,
  camera: Uint8Array,
  log: string,
  seq: number,
): Promise<void> {
  const note = index.damagedRow(camera, log, seq)
  if (note === undefined || note.state === 'lost') return
  const row = index.fragment(camera, log, seq)
  const file = fileWith(index, camera, log, seq)
  if (row === undefined || file === undefined) {
    const run = async () => (rows: IndexBatch) => rows.removeDamaged(camera, log, seq)
    return submit({ kind: 'mend', run, ...promised() })
  }
  const span: [number, number] = [row.startUs, row.startUs + row.durationUs]
  const entry = damageOf(file, seq, seq, span, note.why, false, nowUs)
  await submit({ kind: 'ledger', entry, aside: [], ...promised() })
}

/** The file that holds the fragment. */
export function fileWith(index: ArchiveIndex, camera: Uint8Array, log: string, seq: number): IndexedFile | undefined {
  const row = index.fragment(camera, log, seq)
  return row === undefined ? undefined : fileOf(index, camera, log, row)
}

/** When the last of the file was received, by the storage device's clock. */
export function lastReceivedUs(index: ArchiveIndex, file: IndexedFile): number {
  return index.fragmentsOf(file).reduce((last, { row }) => Math.max(last, row.receivedUs), 0)
}

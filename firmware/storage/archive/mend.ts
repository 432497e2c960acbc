/**
 * Puts a fragment back where its damaged bytes stand. What goes into the file is byte for byte what was written the first time,
 * so nothing else has to move: no row, no offset, no other fragment. A disk remaps a bad sector when it is written.
 */
import { join } from 'node:path'
import type { TimeBase } from '../../media/rebase.ts'
import type { Disk, DiskFile } from '../../platform/disk.ts'
import { equalBytes, toHex } from '../../wire/bytes.ts'
import { HomewardError, systemCode } from '../../wire/errors.ts'
import { decodeEntry } from './entry.ts'
import { sha256 } from './hash.ts'
import { type Arrived, basesFor, placeAt } from './incoming.ts'
import type { ArchiveIndex, IndexedFile } from './index.ts'
import type { IndexBatch } from './index-batch.ts'
import { isDated, type Stamp } from './names.ts'
import type { FileRow, FragmentRow } from './rows.ts'
import { readAt, readEntry } from './scan.ts'

export interface MendParts {
  readonly disk: Disk
  readonly root: string
  readonly index: ArchiveIndex
}

/** The file that a fragment's row is about. */
export function fileOf(
  index: ArchiveIndex,
  camera: Uint8Array,
  log: string,
  row: FragmentRow,
): IndexedFile | undefined {
  const id = { camera, startUs: row.fileStartUs, log, firstSeq: row.fileFirstSeq }
  const found = index.file(id)
  return found === undefined ? undefined : { id, row: found }
}

/** Writes `arrived`, whose hash is that of its row, and reads it back. Throws what the disk throws, and DISK_FAILED. */
export async function mendFragment(parts: MendParts, arrived: Arrived): Promise<(rows: IndexBatch) => void> {
  const { disk, root, index } = parts
  const { camera, log, seq } = arrived
  const row = index.fragment(camera, log, seq)
  const found = row === undefined ? undefined : fileOf(index, camera, log, row)
  // Expired meanwhile.
  if (row === undefined || found === undefined) return (rows) => rows.removeDamaged(camera, log, seq)
  const path = join(root, found.row.path)
  if ((await disk.stat(path)) === undefined) throw cannot(found, seq, 'its file is gone')
  const file = await disk.open(path, 'write')
  try {
    await mendInit(file, arrived, found)
    const bases = row.fileFirstSeq === seq ? basesFor(arrived) : await basesIn(file, index, found)
    if (bases === undefined) throw cannot(found, seq, 'nothing in its file can be read')
    const { placed, parts: bytes } = placeAt(row.offset, bases, asWritten(arrived, row, found.row))
    if (placed.bytes !== row.bytes || placed.headerBytes !== row.headerBytes) {
      throw cannot(found, seq, `${placed.bytes} bytes are to stand where ${row.bytes} stood`)
    }
    await file.write(bytes, row.offset)
    await file.datasync()
    const back = await readEntry(file, arrived.init, row.offset, await file.size(), true)
    if (back.kind === 'damaged') throw cannot(found, seq, back.why)
  } finally {
    await file.close()
  }
  return (rows) => rows.removeDamaged(camera, log, seq)
}

/** With the stamps of the first time: the clock of its boot may have become known since, or better known. */
function asWritten(arrived: Arrived, row: FragmentRow, { shiftUs = 0 }: FileRow): Arrived {
  const { boot, monoUs, clock: now } = arrived
  const clock = now === 'none' ? 'synchronised' : now
  const stamp: Stamp = { boot, monoUs, wallUs: row.startUs - shiftUs, clock }
  const undated = { wallUs: 0, clock: 'none' } as const
  return { ...arrived, ...stamp, ...(isDated(stamp) ? {} : undated), receivedUs: row.receivedUs }
}

async function mendInit(file: DiskFile, { init, initHash }: Arrived, { row }: IndexedFile): Promise<void> {
  const there = await readAt(file, 0, row.initBytes)
  if (toHex(sha256(there)) === row.initHash || initHash !== row.initHash) return
  await file.write([init.bytes], 0)
}

/** All fragments of a file share them: taken from the first whose box is sound. */
async function basesIn(
  file: DiskFile,
  index: ArchiveIndex,
  found: IndexedFile,
): Promise<readonly TimeBase[] | undefined> {
  for (const { seq, row } of index.fragmentsOf(found)) {
    try {
      const entry = decodeEntry(await readAt(file, row.offset, row.headerBytes))
      if (entry.log === found.id.log && entry.seq === seq && equalBytes(entry.camera, found.id.camera))
        return entry.bases
    } catch (error) {
      if (!(error instanceof HomewardError) && systemCode(error) !== 'EIO') throw error
    }
  }
  return undefined
}

function cannot({ row }: IndexedFile, seq: number, why: string): HomewardError {
  return new HomewardError('DISK_FAILED', `fragment ${seq} cannot be put back into ${row.path}: ${why}`, {
    hint: 'Look at the health of the disk.',
  })
}

/**
 * One batch of the group commit. The order is what the ACK relies on:
 *
 *   1. names of new files go to the index, so that a start knows what may stand on the disk unfinished
 *   2. fragments go into their files, and each file is synced; so is what is kept apart
 *   3. the folders of new files are synced, up to the root
 *   4. the journal is appended to and synced
 *   5. the rows go to the index, which is flushed
 *   6. whoever waited is told
 *
 * A file that fails takes down only its own fragments; a failed index takes down the whole batch.
 */
import { join } from 'node:path'
import type { Clock } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { asideJobs } from './aside.ts'
import { diskError } from './disk-errors.ts'
import { fragmentRowOf } from './file-rows.ts'
import type { Folders } from './folders.ts'
import type { Arrived } from './incoming.ts'
import type { ArchiveIndex } from './index.ts'
import { IndexBatch } from './index-batch.ts'
import type { FragmentJob, Job, LedgerJob, MendJob } from './jobs.ts'
import type { Journal } from './journal.ts'
import { applyEntry, type JournalEntry } from './journal-entry.ts'
import { parentOf } from './names.ts'
import { type OpenFile, removeIfThere } from './open-file.ts'
import type { Writer } from './writer.ts'

export interface BatchParts {
  readonly disk: Disk
  readonly root: string
  readonly clock: Clock
  readonly index: ArchiveIndex
  readonly journal: Journal
  readonly writer: Writer
  readonly folders: Folders
  /** Bytes that fragments may take now. Throws when the disk is not there any more. */
  readonly room: () => Promise<number>
  readonly folderOf: (camera: Uint8Array) => string
}

/** Where the fragments of one batch went, and what came of it. */
interface Batch {
  readonly files: Map<OpenFile, FragmentJob[]>
  readonly ledger: Set<LedgerJob>
  readonly failed: Map<OpenFile, HomewardError>
  /** Rows of files that were cut or removed after a failure. */
  readonly aftermath: ((rows: IndexBatch) => void)[]
}

export class BatchWriter {
  #parts: BatchParts
  /** In the journal, but not in the index, because the index failed in between. */
  #unapplied: JournalEntry[] = []
  /** Files made by us with nothing committed in them, which could not be removed. */
  readonly #leftovers = new Set<string>()

  constructor(parts: BatchParts) {
    this.#parts = parts
  }

  /** After a job that ran alone has put another index in place. */
  replaceIndex(index: ArchiveIndex): void {
    this.#parts = { ...this.#parts, index }
    this.#unapplied = []
  }

  /** Settles every job, or throws: then those that are not settled yet failed with that error. */
  async commit(jobs: readonly Job[]): Promise<void> {
    const { writer, index } = this.#parts
    // What its last commit says may stand there after all: the files are left as they are for the next start.
    if (index.doubtful !== undefined) throw diskError(index.doubtful, 'writing the index')
    const batch: Batch = { files: new Map(), ledger: new Set(), failed: new Map(), aftermath: [] }
    await this.#plan(jobs, batch)
    for (const job of jobs) {
      if (job.kind !== 'finish' && job.kind !== 'alone') continue
      for (const file of writer.files) if (job.kind === 'alone' || job.which(file)) file.finish()
    }
    const mended = await this.#mend(jobs, batch)
    try {
      await this.#write(batch)
    } catch (error) {
      await this.#takeBack()
      throw diskError(error, 'writing the index')
    }
    for (const job of mended) job.resolve()
    for (const job of jobs) {
      if (job.kind === 'alone') await job.run()
      if (job.kind === 'finish' || job.kind === 'alone') job.resolve()
    }
  }

  async #mend(jobs: readonly Job[], batch: Batch): Promise<MendJob[]> {
    const mended: MendJob[] = []
    for (const job of jobs) {
      if (job.kind !== 'mend') continue
      try {
        batch.aftermath.push(await job.run())
        mended.push(job)
      } catch (error) {
        job.reject(diskError(error, 'mending a file'))
      }
    }
    return mended
  }

  async #plan(jobs: readonly Job[], batch: Batch): Promise<void> {
    const { writer, clock, room, folderOf } = this.#parts
    const fragments = jobs.filter((job) => job.kind === 'fragment')
    const ledger = jobs.filter((job) => job.kind === 'ledger')
    let roomBytes: number
    try {
      roomBytes = await room()
    } catch (error) {
      for (const job of [...fragments, ...ledger]) job.reject(diskError(error, 'storing'))
      return
    }
    for (const job of ledger) batch.ledger.add(job)
    const bytes = fragments.reduce((sum, job) => sum + job.arrived.entryBytes, 0)
    if (bytes > roomBytes) {
      for (const job of fragments) job.reject(noRoom(bytes, roomBytes))
      return
    }
    for (const job of fragments) {
      try {
        if (this.#isStored(job.arrived)) {
          job.resolve()
          continue
        }
        const file = writer.plan(job.arrived, folderOf(job.arrived.camera), clock.monoUs())
        batch.files.set(file, [...(batch.files.get(file) ?? []), job])
      } catch (error) {
        job.reject(diskError(error, 'placing a fragment'))
      }
    }
  }

  /** A rebuild of the index may have found what was waiting to be stored. Throws NAME_CONFLICT. */
  #isStored({ camera, log, seq, fragmentHash }: Arrived): boolean {
    const row = this.#parts.index.fragment(camera, log, seq)
    if (row === undefined || equalBytes(row.hash, fragmentHash)) return row !== undefined
    throw new HomewardError('NAME_CONFLICT', `another fragment is stored as ${log}-${seq}`)
  }

  async #write(batch: Batch): Promise<void> {
    const { disk, root, writer, folders } = this.#parts
    const busy = writer.files.filter((file) => file.hasPlans || file.finishing)
    const fresh = busy.filter((file) => !file.isMade)
    await this.#reserve(fresh)
    const asides = asideJobs(disk, root, folders, batch.ledger)
    await Promise.all([asides.write(), ...busy.map((file) => this.#flush(file, batch))])
    const made = fresh.filter((file) => !batch.failed.has(file)).map(({ path }) => path)
    const unsettled = await folders.settle([...made, ...asides.paths()])
    for (const file of fresh) {
      if (unsettled.has(file.path)) await this.#fail(file, unsettled.get(file.path), batch)
    }
    asides.dropUnsettled(unsettled)
    await this.#enter(batch)
    await this.#record(batch, busy)
  }

  /** The index learns where new files will be before they are made. */
  async #reserve(fresh: readonly OpenFile[]): Promise<void> {
    if (fresh.length === 0) return
    const { disk, root, index } = this.#parts
    const rows = new IndexBatch(index)
    for (const file of fresh) {
      file.path = await this.#freePath(file.path)
      rows.putOpen(file.id, { path: file.path })
    }
    await index.commit(rows.changes())
    for (const { path } of fresh) {
      if (this.#leftovers.delete(path)) await removeIfThere(disk, join(root, path))
    }
  }

  /** Something unknown under that name is never written over: it may be footage that a lost index does not know. */
  async #freePath(path: string): Promise<string> {
    const { disk, root } = this.#parts
    let free = path
    for (let count = 2; !this.#leftovers.has(free); count++) {
      if ((await disk.stat(join(root, free))) === undefined) break
      free = path.replace(/\.mp4$/, `~${count}.mp4`)
    }
    return free
  }

  async #flush(file: OpenFile, batch: Batch): Promise<void> {
    const { disk, root, folders } = this.#parts
    try {
      if (!file.isMade) await folders.makeFor(file.path)
      await file.flush(disk, root)
    } catch (error) {
      await this.#fail(file, error, batch)
    }
  }

  /** What the file holds behind the last commit is unknown: it goes out of use, its new fragments are asked for again. */
  async #fail(file: OpenFile, error: unknown, batch: Batch): Promise<void> {
    const { disk, root, writer, folders } = this.#parts
    folders.forget()
    writer.remove(file)
    batch.failed.set(file, diskError(error, `writing ${file.path}`))
    const row = file.committedRow
    const clean = await file.abandon(disk, root)
    if (!clean && row === undefined) this.#leftovers.add(file.path)
    // When the disk does not let it be cut, its name stays among the unfinished ones and the next start does it.
    if (!clean) return
    batch.aftermath.push((rows) => {
      rows.removeOpen(file.id)
      if (row !== undefined) rows.putFile(file.id, { ...row, state: 'closed' })
    })
  }

  async #enter(batch: Batch): Promise<void> {
    const { journal } = this.#parts
    const entries = [...batch.ledger].map(({ entry }) => entry)
    try {
      await journal.append(entries)
    } catch (error) {
      for (const job of batch.ledger) job.reject(diskError(error, 'writing the journal'))
      batch.ledger.clear()
      return
    }
    for (const job of batch.ledger) {
      if (job.rename !== undefined && !(await this.#rename(job, job.rename))) batch.ledger.delete(job)
      else this.#unapplied.push(job.entry)
      if (job.remove !== undefined) await this.#remove(job.remove)
    }
  }

  /** False when the file stays where it was: then its rows stay, too, and it is tried again by whoever asked for it. */
  async #rename(job: LedgerJob, { from, to }: { readonly from: string; readonly to: string }): Promise<boolean> {
    const { folders } = this.#parts
    try {
      await folders.moveFile(from, to)
      return true
    } catch (error) {
      folders.forget()
      job.reject(diskError(error, `renaming ${from}`))
      return false
    }
  }

  /** Its rows go whatever happens here: a file that stays is found by `verify` and removed by `reindex`. */
  async #remove(path: string): Promise<void> {
    const { disk, root, folders } = this.#parts
    try {
      await removeIfThere(disk, join(root, path))
      await folders.removeEmpty(parentOf(path))
    } catch {
      return
    }
  }

  async #record(batch: Batch, busy: readonly OpenFile[]): Promise<void> {
    const { index, journal, writer } = this.#parts
    const rows = new IndexBatch(index)
    const sound = busy.filter((file) => !batch.failed.has(file))
    for (const file of sound) {
      rows.putFile(file.id, file.plannedRow)
      if (file.finishing) rows.removeOpen(file.id)
      for (const placed of file.fresh) {
        rows.putFragment(file.id.camera, file.id.log, placed.entry.seq, fragmentRowOf(file.id, placed))
      }
    }
    for (const add of batch.aftermath) add(rows)
    for (const entry of this.#unapplied) applyEntry(rows, entry)
    for (const job of batch.ledger) job.rows?.(rows)
    if (this.#unapplied.length > 0) rows.putMeta('journal', String(journal.bytes))
    await index.commit(rows.changes())
    this.#unapplied = []
    for (const file of sound) {
      file.settled()
      if (!file.finishing) continue
      writer.remove(file)
      await file.close().catch(() => undefined)
    }
    for (const [file, jobs] of batch.files) {
      const error = batch.failed.get(file)
      for (const job of jobs) {
        if (error === undefined) job.resolve()
        else job.reject(error)
      }
    }
    for (const job of batch.ledger) job.resolve()
  }

  /** The index did not take the batch: sound files go on from their last commit, new ones are given up. */
  async #takeBack(): Promise<void> {
    const { writer } = this.#parts
    for (const file of writer.files) {
      if ((!file.hasPlans && !file.finishing) || file.takeBack()) continue
      writer.remove(file)
      if (file.isMade) this.#leftovers.add(file.path)
      await file.close().catch(() => undefined)
    }
  }
}

function noRoom(bytes: number, roomBytes: number): HomewardError {
  return new HomewardError(
    'DISK_FULL',
    `no room for ${bytes} bytes: ${Math.max(0, roomBytes)} are left above the free space that is kept`,
    { hint: 'Lower the retention or the reserve, or delete footage; the cameras keep theirs until there is room.' },
  )
}

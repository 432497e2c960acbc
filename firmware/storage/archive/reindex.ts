/**
 * Builds the index anew from what cannot be lost with it: the files and the journal. The rows come out as they were. The
 * old index stays in place until the new one is whole.
 */
import { join } from 'node:path'
import type { InitSegment } from '../../media/init.ts'
import { buildMfra } from '../../media/mfra.ts'
import type { Disk } from '../../platform/disk.ts'
import { toHex } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { shifted } from './dating.ts'
import { checkSignal, diskError } from './disk-errors.ts'
import { extendedFileRow, fileIdOf, firstFileRow, fragmentRowOf, mfraEntries } from './file-rows.ts'
import { ArchiveIndex } from './index.ts'
import { IndexBatch } from './index-batch.ts'
import { type JournalRead, readJournal } from './journal.ts'
import { applyEntry, type FileDatedEntry, type JournalEntry, needsIndex } from './journal-entry.ts'
import { fileOf } from './mend.ts'
import { JOURNAL_PATH, parentOf } from './names.ts'
import { removeIfThere } from './open-file.ts'
import { type ArchiveOptions, type Settings, settingsOf } from './options.ts'
import type { FileRow } from './rows.ts'
import { type Damage, readEntry, readInit, type SoundEntry, scanFile } from './scan.ts'
import { finishRename, lockRoot, markIndex } from './start.ts'
import { footageFiles } from './tree.ts'

export interface ReindexOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: { readonly files: number; readonly fragments: number }) => void
}

export interface ReindexReport {
  readonly files: number
  readonly fragments: number
  readonly bytes: number
  /** Entries of the journal that were taken over, and lines that could not be read. */
  readonly journalEntries: number
  readonly journalDamaged: number
  /** What was left out, and why. */
  readonly problems: readonly { readonly path: string; readonly why: string }[]
}

const COMMIT_ROWS = 5000

/** Rebuilds the index of an archive that is not open. Throws AGENT_RUNNING, CANCELLED, and what `openArchive` throws. */
export async function reindexArchive(options: ArchiveOptions, how: ReindexOptions = {}): Promise<ReindexReport> {
  const settings = settingsOf(options)
  try {
    const { root, lock } = await lockRoot(settings)
    try {
      return await rebuildIndex(settings, root.diskId, how)
    } finally {
      await lock.release()
    }
  } catch (error) {
    throw diskError(error, 'rebuilding the index')
  }
}

/** The caller has the root, and no file is open. `closeOld` runs when the new index is whole, before it takes the place. */
export async function rebuildIndex(
  settings: Settings,
  diskId: string,
  { signal, onProgress }: ReindexOptions,
  closeOld: () => Promise<void> = async () => {},
): Promise<ReindexReport> {
  const { disk, root, index: home } = settings
  const { expired, moved } = await foretold(disk, root)
  // What was to be renamed when the power went has its new name from here on.
  for (const { last } of moved.values()) await finishRename(disk, root, last)
  const index = new ArchiveIndex(await home.openNew())
  const build = new Build(settings, index, moved)
  let journal: JournalRead
  try {
    for await (const path of footageFiles(disk, root, undefined, signal)) {
      // It was to be deleted when the power went.
      if (expired.has(path)) await removeIfThere(disk, join(root, path))
      else await build.add(path, signal)
      onProgress?.(build)
    }
    journal = await build.addJournal()
    await markIndex(index, diskId)
  } catch (error) {
    await index.close()
    await home.dropNew()
    throw error
  }
  await index.close()
  await closeOld()
  await home.replace()
  const { files, fragments, bytes, problems } = build
  const counts = { journalEntries: journal.entries, journalDamaged: journal.damaged }
  return { files, fragments, bytes, ...counts, problems }
}

/** Names a file whatever its time: camera, log and first number. */
function nameOf(camera: string, log: string, first: number): string {
  return `${camera}/${log}/${first}`
}

/** How a file was moved in time after it was closed. */
interface Moves {
  readonly last: FileDatedEntry
  /** What is added to its times when it is found under a path: a move that failed left it where it was. */
  readonly shiftAtUs: Map<string, number>
}

/** What of the journal must be known before the files are read. */
interface Foretold {
  /** Files that were to be deleted and are there. */
  readonly expired: ReadonlySet<string>
  /** By name. */
  readonly moved: ReadonlyMap<string, Moves>
}

async function foretold(disk: Disk, root: string): Promise<Foretold> {
  const expired = new Set<string>()
  const moved = new Map<string, Moves>()
  const isThere = presence(disk, root)
  await readJournal(disk, join(root, JOURNAL_PATH), async (entries) => {
    for (const entry of entries) {
      noteMove(moved, entry)
      if (entry.type === 'expired' && (await isThere(entry.path))) expired.add(entry.path)
    }
  })
  return { expired, moved }
}

/** Years of files expired, and their folders with them: one look at a folder answers for all that were in it. */
function presence(disk: Disk, root: string): (path: string) => Promise<boolean> {
  let last = { folder: '', isThere: false }
  return async (path) => {
    const folder = parentOf(path)
    if (folder !== last.folder) last = { folder, isThere: (await disk.stat(join(root, folder))) !== undefined }
    return last.isThere && (await disk.stat(join(root, path))) !== undefined
  }
}

/** A file that was deleted, or went, takes its moves with it: what is stored anew has not been moved. */
function noteMove(moves: Map<string, Moves>, entry: JournalEntry): void {
  if (entry.type === 'expired' || (entry.type === 'damaged' && entry.gone === true)) {
    moves.delete(nameOf(entry.camera, entry.log, entry.first))
  }
  if (entry.type !== 'dated-file') return
  const name = nameOf(entry.camera, entry.log, entry.first)
  const shiftAtUs = moves.get(name)?.shiftAtUs ?? new Map<string, number>()
  shiftAtUs.set(entry.path, (shiftAtUs.get(entry.from) ?? 0) + entry.shiftUs)
  moves.set(name, { last: entry, shiftAtUs })
}

class Build {
  files = 0
  fragments = 0
  bytes = 0
  readonly problems: { path: string; why: string }[] = []
  readonly #settings: Settings
  readonly #index: ArchiveIndex
  readonly #folders = new Map<string, { camera: Uint8Array; folder: string }>()
  readonly #moved: ReadonlyMap<string, Moves>
  #batch: IndexBatch
  #fresh = new Set<string>()

  constructor(settings: Settings, index: ArchiveIndex, moved: ReadonlyMap<string, Moves>) {
    this.#settings = settings
    this.#index = index
    this.#moved = moved
    this.#batch = new IndexBatch(index)
  }

  /** Adds one file. What cannot be read is a problem of that file only. */
  async add(path: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      const { init, entries, problems } = await this.#read(path, signal)
      for (const why of problems) this.problems.push({ path, why })
      this.#addRows(path, init, entries)
    } catch (error) {
      checkSignal(signal, 'rebuilding the index')
      this.problems.push({ path, why: error instanceof Error ? error.message : String(error) })
    }
    if (this.#fresh.size >= COMMIT_ROWS) await this.#flush()
  }

  async #read(
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<{ init: InitSegment; entries: SoundEntry[]; problems: string[] }> {
    const { disk, root } = this.#settings
    const file = await disk.open(join(root, path), 'read')
    try {
      const init = await readInit(file)
      const size = await file.size()
      const scan = async (deep: boolean) => {
        const found = []
        const start = init.bytes.byteLength
        for await (const item of scanFile(file, init, start, size, { deep, resync: true, signal })) found.push(item)
        return found
      }
      let found = await scan(false)
      const whole = found.at(-1)?.kind === 'mfra'
      // A file that was never closed may end in anything: only what its hashes confirm is footage.
      if (!whole) found = await scan(true)
      const entries = found.filter((item) => item.kind === 'entry')
      const damages = found.filter((item) => item.kind === 'damaged')
      if (!whole && entries.length > 0) await this.#close(path, init, entries, size)
      return { init, entries, problems: damages.map(describe) }
    } finally {
      await file.close()
    }
  }

  /** Cuts the torn tail of a file that was never closed, and closes it. */
  async #close(path: string, init: InitSegment, entries: readonly SoundEntry[], size: number): Promise<void> {
    const { disk, root } = this.#settings
    const last = entries.at(-1)
    const end = last === undefined ? size : last.offset + last.bytes
    const file = await disk.open(join(root, path), 'write')
    try {
      if (end < size) await file.truncate(end)
      await file.write([buildMfra(mfraEntries(init, entries))], end)
      await file.datasync()
    } finally {
      await file.close()
    }
  }

  #addRows(path: string, init: InitSegment, entries: readonly SoundEntry[]): void {
    const first = entries[0]
    if (first === undefined) throw new HomewardError('MEDIA_MALFORMED', 'no fragment in it can be read')
    const shiftUs = this.#moved
      .get(nameOf(toHex(first.entry.camera), first.entry.log, first.entry.seq))
      ?.shiftAtUs.get(path)
    const id = fileIdOf(shifted(first.entry, shiftUs))
    let row: FileRow | undefined
    for (const read of entries) {
      const found = { ...read, entry: shifted(read.entry, shiftUs) }
      const { camera, log, seq, run } = found.entry
      const name = `${toHex(camera)}/${log}/${seq}`
      if (toHex(camera) !== toHex(id.camera) || log !== id.log || run !== first.entry.run) {
        this.problems.push({ path, why: `${log}-${seq} does not belong there` })
        continue
      }
      if (this.#fresh.has(name) || this.#index.fragment(camera, log, seq) !== undefined) {
        this.problems.push({ path, why: `${log}-${seq} is in another file as well` })
        continue
      }
      this.#fresh.add(name)
      row =
        row === undefined ? firstFileRow(path, init, toHex(found.entry.initHash), found) : extendedFileRow(row, found)
      this.#batch.putFragment(camera, log, seq, fragmentRowOf(id, found))
      this.fragments++
      this.bytes += found.bytes
    }
    if (row === undefined) return
    this.#batch.putFile(id, { ...row, state: 'closed', ...(shiftUs === undefined ? {} : { shiftUs }) })
    this.files++
    this.#folders.set(toHex(id.camera), { camera: id.camera, folder: path.slice(0, path.indexOf('/')) })
  }

  async addJournal(): Promise<JournalRead> {
    const { disk, root } = this.#settings
    // Cameras whose line in the journal is lost keep the folder their files are in; a line that is there overrules it.
    for (const { camera, folder } of this.#folders.values()) {
      this.#batch.putCamera(camera, { folder, folders: [folder] })
    }
    // What entries take away must be found in the index.
    await this.#flush()
    let before: JournalEntry['type'] | undefined
    const read = await readJournal(disk, join(root, JOURNAL_PATH), async (entries) => {
      for (const entry of entries) {
        // What it dates is looked up in the index.
        if (needsIndex(entry) && before !== entry.type) await this.#flush()
        // Files come with the times they were moved to.
        if (entry.type !== 'dated-file') applyEntry(this.#batch, entry, true)
        before = entry.type
      }
      await this.#flush()
    })
    if (read.bytes > 0) this.#batch.putMeta('journal', String(read.bytes))
    await this.#flush()
    for (const { camera, log, seq } of [...this.#index.damaged()]) {
      if (!(await this.#isStillDamaged(camera, log, seq))) this.#batch.removeDamaged(camera, log, seq)
    }
    await this.#flush()
    return read
  }

  /** False when it was put back since, or has expired. */
  async #isStillDamaged(camera: Uint8Array, log: string, seq: number): Promise<boolean> {
    const { disk, root } = this.#settings
    const row = this.#index.fragment(camera, log, seq)
    const found = row === undefined ? undefined : fileOf(this.#index, camera, log, row)
    if (row === undefined || found === undefined) return false
    try {
      const file = await disk.open(join(root, found.row.path), 'read')
      try {
        const read = await readEntry(file, await readInit(file), row.offset, await file.size(), true)
        return read.kind === 'damaged'
      } finally {
        await file.close()
      }
    } catch (error) {
      this.problems.push({ path: found.row.path, why: error instanceof Error ? error.message : String(error) })
      return true
    }
  }

  async #flush(): Promise<void> {
    await this.#index.commit(this.#batch.changes())
    this.#batch = new IndexBatch(this.#index)
    this.#fresh = new Set()
  }
}

function describe({ offset, endOffset, why, entry }: Damage): string {
  const name = entry === undefined ? '' : ` ${entry.log}-${entry.seq}`
  return `bytes ${offset}…${endOffset}${name}: ${why}`
}

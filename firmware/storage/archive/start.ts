/** Starting: the right disk, nobody else on it, the index up to date with the journal, and no file left half done. */
import { join } from 'node:path'
import type { Disk } from '../../platform/disk.ts'
import { makeDurableDir } from '../../platform/disk-files.ts'
import { HomewardError } from '../../wire/errors.ts'
import { Folders } from './folders.ts'
import { ArchiveIndex } from './index.ts'
import { IndexBatch } from './index-batch.ts'
import type { IndexHome } from './index-store.ts'
import { Journal } from './journal.ts'
import { applyEntry, type FileDatedEntry, type JournalEntry, needsIndex } from './journal-entry.ts'
import { acquireLock, type Lock } from './lock.ts'
import { JOURNAL_PATH, LOCK_PATH, PRIVATE_FOLDER } from './names.ts'
import { removeIfThere } from './open-file.ts'
import type { Settings } from './options.ts'
import { type Recovery, recoverOpenFiles } from './recover.ts'
import { checkRoot, type Root } from './root.ts'

const INDEX_FORMAT = '2'

export interface Started {
  readonly root: Root
  readonly lock: Lock
  readonly index: ArchiveIndex
  readonly journal: Journal
  readonly folders: Folders
  readonly recovery: Recovery
}

/**
 * Throws DISK_MISSING, DISK_WRONG, DISK_READ_ONLY, AGENT_RUNNING, or INDEX_DAMAGED when the index must be rebuilt first.
 */
export async function startArchive(settings: Settings): Promise<Started> {
  const { disk, root: path } = settings
  const { root, lock } = await lockRoot(settings)
  const opened: { close(): Promise<void> }[] = []
  try {
    const index = await openIndex(settings.index, root.diskId, await isUsed(disk, path))
    opened.push(index)
    const { journal, entries } = await openJournal(settings, index)
    opened.push(journal)
    const folders = new Folders(disk, path)
    await replay(settings, index, journal, entries)
    const recovery = await recoverOpenFiles({ disk, root: path, clock: settings.clock, index, journal, folders })
    return { root, lock, index, journal, folders, recovery }
  } catch (error) {
    for (const part of opened) await part.close()
    await lock.release()
    throw error
  }
}

/** The root is the right one and ours until the lock is released. */
export async function lockRoot({ disk, root: path, diskId }: Settings): Promise<{ root: Root; lock: Lock }> {
  const root = await checkRoot(disk, path, diskId)
  await makeDurableDir(disk, join(path, PRIVATE_FOLDER))
  return { root, lock: await acquireLock(disk, join(path, LOCK_PATH)) }
}

/** True when footage may be there already: an empty index would then be a lie. */
async function isUsed(disk: Disk, root: string): Promise<boolean> {
  const journal = await disk.stat(join(root, JOURNAL_PATH))
  return journal !== undefined && journal.bytes > 0
}

async function openIndex(home: IndexHome, diskId: string, used: boolean): Promise<ArchiveIndex> {
  const index = new ArchiveIndex(await home.open())
  try {
    const format = index.meta('format')
    if (format === undefined && !used) await markIndex(index, diskId)
    else if (format !== INDEX_FORMAT || index.meta('disk') !== diskId) {
      const what = format === undefined ? 'the index is missing' : 'the index is of another disk or version'
      throw new HomewardError('INDEX_DAMAGED', what, {
        hint: 'Rebuild it from the files: `homeward storage reindex`.',
      })
    }
    return index
  } catch (error) {
    await index.close()
    throw error
  }
}

/** Says whose index it is. Written last when one is built anew: without it, it does not count. */
export async function markIndex(index: ArchiveIndex, diskId: string): Promise<void> {
  const batch = new IndexBatch(index)
  batch.putMeta('format', INDEX_FORMAT)
  batch.putMeta('disk', diskId)
  await index.commit(batch.changes())
}

async function openJournal(
  { disk, root }: Settings,
  index: ArchiveIndex,
): Promise<{ journal: Journal; entries: JournalEntry[] }> {
  const entries: JournalEntry[] = []
  const from = Number(index.meta('journal') ?? 0)
  const journal = await Journal.open(disk, join(root, JOURNAL_PATH), from, (found) => {
    for (const entry of found) entries.push(entry)
  })
  await disk.syncDir(join(root, PRIVATE_FOLDER))
  return { journal, entries }
}

/** What reached the journal but not the index. A file that was to be deleted goes now. */
async function replay(
  { disk, root }: Settings,
  index: ArchiveIndex,
  journal: Journal,
  entries: readonly JournalEntry[],
): Promise<void> {
  if (entries.length === 0) return
  let batch = new IndexBatch(index)
  for (const entry of entries) {
    if (entry.type === 'dated-file') await finishRename(disk, root, entry)
    if (entry.type === 'dated-file' || needsIndex(entry)) {
      // Its rows are read from the index, which may have them from this very batch.
      await index.commit(batch.changes())
      batch = new IndexBatch(index)
    }
    applyEntry(batch, entry)
    if (entry.type === 'expired') await removeIfThere(disk, join(root, entry.path))
  }
  batch.putMeta('journal', String(journal.bytes))
  await index.commit(batch.changes())
}

/** A file that was given another name when the power went has that name now. */
export async function finishRename(disk: Disk, root: string, { from, path }: FileDatedEntry): Promise<void> {
  if ((await disk.stat(join(root, from))) === undefined || (await disk.stat(join(root, path))) !== undefined) return
  await new Folders(disk, root).moveFile(from, path)
}

/** Walks the footage below the root. */
import { join } from 'node:path'
import type { Disk, DiskEntry } from '../../platform/disk.ts'
import { systemCode } from '../../wire/errors.ts'
import { checkSignal } from './disk-errors.ts'
import { QUARANTINE_FOLDER } from './names.ts'

/** Paths relative to the root of all `.mp4` files below these folders, or below every camera's folder, by name. */
export async function* footageFiles(
  disk: Disk,
  root: string,
  folders: readonly string[] | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  for (const folder of folders ?? (await topFolders(disk, root))) {
    if ((await disk.stat(join(root, folder))) !== undefined) yield* below(disk, root, folder, signal)
  }
}

async function topFolders(disk: Disk, root: string): Promise<string[]> {
  const entries = await disk.list(root)
  return entries
    .filter(({ name, kind }) => kind === 'folder' && !name.startsWith('.') && name !== QUARANTINE_FOLDER)
    .map(({ name }) => name)
}

async function* below(
  disk: Disk,
  root: string,
  folder: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  checkSignal(signal, 'walking the archive')
  for (const { name, kind } of await listIfThere(disk, join(root, folder))) {
    const path = `${folder}/${name}`
    if (kind === 'folder') yield* below(disk, root, path, signal)
    else if (kind === 'file' && name.endsWith('.mp4')) yield path
  }
}

/** A folder may go while this is running: its last file expired. */
async function listIfThere(disk: Disk, path: string): Promise<DiskEntry[]> {
  try {
    return await disk.list(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Whole files and new folders over a Disk, durable when the call returns. */
import { dirname } from 'node:path'
import { HomewardError } from '../wire/errors.ts'
import type { Disk } from './disk.ts'

/** The file's bytes, or undefined when there is none. Throws DISK_FAILED when it is longer than `maxBytes`. */
export async function readWhole(disk: Disk, path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  if ((await disk.stat(path)) === undefined) return undefined
  const file = await disk.open(path, 'read')
  try {
    const size = await file.size()
    if (size > maxBytes) {
      throw new HomewardError('DISK_FAILED', `${path} has ${size} bytes, expected at most ${maxBytes}`)
    }
    const bytes = new Uint8Array(size)
    return bytes.subarray(0, await file.read(bytes, 0))
  } finally {
    await file.close()
  }
}

/**
 * Replaces the file, or makes it: after a power cut there is the old content or the new one. The new content stands in
 * `PATH.tmp` before it takes the name, so one writer at a time.
 */
export async function writeAtomic(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`
  const file = await disk.open(temporary, 'write')
  try {
    await file.truncate(0)
    await file.write([bytes], 0)
    await file.datasync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, path)
  await disk.syncDir(dirname(path))
}

/** Makes the folder and its parents, and syncs the parent of each new one. */
export async function makeDurableDir(disk: Disk, path: string): Promise<void> {
  const made: string[] = []
  for (let at = path; (await disk.stat(at)) === undefined; at = dirname(at)) {
    made.unshift(at)
    if (dirname(at) === at) break
  }
  await disk.makeDir(path)
  for (const folder of made) await disk.syncDir(dirname(folder))
}

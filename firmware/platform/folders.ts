import { mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../wire/errors.ts'

/**
 * Makes the folder and those above it that are missing. Step by step, for Node's own recursive way never ends where a file
 * system takes no folders, as in /proc.
 */
export async function makeFolders(path: string, mode = 0o777): Promise<void> {
  const make = () => mkdir(path, { mode })
  try {
    await make()
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolders(dirname(path), mode)
    await make().catch(async (again: unknown) => {
      if (systemCode(again) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw again
    })
  }
}

/** What was made, renamed or deleted in the folder survives a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

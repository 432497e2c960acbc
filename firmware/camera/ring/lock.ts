/** One agent for each ring. */
import { tryLockFolder } from '../../platform/folder-lock.ts'
import { HomewardError } from '../../wire/errors.ts'

/** Takes the lock of a folder; the result gives it back. Throws AGENT_RUNNING. */
export type FolderLock = (dir: string) => Promise<() => Promise<void>>

export const lockFolder: FolderLock = async (dir) => {
  const release = await tryLockFolder(dir, 'ring')
  if (release !== undefined) return release
  throw new HomewardError('AGENT_RUNNING', `another process uses the ring in ${dir}`, {
    hint: 'Stop the other agent first, or give this one a ring of its own.',
  })
}

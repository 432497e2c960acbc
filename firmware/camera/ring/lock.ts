/** One agent for each ring, kept apart by the kernel: the lock goes when the process does, whatever ended it. */
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { HomewardError, systemCode } from '../../wire/errors.ts'

/** Takes the lock of a folder; the result gives it back. Throws AGENT_RUNNING. */
export type FolderLock = (dir: string) => Promise<() => Promise<void>>

/**
 * A socket in the abstract namespace (unix(7)), named after the folder itself: no file is left behind, and it does not
 * matter by which path the folder is reached.
 */
export const lockFolder: FolderLock = async (dir) => {
  const { dev, ino } = await stat(dir)
  const server = createServer((socket) => socket.destroy())
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path: `\0homeward-ring-${dev}-${ino}` }, resolve)
    })
  } catch (error) {
    if (systemCode(error) !== 'EADDRINUSE') throw error
    throw new HomewardError('AGENT_RUNNING', `another process uses the ring in ${dir}`, {
      hint: 'Stop the other agent first, or give this one a ring of its own.',
      cause: error,
    })
  }
  server.unref()
  return () => new Promise<void>((resolve) => server.close(() => resolve()))
}

/** One program for each folder, kept apart by the kernel: the lock goes when the process does, whatever ended it. */
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { systemCode } from '../wire/errors.ts'

/**
 * Takes the folder's lock for `purpose`; the result gives it back. Undefined when another program has it. Rejects when the
 * folder cannot be looked at.
 *
 * A socket in the abstract namespace (unix(7)), named after the folder itself: no file is left behind, and it does not
 * matter by which path the folder is reached.
 */
export async function tryLockFolder(dir: string, purpose: string): Promise<(() => Promise<void>) | undefined> {
  const { dev, ino } = await stat(dir)
  const server = createServer((socket) => socket.destroy())
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path: `\0homeward-${purpose}-${dev}-${ino}` }, resolve)
    })
  } catch (error) {
    if (systemCode(error) === 'EADDRINUSE') return undefined
    throw error
  }
  server.unref()
  return () => new Promise<void>((resolve) => server.close(() => resolve()))
}

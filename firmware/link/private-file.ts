/** Small files with secrets in the state folder: mode 0600, replaced whole or not at all, durable when the call returns. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../platform/folders.ts'
import { type ErrorCode, HomewardError, systemCode } from '../wire/errors.ts'

const OWNER_ONLY = 0o600

/** The file's text, or undefined when there is none. A mode that lets others read it is repaired. */
export async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r')
    try {
      // On a read-only file system the mode stays as it is; the secret is still needed.
      if (((await file.stat()).mode & 0o077) !== 0) await file.chmod(OWNER_ONLY).catch(() => {})
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(`cannot read ${path}`, error)
  }
}

/** Replaces the file, or makes it; the folder is made when missing. */
export async function writePrivate(path: string, text: string): Promise<void> {
  await replace(path, text, rename)
}

/** Makes the file; false, and nothing changed, when it already exists. */
export async function createPrivate(path: string, text: string): Promise<boolean> {
  try {
    // A hard link fails when the name is taken, so two programs that start at once agree on one file.
    await replace(path, text, link)
    return true
  } catch (error) {
    if (error instanceof HomewardError && systemCode(error.cause) === 'EEXIST') return false
    throw error
  }
}

/** Durable when the call returns; fine when there is no such file. */
export async function removePrivate(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
    await syncFolder(dirname(path))
  } catch (error) {
    throw fileError(`cannot delete ${path}`, error)
  }
}

async function replace(path: string, text: string, put: (from: string, to: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await makeFolder(dirname(path))
    const file = await open(temporary, 'wx', OWNER_ONLY)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await put(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    throw fileError(`cannot write ${path}`, error)
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first !== undefined) await syncFolder(dirname(first))
}

function fileError(what: string, cause: unknown): HomewardError {
  const code = systemCode(cause)
  const known: Readonly<Record<string, ErrorCode>> = {
    ENOSPC: 'DISK_FULL',
    EDQUOT: 'DISK_FULL',
    EROFS: 'DISK_READ_ONLY',
  }
  const why = cause instanceof Error ? cause.message : String(cause)
  return new HomewardError(known[code ?? ''] ?? 'DISK_FAILED', `${what}: ${why}`, {
    hint: 'Check that the state folder exists, belongs to this user and has space.',
    cause,
  })
}

import { constants } from 'node:fs'
import { type FileHandle, open, readdir, rename, rmdir, stat, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../wire/errors.ts'
import type { Disk, DiskEntry, DiskFile, DiskSpace } from './disk.ts'
import { makeFolders } from './folders.ts'

const FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR | constants.O_CREAT,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
} as const

/** Buffers that one writev(2) takes (IOV_MAX). */
const PARTS_PER_CALL = 1024

/** The machine's own file system. */
export class RealDisk implements Disk {
  async open(path: string, mode: keyof typeof FLAGS): Promise<DiskFile> {
    return new RealFile(await open(path, FLAGS[mode]))
  }

  async makeDir(path: string): Promise<void> {
    await makeFolders(path)
  }

  async list(path: string): Promise<DiskEntry[]> {
    const names = (await readdir(path)).sort()
    const entries = await Promise.all(names.map((name) => entryOf(join(path, name), name)))
    return entries.filter((entry) => entry !== undefined)
  }

  stat(path: string): Promise<DiskEntry | undefined> {
    return entryOf(path, path.split('/').findLast((part) => part !== '') ?? '')
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(from, to)
  }

  async remove(path: string): Promise<void> {
    try {
      await unlink(path)
    } catch (error) {
      if (systemCode(error) !== 'EISDIR') throw error
      await rmdir(path)
    }
  }

  async syncDir(path: string): Promise<void> {
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }

  async space(path: string): Promise<DiskSpace> {
    const { bsize, blocks, bavail } = await statfs(path)
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize }
  }
}

async function entryOf(path: string, name: string): Promise<DiskEntry | undefined> {
  try {
    const found = await stat(path)
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other'
    return { name, kind, bytes: found.size, device: found.dev }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined
    throw error
  }
}

class RealFile implements DiskFile {
  readonly #handle: FileHandle
  #closing: Promise<void> | undefined

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < into.byteLength) {
      const { bytesRead } = await this.#handle.read(into, done, into.byteLength - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    let left = parts.filter((part) => part.byteLength > 0)
    let at = position
    while (left.length > 0) {
      const { bytesWritten } = await this.#handle.writev(left.slice(0, PARTS_PER_CALL), at)
      // POSIX lets a write take less than asked; a write of nothing would be tried for ever.
      if (bytesWritten === 0) throw Object.assign(new Error('EIO: the disk took nothing, write'), { code: 'EIO' })
      at += bytesWritten
      left = withoutFirst(left, bytesWritten)
    }
  }

  async truncate(bytes: number): Promise<void> {
    await this.#handle.truncate(bytes)
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  async datasync(): Promise<void> {
    await this.#handle.datasync()
  }

  close(): Promise<void> {
    this.#closing ??= this.#handle.close()
    return this.#closing
  }
}

function withoutFirst(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  for (const [index, part] of parts.entries()) {
    if (skip < part.byteLength) return [part.subarray(skip), ...parts.slice(index + 1)]
    skip -= part.byteLength
  }
  return []
}

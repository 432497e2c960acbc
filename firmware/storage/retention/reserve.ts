/**
 * A file that takes up room on the storage disk only to give it back: deleting needs a little room itself, for the journal and
 * the index, and on a disk that something else has filled to the last byte there is none.
 */
import { dirname } from 'node:path'
import type { Disk } from '../../platform/disk.ts'
import { removeIfThere } from '../archive/open-file.ts'

const RESERVE_BYTES = 16 * 1024 * 1024
/** On a small disk, this part of it. */
const RESERVE_SHARE = 64
const BLOCK = new Uint8Array(256 * 1024)

export class Reserve {
  readonly #disk: Disk
  readonly #path: string

  constructor(disk: Disk, path: string) {
    this.#disk = disk
    this.#path = path
  }

  static bytesFor(totalBytes: number): number {
    return Math.min(RESERVE_BYTES, Math.floor(totalBytes / RESERVE_SHARE / BLOCK.byteLength) * BLOCK.byteLength)
  }

  async isThere(): Promise<boolean> {
    return (await this.#disk.stat(this.#path)) !== undefined
  }

  /** Written, not only claimed: a file without blocks would keep nothing free. */
  async make(bytes: number): Promise<void> {
    try {
      const file = await this.#disk.open(this.#path, 'write')
      try {
        for (let at = 0; at < bytes; at += BLOCK.byteLength) await file.write([BLOCK], at)
        await file.datasync()
      } finally {
        await file.close()
      }
    } catch (error) {
      await removeIfThere(this.#disk, this.#path).catch(() => undefined)
      throw error
    }
  }

  async release(): Promise<void> {
    await removeIfThere(this.#disk, this.#path)
    await this.#disk.syncDir(dirname(this.#path))
  }
}

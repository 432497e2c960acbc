/**
 * One file of the archive while it is being written. What was planned but not committed can be taken back; what was
 * committed is never written over.
 */
import { join } from 'node:path'
import type { InitSegment } from '../../media/init.ts'
import { buildMfra } from '../../media/mfra.ts'
import type { TimeBase } from '../../media/rebase.ts'
import type { Disk, DiskFile } from '../../platform/disk.ts'
import { systemCode } from '../../wire/errors.ts'
import { type Tail, tailAfter, tailOfFirst } from './assign.ts'
import { extendedFileRow, fileIdOf, firstFileRow, mfraEntries, type Placed } from './file-rows.ts'
import { type Arrived, basesFor, placeAt } from './incoming.ts'
import type { FileId } from './keys.ts'
import type { FileRow } from './rows.ts'

interface State {
  readonly tail: Tail
  readonly row: FileRow
}

export class OpenFile {
  readonly id: FileId
  /** Relative to the root. Changes only before the file is made. */
  path: string
  readonly #init: InitSegment
  readonly #bases: readonly TimeBase[]
  #handle: DiskFile | undefined
  #committed: State | undefined
  #planned: State
  readonly #placed: Placed[] = []
  #fresh: Placed[] = []
  #parts: Uint8Array[] = []
  /** Up to where bytes may stand in the file. */
  #extent = 0
  #finishing = false
  /** When the last fragment was planned, by the clock's monotonic time. */
  usedUs = 0

  /** A file that will begin with `first`. Nothing is written yet. */
  constructor(path: string, first: Arrived) {
    this.path = path
    this.#init = first.init
    this.#bases = basesFor(first)
    const { placed, parts } = placeAt(first.init.bytes.byteLength, this.#bases, first)
    this.id = fileIdOf(placed.entry)
    const tail = tailOfFirst(first, this.#bases, placed.offset + placed.bytes)
    this.#planned = { tail, row: firstFileRow(path, first.init, first.initHash, placed) }
    this.#fresh = [placed]
    this.#parts = [first.init.bytes, ...parts]
  }

  /** What may follow, plans included. */
  get tail(): Tail {
    return this.#planned.tail
  }

  /** True until something in it has been committed. */
  get isNew(): boolean {
    return this.#committed === undefined
  }

  get isMade(): boolean {
    return this.#handle !== undefined
  }

  get hasPlans(): boolean {
    return this.#fresh.length > 0
  }

  get finishing(): boolean {
    return this.#finishing
  }

  /** Entries planned since the last commit. */
  get fresh(): readonly Placed[] {
    return this.#fresh
  }

  /** The row once the plans are committed. */
  get plannedRow(): FileRow {
    const { row } = this.#planned
    return { ...row, path: this.path, state: this.#finishing ? 'closed' : 'open' }
  }

  get committedRow(): FileRow | undefined {
    return this.#committed?.row
  }

  plan(arrived: Arrived): void {
    const { tail, row } = this.#planned
    const { placed, parts } = placeAt(tail.bytes, this.#bases, arrived)
    this.#planned = {
      tail: tailAfter(tail, arrived, placed.offset + placed.bytes),
      row: extendedFileRow(row, placed),
    }
    this.#fresh.push(placed)
    this.#parts.push(...parts)
  }

  /** Its last fragment is planned: the next flush also writes the mfra. */
  finish(): void {
    this.#finishing = true
  }

  /** Writes what is planned and makes its bytes durable; the name of a new file is not durable yet. */
  async flush(disk: Disk, root: string): Promise<void> {
    this.#handle ??= await disk.open(join(root, this.path), 'create')
    const start = this.#committed?.tail.bytes ?? 0
    const parts = this.#finishing
      ? [...this.#parts, buildMfra(mfraEntries(this.#init, [...this.#placed, ...this.#fresh]))]
      : this.#parts
    const writeEnd = start + parts.reduce((sum, part) => sum + part.byteLength, 0)
    // Left over from plans that were taken back.
    if (this.#extent > writeEnd) await this.#handle.truncate(writeEnd)
    this.#extent = Math.max(this.#extent, writeEnd)
    await this.#handle.write(parts, start)
    await this.#handle.datasync()
    this.#extent = writeEnd
  }

  /** The plans are in the index for good. */
  settled(): void {
    this.#committed = { tail: this.#planned.tail, row: this.plannedRow }
    this.#placed.push(...this.#fresh)
    this.#fresh = []
    this.#parts = []
  }

  /** The plans are off, the file itself is sound. False when nothing of it is left. */
  takeBack(): boolean {
    if (this.#committed === undefined) return false
    this.#planned = this.#committed
    this.#fresh = []
    this.#parts = []
    this.#finishing = false
    return true
  }

  close(): Promise<void> {
    return this.#handle?.close() ?? Promise.resolve()
  }

  /**
   * After a failed write or sync the contents are unknown from the last commit on: cuts the file there, or removes it when
   * nothing was committed. Answers whether the disk let that happen.
   */
  async abandon(disk: Disk, root: string): Promise<boolean> {
    try {
      if (this.#committed === undefined) {
        // What could not be made is not ours to remove.
        if (this.#handle === undefined) return true
        await this.close()
        await removeIfThere(disk, join(root, this.path))
        return true
      }
      await this.#handle?.truncate(this.#committed.tail.bytes)
      await this.#handle?.datasync()
      return true
    } catch {
      return false
    } finally {
      await this.close().catch(() => undefined)
    }
  }
}

export async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

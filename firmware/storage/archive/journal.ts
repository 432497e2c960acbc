/**
 * `.homeward/journal.log`: what the files themselves cannot tell. Append-only; nothing in it counts before it is synced. A
 * torn tail is cut when it is opened; a damaged line in the middle stays where it is and is passed over.
 */
import type { Disk, DiskFile } from '../../platform/disk.ts'
import { decodeLines, encodeLine, type JournalEntry, type Lines } from './journal-entry.ts'

/** Some 10,000 entries. Read in pieces of this size, cut at a line feed. */
const PIECE_BYTES = 4 * 1024 * 1024

export class Journal {
  readonly #file: DiskFile
  #bytes: number
  /** True when something behind `#bytes` may be left over from a failed append. */
  #dirty = false

  private constructor(file: DiskFile, bytes: number) {
    this.#file = file
    this.#bytes = bytes
  }

  /**
   * Opens or makes the file and cuts a torn tail. `replay` gets every sound entry that begins at `fromBytes` or later.
   */
  static async open(
    disk: Disk,
    path: string,
    fromBytes: number,
    replay: (entries: readonly JournalEntry[]) => void,
  ): Promise<Journal> {
    const file = await disk.open(path, 'write')
    try {
      const size = await file.size()
      let good = Math.min(fromBytes, size)
      await readLines(file, good, size, (lines, start) => {
        replay(lines.entries)
        good = start + lines.goodBytes
      })
      if (good < size) {
        await file.truncate(good)
        await file.datasync()
      }
      return new Journal(file, good)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Bytes that are synced. */
  get bytes(): number {
    return this.#bytes
  }

  /** Resolves when the entries are on the disk for good. After a rejection none of them counts. One call at a time. */
  async append(entries: readonly JournalEntry[]): Promise<void> {
    if (entries.length === 0) return
    const lines = entries.map(encodeLine)
    if (this.#dirty) await this.#file.truncate(this.#bytes)
    this.#dirty = true
    await this.#file.write(lines, this.#bytes)
    await this.#file.datasync()
    this.#dirty = false
    this.#bytes += lines.reduce((sum, line) => sum + line.byteLength, 0)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

export interface JournalRead {
  readonly entries: number
  /** Up to the end of the last sound line. */
  readonly bytes: number
  /** Lines before it that cannot be read. */
  readonly damaged: number
}

/**
 * Reads a whole journal without changing it. `sink` gets some thousand entries at a time and is waited for: in the journal
 * of many cameras there are a million a year.
 */
export async function readJournal(
  disk: Disk,
  path: string,
  sink: (entries: readonly JournalEntry[]) => void | Promise<void>,
): Promise<JournalRead> {
  let [entries, bytes, damaged] = [0, 0, 0]
  if ((await disk.stat(path)) === undefined) return { entries, bytes, damaged }
  const file = await disk.open(path, 'read')
  try {
    await readLines(file, 0, await file.size(), async (lines, start) => {
      entries += lines.entries.length
      bytes = start + lines.goodBytes
      damaged += lines.damaged
      await sink(lines.entries)
    })
    return { entries, bytes, damaged }
  } finally {
    await file.close()
  }
}

/** `sink` gets the lines of one piece after the other, and where in the file the piece starts; pieces without any are left out. */
async function readLines(
  file: DiskFile,
  from: number,
  size: number,
  sink: (lines: Lines, start: number) => void | Promise<void>,
): Promise<void> {
  let at = from
  let length = PIECE_BYTES
  while (at < size) {
    const piece = new Uint8Array(Math.min(length, size - at))
    const bytes = piece.subarray(0, await file.read(piece, at))
    if (bytes.byteLength === 0) return
    const whole = at + bytes.byteLength >= size ? bytes.byteLength : bytes.lastIndexOf(10) + 1
    if (whole === 0) {
      // No line feed in the whole piece: damage, or a line that is longer; look at more of it.
      length *= 2
      continue
    }
    const lines = decodeLines(bytes.subarray(0, whole))
    if (lines.entries.length > 0) await sink(lines, at)
    at += whole
    length = PIECE_BYTES
  }
}

/** Stored files under names that say nothing about where they are, and ranges of their bytes. Pure but for reading. */
import type { DiskFile } from '../../platform/disk.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { FileId } from '../archive/keys.ts'
import { readAt } from '../archive/scan.ts'

const NAME = /^([0-9a-z]{1,11})-([0-9a-f]{16})-([0-9a-z]{1,11})\.mp4$/
const READ_BYTES = 512 * 1024

/** Names the file below its camera. */
export function mediaName({ startUs, log, firstSeq }: FileId): string {
  return `${startUs.toString(36)}-${log}-${firstSeq.toString(36)}.mp4`
}

/** What to look up in the index; undefined when it is no such name. */
export function parseMediaName(camera: Uint8Array, name: string): FileId | undefined {
  const [, start = '', log = '', seq = ''] = NAME.exec(name) ?? []
  const [startUs, firstSeq] = [Number.parseInt(start, 36), Number.parseInt(seq, 36)]
  return Number.isSafeInteger(startUs) && Number.isSafeInteger(firstSeq)
    ? { camera, startUs, log, firstSeq }
    : undefined
}

/** Both inclusive. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * The one range that a Range header names (RFC 9110 §14.2), undefined when it is to be ignored: missing, of other units, or
 * several. `unsatisfiable` when it lies behind the end.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? []
  if (from === '' && to === '') return undefined
  if (from === '') {
    const count = Math.min(Number(to), sizeBytes)
    return count === 0 ? 'unsatisfiable' : { first: sizeBytes - count, last: sizeBytes - 1 }
  }
  const first = Number(from)
  const last = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1)
  if (to !== '' && Number(to) < first) return undefined
  return first >= sizeBytes ? 'unsatisfiable' : { first, last }
}

/** Reads as it is asked for, and closes the file whatever happens. Throws DISK_FAILED when the file is shorter. */
export async function* bytesOf(file: DiskFile, { first, last }: ByteRange): AsyncGenerator<Uint8Array> {
  try {
    for (let at = first; at <= last; at += READ_BYTES) {
      const wanted = Math.min(READ_BYTES, last + 1 - at)
      const bytes = await readAt(file, at, wanted)
      if (bytes.byteLength < wanted)
        throw new HomewardError('DISK_FAILED', 'a stored file is shorter than its index says')
      yield bytes
    }
  } finally {
    await file.close()
  }
}

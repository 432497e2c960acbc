/** Bytes of a stored file with other decode times, and nothing else: for a player they go on where another file ended. */
import { parseMoof } from '../../media/fragment.ts'
import { parseInit } from '../../media/init.ts'
import { restoreFragment, type TimeBase } from '../../media/rebase.ts'
import type { DiskFile } from '../../platform/disk.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { IndexedFragment } from '../archive/index.ts'
import { readAt, readHead } from '../archive/scan.ts'
import { type ByteRange, bytesOf } from './media-file.ts'

/** The fragment at byte `start` begins at `atUs`. */
export interface MediaPlace {
  readonly start: number
  readonly atUs: number
}

/** Closes the file whatever happens. Rejects with USAGE when no fragment begins there, and with MEDIA_MALFORMED. */
export async function movedBytes(
  file: DiskFile,
  fragments: readonly IndexedFragment[],
  range: ByteRange,
  place: MediaPlace,
): Promise<AsyncGenerator<Uint8Array>> {
  try {
    const first = fragments.find(({ row }) => row.offset + row.headerBytes === place.start)
    if (first === undefined)
      throw new HomewardError('USAGE', `start: no fragment of this file begins at ${place.start}`)
    const init = parseInit(await readAt(file, 0, initBytesOf(fragments)))
    const { moof } = await readHead(file, first.row.offset, first.row.offset + first.row.bytes)
    const scales = new Map(init.tracks.map(({ id, timescale }) => [id, timescale]))
    const starts = parseMoof(moof, init).tracks.map(({ id, decodeTime }) => (decodeTime * 1e6) / (scales.get(id) ?? 1))
    const byUs = place.atUs - Math.min(...starts)
    const bases = init.tracks.map(({ id, timescale }) => ({ track: id, ticks: Math.round((byUs * timescale) / 1e6) }))
    const moved = fragments.filter(({ row }) => row.offset + row.headerBytes >= place.start)
    return patched(file, moved, range, bases)
  } catch (error) {
    await file.close()
    throw error
  }
}

const initBytesOf = (fragments: readonly IndexedFragment[]) => fragments[0]?.row.offset ?? 0

async function* patched(
  file: DiskFile,
  fragments: readonly IndexedFragment[],
  { first, last }: ByteRange,
  bases: readonly TimeBase[],
): AsyncGenerator<Uint8Array> {
  const pieces = bytesOf(file, { first, last })
  // A moof that begins in one piece may end in the next.
  const patches: { readonly at: number; readonly bytes: Uint8Array }[] = []
  let at = first
  let next = 0
  for await (const piece of pieces) {
    const end = at + piece.byteLength
    for (let row = fragments[next]?.row; row !== undefined && row.offset < end; row = fragments[next]?.row) {
      next += 1
      const moofAt = row.offset + row.headerBytes
      if (row.offset + row.bytes <= first) continue
      const { moof } = await readHead(file, row.offset, row.offset + row.bytes)
      patches.push({ at: moofAt, bytes: restoreFragment(moof, bases) })
    }
    for (const patch of patches) place(piece, at, patch.bytes, patch.at)
    while ((patches[0]?.at ?? end) + (patches[0]?.bytes.byteLength ?? 0) < end) patches.shift()
    at = end
    yield piece
  }
}

/** Writes what of `bytes`, which begin at `bytesAt`, lies in `piece`, which begins at `pieceAt`. */
function place(piece: Uint8Array, pieceAt: number, bytes: Uint8Array, bytesAt: number): void {
  const from = Math.max(pieceAt, bytesAt)
  const to = Math.min(pieceAt + piece.byteLength, bytesAt + bytes.byteLength)
  if (from < to) piece.set(bytes.subarray(from - bytesAt, to - bytesAt), from - pieceAt)
}

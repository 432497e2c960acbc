/**
 * Any span as one ordinary MP4, nothing re-encoded: whole fragments across files and runs, gaps closed and reported. The
 * film is first planned from the headers alone, then written front to back under a temporary name.
 */
import { dirname, join } from 'node:path'
import { restoreFragment } from '../../media/rebase.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../../wire/errors.ts'
import { checkSignal, diskError } from './disk-errors.ts'
import type { Entry } from './entry.ts'
import type { Piece } from './film.ts'
import {
  type DamagedFragment,
  type FilmParts,
  type FilmPlan,
  type FilmSpan,
  type Gap,
  gapsBetween,
  type PlannedFragment,
  planFilm,
  withFile,
} from './film-plan.ts'
import { sha256 } from './hash.ts'
import { removeIfThere } from './open-file.ts'
import { readAt } from './scan.ts'

export interface ExportOptions extends FilmSpan {
  /** Path of the file to be made; an old one is replaced when the new one is whole. */
  readonly out: string
  /** Bytes written, of how many. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly totalBytes: number }) => void
}

export interface ExportResult {
  readonly path: string
  readonly bytes: number
  readonly fragments: number
  /** Pictures, or sounds when there is no picture. */
  readonly frames: number
  readonly durationUs: number
  /** What is in it, and when each piece begins in the film. Fragments are whole, so the ends may lie outside the span. */
  readonly pieces: readonly Piece[]
  /** Where the span has no footage. */
  readonly gaps: readonly Gap[]
  /** Fragments that are not what was captured: left out when they could not be read, else exported as they are. */
  readonly damaged: readonly DamagedFragment[]
}

/**
 * Throws SPAN_EMPTY, FORMAT_CHANGES when the span cannot be one film, CANCELLED, DISK_FULL and the other errors of disks.
 */
export async function exportSpan(parts: FilmParts, options: ExportOptions): Promise<ExportResult> {
  try {
    const plan = await planFilm(parts, options)
    const bytes = await writeFilm(parts, options, plan)
    const { film, fragments, damaged } = plan
    const { frames, durationUs, pieces } = film
    const gaps = gapsBetween(pieces, options)
    return { path: options.out, bytes, fragments: fragments.length, frames, durationUs, pieces, gaps, damaged }
  } catch (error) {
    throw diskError(error, 'exporting')
  }
}

async function writeFilm({ disk, root }: FilmParts, options: ExportOptions, plan: FilmPlan): Promise<number> {
  const { out, signal, onProgress } = options
  const head = plan.film.head()
  const totalBytes = head.byteLength + plan.film.dataBytes
  const temporary = `${out}.partial`
  const file = await disk.open(temporary, 'write')
  try {
    await file.truncate(0)
    await file.write([head], 0)
    let bytes = head.byteLength
    for (const group of byFile(plan.fragments)) {
      await withFile(disk, join(root, group.path), async (source) => {
        for (const fragment of group.fragments) {
          checkSignal(signal, 'the export')
          const data = await readAt(source, fragment.position, fragment.entry.fragmentBytes)
          if (!isCaptured(data, fragment.entry)) plan.damaged.push(differs(fragment))
          const { start, end } = fragment.slice
          if (data.byteLength < end) throw new HomewardError('DISK_FAILED', `${group.path} became shorter meanwhile`)
          await file.write([data.subarray(start, end)], bytes)
          bytes += end - start
          onProgress?.({ bytes, totalBytes })
        }
      })
    }
    await file.datasync()
    await file.close()
    await disk.rename(temporary, out)
    await disk.syncDir(dirname(out))
    return bytes
  } catch (error) {
    await file.close().catch(() => undefined)
    await removeIfThere(disk, temporary).catch(() => undefined)
    throw error
  }
}

function isCaptured(data: Uint8Array, entry: Entry): boolean {
  try {
    return equalBytes(sha256(restoreFragment(data, entry.bases)), entry.fragmentHash)
  } catch (error) {
    if (isHomewardError(error, 'MEDIA_MALFORMED')) return false
    throw error
  }
}

function differs({ path, entry: { log, seq } }: PlannedFragment): DamagedFragment {
  return { path, log, seq, why: 'the fragment is not what was captured: its SHA-256 differs' }
}

/** Neighbours of the same file, so that each file is opened once. */
function byFile(fragments: readonly PlannedFragment[]): { path: string; fragments: PlannedFragment[] }[] {
  const groups: { path: string; fragments: PlannedFragment[] }[] = []
  for (const fragment of fragments) {
    const last = groups.at(-1)
    if (last?.path === fragment.path) last.fragments.push(fragment)
    else groups.push({ path: fragment.path, fragments: [fragment] })
  }
  return groups
}

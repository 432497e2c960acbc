/** What a film of a span will consist of, planned from the headers alone: nothing of the media data is read yet. */
import { join } from 'node:path'
import type { InitSegment } from '../../media/init.ts'
import type { Disk, DiskFile } from '../../platform/disk.ts'
import { HomewardError, isHomewardError, systemCode } from '../../wire/errors.ts'
import { shifted } from './dating.ts'
import { checkSignal } from './disk-errors.ts'
import type { Entry } from './entry.ts'
import { type DataSlice, Film, type Piece } from './film.ts'
import type { ArchiveIndex, IndexedFile } from './index.ts'
import { readHead, readInit } from './scan.ts'

export interface FilmSpan {
  /** Public key, 32 bytes. */
  readonly camera: Uint8Array
  readonly fromUs: number
  readonly toUs: number
  readonly signal?: AbortSignal
}

export interface Gap {
  readonly fromUs: number
  readonly toUs: number
}

export interface DamagedFragment {
  readonly path: string
  readonly log: string
  readonly seq: number
  readonly why: string
}

export interface FilmParts {
  readonly disk: Disk
  readonly root: string
  readonly index: ArchiveIndex
}

export interface PlannedFragment {
  readonly path: string
  readonly entry: Entry
  /** Where the moof begins in the file. */
  readonly position: number
  readonly slice: DataSlice
}

export interface FilmPlan {
  readonly film: Film
  readonly fragments: readonly PlannedFragment[]
  readonly damaged: DamagedFragment[]
}

/** Throws SPAN_EMPTY, FORMAT_CHANGES when the span cannot be one film, and CANCELLED. */
export async function planFilm(parts: FilmParts, options: FilmSpan): Promise<FilmPlan> {
  const { disk, root, index } = parts
  const { camera, fromUs, toUs } = options
  const fragments: PlannedFragment[] = []
  const damaged: DamagedFragment[] = []
  let film: Film | undefined
  for (const file of index.files(camera, fromUs, toUs)) {
    checkSignal(options.signal, 'the export')
    await withFile(disk, join(root, file.row.path), async (handle) => {
      const init = await readInit(handle)
      const into = film ?? new Film(init)
      film = into
      const why = into.refuses(init)
      if (why !== undefined) throw formatChanges(into, file, why, options)
      damaged.push(...(await addFile(into, file, handle, init, options, fragments, index)))
    }).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT' && !isHomewardError(error, 'MEDIA_MALFORMED')) throw error
      const { path, log, firstSeq } = file.row
      damaged.push({ path, log, seq: firstSeq, why: error instanceof Error ? error.message : 'the file is gone' })
    })
  }
  if (film === undefined || fragments.length === 0) throw spanEmpty(index, options)
  return { film, fragments, damaged }
}

async function addFile(
  film: Film,
  file: IndexedFile,
  handle: DiskFile,
  init: InitSegment,
  { fromUs, toUs, signal }: FilmSpan,
  fragments: PlannedFragment[],
  index: ArchiveIndex,
): Promise<DamagedFragment[]> {
  const damaged: DamagedFragment[] = []
  const size = await handle.size()
  const { path } = file.row
  for (const { log, seq, row } of index.fragmentsOf(file)) {
    if (row.startUs >= toUs || row.startUs + row.durationUs <= fromUs) continue
    checkSignal(signal, 'the export')
    try {
      const head = await readHead(handle, row.offset, size)
      const { headerBytes, moof } = head
      const entry = shifted(head.entry, file.row.shiftUs)
      const slice = film.add({ entry, moof, init })
      fragments.push({ path, entry, position: row.offset + headerBytes, slice })
    } catch (error) {
      if (!isHomewardError(error, 'MEDIA_MALFORMED')) throw error
      damaged.push({ path, log, seq, why: error.message })
    }
  }
  return damaged
}

export async function withFile(disk: Disk, path: string, use: (file: DiskFile) => Promise<void>): Promise<void> {
  const file = await disk.open(path, 'read')
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

/** Stamps come from arrival times: less than this between two pieces is no gap. */
const GAP_MIN_US = 1_000_000

/** Where the span has no footage. */
export function gapsBetween(pieces: readonly Piece[], { fromUs, toUs }: FilmSpan): Gap[] {
  const gaps: Gap[] = []
  let covered = fromUs
  for (const piece of [...pieces].sort((a, b) => a.fromUs - b.fromUs)) {
    if (piece.fromUs - covered >= GAP_MIN_US) gaps.push({ fromUs: covered, toUs: piece.fromUs })
    covered = Math.max(covered, piece.toUs)
  }
  if (toUs - covered >= GAP_MIN_US) gaps.push({ fromUs: covered, toUs })
  return gaps
}

function formatChanges(film: Film, { row }: IndexedFile, why: string, { fromUs, toUs }: FilmSpan): HomewardError {
  const end = film.pieces.reduce((latest, piece) => Math.max(latest, piece.toUs), fromUs)
  return new HomewardError('FORMAT_CHANGES', `the format changes at ${iso(row.startUs)}: ${why}`, {
    hint: `Export ${iso(fromUs)} to ${iso(Math.min(end, row.startUs))} and ${iso(row.startUs)} to ${iso(toUs)} instead.`,
  })
}

function spanEmpty(index: ArchiveIndex, { camera, fromUs, toUs }: FilmSpan): HomewardError {
  const before = index.lastFile(camera, fromUs)
  const after = index.firstFile(camera, toUs)
  const near = [
    ...(before === undefined ? [] : [`ends at ${iso(before.row.endUs)}`]),
    ...(after === undefined ? [] : [`begins again at ${iso(after.row.startUs)}`]),
  ]
  return new HomewardError('SPAN_EMPTY', `there is no footage from ${iso(fromUs)} to ${iso(toUs)}`, {
    hint: near.length === 0 ? 'This camera has no dated footage at all.' : `The nearest footage ${near.join(' and ')}.`,
  })
}

function iso(us: number): string {
  const date = new Date(us / 1000)
  return Number.isNaN(date.getTime()) ? `${us} µs` : date.toISOString()
}

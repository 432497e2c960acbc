/**
 * Any span as one ordinary MP4, nothing re-encoded: whole fragments across files and runs, gaps closed and reported. The
 * film is first planned from the headers alone, then written front to back under a temporary name.
 */
import { dirname, join } from 'node:path'
import type { InitSegment } from '../../media/init.ts'
import { restoreFragment } from '../../media/rebase.ts'
import type { Disk, DiskFile } from '../../platform/disk.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError, isHomewardError, systemCode } from '../../wire/errors.ts'
import { checkSignal, diskError } from './disk-errors.ts'
import type { Entry } from './entry.ts'
import { type DataSlice, Film, type Piece } from './film.ts'
import { sha256 } from './hash.ts'
import type { ArchiveIndex, IndexedFile } from './index.ts'
import { removeIfThere } from './open-file.ts'
import { readAt, readHead, readInit } from './scan.ts'

export interface ExportOptions {
  /** Public key, 32 bytes. */
  readonly camera: Uint8Array
  readonly fromUs: number
  readonly toUs: number
  /** Path of the file to be made; an old one is replaced when the new one is whole. */
  readonly out: string
  readonly signal?: AbortSignal
  /** Bytes written, of how many. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly totalBytes: number }) => void
}

export interface Gap {
  readonly fromUs: number
  readonly toUs: number
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
  readonly damaged: readonly {
    readonly path: string
    readonly log: string
    readonly seq: number
    readonly why: string
  }[]
}

interface Parts {
  readonly disk: Disk
  readonly root: string
  readonly index: ArchiveIndex
}

interface Planned {
  readonly path: string
  readonly entry: Entry
  /** Where the moof begins in the file. */
  readonly position: number
  readonly slice: DataSlice
}

interface Plan {
  readonly film: Film
  readonly fragments: readonly Planned[]
  readonly damaged: ExportResult['damaged'][number][]
}

/**
 * Throws SPAN_EMPTY, FORMAT_CHANGES when the span cannot be one film, CANCELLED, DISK_FULL and the other errors of disks.
 */
export async function exportSpan(parts: Parts, options: ExportOptions): Promise<ExportResult> {
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

async function planFilm(parts: Parts, options: ExportOptions): Promise<Plan> {
  const { disk, root, index } = parts
  const { camera, fromUs, toUs } = options
  const fragments: Planned[] = []
  const damaged: Plan['damaged'] = []
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
  { fromUs, toUs, signal }: ExportOptions,
  fragments: Planned[],
  index: ArchiveIndex,
): Promise<Plan['damaged']> {
  const damaged: Plan['damaged'] = []
  const size = await handle.size()
  const { path } = file.row
  for (const { log, seq, row } of index.fragmentsOf(file)) {
    if (row.startUs >= toUs || row.startUs + row.durationUs <= fromUs) continue
    checkSignal(signal, 'the export')
    try {
      const { entry, headerBytes, moof } = await readHead(handle, row.offset, size)
      const slice = film.add({ entry, moof, init })
      fragments.push({ path, entry, position: row.offset + headerBytes, slice })
    } catch (error) {
      if (!isHomewardError(error, 'MEDIA_MALFORMED')) throw error
      damaged.push({ path, log, seq, why: error.message })
    }
  }
  return damaged
}

async function writeFilm({ disk, root }: Parts, options: ExportOptions, plan: Plan): Promise<number> {
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

function differs({ path, entry: { log, seq } }: Planned): Plan['damaged'][number] {
  return { path, log, seq, why: 'the fragment is not what was captured: its SHA-256 differs' }
}

/** Neighbours of the same file, so that each file is opened once. */
function byFile(fragments: readonly Planned[]): { path: string; fragments: Planned[] }[] {
  const groups: { path: string; fragments: Planned[] }[] = []
  for (const fragment of fragments) {
    const last = groups.at(-1)
    if (last?.path === fragment.path) last.fragments.push(fragment)
    else groups.push({ path: fragment.path, fragments: [fragment] })
  }
  return groups
}

async function withFile(disk: Disk, path: string, use: (file: DiskFile) => Promise<void>): Promise<void> {
  const file = await disk.open(path, 'read')
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

/** Stamps come from arrival times: less than this between two pieces is no gap. */
const GAP_MIN_US = 1_000_000

function gapsBetween(pieces: readonly Piece[], { fromUs, toUs }: ExportOptions): Gap[] {
  const gaps: Gap[] = []
  let covered = fromUs
  for (const piece of [...pieces].sort((a, b) => a.fromUs - b.fromUs)) {
    if (piece.fromUs - covered >= GAP_MIN_US) gaps.push({ fromUs: covered, toUs: piece.fromUs })
    covered = Math.max(covered, piece.toUs)
  }
  if (toUs - covered >= GAP_MIN_US) gaps.push({ fromUs: covered, toUs })
  return gaps
}

function formatChanges(film: Film, { row }: IndexedFile, why: string, { fromUs, toUs }: ExportOptions): HomewardError {
  const end = film.pieces.reduce((latest, piece) => Math.max(latest, piece.toUs), fromUs)
  return new HomewardError('FORMAT_CHANGES', `the format changes at ${iso(row.startUs)}: ${why}`, {
    hint: `Export ${iso(fromUs)} to ${iso(Math.min(end, row.startUs))} and ${iso(row.startUs)} to ${iso(toUs)} instead.`,
  })
}

function spanEmpty(index: ArchiveIndex, { camera, fromUs, toUs }: ExportOptions): HomewardError {
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

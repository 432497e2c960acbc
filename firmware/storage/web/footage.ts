/** What a camera recorded, out of the archive: playlists, bytes, stills and exports. Every name and time is looked up. */
import { Readable } from 'node:stream'
import { parseInit } from '../../media/init.ts'
import { HomewardError, isHomewardError, systemCode } from '../../wire/errors.ts'
import type { Archive } from '../archive/archive.ts'
import type { FilmPlan } from '../archive/film-plan.ts'
import { gapsBetween } from '../archive/film-plan.ts'
import type { IndexedFile, IndexedFragment } from '../archive/index.ts'
import { readAt, readHead } from '../archive/scan.ts'
import type { RawAnswer } from './answers.ts'
import type { ExportPlan } from './api.ts'
import { STILL_TIME_HEADER } from './constants.ts'
import { bytesOf, parseMediaName, parseRange } from './media-file.ts'
import type { Span } from './moments.ts'
import { type MediaPlace, movedBytes } from './moved.ts'
import { asFilm, buildPlaylist, SEGMENT_US, segmentsOf } from './playlist.ts'
import type { Times } from './playlist-times.ts'
import { buildStill, stillPlace } from './still.ts'

const MP4 = 'video/mp4'
export const HLS = 'application/vnd.apple.mpegurl'
/** A still may be this much older than what was asked for. */
const STILL_BEFORE_US = 600_000_000

export interface FootageCamera {
  readonly key: Uint8Array
  readonly folder: string
}

/** Throws SPAN_EMPTY. */
export function spanPlaylist(
  archive: Archive,
  { key }: FootageCamera,
  { fromUs, toUs }: Span,
  times: Times,
  query: string,
): RawAnswer {
  const damaged = damagedOf(archive, key)
  const segments = archive.files(key, fromUs, toUs).flatMap((file) => {
    const wanted = archive
      .fragmentsOf(file)
      .filter(({ row }) => row.startUs < toUs && row.startUs + row.durationUs > fromUs)
      .filter(({ log, seq }) => !damaged.has(`${log} ${seq}`))
    return segmentsOf(file, wanted, SEGMENT_US)
  })
  if (segments.length === 0) throw new HomewardError('SPAN_EMPTY', 'there is no footage in this span')
  return { headers: { 'content-type': HLS }, body: buildPlaylist(asFilm(segments), { ended: true, times, query }) }
}

/** What was found to be damaged stops a player in the middle. */
function damagedOf(archive: Archive, key: Uint8Array): Set<string> {
  return new Set(Array.from(archive.damaged(key), ({ log, seq }) => `${log} ${seq}`))
}

/**
 * Throws NOT_FOUND, USAGE. Only bytes that the index vouches for: what is still being written is not there. With a place
 * the same bytes but for decode times, moved so that the fragment there begins at its time.
 */
export async function mediaAnswer(
  archive: Archive,
  { key }: FootageCamera,
  name: string,
  rangeHeader: string | undefined,
  place?: MediaPlace,
): Promise<RawAnswer> {
  const id = parseMediaName(key, name)
  const file = id === undefined ? undefined : archive.file(id)
  if (file === undefined) throw noFile()
  const { bytes } = file.row
  const range = parseRange(rangeHeader, bytes)
  if (range === 'unsatisfiable') {
    return { status: 416, headers: { 'content-range': `bytes */${bytes}`, 'content-type': 'text/plain' }, body: '' }
  }
  const wanted = range ?? { first: 0, last: bytes - 1 }
  const handle = await opened(archive, file)
  const read =
    place === undefined ? bytesOf(handle, wanted) : await movedBytes(handle, archive.fragmentsOf(file), wanted, place)
  const body = Readable.from(read, { objectMode: false, highWaterMark: 1 })
  const headers = {
    'content-type': MP4,
    'accept-ranges': 'bytes',
    'content-length': String(wanted.last - wanted.first + 1),
    ...(range === undefined ? {} : { 'content-range': `bytes ${wanted.first}-${wanted.last}/${bytes}` }),
  }
  return { status: range === undefined ? 200 : 206, headers, body }
}

/** The last key frame at or before `atUs`. Throws SPAN_EMPTY, MEDIA_MALFORMED. */
export async function stillAnswer(archive: Archive, { key }: FootageCamera, atUs: number): Promise<RawAnswer> {
  const found = fragmentAt(archive, key, atUs)
  if (found === undefined) {
    throw new HomewardError('SPAN_EMPTY', 'there is no footage at this moment, nor within 10 minutes before')
  }
  const { file, fragment } = found
  const handle = await opened(archive, file)
  try {
    const init = parseInit(await readAt(handle, 0, file.row.initBytes))
    const { offset } = fragment.row
    const { headerBytes, moof } = await readHead(handle, offset, offset + fragment.row.bytes)
    const place = stillPlace(moof, init)
    const sample = await readAt(handle, offset + headerBytes + place.offset, place.bytes)
    const headers = { 'content-type': MP4, [STILL_TIME_HEADER]: String(Math.floor(fragment.row.startUs / 1000)) }
    return { headers, body: buildStill(init, place, sample) }
  } finally {
    await handle.close()
  }
}

function fragmentAt(
  archive: Archive,
  camera: Uint8Array,
  atUs: number,
): { readonly file: IndexedFile; readonly fragment: IndexedFragment } | undefined {
  const files = archive.files(camera, atUs - STILL_BEFORE_US, atUs + 1)
  for (const file of files.toSorted((a, b) => b.row.startUs - a.row.startUs)) {
    const fragment = archive.fragmentsOf(file).findLast(({ row }) => row.startUs <= atUs)
    if (fragment !== undefined) return { file, fragment }
  }
  return undefined
}

export function exportAnswer(archive: Archive, camera: FootageCamera, span: Span, plan: FilmPlan, signal: AbortSignal) {
  const head = plan.film.head()
  const film = archive.filmBytes(head, plan, signal)
  const headers = {
    'content-type': MP4,
    'content-length': String(head.byteLength + plan.film.dataBytes),
    'content-disposition': `attachment; filename="${exportName(camera, span)}"`,
  }
  return { headers, body: Readable.from(film, { objectMode: false, highWaterMark: 1 }) }
}

export function exportSummary(camera: FootageCamera, span: Span, { film, fragments, damaged }: FilmPlan): ExportPlan {
  const toMs = (us: number) => Math.round(us / 1000)
  return {
    bytes: film.head().byteLength + film.dataBytes,
    durationMs: film.durationUs / 1000,
    fragments: fragments.length,
    fileName: exportName(camera, span),
    pieces: film.pieces.map(({ fromUs, toUs, atUs }) => ({
      fromMs: toMs(fromUs),
      toMs: toMs(toUs),
      atMs: atUs / 1000,
    })),
    gaps: gapsBetween(film.pieces, { ...span, camera: camera.key }).map(({ fromUs, toUs }) => ({
      fromMs: toMs(fromUs),
      toMs: toMs(toUs),
    })),
    damaged: damaged.map(({ path, why }) => ({ file: path, why })),
  }
}

/** Folders are made of characters that every system takes. */
function exportName({ folder }: FootageCamera, { fromUs }: Span): string {
  const start = new Date(fromUs / 1000).toISOString().slice(0, 19).replaceAll(':', '-')
  return `${folder.replaceAll(/[^\w.-]/g, '_')}-${start}Z.mp4`
}

async function opened(archive: Archive, file: IndexedFile) {
  try {
    return await archive.openFile(file)
  } catch (error) {
    if (isHomewardError(error)) throw error
    if (systemCode(error) === 'ENOENT') throw noFile()
    throw new HomewardError('DISK_FAILED', `the footage cannot be read (${systemCode(error) ?? error})`, {
      cause: error,
    })
  }
}

function noFile(): HomewardError {
  return new HomewardError('NOT_FOUND', 'there is no such file, or it has been deleted meanwhile', {
    hint: 'Load the playlist again.',
  })
}

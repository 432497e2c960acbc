/** The rows that follow from what stands in a file. Pure, and the same when storing, recovering and rebuilding. */
import { type InitSegment, videoTrack } from '../../media/init.ts'
import type { MfraEntry } from '../../media/mfra.ts'
import type { Entry } from './entry.ts'
import type { FileId } from './keys.ts'
import { isDated, scaleUs } from './names.ts'
import type { FileRow, FileTrack, FragmentRow } from './rows.ts'

/** Where one entry stands in its file, and what the file's mfra will say about it. */
export interface Placed {
  readonly offset: number
  readonly headerBytes: number
  readonly bytes: number
  readonly ticks: number
  /** 0: not in the mfra. */
  readonly trafNumber: number
  readonly entry: Entry
}

export function fileIdOf(first: Entry): FileId {
  return { camera: first.camera, startUs: isDated(first) ? first.wallUs : 0, log: first.log, firstSeq: first.seq }
}

export function fragmentRowOf(id: FileId, placed: Placed): FragmentRow {
  const { offset, headerBytes, bytes, ticks, trafNumber, entry } = placed
  return {
    fileStartUs: id.startUs,
    fileFirstSeq: id.firstSeq,
    offset,
    bytes,
    headerBytes,
    startUs: scaleUs(entry),
    durationUs: entry.durationUs,
    ticks,
    trafNumber,
    receivedUs: entry.receivedUs,
    hash: entry.fragmentHash,
  }
}

/** The row of a file that begins with this entry. `initHash` is hex. */
export function firstFileRow(path: string, init: InitSegment, initHash: string, placed: Placed): FileRow {
  const { entry, offset, bytes } = placed
  const startUs = scaleUs(entry)
  return {
    path,
    log: entry.log,
    run: entry.run,
    boot: entry.boot,
    monoUs: entry.monoUs,
    dated: isDated(entry),
    startUs,
    endUs: startUs + entry.durationUs,
    firstSeq: entry.seq,
    lastSeq: entry.seq,
    fragments: 1,
    bytes: offset + bytes,
    initBytes: init.bytes.byteLength,
    initHash,
    tracks: init.tracks.map(fileTrack),
    state: 'open',
  }
}

export function extendedFileRow(row: FileRow, { entry, offset, bytes }: Placed): FileRow {
  return {
    ...row,
    endUs: Math.max(row.endUs, scaleUs(entry) + entry.durationUs),
    lastSeq: entry.seq,
    fragments: row.fragments + 1,
    bytes: offset + bytes,
  }
}

function fileTrack({ id, kind, codec, timescale, width, height }: InitSegment['tracks'][number]): FileTrack {
  return {
    id,
    kind,
    codec,
    timescale,
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
  }
}

/** One line of the mfra for each fragment that starts on a key frame. */
export function mfraEntries(
  init: InitSegment,
  placed: readonly Pick<Placed, 'offset' | 'headerBytes' | 'ticks' | 'trafNumber'>[],
): MfraEntry[] {
  const track = (videoTrack(init) ?? init.tracks[0])?.id
  if (track === undefined) return []
  return placed
    .filter(({ trafNumber }) => trafNumber > 0)
    .map(({ offset, headerBytes, ticks, trafNumber }) => ({
      track,
      timeTicks: ticks,
      moofOffset: offset + headerBytes,
      trafNumber,
    }))
}

/**
 * HLS media playlists (RFC 8216) over byte ranges of stored files. Pure.
 *
 * Each file begins at decode time 0. Players that keep to the RFC follow a discontinuity there; VLC 3 ends at one, and ffmpeg
 * leaves out the first fragment behind it. So unless times as `stored` are asked for, names carry by how much to move them
 * (`moved.ts`): they go on from file to file, gaps are closed, and only another format is a discontinuity.
 */
import type { IndexedFile, IndexedFragment } from '../archive/index.ts'
import { mediaName } from './media-file.ts'
import type { Times } from './playlist-times.ts'

/** What lies one behind the other in a file, played as one piece. */
export interface Segment {
  readonly file: string
  readonly offset: number
  readonly bytes: number
  readonly startUs: number
  readonly durationUs: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** Of the init segment, at the start of its file. */
  readonly initBytes: number
  readonly initHash: string
  /** The fragment at this byte of the file begins at this time of the film, and what follows it goes with it. */
  readonly start: number
  readonly atUs: number
  /** Decode times do not go on from the segment before (RFC 8216 §4.3.2.3). */
  readonly breaks: boolean
}

/** Long enough for a short playlist, short enough to be there at once after a jump. */
export const SEGMENT_US = 4_000_000
/** A camera's stamps are this exact: what begins later than its neighbour ends is not what follows it. */
const JUMP_US = 500_000

/** `untilUs`: a segment takes fragments in until it is that long; 0 for one each. */
export function segmentsOf(file: IndexedFile, fragments: readonly IndexedFragment[], untilUs: number): Segment[] {
  const name = mediaName(file.id)
  const segments: Segment[] = []
  for (const { seq, row } of fragments) {
    const { startUs, durationUs } = row
    const offset = row.offset + row.headerBytes
    const end = row.offset + row.bytes
    const next = { file: name, startUs, firstSeq: seq }
    const last = segments.at(-1)
    const breaks = breaksBetween(last, next)
    if (last !== undefined && !breaks && last.durationUs + durationUs <= untilUs) {
      segments[segments.length - 1] = {
        ...last,
        bytes: end - last.offset,
        durationUs: last.durationUs + durationUs,
        lastSeq: seq,
      }
      continue
    }
    const { initBytes, initHash } = file.row
    const place = { offset, bytes: end - offset, start: breaks ? offset : (last?.start ?? offset), atUs: 0 }
    segments.push({ ...next, ...place, durationUs, lastSeq: seq, initBytes, initHash, breaks })
  }
  return segments
}

/**
 * Each file begins at decode time 0. Within one the times are the encoder's, less a constant: where numbers are missing (they
 * were damaged, say) or the encoder paused, they jump by as much as the time of day does.
 */
export function breaksBetween(
  last: Segment | undefined,
  next: Pick<Segment, 'file' | 'startUs' | 'firstSeq'>,
): boolean {
  if (last === undefined || last.file !== next.file || last.lastSeq + 1 !== next.firstSeq) return true
  return Math.abs(next.startUs - (last.startUs + last.durationUs)) > JUMP_US
}

/** As one film, that begins at 0: by time; what belongs together stays so, also where two files hold the same time. */
export function asFilm(segments: readonly Segment[]): Segment[] {
  const runs: Segment[][] = []
  for (const segment of segments) {
    if (segment.breaks) runs.push([segment])
    else runs.at(-1)?.push(segment)
  }
  let endUs = 0
  return runs
    .sort((a, b) => (a[0]?.startUs ?? 0) - (b[0]?.startUs ?? 0))
    .flatMap((run) => {
      const atUs = endUs
      return run.map((segment) => {
        endUs += segment.durationUs
        return { ...segment, atUs }
      })
    })
}

/** What a discontinuity stands in front of. */
export function isDiscontinuity(last: Segment | undefined, next: Segment, times: Times): boolean {
  return times === 'stored' ? next.breaks : last !== undefined && last.initHash !== next.initHash
}

export interface PlaylistOptions {
  readonly ended: boolean
  readonly times: Times
  readonly firstNumber?: number
  readonly firstBreak?: number
  /** In every name, such as `token=…`. */
  readonly query?: string
  /** At least; in a live playlist it must not change. */
  readonly targetS?: number
}

export function buildPlaylist(segments: readonly Segment[], options: PlaylistOptions): string {
  const { ended, times, firstNumber = 0, firstBreak = 0, targetS = 1, query = '' } = options
  const longest = segments.reduce((most, { durationUs }) => Math.max(most, durationUs), 0)
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    `#EXT-X-TARGETDURATION:${Math.max(targetS, Math.ceil(longest / 1e6))}`,
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ended ? '#EXT-X-PLAYLIST-TYPE:VOD' : '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES',
    `#EXT-X-MEDIA-SEQUENCE:${firstNumber}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${firstBreak}`,
  ]
  for (const [index, segment] of segments.entries()) {
    const { file, offset, bytes, startUs, durationUs, initBytes, start, atUs } = segment
    const first = index === 0
    const moved = times === 'stored' ? '' : `start=${start}&at=${Math.round(atUs)}`
    const name = (...parts: readonly string[]) => `media/${file}${queryOf([...parts, query])}`
    if (!first && isDiscontinuity(segments[index - 1], segment, times)) lines.push('#EXT-X-DISCONTINUITY')
    if (segment.breaks || first) {
      // Each file's own, though they are often the same: a file that is deleted meanwhile takes nothing else with it.
      lines.push(`#EXT-X-MAP:URI="${name()}",BYTERANGE="${initBytes}@0"`)
      lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(startUs / 1000).toISOString()}`)
    }
    lines.push(`#EXTINF:${(durationUs / 1e6).toFixed(6)},`, `#EXT-X-BYTERANGE:${bytes}@${offset}`, name(moved))
  }
  return [...lines, ...(ended ? ['#EXT-X-ENDLIST'] : []), ''].join('\n')
}

function queryOf(parts: readonly string[]): string {
  const given = parts.filter((part) => part !== '')
  return given.length === 0 ? '' : `?${given.join('&')}`
}

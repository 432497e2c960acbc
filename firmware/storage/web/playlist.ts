/** HLS media playlists (RFC 8216) over byte ranges of stored files. Pure. */
import type { IndexedFile, IndexedFragment } from '../archive/index.ts'
import { mediaName } from './media-file.ts'

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
    const { initBytes } = file.row
    segments.push({ ...next, offset, bytes: end - offset, durationUs, lastSeq: seq, initBytes, breaks })
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

/** By time, as players want them; what belongs together stays so, also where two files hold the same time. */
export function inOrder(segments: readonly Segment[]): Segment[] {
  const runs: Segment[][] = []
  for (const segment of segments) {
    if (segment.breaks) runs.push([segment])
    else runs.at(-1)?.push(segment)
  }
  return runs.sort((a, b) => (a[0]?.startUs ?? 0) - (b[0]?.startUs ?? 0)).flat()
}

export interface PlaylistOptions {
  readonly ended: boolean
  readonly firstNumber?: number
  readonly firstBreak?: number
  /** Behind every name, such as `?token=…`. */
  readonly suffix?: string
  /** At least; in a live playlist it must not change. */
  readonly targetS?: number
}

export function buildPlaylist(segments: readonly Segment[], options: PlaylistOptions): string {
  const { ended, firstNumber = 0, firstBreak = 0, targetS = 1, suffix = '' } = options
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
  let first = true
  for (const { file, offset, bytes, startUs, durationUs, initBytes, breaks } of segments) {
    if (breaks && !first) lines.push('#EXT-X-DISCONTINUITY')
    // Each file's own, though they are often the same: a file that is deleted meanwhile takes nothing else with it.
    if (breaks || first) lines.push(`#EXT-X-MAP:URI="media/${file}${suffix}",BYTERANGE="${initBytes}@0"`)
    if (breaks || first) lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(startUs / 1000).toISOString()}`)
    lines.push(
      `#EXTINF:${(durationUs / 1e6).toFixed(6)},`,
      `#EXT-X-BYTERANGE:${bytes}@${offset}`,
      `media/${file}${suffix}`,
    )
    first = false
  }
  return [...lines, ...(ended ? ['#EXT-X-ENDLIST'] : []), ''].join('\n')
}

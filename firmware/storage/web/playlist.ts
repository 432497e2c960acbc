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
  /** Of the init segment, at the start of its file. */
  readonly initBytes: number
  /** Decode times do not go on from the segment before: another file, for each begins at 0. */
  readonly breaks: boolean
}

/** Long enough for a short playlist, short enough to be there at once after a jump. */
export const SEGMENT_US = 4_000_000

/** `untilUs`: a segment takes fragments in until it is that long; 0 for one each. */
export function segmentsOf(file: IndexedFile, fragments: readonly IndexedFragment[], untilUs: number): Segment[] {
  const name = mediaName(file.id)
  const segments: Segment[] = []
  for (const { row } of fragments) {
    const { startUs, durationUs } = row
    const offset = row.offset + row.headerBytes
    const end = row.offset + row.bytes
    const last = segments.at(-1)
    if (last !== undefined && last.durationUs + durationUs <= untilUs && last.offset + last.bytes === row.offset) {
      segments[segments.length - 1] = {
        ...last,
        bytes: end - last.offset,
        durationUs: last.durationUs + durationUs,
      }
      continue
    }
    const { initBytes } = file.row
    const breaks = last === undefined
    segments.push({ file: name, offset, bytes: end - offset, startUs, durationUs, initBytes, breaks })
  }
  return segments
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

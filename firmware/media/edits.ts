/**
 * Edit lists (ISO/IEC 14496-12 §8.6.6), as far as a recorder's init segments use them. Each track's times in fragments
 * (tfdt) start at 0; what the encoder says about the track's beginning stands in `elst` instead: first an empty edit,
 * when the track starts later than the others, then the media time that is shown first, when its beginning is decoded
 * but not shown at once (B-frames: the reordering delay; AAC: the encoder's priming).
 */
import { type Box, box, fullBox, optionalBox, readBoxes, readFullBox } from './boxes.ts'
import { joinBytes, malformed, u32 } from './fields.ts'

export interface TrackEdit {
  /** Length of the leading empty edits, in ticks of the track. */
  readonly delayTicks: number
  /** Media time that is shown first, in ticks of the track. */
  readonly mediaTicks: number
}

const EMPTY = -1

interface EditEntry {
  readonly durationMovieTicks: number
  /** EMPTY, or a media time in ticks of the track. */
  readonly mediaTicks: number
  /** The entry as it stands in the box. */
  readonly bytes: Uint8Array
}

/** The shift of a track, or undefined when it has no edit list. Throws MEDIA_MALFORMED. */
export function readEditList(edts: Box | undefined, timescale: number, movieTimescale: number): TrackEdit | undefined {
  const elst = edts === undefined ? undefined : optionalBox(readBoxes(edts.body), 'elst')
  if (elst === undefined) return undefined
  const { entries } = readEntries(elst)
  const leading = countLeadingEmpty(entries)
  const movieTicks = entries.slice(0, leading).reduce((sum, entry) => sum + entry.durationMovieTicks, 0)
  const delayTicks = Math.round((movieTicks * timescale) / movieTimescale)
  if (!Number.isSafeInteger(delayTicks)) throw malformed('elst: an empty edit is out of range')
  return { delayTicks, mediaTicks: entries[leading]?.mediaTicks ?? 0 }
}

function countLeadingEmpty(entries: readonly EditEntry[]): number {
  const first = entries.findIndex((entry) => entry.mediaTicks !== EMPTY)
  return first === -1 ? entries.length : first
}

function readEntries(elst: Box): { version: number; flags: number; entries: EditEntry[] } {
  const { version, flags, fields } = readFullBox(elst)
  if (version > 1) throw malformed(`elst has version ${version}, expected 0 or 1`)
  const count = fields.u32()
  const entryBytes = version === 1 ? 20 : 12
  if (fields.remaining !== count * entryBytes) {
    throw malformed(`elst: ${fields.remaining} bytes for ${count} entries of ${entryBytes}`)
  }
  const entries = Array.from({ length: count }, () => {
    const at = fields.position
    const durationMovieTicks = version === 1 ? fields.u64() : fields.u32()
    const mediaTicks = version === 1 ? fields.i64() : fields.i32()
    if (mediaTicks < EMPTY) throw malformed(`elst: media time ${mediaTicks} is negative`)
    fields.skip(4)
    return { durationMovieTicks, mediaTicks, bytes: elst.body.subarray(at, at + entryBytes) }
  })
  return { version, flags, entries }
}

/**
 * The init segment's bytes without leading empty edits; edits of the media time stay. Without any empty edit the same bytes
 * come back. What the empty edits said must then be added to the tracks' decode times (`TrackEdit.delayTicks`).
 * `bytes` is what `parseInit` accepted. Throws MEDIA_MALFORMED.
 */
export function withoutEmptyEdits(bytes: Uint8Array): Uint8Array {
  const top = readBoxes(bytes)
  let changed = false
  const parts = top.map((outer) => {
    if (outer.type !== 'moov') return whole(bytes, outer)
    const children = readBoxes(outer.body).map((child) => {
      const trak = child.type === 'trak' ? trimTrack(child) : undefined
      if (trak === undefined) return whole(outer.body, child)
      changed = true
      return trak
    })
    return box('moov', ...children)
  })
  return changed ? joinBytes(...parts) : bytes
}

/** The track box without leading empty edits, or undefined when there are none. */
function trimTrack(trak: Box): Uint8Array | undefined {
  const children = readBoxes(trak.body)
  const edts = optionalBox(children, 'edts')
  const elst = edts === undefined ? undefined : optionalBox(readBoxes(edts.body), 'elst')
  if (elst === undefined) return undefined
  const { version, flags, entries } = readEntries(elst)
  const leading = countLeadingEmpty(entries)
  if (leading === 0) return undefined
  const kept = entries.slice(leading)
  const list = fullBox('elst', version, flags, u32(kept.length), ...kept.map((entry) => entry.bytes))
  const parts = children.flatMap((child) => {
    if (child !== edts) return [whole(trak.body, child)]
    return kept.length === 0 ? [] : [box('edts', list)]
  })
  return box('trak', ...parts)
}

function whole(parent: Uint8Array, child: Box): Uint8Array {
  return parent.subarray(child.start, child.end)
}

/**
 * An ordinary MP4 (ISO/IEC 14496-12 §8.2 to §8.6) with its tables in front: `ftyp`, `moov`, then one `mdat` with the media
 * data of all fragments one behind the other. Made from an init segment and sample tables. Pure.
 */
import { type Box, box, fullBox, onlyBox, readBoxes, readFullBox } from '../../media/boxes.ts'
import { u32, u64 } from '../../media/fields.ts'
import type { InitSegment } from '../../media/init.ts'
import type { SampleTable } from './sample-table.ts'

/** Ticks per second of the film's own times. */
const MOVIE_TIMESCALE = 90_000

export interface MovieTrack {
  readonly table: SampleTable
  readonly stsd: Uint8Array
}

/** 64-bit sizes are always used, so that the head has the same length whatever follows it. */
const MDAT_HEADER_BYTES = 16

/** Everything in front of the media data, its header included. `tracks` are in the order of the init segment's. */
export function buildMovieHead(init: InitSegment, tracks: readonly MovieTrack[], dataBytes: number): Uint8Array {
  const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
  const ftyp = box('ftyp', ascii('isom'), u32(0x200), ascii('isomiso2mp41'))
  const sized = buildMoov(init, tracks, 0).byteLength
  const moov = buildMoov(init, tracks, ftyp.byteLength + sized + MDAT_HEADER_BYTES)
  const mdat = Buffer.concat([u32(1), ascii('mdat'), u64(MDAT_HEADER_BYTES + dataBytes)])
  return new Uint8Array(Buffer.concat([ftyp, moov, mdat]))
}

function buildMoov(init: InitSegment, tracks: readonly MovieTrack[], dataStart: number): Uint8Array {
  const children = readBoxes(onlyBox(readBoxes(init.bytes), 'moov', 'init segment').body)
  const traks = children.filter((child) => child.type === 'trak')
  const shown = tracks.flatMap((track, index) => {
    const trak = traks[index]
    const timescale = init.tracks[index]?.timescale
    if (trak === undefined || timescale === undefined || track.table.samples === 0) return []
    const edit = init.tracks[index]?.edit?.mediaTicks ?? 0
    return [{ ...track, trak, timescale, edit, ticks: shownTicks(track.table, timescale, edit) }]
  })
  const durationTicks = Math.max(0, ...shown.map(({ ticks, table, timescale }) => ticks + delayTicks(table, timescale)))
  const mvhd = onlyBox(children, 'mvhd', 'moov')
  return box('moov', movieHeader(mvhd, durationTicks), ...shown.map((track) => buildTrak(track, dataStart)))
}

interface ShownTrack extends MovieTrack {
  readonly trak: Box
  readonly timescale: number
  /** Media time that is shown first. */
  readonly edit: number
  /** How long it is shown, in ticks of the film. */
  readonly ticks: number
}

function inMovieTicks(ticks: number, timescale: number): number {
  return Math.round((ticks * MOVIE_TIMESCALE) / timescale)
}

function shownTicks(table: SampleTable, timescale: number, edit: number): number {
  return Math.max(0, inMovieTicks(table.shownUntilTicks - table.firstTicks - edit, timescale))
}

/** How much later than the film a track begins. */
function delayTicks(table: SampleTable, timescale: number): number {
  return inMovieTicks(table.firstTicks, timescale)
}

function buildTrak({ trak, table, stsd, timescale, edit, ticks }: ShownTrack, dataStart: number): Uint8Array {
  const children = readBoxes(trak.body)
  const delay = delayTicks(table, timescale)
  const mdia = readBoxes(onlyBox(children, 'mdia', 'trak').body)
  const minf = readBoxes(onlyBox(mdia, 'minf', 'mdia').body)
  const keep = (parent: readonly Box[], except: string) => parent.filter((child) => child.type !== except).map(wholeBox)
  return box(
    'trak',
    // The track's id and a reserved field.
    withDuration(onlyBox(children, 'tkhd', 'trak'), 8, delay + ticks),
    box('edts', editList(delay, ticks, edit)),
    box(
      'mdia',
      // The timescale.
      withDuration(onlyBox(mdia, 'mdhd', 'mdia'), 4, table.endTicks - table.firstTicks),
      wholeBox(onlyBox(mdia, 'hdlr', 'mdia')),
      box('minf', ...keep(minf, 'stbl'), table.build(stsd, dataStart)),
    ),
  )
}

function wholeBox(found: Box): Uint8Array {
  return box(found.type, found.body)
}

/** An empty edit when the track begins later, then the media from the time that is shown first. */
function editList(delay: number, ticks: number, mediaTicks: number): Uint8Array {
  const empty = [u64(delay), new Uint8Array(8).fill(255), u32(0x10000)]
  const media = [u64(ticks), u64(mediaTicks), u32(0x10000)]
  return fullBox('elst', 1, 0, u32(delay > 0 ? 2 : 1), ...(delay > 0 ? empty : []), ...media)
}

/** Creation and modification time, 32 or 64 bits wide by the version; then the rest of the fields. */
function splitHeader(found: Box): { flags: number; times: Uint8Array; version: number; rest: Uint8Array } {
  const { version, flags, fields } = readFullBox(found)
  const times = version === 1 ? fields.bytes(16) : new Uint8Array(Buffer.concat([u64(fields.u32()), u64(fields.u32())]))
  return { flags, times, version, rest: fields.rest() }
}

const durationBytes = (version: number): number => (version === 1 ? 8 : 4)

function movieHeader(mvhd: Box, durationTicks: number): Uint8Array {
  const { flags, times, version, rest } = splitHeader(mvhd)
  const after = rest.subarray(4 + durationBytes(version))
  return fullBox('mvhd', 1, flags, times, u32(MOVIE_TIMESCALE), u64(durationTicks), after)
}

/** `betweenBytes`: what stands between the times and the duration. */
function withDuration(header: Box, betweenBytes: number, durationTicks: number): Uint8Array {
  const { flags, times, version, rest } = splitHeader(header)
  const between = rest.subarray(0, betweenBytes)
  const after = rest.subarray(betweenBytes + durationBytes(version))
  return fullBox(header.type, 1, flags, times, between, u64(durationTicks), after)
}

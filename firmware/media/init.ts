/** The init segment: `ftyp` and `moov` of one encoder run (ISO/IEC 14496-12 §8). */
import { INIT_MAX_BYTES } from '../wire/limits.ts'
import { type Box, onlyBox, optionalBox, printable, readBoxes, readFullBox } from './boxes.ts'
import { codecString } from './codec.ts'
import { readEditList, type TrackEdit } from './edits.ts'
import { FieldReader, malformed } from './fields.ts'

export type TrackKind = 'video' | 'audio' | 'other'

/** What a fragment's samples have where it says nothing else (`trex`). */
export interface SampleDefaults {
  readonly durationTicks: number
  readonly sizeBytes: number
  readonly flags: number
}

export interface Track {
  readonly id: number
  readonly kind: TrackKind
  /** Ticks per second of this track's times. */
  readonly timescale: number
  /** RFC 6381: `avc1.640028`, `hvc1.1.6.L93.B0`, `mp4a.40.2`; otherwise the four characters. */
  readonly codec: string
  /** Coded size in pixels, video only. */
  readonly width?: number
  readonly height?: number
  readonly defaults: SampleDefaults
  /** How the init segment's edit list shifts this track, when it does. */
  readonly edit?: TrackEdit
}

export interface InitSegment {
  /** `ftyp` + `moov`. */
  readonly bytes: Uint8Array
  readonly tracks: readonly Track[]
}

const TRACKS_MAX = 16

/**
 * Reads an init segment; `bytes` is kept, not copied.
 * Throws MEDIA_MALFORMED when it is not `ftyp` then `moov`, has no track, or is not made for fragments.
 */
export function parseInit(bytes: Uint8Array): InitSegment {
  if (bytes.byteLength > INIT_MAX_BYTES) {
    throw malformed(`init segment of ${bytes.byteLength} bytes, expected at most ${INIT_MAX_BYTES}`)
  }
  const top = readBoxes(bytes)
  if (top[0]?.type !== 'ftyp') throw malformed('an init segment starts with ftyp')
  const moov = readBoxes(onlyBox(top, 'moov', 'init segment').body)
  const movieTimescale = readTimescale(onlyBox(moov, 'mvhd', 'moov'))
  const defaults = readDefaults(readBoxes(onlyBox(moov, 'mvex', 'moov').body))
  const tracks = moov.filter((child) => child.type === 'trak').map((trak) => readTrack(trak, movieTimescale, defaults))
  if (tracks.length === 0 || tracks.length > TRACKS_MAX) {
    throw malformed(`${tracks.length} tracks, expected 1 to ${TRACKS_MAX}`)
  }
  if (new Set(tracks.map((track) => track.id)).size !== tracks.length) throw malformed('two tracks have the same id')
  return { bytes, tracks }
}

/** The track that fragments are cut and timed by: the first video track, if there is one. */
export function videoTrack(init: InitSegment): Track | undefined {
  return init.tracks.find((track) => track.kind === 'video')
}

function readDefaults(mvex: readonly Box[]): Map<number, SampleDefaults> {
  const result = new Map<number, SampleDefaults>()
  for (const trex of mvex) {
    if (trex.type !== 'trex') continue
    const { fields } = readFullBox(trex)
    const track = fields.u32()
    fields.skip(4)
    result.set(track, { durationTicks: fields.u32(), sizeBytes: fields.u32(), flags: fields.u32() })
  }
  return result
}

/** mvhd and mdhd share their beginning: creation and modification time, then the timescale. */
function readTimescale(header: Box): number {
  const { version, fields } = readFullBox(header)
  if (version > 1) throw malformed(`${header.type} has version ${version}, expected 0 or 1`)
  const timescale = fields.skip(version === 1 ? 16 : 8).u32()
  if (timescale === 0) throw malformed(`${header.type} has timescale 0`)
  return timescale
}

function readTrack(trak: Box, movieTimescale: number, allDefaults: Map<number, SampleDefaults>): Track {
  const children = readBoxes(trak.body)
  const id = readTrackId(onlyBox(children, 'tkhd', 'trak'))
  const defaults = allDefaults.get(id)
  if (defaults === undefined) throw malformed(`track ${id} has no trex: the file is not made for fragments`)
  const mdia = readBoxes(onlyBox(children, 'mdia', 'trak').body)
  const timescale = readTimescale(onlyBox(mdia, 'mdhd', 'mdia'))
  const kind = readKind(onlyBox(mdia, 'hdlr', 'mdia'))
  const minf = readBoxes(onlyBox(mdia, 'minf', 'mdia').body)
  const stbl = readBoxes(onlyBox(minf, 'stbl', 'minf').body)
  const entry = readSampleEntry(onlyBox(stbl, 'stsd', 'stbl'), kind)
  const edit = readEditList(optionalBox(children, 'edts'), timescale, movieTimescale)
  return { id, kind, timescale, ...entry, defaults, ...(edit === undefined ? {} : { edit }) }
}

function readTrackId(tkhd: Box): number {
  const { version, fields } = readFullBox(tkhd)
  if (version > 1) throw malformed(`tkhd has version ${version}, expected 0 or 1`)
  const id = fields.skip(version === 1 ? 16 : 8).u32()
  if (id === 0) throw malformed('track id 0 is not allowed')
  return id
}

function readKind(hdlr: Box): TrackKind {
  const handler = readFullBox(hdlr).fields.skip(4).fourcc()
  if (handler === 'vide') return 'video'
  return handler === 'soun' ? 'audio' : 'other'
}

interface EntryFields {
  readonly codec: string
  readonly width?: number
  readonly height?: number
}

/** Bytes of QuickTime's extra fields in an audio sample entry, by its version. ISO files have version 0. */
const AUDIO_EXTRA_BYTES: readonly number[] = [0, 16, 36]

function readSampleEntry(stsd: Box, kind: TrackKind): EntryFields {
  const { fields: list } = readFullBox(stsd)
  const count = list.u32()
  const entry = readBoxes(list.rest())[0]
  if (count === 0 || entry === undefined) throw malformed('stsd has no sample entry')
  const fields = new FieldReader(entry.body, `sample entry ${entry.type}`)
  fields.skip(8)
  if (kind === 'video') {
    fields.skip(16)
    const width = fields.u16()
    const height = fields.u16()
    return { codec: codecString({ type: entry.type, children: fields.skip(50).rest() }), width, height }
  }
  if (kind === 'audio') {
    const extra = AUDIO_EXTRA_BYTES[fields.u16()]
    if (extra === undefined) throw malformed(`sample entry ${entry.type} has an unknown version`)
    return { codec: codecString({ type: entry.type, children: fields.skip(18 + extra).rest() }) }
  }
  return { codec: printable(entry.type).trim() }
}

/** What a browser has to be told about stored fragments: codecs, and when each picture is shown. Pure. */
import { readBoxes } from '../../../media/boxes.ts'
import type { InitSegment, Track } from '../../../media/init.ts'
import { parseInit, videoTrack } from '../../../media/init.ts'
import { readSamples } from '../../archive/samples.ts'

export interface Init {
  readonly bytes: Uint8Array
  readonly parsed: InitSegment
  /** For MediaSource: `video/mp4; codecs="avc1.640028,mp4a.40.2"`. */
  readonly mime: string
  readonly videoCodec: string
  readonly hasSound: boolean
}

const PLAYED = /^(mp4a|opus|Opus|fLaC|ac-3|ec-3)/

const mimeOf = (tracks: readonly Track[]) => `video/mp4; codecs="${tracks.map(({ codec }) => codec).join(',')}"`

/**
 * Sound that no browser knows, such as the G.711 of many cameras, is hidden from it: else it would refuse the pictures too.
 * `bytes` is changed for that. Throws MEDIA_MALFORMED.
 */
export function readInit(bytes: Uint8Array, canPlay: (mime: string) => boolean): Init {
  const parsed = parseInit(bytes)
  const video = videoTrack(parsed)
  const picture = parsed.tracks.filter(({ id }) => id === video?.id)
  const sound = parsed.tracks.find(({ kind, codec }) => kind === 'audio' && PLAYED.test(codec))
  const both = sound === undefined ? picture : [...picture, sound]
  const shown = both.length > 1 && canPlay(mimeOf(both)) ? both : picture
  if (shown.length < parsed.tracks.length) hideTracks(bytes, new Set(shown.map(({ id }) => id)))
  const hasSound = shown.length > 1
  return { bytes, parsed, mime: mimeOf(shown), videoCodec: video?.codec ?? 'none', hasSound }
}

const FREE = new TextEncoder().encode('free')

/** Renames the boxes of other tracks to `free`, which every reader skips; no size changes. */
function hideTracks(bytes: Uint8Array, kept: ReadonlySet<number>): void {
  const moov = readBoxes(bytes).find(({ type }) => type === 'moov')
  for (const child of readBoxes(moov?.body ?? new Uint8Array())) {
    if (child.type === 'trak') hideUnless(child.body, trackOfTrak(child.body), kept)
    if (child.type !== 'mvex') continue
    for (const trex of readBoxes(child.body)) {
      if (trex.type === 'trex') hideUnless(trex.body, u32(trex.body, 4), kept)
    }
  }
}

/** The same for a fragment. */
export function hideFragmentTracks(bytes: Uint8Array, { parsed, hasSound }: Init): void {
  const video = videoTrack(parsed)?.id
  if (parsed.tracks.length === 1 || hasSound || video === undefined) return
  for (const moof of readBoxes(bytes)) {
    if (moof.type !== 'moof') continue
    for (const traf of readBoxes(moof.body)) {
      const header = traf.type === 'traf' ? readBoxes(traf.body).find(({ type }) => type === 'tfhd') : undefined
      if (header !== undefined) hideUnless(traf.body, u32(header.body, 4), new Set([video]))
    }
  }
}

/** `body` lies 8 bytes behind the start of its box. */
function hideUnless(body: Uint8Array, track: number, kept: ReadonlySet<number>): void {
  if (!kept.has(track)) new Uint8Array(body.buffer, body.byteOffset - 4, 4).set(FREE)
}

function trackOfTrak(trak: Uint8Array): number {
  const header = readBoxes(trak).find(({ type }) => type === 'tkhd')
  return header === undefined ? 0 : u32(header.body, header.body[0] === 1 ? 20 : 12)
}

function u32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at)
}

export interface Pictures {
  /** Decode time of the first one within its file, in seconds. */
  readonly decodeS: number
  /** When each is shown, in seconds from `decodeS`, ascending. */
  readonly shownS: readonly number[]
}

/** Of whole fragments. Throws MEDIA_MALFORMED. */
export function readPictures(bytes: Uint8Array, { parsed }: Init): Pictures {
  const video = videoTrack(parsed)
  const scale = video?.timescale ?? 1
  const shift = video?.edit?.mediaTicks ?? 0
  let decode: number | undefined
  const shown: number[] = []
  for (const box of readBoxes(bytes)) {
    if (box.type !== 'moof') continue
    for (const run of readSamples(bytes.subarray(box.start, box.end), parsed)) {
      if (run.track !== video?.id) continue
      decode ??= run.decodeTime
      let at = run.decodeTime
      for (const { durationTicks, compositionTicks } of run.samples) {
        shown.push((at + compositionTicks - shift - decode) / scale)
        at += durationTicks
      }
    }
  }
  return { decodeS: (decode ?? 0) / scale, shownS: shown.sort((a, b) => a - b) }
}

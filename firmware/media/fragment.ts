/** The fragment: one `moof` and its `mdat` (ISO/IEC 14496-12 §8.8), starting on a key frame when cut by CMAF's rules. */
import { type Box, onlyBox, readBoxes, readFullBox } from './boxes.ts'
import { malformed } from './fields.ts'
import {
  BASE_DATA_OFFSET,
  BASE_IS_MOOF,
  DEFAULT_DURATION,
  DEFAULT_FLAGS,
  DEFAULT_SIZE,
  IS_NON_SYNC,
  RUN_COMPOSITION,
  RUN_DATA_OFFSET,
  RUN_DURATION,
  RUN_FIRST_FLAGS,
  RUN_FLAGS,
  RUN_SIZE,
  SAMPLE_DESCRIPTION,
} from './fragment-flags.ts'
import { type InitSegment, type SampleDefaults, videoTrack } from './init.ts'

export interface FragmentTrack {
  readonly id: number
  /** Decode time of the first sample (tfdt), in ticks of the track. */
  readonly decodeTime: number
  readonly durationTicks: number
  readonly samples: number
}

export interface MediaFragment {
  /** `moof` + `mdat`. */
  readonly bytes: Uint8Array
  /** The video track is there and starts on a sync sample; without any video track in the init segment: true. */
  readonly keyFrame: boolean
  /** Of the video track; of the longest track when no video is in it. */
  readonly durationUs: number
  readonly tracks: readonly FragmentTrack[]
}

/** What a `moof` says before its `mdat` is there. Offsets count from the start of the moof. */
export interface FragmentHead {
  readonly keyFrame: boolean
  readonly durationUs: number
  readonly tracks: readonly FragmentTrack[]
  /** Samples lie in dataStart … dataEnd-1; both 0 when there are none with bytes. */
  readonly dataStart: number
  readonly dataEnd: number
}

/**
 * Reads one `moof` + `mdat` pair; `bytes` is kept, not copied. Checks that every sample lies inside the mdat.
 * Throws MEDIA_MALFORMED.
 */
export function parseFragment(bytes: Uint8Array, init: InitSegment): MediaFragment {
  const [moof, mdat, ...others] = readBoxes(bytes)
  if (moof?.type !== 'moof' || mdat?.type !== 'mdat' || others.length > 0) {
    throw malformed('a fragment is one moof and one mdat')
  }
  const head = parseMoof(bytes.subarray(0, moof.end), init)
  checkData(head, mdat.start + mdat.headerBytes, mdat.end)
  const { keyFrame, durationUs, tracks } = head
  return { bytes, keyFrame, durationUs, tracks }
}

/** Throws MEDIA_MALFORMED unless all samples lie between the two offsets, which count from the start of the moof. */
export function checkData(head: FragmentHead, start: number, end: number): void {
  if (head.dataEnd > head.dataStart && (head.dataStart < start || head.dataEnd > end)) {
    throw malformed(`samples at ${head.dataStart}…${head.dataEnd}, but the mdat holds ${start}…${end}`)
  }
}

/** Reads a whole `moof` box. Throws MEDIA_MALFORMED. */
export function parseMoof(bytes: Uint8Array, init: InitSegment): FragmentHead {
  const moof = onlyBox(readBoxes(bytes), 'moof', 'fragment')
  const video = videoTrack(init)
  const trafs: Traf[] = []
  for (const child of readBoxes(moof.body)) {
    if (child.type === 'traf') trafs.push(readTraf(child, init, trafs.at(-1)?.dataEnd ?? 0))
  }
  if (trafs.every((traf) => traf.track.samples === 0)) throw malformed('moof has no samples')
  if (new Set(trafs.map((traf) => traf.track.id)).size !== trafs.length) throw malformed('two traf of the same track')
  const videoPart = trafs.find((traf) => traf.track.id === video?.id && traf.track.samples > 0)
  const timed = videoPart === undefined ? trafs : [videoPart]
  const ranges = trafs.filter((traf) => traf.dataEnd > traf.dataStart)
  return {
    keyFrame: video === undefined ? true : videoPart?.firstIsSync === true,
    durationUs: Math.max(...timed.map((traf) => Math.round((traf.track.durationTicks * 1e6) / traf.timescale))),
    tracks: trafs.map((traf) => traf.track),
    dataStart: ranges.length === 0 ? 0 : Math.min(...ranges.map((traf) => traf.dataStart)),
    dataEnd: Math.max(0, ...ranges.map((traf) => traf.dataEnd)),
  }
}

interface Traf {
  readonly track: FragmentTrack
  readonly timescale: number
  readonly firstIsSync: boolean
  readonly dataStart: number
  readonly dataEnd: number
}

function readTraf(traf: Box, init: InitSegment, previousEnd: number): Traf {
  const children = readBoxes(traf.body)
  const header = readTfhd(onlyBox(children, 'tfhd', 'traf'))
  const track = init.tracks.find((known) => known.id === header.id)
  if (track === undefined) throw malformed(`traf of track ${header.id}, which the init segment does not have`)
  const defaults = {
    durationTicks: header.durationTicks ?? track.defaults.durationTicks,
    sizeBytes: header.sizeBytes ?? track.defaults.sizeBytes,
    flags: header.flags ?? track.defaults.flags,
  }
  const decodeTime = readTfdt(onlyBox(children, 'tfdt', 'traf')).ticks
  let samples = 0
  let durationTicks = 0
  let firstFlags: number | undefined
  let dataStart = 0
  let dataEnd = 0
  const base = header.baseIsMoof ? 0 : previousEnd
  let next = base
  for (const child of children) {
    if (child.type !== 'trun') continue
    const run = readTrun(child, defaults, base, next)
    next = run.end
    if (run.samples > 0) firstFlags ??= run.firstFlags
    samples += run.samples
    durationTicks += run.durationTicks
    if (run.end === run.start) continue
    dataStart = dataEnd === 0 ? run.start : Math.min(dataStart, run.start)
    dataEnd = Math.max(dataEnd, run.end)
  }
  if (!Number.isSafeInteger(decodeTime + durationTicks)) throw malformed(`track ${header.id}: times are out of range`)
  const firstIsSync = firstFlags !== undefined && (firstFlags & IS_NON_SYNC) === 0
  const { timescale } = track
  return { track: { id: header.id, decodeTime, durationTicks, samples }, timescale, firstIsSync, dataStart, dataEnd }
}

interface TrackHeader {
  readonly id: number
  readonly baseIsMoof: boolean
  readonly durationTicks: number | undefined
  readonly sizeBytes: number | undefined
  readonly flags: number | undefined
}

function readTfhd(tfhd: Box): TrackHeader {
  const { flags, fields } = readFullBox(tfhd)
  const id = fields.u32()
  if (flags & BASE_DATA_OFFSET) {
    throw malformed(`track ${id}: data offsets count from the start of a file, expected from the moof`)
  }
  if (flags & SAMPLE_DESCRIPTION) fields.skip(4)
  return {
    id,
    baseIsMoof: (flags & BASE_IS_MOOF) !== 0,
    durationTicks: flags & DEFAULT_DURATION ? fields.u32() : undefined,
    sizeBytes: flags & DEFAULT_SIZE ? fields.u32() : undefined,
    flags: flags & DEFAULT_FLAGS ? fields.u32() : undefined,
  }
}

/** Decode time and how many bytes it takes: 4 in version 0, 8 in version 1. Throws MEDIA_MALFORMED. */
export function readTfdt(tfdt: Box): { ticks: number; width: 4 | 8 } {
  const { version, fields } = readFullBox(tfdt)
  if (version > 1) throw malformed(`tfdt has version ${version}, expected 0 or 1`)
  return version === 1 ? { ticks: fields.u64(), width: 8 } : { ticks: fields.u32(), width: 4 }
}

/** Track id of a `traf`'s `tfhd`. */
export function readTrackOf(tfhd: Box): number {
  return readTfhd(tfhd).id
}

interface Run {
  readonly samples: number
  readonly durationTicks: number
  readonly firstFlags: number
  readonly start: number
  readonly end: number
}

/** `next` is where the previous run ended: a run without a data offset goes on there. */
function readTrun(trun: Box, defaults: SampleDefaults, base: number, next: number): Run {
  const { flags, fields } = readFullBox(trun)
  const samples = fields.u32()
  const start = flags & RUN_DATA_OFFSET ? base + fields.i32() : next
  const forced = flags & RUN_FIRST_FLAGS ? fields.u32() : undefined
  const perSample = [RUN_DURATION, RUN_SIZE, RUN_FLAGS, RUN_COMPOSITION].filter((flag) => flags & flag).length * 4
  // Checked before the loop: a count of 2^32 must not be counted to when the samples take no bytes here.
  if (fields.remaining !== samples * perSample) {
    throw malformed(`trun: ${fields.remaining} bytes for ${samples} samples of ${perSample}`)
  }
  let durationTicks = flags & RUN_DURATION ? 0 : samples * defaults.durationTicks
  let sizeBytes = flags & RUN_SIZE ? 0 : samples * defaults.sizeBytes
  let firstFlags = defaults.flags
  if (perSample > 0) {
    for (let index = 0; index < samples; index += 1) {
      if (flags & RUN_DURATION) durationTicks += fields.u32()
      if (flags & RUN_SIZE) sizeBytes += fields.u32()
      if (flags & RUN_FLAGS) {
        const own = fields.u32()
        if (index === 0) firstFlags = own
      }
      if (flags & RUN_COMPOSITION) fields.skip(4)
    }
  }
  return { samples, durationTicks, firstFlags: forced ?? firstFlags, start, end: start + sizeBytes }
}

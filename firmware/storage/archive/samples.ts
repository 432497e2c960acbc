/** The samples of one fragment, as its moof lists them (ISO/IEC 14496-12 §8.8). Pure. */
import { type Box, onlyBox, readBoxes, readFullBox } from '../../media/boxes.ts'
import { malformed } from '../../media/fields.ts'
import { readTfdt } from '../../media/fragment.ts'
import {
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
} from '../../media/fragment-flags.ts'
import type { InitSegment, SampleDefaults } from '../../media/init.ts'

/** Samples of one track that lie one behind the other. */
export interface SampleRun {
  readonly track: number
  /** Decode time of the first one, as in the moof. */
  readonly decodeTime: number
  /** Where the first one begins, from the start of the moof. */
  readonly dataOffset: number
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly bytes: number
  readonly durationTicks: number
  /** Presentation time less decode time. */
  readonly compositionTicks: number
  readonly sync: boolean
}

/** `moof` is one that `parseMoof` accepts. Throws MEDIA_MALFORMED. */
export function readSamples(moof: Uint8Array, init: InitSegment): SampleRun[] {
  const runs: SampleRun[] = []
  let previousEnd = 0
  for (const traf of readBoxes(onlyBox(readBoxes(moof), 'moof', 'fragment').body)) {
    if (traf.type !== 'traf') continue
    const children = readBoxes(traf.body)
    const header = readHeader(onlyBox(children, 'tfhd', 'traf'), init)
    const base = header.baseIsMoof ? 0 : previousEnd
    let decodeTime = readTfdt(onlyBox(children, 'tfdt', 'traf')).ticks
    let next = base
    for (const child of children) {
      if (child.type !== 'trun') continue
      const { samples, dataOffset } = readRun(child, header.defaults, base, next)
      next = dataOffset + samples.reduce((sum, sample) => sum + sample.bytes, 0)
      runs.push({ track: header.track, decodeTime, dataOffset, samples })
      decodeTime += samples.reduce((sum, sample) => sum + sample.durationTicks, 0)
    }
    previousEnd = next
  }
  return runs
}

interface TrackHeader {
  readonly track: number
  readonly baseIsMoof: boolean
  readonly defaults: SampleDefaults
}

function readHeader(tfhd: Box, init: InitSegment): TrackHeader {
  const { flags, fields } = readFullBox(tfhd)
  const id = fields.u32()
  const known = init.tracks.find((track) => track.id === id)
  if (known === undefined) throw malformed(`traf of track ${id}, which the init segment does not have`)
  if (flags & SAMPLE_DESCRIPTION && fields.u32() !== 1) throw malformed(`track ${id}: not its first sample description`)
  return {
    track: id,
    baseIsMoof: (flags & BASE_IS_MOOF) !== 0,
    defaults: {
      durationTicks: flags & DEFAULT_DURATION ? fields.u32() : known.defaults.durationTicks,
      sizeBytes: flags & DEFAULT_SIZE ? fields.u32() : known.defaults.sizeBytes,
      flags: flags & DEFAULT_FLAGS ? fields.u32() : known.defaults.flags,
    },
  }
}

function readRun(
  trun: Box,
  defaults: SampleDefaults,
  base: number,
  next: number,
): { samples: Sample[]; dataOffset: number } {
  const { version, flags, fields } = readFullBox(trun)
  const count = fields.u32()
  const dataOffset = flags & RUN_DATA_OFFSET ? base + fields.i32() : next
  const firstFlags = flags & RUN_FIRST_FLAGS ? fields.u32() : undefined
  const perSample = [RUN_DURATION, RUN_SIZE, RUN_FLAGS, RUN_COMPOSITION].filter((flag) => flags & flag).length * 4
  // A count of 2^32 must not be counted to when its samples take no bytes here.
  if (fields.remaining !== count * perSample || (perSample === 0 && count > SAMPLES_MAX)) {
    throw malformed(`trun: ${fields.remaining} bytes for ${count} samples of ${perSample}`)
  }
  const samples = Array.from({ length: count }, (_, index): Sample => {
    const durationTicks = flags & RUN_DURATION ? fields.u32() : defaults.durationTicks
    const bytes = flags & RUN_SIZE ? fields.u32() : defaults.sizeBytes
    const own = flags & RUN_FLAGS ? fields.u32() : defaults.flags
    const sampleFlags = index === 0 ? (firstFlags ?? own) : own
    const compositionTicks = flags & RUN_COMPOSITION ? (version === 0 ? fields.u32() : fields.i32()) : 0
    return { bytes, durationTicks, compositionTicks, sync: (sampleFlags & IS_NON_SYNC) === 0 }
  })
  return { samples, dataOffset }
}

/** More than any second of any encoder has. */
const SAMPLES_MAX = 1_000_000

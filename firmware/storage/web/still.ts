/** One key frame as an MP4 of its own: the init segment, and a fragment with a single sample. Pure. */
import { box, fullBox } from '../../media/boxes.ts'
import { malformed, u32, u64 } from '../../media/fields.ts'
import { type InitSegment, videoTrack } from '../../media/init.ts'
import { readSamples } from '../archive/samples.ts'

/** `tfhd`: offsets count from the start of the moof. */
const BASE_IS_MOOF = 0x20000
/** `trun`: data offset, duration, size, flags and composition offset of each sample are there. */
const RUN_FIELDS = 0x1 | 0x100 | 0x200 | 0x400 | 0x800
/** Depends on no other sample (ISO/IEC 14496-12 §8.8.3.1). */
const SYNC_SAMPLE = 0x2000000

export interface StillPlace {
  readonly track: number
  /** From the start of the fragment's moof. */
  readonly offset: number
  readonly bytes: number
}

/** Where the first picture of a fragment is. Throws MEDIA_MALFORMED when there is none. */
export function stillPlace(moof: Uint8Array, init: InitSegment): StillPlace {
  const track = videoTrack(init)?.id
  const run = readSamples(moof, init).find((found) => found.track === track && found.samples.length > 0)
  const first = run?.samples[0]
  if (track === undefined || run === undefined || first === undefined) throw malformed('there is no picture')
  return { track, offset: run.dataOffset, bytes: first.bytes }
}

/** `sample` as it stands in the fragment. It is shown from time 0 on, for a second. */
export function buildStill(init: InitSegment, { track }: StillPlace, sample: Uint8Array): Uint8Array {
  const known = init.tracks.find(({ id }) => id === track)
  const timescale = known?.timescale ?? 1
  // The init segment's edit list takes this off again.
  const composition = known?.edit?.mediaTicks ?? 0
  const moof = (dataOffset: number) =>
    box(
      'moof',
      fullBox('mfhd', 0, 0, u32(1)),
      box(
        'traf',
        fullBox('tfhd', 0, BASE_IS_MOOF, u32(track)),
        fullBox('tfdt', 1, 0, u64(0)),
        fullBox(
          ...(['trun', 0, RUN_FIELDS, u32(1), u32(dataOffset), u32(timescale), u32(sample.byteLength)] as const),
          ...[u32(SYNC_SAMPLE), u32(composition)],
        ),
      ),
    )
  const mdat = box('mdat', sample)
  const dataOffset = moof(0).byteLength + mdat.byteLength - sample.byteLength
  return new Uint8Array(Buffer.concat([init.bytes, moof(dataOffset), mdat]))
}

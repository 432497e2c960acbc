/**
 * Decode times of fragments (tfdt), moved by a constant per track. A file of the archive begins somewhere in an encoder
 * run; taking the run's time at that place from every tfdt makes the file start at 0 and play alone. Nothing else in the
 * fragment changes, so that putting the time back gives the captured bytes again.
 */
import { HomewardError } from '../wire/errors.ts'
import { onlyBox, readBoxes } from './boxes.ts'
import { malformed, numberBytes } from './fields.ts'
import { type MediaFragment, readTfdt, readTrackOf } from './fragment.ts'
import type { InitSegment } from './init.ts'

/** What was taken from the decode times of one track: ticks of that track, a safe integer. */
export interface TimeBase {
  readonly track: number
  readonly ticks: number
}

/**
 * Time bases for a file that begins with `first`: its earliest track starts at decode time 0 and the others keep their
 * distance to it, to within one tick. One base for every track of the init segment, also for one that joins later.
 * All are 0 or more.
 *
 * The file then starts at presentation time 0 to within one audio frame: what the edit list hides of a track's beginning
 * (B-frame delay, AAC priming) lies before 0. That holds for init segments without empty edits, as `FragmentSplitter`
 * hands them out. Only fragments that follow `first` in the same run may share these bases.
 * Throws MEDIA_MALFORMED when the fragment does not belong to the init segment.
 */
export function timeBasesFor(init: InitSegment, first: MediaFragment): TimeBase[] {
  const starts = first.tracks.map((part) => {
    const track = init.tracks.find((known) => known.id === part.id)
    if (track === undefined) throw malformed(`fragment of track ${part.id}, which the init segment does not have`)
    return { ticks: BigInt(part.decodeTime), timescale: BigInt(track.timescale) }
  })
  const earliest = starts.reduce<(typeof starts)[number] | undefined>(
    (a, b) => (a === undefined || b.ticks * a.timescale < a.ticks * b.timescale ? b : a),
    undefined,
  )
  if (earliest === undefined) throw malformed('a fragment without tracks has no time')
  return init.tracks.map((track) => ({
    track: track.id,
    ticks: Number((earliest.ticks * BigInt(track.timescale)) / earliest.timescale),
  }))
}

/**
 * A copy of the fragment (`moof`, alone or with its `mdat`) with each tfdt less its track's base.
 * Throws MEDIA_MALFORMED when a time would become negative or a track has no base.
 */
export function rebaseFragment(bytes: Uint8Array, bases: readonly TimeBase[]): Uint8Array {
  return shifted(bytes, bases, -1)
}

/** The exact reverse of {@link rebaseFragment} with the same bases. Throws MEDIA_MALFORMED. */
export function restoreFragment(bytes: Uint8Array, bases: readonly TimeBase[]): Uint8Array {
  return shifted(bytes, bases, 1)
}

function shifted(bytes: Uint8Array, bases: readonly TimeBase[], sign: 1 | -1): Uint8Array {
  const result = new Uint8Array(bytes)
  const moof = onlyBox(readBoxes(result), 'moof', 'fragment')
  for (const traf of readBoxes(moof.body)) {
    if (traf.type === 'traf') shiftTrack(traf.body, bases, sign)
  }
  return result
}

function shiftTrack(traf: Uint8Array, bases: readonly TimeBase[], sign: 1 | -1): void {
  const children = readBoxes(traf)
  const id = readTrackOf(onlyBox(children, 'tfhd', 'traf'))
  const base = bases.find((known) => known.track === id)
  if (base === undefined) throw malformed(`track ${id} has no time base`)
  if (!Number.isSafeInteger(base.ticks)) {
    throw new HomewardError('INTERNAL', `time base ${base.ticks} of track ${id} is not a whole number of ticks`)
  }
  const tfdt = onlyBox(children, 'tfdt', 'traf')
  const { ticks, width } = readTfdt(tfdt)
  const moved = ticks + sign * base.ticks
  if (moved < 0 || !Number.isSafeInteger(moved) || moved >= 256 ** width) {
    throw malformed(`track ${id}: decode time ${ticks} moved by ${sign * base.ticks} is out of range`)
  }
  // Version and flags take 4 bytes, then comes the time.
  tfdt.body.set(numberBytes(moved, width), 4)
}

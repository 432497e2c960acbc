/**
 * When the frames of a fragment were taken, on this machine's monotonic clock. Pure.
 *
 * A fragment arrives when its last frame is over, so the first one of a run began its duration ago. Later ones follow the
 * stream's own decode times, which do not jitter, as long as these agree with the clock: no fragment can end after it has
 * arrived, so where the encoder's clock is faster, spans are shortened to what is possible; and where three fragments in a
 * row come more than a second late (the encoder's clock is slower, or it stood still), the stamps step forward. The spans
 * of one camera never overlap and never go back.
 */
export interface Timeline {
  /** End of the last fragment. */
  readonly endUs: number
  /** The same moment in the stream's decode time; undefined before the first fragment of a run. */
  readonly streamEndUs: number | undefined
  /** By how much the latest fragments in a row were late, when that was more than LATE_US. */
  readonly lateUs: readonly number[]
}

export interface Arrival {
  /** Decode time of the first frame. */
  readonly streamUs: number
  readonly durationUs: number
  /** Monotonic time at which its last byte was there. */
  readonly arrivedUs: number
}

export interface Stamp {
  readonly startUs: number
  readonly durationUs: number
}

const LATE_US = 1_000_000
/** A single late fragment says more about this machine than about the camera. */
const LATE_FRAGMENTS = 3

export const NO_TIMELINE: Timeline = { endUs: 0, streamEndUs: undefined, lateUs: [] }

/** The timeline at the start of a run: what was captured before stays before. */
export function newRun(timeline: Timeline): Timeline {
  return { ...NO_TIMELINE, endUs: timeline.endUs }
}

/** `realTime` false: arrival says nothing, for the source runs as fast as it may. */
export function stampFragment(timeline: Timeline, arrival: Arrival, realTime: boolean): [Stamp, Timeline] {
  const { streamUs, durationUs, arrivedUs } = arrival
  const latestUs = arrivedUs - durationUs
  let startUs = latestUs
  let lateUs: readonly number[] = []
  if (timeline.streamEndUs !== undefined) {
    startUs = timeline.endUs + Math.max(0, streamUs - timeline.streamEndUs)
    const late = latestUs - startUs
    if (realTime && late > LATE_US) lateUs = [...timeline.lateUs, late]
    if (lateUs.length === LATE_FRAGMENTS) {
      startUs += Math.min(...lateUs)
      lateUs = []
    }
  }
  if (realTime) startUs = Math.min(startUs, latestUs)
  startUs = Math.round(Math.max(startUs, timeline.endUs))
  const possibleUs = realTime ? Math.max(arrivedUs - startUs, durationUs / 2) : durationUs
  const spanUs = Math.round(Math.min(durationUs, possibleUs))
  const next: Timeline = { endUs: startUs + spanUs, streamEndUs: streamUs + durationUs, lateUs }
  return [{ startUs, durationUs: spanUs }, next]
}

/** Wall times this much before the end of the last fragment come from a slewed or coarse clock, not from one that was set. */
const WALL_JITTER_US = 1_000_000

/**
 * The wall time of `startUs`, when the clocks read `nowWallUs` and `nowUs`. Follows a wall clock that was set; lesser
 * differences never make it overlap the last fragment, which ended at `lastEndUs`.
 */
export function wallOf(startUs: number, nowUs: number, nowWallUs: number, lastEndUs: number | undefined): number {
  const wallUs = Math.max(1, Math.round(nowWallUs - (nowUs - startUs)))
  if (lastEndUs === undefined || wallUs >= lastEndUs || lastEndUs - wallUs > WALL_JITTER_US) return wallUs
  return lastEndUs
}

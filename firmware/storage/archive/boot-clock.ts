/**
 * What is known of one boot of a camera: which UTC its monotonic clock stands for. Pure. Each sighting is an interval that
 * must hold the true time at one monotonic moment; intervals that agree narrow each other, widened by how far a crystal may
 * drift in between. One that contradicts all others is not believed until it has lasted: then somebody set a clock.
 */

/** Worst first: what a hardware clock said, what a synchronised one said, what a session measured. */
const CLOCK_SOURCES = ['rtc', 'synchronised', 'session'] as const
export type ClockSource = (typeof CLOCK_SOURCES)[number]

/** UTC at `monoUs` is `wallUs`, and surely within `earlyUs` … `lateUs`. */
export interface Anchor {
  readonly monoUs: number
  readonly wallUs: number
  readonly earlyUs: number
  readonly lateUs: number
}

export interface BootClock {
  readonly source: ClockSource
  /** At least one, by monotonic time. */
  readonly anchors: readonly Anchor[]
}

export interface Sighting {
  readonly source: ClockSource
  readonly monoUs: number
  readonly earlyUs: number
  readonly lateUs: number
}

export interface Learned {
  readonly clock: BootClock
  /** What contradicts the clock, since its first sighting. */
  readonly doubt?: Anchor
}

/** `stepped`: what was dated by the clock before is dated wrongly. */
export type Lesson = 'nothing' | 'known' | 'better' | 'stepped'

/** Crystals are good to 100 ppm; a hot camera in winter to twice as much. */
export const DRIFT_PPM = 500
/** Anchors that tell the crystal's rate less exactly than this do not tell it at all. */
const RATE_PPM = 50
/** Apart from each other so far, anchors show how fast the crystal runs. */
export const ANCHOR_EVERY_US = 3_600_000_000
/** A day's anchors; older ones are thinned out. */
const ANCHORS_MAX = 24
/** A narrower interval than this is as good as exact. */
const EXACT_US = 20_000
/** Of a wider interval only its end is worth anything: messages wait in queues, and arrive as soon as they can. */
const MIDDLE_MAX_US = 2_000_000
/** A clock that was set stays so; one that leaps and comes back within this time did not mean it. */
export const STEP_HOLD_US = 60_000_000
const DISAGREE_US = 50_000

/** UTC at a monotonic moment of the boot, whole microseconds. Rises with `monoUs`. */
export function wallAt({ anchors }: BootClock, monoUs: number): number {
  const after = anchors.findIndex((anchor) => anchor.monoUs > monoUs)
  const right = after === -1 ? anchors.length - 1 : Math.max(1, after)
  const b = anchors[right] ?? anchors[0]
  const a = anchors[right - 1] ?? b
  if (a === undefined || b === undefined) return monoUs
  const from = monoUs > b.monoUs ? b : a
  return Math.round(from.wallUs + (monoUs - from.monoUs) * rateBetween(a, b, a.monoUs <= monoUs && monoUs <= b.monoUs))
}

/** Between two anchors as they are; beyond them no faster than a crystal can be. */
function rateBetween(a: Anchor, b: Anchor, within: boolean): number {
  const monoUs = b.monoUs - a.monoUs
  if (monoUs === 0) return 1
  const rate = (b.wallUs - a.wallUs) / monoUs
  if (within) return rate
  const unsureUs = b.lateUs - b.earlyUs + (a.lateUs - a.earlyUs)
  if (monoUs < ANCHOR_EVERY_US || unsureUs > (monoUs * RATE_PPM) / 1e6) return 1
  return Math.min(1 + DRIFT_PPM / 1e6, Math.max(1 - DRIFT_PPM / 1e6, rate))
}

/** How far `wallAt` may be off at this moment. */
export function slackAt(clock: BootClock, monoUs: number): number {
  const { earlyUs, lateUs } = expected(clock, monoUs)
  return lateUs - earlyUs
}

/** What the clock expects to be sighted at a moment. */
function expected(clock: BootClock, monoUs: number): Omit<Anchor, 'monoUs'> {
  const wallUs = wallAt(clock, monoUs)
  const near = clock.anchors.reduce((best, anchor) =>
    Math.abs(anchor.monoUs - monoUs) < Math.abs(best.monoUs - monoUs) ? anchor : best,
  )
  const driftUs = (Math.abs(monoUs - near.monoUs) * DRIFT_PPM) / 1e6
  return {
    wallUs,
    earlyUs: wallUs - (near.wallUs - near.earlyUs) - driftUs,
    lateUs: wallUs + (near.lateUs - near.wallUs) + driftUs,
  }
}

export function learn(
  known: Learned | undefined,
  seen: Sighting,
): { readonly learned: Learned; readonly lesson: Lesson } {
  const fresh = { source: seen.source, anchors: [anchorOf(seen)] }
  if (known === undefined) return { learned: { clock: fresh }, lesson: 'known' }
  const { clock } = known
  const rank = CLOCK_SOURCES.indexOf(seen.source) - CLOCK_SOURCES.indexOf(clock.source)
  if (rank < 0) return { learned: known, lesson: 'nothing' }
  const both = narrowed(expected(clock, seen.monoUs), seen)
  if (rank > 0) return { learned: { clock: fresh }, lesson: both === undefined ? 'stepped' : 'better' }
  if (both === undefined) return doubted(known, seen, fresh)
  const last = clock.anchors.at(-1)
  if (last === undefined || seen.monoUs <= last.monoUs) return { learned: { clock }, lesson: 'nothing' }
  const anchor = { monoUs: seen.monoUs, ...both }
  const widthUs = last.lateUs - last.earlyUs
  if (seen.monoUs - last.monoUs >= ANCHOR_EVERY_US) {
    return { learned: { clock: { ...clock, anchors: thinned([...clock.anchors, anchor]) } }, lesson: 'better' }
  }
  if (widthUs <= EXACT_US || both.lateUs - both.earlyUs > widthUs / 2) return { learned: { clock }, lesson: 'nothing' }
  return { learned: { clock: { ...clock, anchors: [...clock.anchors.slice(0, -1), anchor] } }, lesson: 'better' }
}

function doubted(known: Learned, seen: Sighting, fresh: BootClock): ReturnType<typeof learn> {
  const { clock, doubt } = known
  const last = clock.anchors.at(-1)
  // Footage comes in any order: what is older than what is known says nothing about a clock that was set since.
  if (last !== undefined && seen.monoUs <= last.monoUs) return { learned: known, lesson: 'nothing' }
  const stays =
    doubt !== undefined &&
    seen.monoUs >= doubt.monoUs &&
    narrowed(expected({ source: seen.source, anchors: [doubt] }, seen.monoUs), seen) !== undefined
  if (!stays) return { learned: { clock, doubt: anchorOf(seen) }, lesson: 'nothing' }
  if (seen.monoUs - doubt.monoUs < STEP_HOLD_US) return { learned: known, lesson: 'nothing' }
  return { learned: { clock: fresh }, lesson: 'stepped' }
}

/** What holds for both; undefined when they contradict each other. */
function narrowed(known: Omit<Anchor, 'monoUs'>, seen: Sighting): Omit<Anchor, 'monoUs'> | undefined {
  const earlyUs = Math.max(known.earlyUs, seen.earlyUs)
  const lateUs = Math.min(known.lateUs, seen.lateUs)
  if (earlyUs > lateUs + DISAGREE_US) return undefined
  const high = Math.max(earlyUs, lateUs)
  const low = Math.min(earlyUs, lateUs)
  const wallUs = high - low <= MIDDLE_MAX_US ? (low + high) / 2 : Math.min(high, Math.max(low, known.wallUs))
  return { wallUs: Math.round(wallUs), earlyUs: Math.floor(low), lateUs: Math.ceil(high) }
}

function anchorOf({ monoUs, earlyUs, lateUs }: Sighting): Anchor {
  const wallUs = lateUs - earlyUs <= MIDDLE_MAX_US ? Math.round((earlyUs + lateUs) / 2) : lateUs
  return { monoUs, wallUs, earlyUs, lateUs }
}

/** The first and the latest stay. */
function thinned(anchors: readonly Anchor[]): Anchor[] {
  if (anchors.length <= ANCHORS_MAX) return [...anchors]
  return anchors.filter((_, index) => index % 2 === 0 || index === anchors.length - 1)
}

/**
 * Which time a piece of footage gets: what its camera claims, when that can be; what the clock of its boot says; or none.
 * Pure. A claim counts only within what is possible, and when the boot's own clock does not say otherwise.
 */
import { type BootClock, type Sighting, slackAt, wallAt } from './boot-clock.ts'
import { isDated, type Stamp, scaleUs } from './names.ts'

/** Two clocks that are both right may differ by so much. */
export const SKEW_US = 2_000_000
/** A claim this near to the boot's clock is the finer one of the two: it is stamped where the footage is made. */
const AGREE_US = 250_000
/** Stamps of one boot come from arrival times: they scatter by so much around its clock. */
const SCATTER_US = 500_000

/** What is possible, whatever is claimed. */
export interface Limits {
  /** Nothing of this boot is older. */
  readonly earliestUs: number
  /** The moment of receipt; Infinity while the storage device does not know the time itself. */
  readonly latestUs: number
}

/** The stamp with the time it is filed under; `clock` is `none` when there is no such time. */
export function dated<S extends Stamp>(stamp: S, durationUs: number, clock: BootClock | undefined, limits: Limits): S {
  const claim = claimOf(stamp, durationUs, limits)
  if (clock === undefined) return claim === undefined ? { ...stamp, wallUs: 0, clock: 'none' } : stamp
  const mapped = wallAt(clock, stamp.monoUs)
  const agreeUs = AGREE_US + Math.min(SKEW_US, slackAt(clock, stamp.monoUs) / 2)
  if (claim !== undefined && Math.abs(claim - mapped) <= agreeUs) return stamp
  const quality = clock.source === 'rtc' ? 'rtc' : 'synchronised'
  const byClock = { ...stamp, wallUs: mapped, clock: quality } as S
  // A session's clock is the storage device's own: until a step of it is believed, its limits are no better.
  if (isDated(byClock) && (clock.source === 'session' || isPossible(mapped, durationUs, limits))) return byClock
  return claim === undefined ? { ...stamp, wallUs: 0, clock: 'none' } : stamp
}

/** What the stamp says about its boot; undefined when it says nothing that can be. */
export function sightingOf(stamp: Stamp, durationUs: number, limits: Limits): Sighting | undefined {
  const claim = claimOf(stamp, durationUs, limits)
  if (claim === undefined || stamp.clock === 'none') return undefined
  return { source: stamp.clock, monoUs: stamp.monoUs, earlyUs: claim - SCATTER_US, lateUs: claim + SCATTER_US }
}

function claimOf(stamp: Stamp, durationUs: number, limits: Limits): number | undefined {
  return isDated(stamp) && isPossible(stamp.wallUs, durationUs, limits) ? stamp.wallUs : undefined
}

function isPossible(wallUs: number, durationUs: number, { earliestUs, latestUs }: Limits): boolean {
  return wallUs >= earliestUs - SKEW_US && wallUs + durationUs <= latestUs + SKEW_US
}

/** A stamp of a file that was dated afterwards, as the index has it. */
export function shifted<S extends Stamp>(stamp: S, shiftUs: number | undefined): S {
  return shiftUs === undefined ? stamp : { ...stamp, wallUs: scaleUs(stamp) + shiftUs, clock: 'synchronised' }
}

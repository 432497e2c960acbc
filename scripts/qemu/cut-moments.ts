/** The moments of an update at which the power goes in a test. Pure. */
import { type Random, randomBelow } from '../../firmware/platform/random.ts'

export type CutMoment =
  /** So much of the slot has reached the disk: 0 the first bytes, 1 all of it. */
  | { readonly at: 'write'; readonly share: number }
  /** The first copy of the boot text names the new system, the second not yet. */
  | { readonly at: 'first copy' }
  | { readonly at: 'second copy' }
  /** The boot loader has begun to write that a start is used up. */
  | { readonly at: 'loader' }
  /** So long after the new system came up, before it has shown that it works. */
  | { readonly at: 'trial'; readonly afterMs: number }
  /** The first copy says that the new system is kept. */
  | { readonly at: 'kept' }

const TRIAL_WITHIN_MS = 15_000

/** As many as asked for, in the order of an update: most while the slot is written, spread from its first byte to its last. */
export function cutMoments(count: number, random: Random): CutMoment[] {
  const switching: CutMoment[] = [
    { at: 'first copy' },
    { at: 'second copy' },
    { at: 'loader' },
    { at: 'trial', afterMs: randomBelow(random, TRIAL_WITHIN_MS) },
    { at: 'kept' },
  ]
  const switched = switching.slice(0, Math.floor(count / 2))
  const writes = count - switched.length
  const share = (index: number) => {
    if (writes > 2 && index === 0) return 0
    if (writes > 2 && index === writes - 1) return 1
    return (index + randomBelow(random, 1000) / 1000) / writes
  }
  return [
    ...Array.from({ length: writes }, (_, index): CutMoment => ({ at: 'write', share: share(index) })),
    ...switched,
  ]
}

export function momentText(moment: CutMoment): string {
  if (moment.at === 'write') return `${(moment.share * 100).toFixed(1)} % of the slot on the disk`
  return moment.at === 'trial' ? `${moment.afterMs} ms into the trial` : moment.at
}

/**
 * How the storage device's clock has run, beside the age of the archive. The age counts only time that really passed while the
 * agent was running, so a clock that jumps makes nothing old. Pure.
 */

/** One stretch in which the clock neither jumped nor was the agent stopped. */
export interface ClockSegment {
  /** By the storage device's clock at its begin. */
  readonly atUs: number
  /** Age of the archive at its begin. */
  readonly ageUs: number
  readonly lengthUs: number
}

/** A clock that is off by less goes on in the same stretch. */
const STRETCH_SLACK_US = 1_000_000

/** What came after the last entry of a stretch and before a power cut: entries are made more often than this. */
const TAIL_US = 2 * 3600 * 1_000_000

export function extendClock(
  segments: readonly ClockSegment[],
  { atUs, ageUs }: Pick<ClockSegment, 'atUs' | 'ageUs'>,
): ClockSegment[] {
  const last = segments.at(-1)
  if (last === undefined || !continues(last, atUs, ageUs)) return [...segments, { atUs, ageUs, lengthUs: 0 }]
  return [...segments.slice(0, -1), { ...last, lengthUs: Math.max(last.lengthUs, ageUs - last.ageUs) }]
}

export function continues(last: ClockSegment, atUs: number, ageUs: number): boolean {
  const driftUs = atUs - last.atUs - (ageUs - last.ageUs)
  return ageUs >= last.ageUs && Math.abs(driftUs) <= STRETCH_SLACK_US
}

/**
 * Age of the archive when its clock showed `wallUs`. Where that is not certain it is the latest that is possible, so that
 * nothing is taken for older than it is.
 */
export function ageAtUs(segments: readonly ClockSegment[], wallUs: number): number {
  let found = -1
  for (const { atUs, ageUs, lengthUs } of segments) {
    const intoUs = wallUs - atUs
    if (intoUs < -STRETCH_SLACK_US || intoUs > lengthUs + STRETCH_SLACK_US) continue
    found = Math.max(found, ageUs + Math.max(0, intoUs))
  }
  // Received after the last entry before a power cut: not later than the next stretch began. Also where an earlier stretch showed
  // the same time, as a clock does that starts in 1970 again and again.
  segments.forEach(({ atUs, ageUs, lengthUs }, index) => {
    const behindUs = wallUs - atUs - lengthUs
    if (behindUs > 0 && behindUs <= TAIL_US)
      found = Math.max(found, segments[index + 1]?.ageUs ?? ageUs + lengthUs + behindUs)
  })
  return found >= 0 ? found : (segments.at(-1)?.ageUs ?? 0)
}

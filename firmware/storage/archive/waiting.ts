/** What a camera says that it still holds, and footage without a date, on a timeline. Pure. */
import type { WaitingSpan } from '../../wire/session.ts'
import type { Bounds } from './boots.ts'
import { isDated, type Stamp } from './names.ts'
import type { FileRow } from './rows.ts'
import type { CardSpan, UndatedSpan } from './timeline.ts'

export interface WaitingParts {
  /** Something of it has not arrived yet. */
  readonly missing: (span: WaitingSpan) => boolean
  readonly date: (stamp: Stamp) => Stamp
  readonly bounds: (boot: string) => Bounds
}

export function placeWaiting(
  waiting: readonly WaitingSpan[],
  { missing, date, bounds }: WaitingParts,
): { readonly dated: readonly CardSpan[]; readonly undated: readonly UndatedSpan[] } {
  const dated: CardSpan[] = []
  const undated: UndatedSpan[] = []
  for (const span of waiting.filter(missing)) {
    const { log, boot, first: firstSeq, last: lastSeq, fromMonoUs, toMonoUs, fromWallUs, toWallUs, clock } = span
    const from = date({ boot, monoUs: fromMonoUs, wallUs: fromWallUs, clock })
    const to = date({ boot, monoUs: toMonoUs, wallUs: toWallUs, clock })
    if (isDated(from) && isDated(to)) dated.push({ fromUs: from.wallUs, toUs: to.wallUs, log, firstSeq, lastSeq })
    else {
      const { afterUs, beforeUs } = bounds(boot)
      const times = { fromUs: afterUs, toUs: beforeUs, durationUs: toMonoUs - fromMonoUs }
      undated.push({ state: 'onCard', ...times, fragments: lastSeq - firstSeq + 1, log, boot, firstSeq, lastSeq })
    }
  }
  return { dated, undated }
}

export function undatedSpan(row: FileRow, { afterUs, beforeUs }: Bounds): UndatedSpan {
  const { log, boot, firstSeq, lastSeq, startUs, endUs, fragments } = row
  const times = { fromUs: afterUs, toUs: beforeUs, durationUs: endUs - startUs }
  return { state: 'stored', ...times, fragments, log, boot, firstSeq, lastSeq }
}

/** What of a log waits on the camera, as the storage device shows it on a timeline. Pure. */
import type { WaitingSpan } from '../../wire/session.ts'
import type { Entry, LogIndex } from './log-index.ts'
import type { RecordMoment } from './ring.ts'

/** By number; nothing for a log of which only numbers are known. */
export function waitingSpans(index: LogIndex): WaitingSpan[] {
  const { log, boot } = index
  if (boot === undefined) return []
  return index.unackedRanges().flatMap(([low, high]): WaitingSpan[] => {
    const [from, to] = index.ends(low, high)
    if (from === undefined || to === undefined) return []
    const dated = from.clock !== 'none' && to.clock !== 'none'
    return [
      {
        ...{ log, boot, first: from.seq, last: to.seq + to.span - 1 },
        ...{ fromMonoUs: from.monoUs, toMonoUs: Math.max(from.monoUs, to.monoUs + to.durationUs) },
        fromWallUs: dated ? from.wallUs : 0,
        toWallUs: dated ? to.wallUs + to.durationUs : 0,
        clock: dated ? from.clock : 'none',
      },
    ]
  })
}

/** The end of the newest record of these logs, oldest first: until then the camera was running. */
export function lastMoment(logs: readonly LogIndex[]): RecordMoment | undefined {
  const newest = logs.findLast(({ boot, entries }) => boot !== undefined && entries.length > 0)
  const last: Entry | undefined = newest?.entries.at(-1)
  if (newest?.boot === undefined || last === undefined) return undefined
  const { monoUs, wallUs, clock, durationUs } = last
  return { boot: newest.boot, monoUs: monoUs + durationUs, wallUs: clock === 'none' ? 0 : wallUs + durationUs, clock }
}

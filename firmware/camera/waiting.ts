/** What of some rings is not safe yet, and for whom. Pure. */
import { equalBytes } from '../wire/bytes.ts'
import { countRanges } from '../wire/ranges.ts'
import type { LogState, Ring } from './ring/ring.ts'

type Rings = readonly Pick<Ring, 'logs'>[]

/** Logs that only another storage device than `storage` can open. */
export function logsForOthers(rings: Rings, storage: Uint8Array): LogState[] {
  return rings.flatMap((ring) => ring.logs()).filter(({ recipient }) => !equalBytes(recipient, storage))
}

/** Fragments and gaps, by their numbers. */
export function countWaiting(logs: readonly Pick<LogState, 'unacked'>[]): number {
  return logs.reduce((sum, { unacked }) => sum + countRanges(unacked), 0)
}

/**
 * Years of expiries are a row a day in the ledger, not one for each file: what expired next to what had expired before goes
 * on in the same row. Pure, and by content alone: a rebuilt index gets the same rows.
 */
import type { LedgerRow } from './rows.ts'

/** A row is never longer: whoever looks for what touches a moment looks back so far. */
export const EXPIRED_ROW_US = 86_400_000_000

/** Files of one run follow on from each other within this. */
const SEAM_US = 2_000_000

/**
 * The row to be put for `fresh`, given the rows of expiries of its log that begin up to a day before it; undefined when one
 * of them says it already.
 */
export function withExpired(near: readonly LedgerRow[], fresh: LedgerRow): LedgerRow | undefined {
  if (near.some((row) => row.first <= fresh.first && fresh.last <= row.last)) return undefined
  const before = near.find((row) => isNext(row, fresh))
  if (before === undefined) return fresh
  const { last, endUs, atUs } = fresh
  return { ...before, last, endUs, atUs, path: '' }
}

function isNext(row: LedgerRow, next: LedgerRow): boolean {
  if (!row.dated || !next.dated || row.boot !== next.boot || row.reason !== next.reason) return false
  const seamUs = next.startUs - row.endUs
  return row.last + 1 === next.first && Math.abs(seamUs) <= SEAM_US && next.endUs - row.startUs <= EXPIRED_ROW_US
}

/** What a person sees of a span of time: where there is footage, and why there is none. Pure. */
import type { IndexedFile } from './index.ts'
import type { LedgerKind, LedgerRow } from './rows.ts'

export interface StoredSpan {
  readonly fromUs: number
  readonly toUs: number
  readonly log: string
  readonly run: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** Of the files it is in: the ends of the span may lie inside them. */
  readonly fragments: number
  readonly bytes: number
}

export interface LedgeredSpan {
  readonly kind: LedgerKind
  readonly fromUs: number
  readonly toUs: number
  readonly log: string
  readonly first: number
  readonly last: number
  readonly reason: string
  readonly note: string
}

export interface Timeline {
  /** By start; footage that follows without a break is one span. */
  readonly stored: readonly StoredSpan[]
  readonly ledger: readonly LedgeredSpan[]
}

/** Footage whose ends are this near belongs together: stamps come from arrival times. */
const JOIN_US = 2_000_000

export function buildTimeline(
  files: readonly IndexedFile[],
  ledger: readonly LedgerRow[],
  fromUs: number,
  toUs: number,
): Timeline {
  const stored: StoredSpan[] = []
  for (const { row } of [...files].sort((a, b) => a.row.startUs - b.row.startUs || a.row.firstSeq - b.row.firstSeq)) {
    const before = stored.findLastIndex((span) => followsOn(span, row))
    const known = stored[before]
    const { log, run, firstSeq, lastSeq, fragments, bytes, startUs, endUs } = row
    const span = { fromUs: Math.max(startUs, fromUs), toUs: Math.min(endUs, toUs) }
    if (known === undefined) stored.push({ ...span, log, run, firstSeq, lastSeq, fragments, bytes })
    else {
      stored[before] = {
        ...known,
        toUs: Math.max(known.toUs, span.toUs),
        lastSeq,
        fragments: known.fragments + fragments,
        bytes: known.bytes + bytes,
      }
    }
  }
  return { stored, ledger: ledger.map((row) => ledgered(row, fromUs, toUs)) }
}

function followsOn(span: StoredSpan, next: IndexedFile['row']): boolean {
  const sameRun = span.log === next.log && span.run === next.run && span.lastSeq + 1 === next.firstSeq
  return sameRun && Math.abs(next.startUs - span.toUs) <= JOIN_US
}

function ledgered(row: LedgerRow, fromUs: number, toUs: number): LedgeredSpan {
  const { kind, log, first, last, reason, note } = row
  const span = { fromUs: Math.max(row.startUs, fromUs), toUs: Math.min(row.endUs, toUs) }
  return { kind, ...span, log, first, last, reason, note }
}

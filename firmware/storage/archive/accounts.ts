/**
 * Every number of every log in exactly one state. What is known best counts: footage that came after its gap is stored,
 * and what was stored once and deleted on purpose has expired.
 */
import { toHex } from '../../wire/bytes.ts'
import { addRange, countRanges, missingFrom, type Range } from '../../wire/ranges.ts'
import type { WaitingSpan } from '../../wire/session.ts'
import { type ArchiveIndex, withRanges } from './index.ts'
import type { LedgerRow } from './rows.ts'

/** Numbers by state: `stored`, `on-card`, `quarantined`, `expired`, or the reason of a gap. */
export type Counts = Readonly<Record<string, number>>

export interface LogAccount {
  readonly log: string
  /** By state; disjoint, and together everything that is known of. */
  readonly states: ReadonlyMap<string, readonly Range[]>
}

export interface AccountParts {
  readonly log: string
  readonly stored: readonly Range[]
  readonly ledger: readonly LedgerRow[]
  readonly onCard: readonly WaitingSpan[]
}

const KINDS: readonly LedgerRow['kind'][] = ['quarantine', 'expired', 'damaged', 'gap']

export function accountOf({ log, stored, ledger, onCard }: AccountParts): LogAccount {
  const states = new Map<string, readonly Range[]>()
  let settled: readonly Range[] = []
  const enter = (state: string, first: number, last: number) => {
    const fresh = missingFrom(settled, first, last)
    if (fresh.length === 0) return
    states.set(
      state,
      fresh.reduce<readonly Range[]>((all, [low, high]) => addRange(all, low, high), states.get(state) ?? []),
    )
    settled = addRange(settled, first, last)
  }
  for (const [first, last] of stored) enter('stored', first, last)
  for (const kind of KINDS) {
    // The longest first: a gap that grew is one gap.
    const rows = ledger.filter((row) => row.kind === kind).sort((a, b) => b.last - b.first - (a.last - a.first))
    for (const row of rows) enter(stateOf(row), row.first, row.last)
  }
  for (const { first, last } of onCard) enter('on-card', first, last)
  return { log, states }
}

/** One word for a ledger entry. */
export function stateOf({ kind, reason }: Pick<LedgerRow, 'kind' | 'reason'>): string {
  if (kind === 'quarantine') return 'quarantined'
  return kind === 'expired' ? 'expired' : kind === 'damaged' ? 'damaged-on-disk' : reason
}

export function countStates(accounts: readonly LogAccount[]): Counts {
  const counts: Record<string, number> = {}
  for (const { states } of accounts) {
    for (const [state, ranges] of states) counts[state] = (counts[state] ?? 0) + countRanges(ranges)
  }
  return counts
}

/** How long the camera was off, and the encoder down, and how often: spans of time, not of footage. */
export interface Outage {
  readonly reason: 'camera-off' | 'encoder-down'
  readonly fromUs: number
  readonly toUs: number
}

export function outagesOf(ledger: readonly LedgerRow[]): Outage[] {
  return ledger.flatMap(({ kind, reason, dated, startUs: fromUs, endUs: toUs }): Outage[] => {
    if (kind !== 'gap' || !dated || (reason !== 'camera-off' && reason !== 'encoder-down') || toUs <= fromUs) return []
    return [{ reason, fromUs, toUs }]
  })
}

export interface CameraLedger {
  /** Hex. */
  readonly camera: string
  /** Numbers that are settled without footage, by state. */
  readonly lost: Counts
  readonly outages: { readonly [Reason in Outage['reason']]: { readonly count: number; readonly durationUs: number } }
  /** Numbers that wait on the camera. */
  readonly onCard: number
}

/** As `verify` counts, but for what is stored: only where the ledger says that something is not, footage is looked for. */
export function ledgersOf(index: ArchiveIndex): Omit<CameraLedger, 'onCard'>[] {
  return index.cameras().map(({ camera }) => {
    const rows = [...index.allLedger(camera)].map(({ row }) => row)
    const byLog = new Map<string, LedgerRow[]>()
    for (const row of rows) {
      const known = byLog.get(row.log)
      if (known === undefined) byLog.set(row.log, [row])
      else known.push(row)
    }
    const accounts = [...byLog].map(([log, ledger]) =>
      accountOf({ log, stored: arrivedSince(index, camera, log, ledger), ledger, onCard: [] }),
    )
    const sumOf = (reason: Outage['reason']) => {
      const outages = outagesOf(rows).filter((outage) => outage.reason === reason)
      return { count: outages.length, durationUs: outages.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0) }
    }
    const outages = { 'camera-off': sumOf('camera-off'), 'encoder-down': sumOf('encoder-down') }
    const { stored: _, ...lost } = countStates(accounts)
    return { camera: toHex(camera), lost, outages }
  })
}

/** What is stored although the ledger says otherwise: it came after its gap, or was healed. What expired does not come back. */
function arrivedSince(index: ArchiveIndex, camera: Uint8Array, log: string, ledger: readonly LedgerRow[]): Range[] {
  const doubted = ledger.filter(({ kind }) => kind !== 'expired' && kind !== 'conflict')
  const ranges = withRanges(
    [],
    doubted.map(({ first, last }): Range => [first, last]),
  )
  const stored = ranges.flatMap(([first, last]) => index.storedWithin(camera, log, first, last))
  if (!ledger.some(({ kind }) => kind === 'damaged')) return stored
  const isSound = (seq: number) => index.damagedRow(camera, log, seq)?.state !== 'lost'
  return stored.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, at): Range => [first + at, first + at]).filter(([seq]) =>
      isSound(seq),
    ),
  )
}

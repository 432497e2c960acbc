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

/** One state at a time. `lost` and `expired` say why; nothing is said of what nobody knows anything about. */
export type SpanState = 'stored' | 'onCard' | 'lost' | 'cameraOff' | 'expired'

export interface TimelineSpan {
  readonly state: SpanState
  readonly fromUs: number
  readonly toUs: number
  /** As in the ledger, `quarantined` for what could not be opened; '' for footage. */
  readonly reason: string
  /** For a person; often ''. */
  readonly note: string
  readonly log: string
  readonly firstSeq: number
  readonly lastSeq: number
}

/** Footage of a boot that knew no time: it lies somewhere between the two. */
export interface UndatedSpan {
  readonly state: 'stored' | 'onCard'
  /** 0 when nothing earlier is known. */
  readonly fromUs: number
  readonly toUs: number
  readonly durationUs: number
  readonly fragments: number
  readonly log: string
  readonly boot: string
  readonly firstSeq: number
  readonly lastSeq: number
}

export interface Timeline {
  /** By start; footage that follows without a break is one span. */
  readonly stored: readonly StoredSpan[]
  readonly ledger: readonly LedgeredSpan[]
  readonly undated: readonly UndatedSpan[]
  /** All of the dated ones by time, none over another. */
  readonly spans: readonly TimelineSpan[]
}

/** What waits on the card, with a date. */
export type CardSpan = Omit<TimelineSpan, 'state' | 'reason' | 'note'>

export interface TimelineParts {
  readonly files: readonly IndexedFile[]
  readonly ledger: readonly LedgerRow[]
  readonly onCard: readonly CardSpan[]
  readonly undated: readonly UndatedSpan[]
}

/** Footage whose ends are this near belongs together: stamps come from arrival times. */
const JOIN_US = 2_000_000

export function buildTimeline(
  { files, ledger, onCard, undated }: TimelineParts,
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
  const entered = ledger.map((row) => ledgered(row, fromUs, toUs))
  const within = undated.filter((span) => span.toUs > fromUs && span.fromUs < toUs)
  return { stored, ledger: entered, undated: within, spans: layered(stored, entered, onCard, fromUs, toUs) }
}

/** What is known best covers the rest: footage, then why there is none, then what waits, then the camera being off. */
const LAYERS: readonly (readonly SpanState[])[] = [['stored'], ['lost', 'expired'], ['onCard'], ['cameraOff']]

function layered(
  stored: readonly StoredSpan[],
  ledger: readonly LedgeredSpan[],
  onCard: readonly CardSpan[],
  fromUs: number,
  toUs: number,
): TimelineSpan[] {
  const all = [
    ...stored.map((span) => ({ ...span, state: 'stored' as const, reason: '', note: '' })),
    ...ledger.flatMap((span): TimelineSpan[] => {
      const state = stateOf(span)
      const { first: firstSeq, last: lastSeq } = span
      // Of what could not be opened the entry has the error, which is for a person.
      const why = span.kind === 'quarantine' ? { reason: 'quarantined', note: span.reason } : {}
      return state === undefined ? [] : [{ ...span, ...why, state, firstSeq, lastSeq }]
    }),
    ...onCard.map((span) => ({ ...span, state: 'onCard' as const, reason: '', note: '' })),
  ]
  let covered: Interval[] = []
  const spans: TimelineSpan[] = []
  for (const states of LAYERS) {
    const layer = all
      .filter(({ state }) => states.includes(state))
      .map((span) => ({ ...span, fromUs: Math.max(span.fromUs, fromUs), toUs: Math.min(span.toUs, toUs) }))
      .filter((span) => span.toUs > span.fromUs)
      .sort((a, b) => a.fromUs - b.fromUs || b.toUs - a.toUs)
    const free = holesIn(covered, fromUs, toUs)
    let at = 0
    let doneUs = fromUs
    for (const { state, reason, note, log, firstSeq, lastSeq, ...span } of layer) {
      // Of two spans of a layer the one that begins first is shown.
      const beginUs = Math.max(span.fromUs, doneUs)
      while ((free[at]?.[1] ?? Number.POSITIVE_INFINITY) <= beginUs) at++
      for (let hole = at; (free[hole]?.[0] ?? Number.POSITIVE_INFINITY) < span.toUs; hole++) {
        const [low, high] = free[hole] ?? [0, 0]
        const [from, to] = [Math.max(low, beginUs), Math.min(high, span.toUs)]
        if (to > from) spans.push({ state, fromUs: from, toUs: to, reason, note, log, firstSeq, lastSeq })
      }
      doneUs = Math.max(doneUs, span.toUs)
    }
    covered = merged([...covered, ...layer.map((span): Interval => [span.fromUs, span.toUs])])
  }
  return spans.sort((a, b) => a.fromUs - b.fromUs)
}

type Interval = readonly [fromUs: number, toUs: number]

function merged(intervals: readonly Interval[]): Interval[] {
  const result: Interval[] = []
  for (const [from, to] of [...intervals].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1)
    if (last !== undefined && from <= last[1]) result[result.length - 1] = [last[0], Math.max(last[1], to)]
    else result.push([from, to])
  }
  return result
}

function holesIn(covered: readonly Interval[], fromUs: number, toUs: number): Interval[] {
  const bounds = [fromUs, ...covered.flat(), toUs]
  return covered
    .concat([[toUs, toUs]])
    .map((_, index): Interval => [bounds[2 * index] ?? fromUs, bounds[2 * index + 1] ?? toUs])
}

/** Undefined for what is stored all the same: a conflict keeps both. */
function stateOf({ kind, reason }: LedgeredSpan): SpanState | undefined {
  if (kind === 'conflict') return undefined
  if (kind === 'expired' || reason === 'expired') return 'expired'
  return kind === 'gap' && reason === 'camera-off' ? 'cameraOff' : 'lost'
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

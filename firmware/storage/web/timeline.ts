/** A camera's time as the page shows it: one state for each moment, the surest one where several know something. Pure. */
import type { Timeline as ArchiveTimeline, LedgeredSpan } from '../archive/timeline.ts'
import type { SpanState, Timeline } from './api.ts'

export type TimelineSpan = Timeline['spans'][number]

/** What is on the disk is certain; what a camera should still have is only a hope. */
const SUREST_FIRST: readonly SpanState[] = ['stored', 'lost', 'expired', 'camera-off', 'on-card']
/** Stamps come from arrival times: less than this between two pieces is no gap. */
const JOIN_MS = 1000

/** `backlogFromMs`: since when the camera has what is not here yet. */
export function timelineSpans(
  { stored, ledger }: ArchiveTimeline,
  span: { readonly fromMs: number; readonly toMs: number },
  backlogFromMs: number | undefined,
  nowMs: number,
): TimelineSpan[] {
  const all: TimelineSpan[] = [
    ...stored.map((one): TimelineSpan => ({ state: 'stored', ...timesOf(one) })),
    ...ledger.flatMap(ledgered),
    ...(backlogFromMs === undefined || backlogFromMs >= nowMs
      ? []
      : [{ state: 'on-card' as const, fromMs: backlogFromMs, toMs: nowMs }]),
  ]
  const clipped = all
    .map((one) => ({ ...one, fromMs: Math.max(one.fromMs, span.fromMs), toMs: Math.min(one.toMs, span.toMs) }))
    .filter(({ fromMs, toMs }) => fromMs < toMs)
  return joined(layered(clipped))
}

const timesOf = ({ fromUs, toUs }: { readonly fromUs: number; readonly toUs: number }) => ({
  fromMs: Math.round(fromUs / 1000),
  toMs: Math.round(toUs / 1000),
})

function ledgered(entry: LedgeredSpan): TimelineSpan[] {
  const { kind, reason, note, first, last } = entry
  // Kept apart under a number that other footage has: that one is stored.
  if (kind === 'conflict') return []
  const about = { ...timesOf(entry), reason, ...(note === '' ? {} : { note }) }
  if (kind === 'expired') return [{ state: 'expired', ...about }]
  if (kind === 'gap' && reason === 'camera-off') return [{ state: 'camera-off', ...about }]
  return [
    {
      state: 'lost',
      ...about,
      ...(kind === 'quarantine' ? { reason: 'quarantined' } : {}),
      fragments: last - first + 1,
    },
  ]
}

/** Of each span what no surer one covers, by start. */
function layered(spans: readonly TimelineSpan[]): TimelineSpan[] {
  const result: TimelineSpan[] = []
  let covered: { fromMs: number; toMs: number }[] = []
  for (const state of SUREST_FIRST) {
    const layer = spans.filter((span) => span.state === state).sort((a, b) => a.fromMs - b.fromMs)
    let at = 0
    let reachedMs = Number.NEGATIVE_INFINITY
    for (const span of layer) {
      let fromMs = Math.max(span.fromMs, reachedMs)
      while ((covered[at]?.toMs ?? Number.POSITIVE_INFINITY) <= fromMs) at += 1
      for (let next = at; fromMs < span.toMs; next += 1) {
        const block = covered[next]
        const toMs = Math.min(span.toMs, block?.fromMs ?? Number.POSITIVE_INFINITY)
        if (toMs > fromMs) result.push({ ...span, fromMs, toMs })
        if (block === undefined || block.fromMs >= span.toMs) break
        fromMs = Math.max(fromMs, block.toMs)
      }
      reachedMs = Math.max(reachedMs, span.toMs)
    }
    covered = union([...covered, ...layer])
  }
  return result.sort((a, b) => a.fromMs - b.fromMs)
}

function union(spans: readonly { readonly fromMs: number; readonly toMs: number }[]) {
  const merged: { fromMs: number; toMs: number }[] = []
  for (const { fromMs, toMs } of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1)
    if (last !== undefined && fromMs <= last.toMs) last.toMs = Math.max(last.toMs, toMs)
    else merged.push({ fromMs, toMs })
  }
  return merged
}

function joined(spans: readonly TimelineSpan[]): TimelineSpan[] {
  const result: TimelineSpan[] = []
  for (const span of spans) {
    const last = result.at(-1)
    const isSame = last?.state === span.state && last.reason === span.reason && last.note === span.note
    if (last === undefined || !isSame || span.fromMs - last.toMs >= JOIN_MS) {
      result.push(span)
      continue
    }
    const fragments = (last.fragments ?? 0) + (span.fragments ?? 0)
    result[result.length - 1] = { ...last, toMs: span.toMs, ...(fragments === 0 ? {} : { fragments }) }
  }
  return result
}

/** A camera's time as the page shows it: what the archive knows, in the words and milliseconds of the API. Pure. */
import type { TimelineSpan as ArchiveSpan, Timeline as ArchiveTimeline, UndatedSpan } from '../archive/timeline.ts'
import type { SpanState, Timeline } from './api.ts'

export type TimelineSpan = Timeline['spans'][number]
type UndatedBoot = Timeline['undated'][number]

/** Stamps come from arrival times: less than this between two pieces is no gap. */
const JOIN_MS = 1000

const STATES = {
  stored: 'stored',
  onCard: 'on-card',
  lost: 'lost',
  cameraOff: 'camera-off',
  expired: 'expired',
} as const satisfies Record<ArchiveSpan['state'], SpanState>

const toMs = (us: number) => Math.round(us / 1000)

/** Neighbours of the same kind are one span. What is shorter than the joint between two others is left out. */
export function timelineSpans(spans: ArchiveTimeline['spans']): TimelineSpan[] {
  const result: TimelineSpan[] = []
  const counted = new Set<string>()
  for (const span of spans) {
    const last = result.at(-1)
    const fromMs = Math.max(toMs(span.fromUs), last?.toMs ?? 0)
    const toEndMs = toMs(span.toUs)
    if (toEndMs <= fromMs) continue
    const { reason, note } = span
    const fragments = lostIn(span, counted)
    const state = STATES[span.state]
    const isSame = last?.state === state && (last.reason ?? '') === reason && (last.note ?? '') === note
    if (last !== undefined && isSame && fromMs - last.toMs < JOIN_MS) {
      const sum = (last.fragments ?? 0) + fragments
      result[result.length - 1] = { ...last, toMs: toEndMs, ...(sum === 0 ? {} : { fragments: sum }) }
      continue
    }
    result.push({
      ...{ state, fromMs, toMs: toEndMs },
      ...(reason === '' ? {} : { reason }),
      ...(note === '' ? {} : { note }),
      ...(fragments === 0 ? {} : { fragments }),
    })
  }
  return result
}

/** The numbers of an entry count once, also when footage covers its middle and it shows as two spans. */
function lostIn({ state, log, firstSeq, lastSeq }: ArchiveSpan, counted: Set<string>): number {
  const entry = `${log}-${firstSeq}-${lastSeq}`
  if (state !== 'lost' || counted.has(entry)) return 0
  counted.add(entry)
  return lastSeq - firstSeq + 1
}

/** One line for each boot; the oldest possible first. */
export function undatedBoots(spans: readonly UndatedSpan[]): UndatedBoot[] {
  const boots = new Map<string, UndatedBoot>()
  for (const { state, boot, fromUs, toUs, durationUs, fragments } of spans) {
    const bounds = { afterMs: fromUs === 0 ? null : toMs(fromUs), beforeMs: toMs(toUs) }
    const known = boots.get(boot) ?? { boot, fragments: 0, onCard: 0, durationMs: 0, ...bounds }
    boots.set(boot, {
      ...known,
      fragments: known.fragments + (state === 'stored' ? fragments : 0),
      onCard: known.onCard + (state === 'onCard' ? fragments : 0),
      durationMs: known.durationMs + durationUs / 1000,
    })
  }
  return [...boots.values()].sort((a, b) => (a.afterMs ?? 0) - (b.afterMs ?? 0))
}

/** What became of each moment: look-up, words, and rectangles for a timeline. Pure. */
import type { SpanState, Timeline } from '../../web/api.ts'
import { durationText } from '../time/text.ts'
import { type View, xAt } from './view.ts'

export type Span = Timeline['spans'][number]

export const STATE_NAMES: Readonly<Record<SpanState, string>> = {
  stored: 'on the disk',
  'on-card': 'still on the card',
  lost: 'lost',
  'camera-off': 'camera off',
  expired: 'expired',
}

/** Of lost and expired spans. */
const REASONS: Readonly<Record<string, string>> = {
  'ring-full': 'the card was full of footage that was not safe yet',
  'card-gone': 'the card was missing or failing, and memory was full',
  'damaged-on-card': 'it was written once, but the card could not read it any more',
  'encoder-down': 'the encoder delivered nothing',
  'camera-off': 'the camera was not running',
  discarded: 'it was given up by the owner before it was sent',
  quarantined: 'it arrived unreadable, and is kept in the folder “quarantine”',
  'never-sent': 'the log on the card ended before it was sent',
  'too-slow': 'card or processor did not keep up',
  'too-long': 'a fragment was longer than the limit',
  damaged: 'it was damaged on this disk, and the camera had it no more',
  age: 'it was older than its limit',
  bytes: 'the camera had more than its share of the disk',
  room: 'the disk had to have room',
  expired: 'it was deleted by retention',
}

export function reasonText(reason: string | undefined): string | undefined {
  return reason === undefined ? undefined : (REASONS[reason] ?? reason.replaceAll('-', ' '))
}

/** `Lost for 2 min 5 s: the card was full …`. */
export function spanText(span: Span): string {
  const length = durationText(span.toMs - span.fromMs)
  const name = STATE_NAMES[span.state]
  const why = span.state === 'camera-off' ? undefined : reasonText(span.reason)
  const note = span.note === undefined ? '' : ` (${span.note})`
  return `${name[0]?.toUpperCase()}${name.slice(1)} for ${length}${why === undefined ? '' : `: ${why}`}${note}`
}

/** `spans` by start, not overlapping. */
export function spanAt(spans: readonly Span[], ms: number): Span | undefined {
  let low = 0
  let high = spans.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((spans[middle]?.toMs ?? 0) <= ms) low = middle + 1
    else high = middle
  }
  const found = spans[low]
  return found !== undefined && found.fromMs <= ms ? found : undefined
}

/** The first moment at or after `ms` with footage on the disk. */
export function nextStored(spans: readonly Span[], ms: number): number | undefined {
  const found = spans.find(({ state, toMs }) => state === 'stored' && toMs > ms)
  return found === undefined ? undefined : Math.max(ms, found.fromMs)
}

/** Starts of stored pieces before or after `ms`, for a key that jumps. */
export function pieceStart(spans: readonly Span[], ms: number, direction: 1 | -1): number | undefined {
  const starts = spans.filter(({ state }) => state === 'stored').map(({ fromMs }) => fromMs)
  return direction === 1 ? starts.find((start) => start > ms + 500) : starts.findLast((start) => start < ms - 2000)
}

export interface Hole {
  readonly fromMs: number
  readonly toMs: number
  /** What is known about it; undefined: nothing. */
  readonly span: Span | undefined
}

/** Restarts and stamps make smaller ones. */
const HOLE_MS = 2000

/** What is not on the disk, for a list: entries, and between footage also what nobody knows anything about. */
export function holesOf(spans: readonly Span[]): Hole[] {
  return spans.flatMap((span, at) => {
    const { fromMs, toMs, state } = span
    const before = spans[at - 1]
    const unknown = before !== undefined && fromMs - before.toMs >= HOLE_MS
    return [
      ...(unknown ? [{ fromMs: before.toMs, toMs: fromMs, span: undefined }] : []),
      ...(state === 'stored' ? [] : [{ fromMs, toMs, span }]),
    ]
  })
}

export interface Block {
  readonly state: SpanState
  readonly x: number
  readonly width: number
}

/** What matters more is drawn later and never thinner: a lost second can be seen on a whole day. */
const ORDER: readonly { readonly state: SpanState; readonly minPx: number }[] = [
  { state: 'stored', minPx: 1 },
  { state: 'expired', minPx: 1 },
  { state: 'camera-off', minPx: 2 },
  { state: 'on-card', minPx: 2 },
  { state: 'lost', minPx: 3 },
]

/** In the order in which they are drawn. */
export function blocksOf(spans: readonly Span[], view: View, width: number): Block[] {
  const seen = spans.filter(({ fromMs, toMs }) => toMs > view.fromMs && fromMs < view.toMs)
  return ORDER.flatMap(({ state, minPx }) => {
    const blocks: Block[] = []
    for (const span of seen) {
      if (span.state !== state) continue
      const from = Math.max(0, xAt(view, span.fromMs, width))
      const to = Math.min(width, xAt(view, span.toMs, width))
      const wide = Math.max(minPx, to - from)
      const x = Math.min(from, width - wide)
      const last = blocks.at(-1)
      // What cannot be told apart on this screen is one block.
      if (last !== undefined && x - (last.x + last.width) < 0.5) {
        blocks[blocks.length - 1] = { ...last, width: Math.max(last.width, x + wide - last.x) }
      } else blocks.push({ state, x, width: wide })
    }
    return blocks
  })
}

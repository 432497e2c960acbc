/** Draws a timeline: each state by a colour and by a pattern of its own, so that it can be told without colours. */
import type { Lock, SpanState } from '../../web/api.ts'
import { blocksOf, type Span } from './spans.ts'
import { ticksOf } from './ticks.ts'
import { type View, xAt } from './view.ts'

export interface Picture {
  readonly view: View
  readonly spans: readonly Span[]
  readonly locks: readonly Lock[]
  readonly zone: string
  readonly positionMs: number
  readonly nowMs: number
  readonly hoverMs: number | undefined
  readonly selected: View | undefined
}

const BAR_TOP = 26
const BAR_BOTTOM = 62
const PATTERN_PX = 8

const COLOURS: Readonly<Record<SpanState, string>> = {
  stored: '--stored',
  'on-card': '--on-card',
  lost: '--lost',
  'camera-off': '--off',
  expired: '--expired',
}

/** Stored is plain; waiting is striped one way, lost crossed, off dotted, expired thin lines. */
const LINES: Readonly<Record<SpanState, (pen: CanvasRenderingContext2D) => void>> = {
  stored: () => undefined,
  'on-card': (pen) => strokes(pen, 2.5, [0, 8, 8, 0], [-4, 4, 4, -4], [4, 12, 12, 4]),
  lost: (pen) => strokes(pen, 1.5, [0, 0, 8, 8], [0, 8, 8, 0]),
  'camera-off': (pen) => {
    pen.beginPath()
    pen.arc(2, 2, 1.2, 0, 7)
    pen.arc(6, 6, 1.2, 0, 7)
    pen.fill()
  },
  expired: (pen) => strokes(pen, 1, [0, 2, 8, 2], [0, 6, 8, 6]),
}

function strokes(pen: CanvasRenderingContext2D, width: number, ...lines: readonly [number, number, number, number][]) {
  pen.lineWidth = width
  pen.beginPath()
  for (const [x1, y1, x2, y2] of lines) {
    pen.moveTo(x1, y1)
    pen.lineTo(x2, y2)
  }
  pen.stroke()
}

export function fillOf(pen: CanvasRenderingContext2D, state: SpanState): CanvasPattern | string {
  const style = getComputedStyle(pen.canvas)
  const colour = style.getPropertyValue(COLOURS[state]).trim()
  const tile = document.createElement('canvas')
  tile.width = PATTERN_PX * devicePixelRatio
  tile.height = PATTERN_PX * devicePixelRatio
  const drawn = tile.getContext('2d')
  if (drawn === null) return colour
  drawn.scale(devicePixelRatio, devicePixelRatio)
  drawn.fillStyle = colour
  drawn.fillRect(0, 0, PATTERN_PX, PATTERN_PX)
  const ink = style.getPropertyValue(state === 'expired' ? '--soft' : '--card').trim()
  drawn.strokeStyle = ink
  drawn.fillStyle = ink
  drawn.globalAlpha = state === 'expired' ? 0.5 : 0.75
  LINES[state](drawn)
  const pattern = pen.createPattern(tile, 'repeat')
  if (pattern === null) return colour
  pattern.setTransform(new DOMMatrix().scale(1 / devicePixelRatio))
  return pattern
}

/** Fits the canvas to its place on the screen; undefined when it has none. */
export function penOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D | undefined {
  const { clientWidth: width, clientHeight: height } = canvas
  canvas.width = Math.round(width * devicePixelRatio)
  canvas.height = Math.round(height * devicePixelRatio)
  const pen = width === 0 ? null : canvas.getContext('2d')
  pen?.scale(devicePixelRatio, devicePixelRatio)
  return pen ?? undefined
}

export function paintTimeline(canvas: HTMLCanvasElement, picture: Picture): void {
  const pen = penOf(canvas)
  if (pen === undefined) return
  const { view, spans, locks, zone, positionMs, nowMs, hoverMs, selected } = picture
  const width = canvas.clientWidth
  const style = getComputedStyle(canvas)
  const colour = (name: string) => style.getPropertyValue(name).trim()
  const x = (ms: number) => xAt(view, ms, width)
  const bar = BAR_BOTTOM - BAR_TOP

  pen.fillStyle = colour('--track')
  pen.beginPath()
  pen.roundRect(0, BAR_TOP, width, bar, 6)
  pen.fill()
  pen.save()
  pen.clip()
  for (const { state, x: left, width: wide } of blocksOf(spans, view, width)) {
    pen.fillStyle = fillOf(pen, state)
    pen.fillRect(left, BAR_TOP, wide, bar)
  }
  pen.restore()

  pen.font = '11.5px system-ui, sans-serif'
  pen.textAlign = 'center'
  for (const { atMs, label } of ticksOf(view, width, zone)) {
    const at = x(atMs)
    pen.fillStyle = colour('--line')
    pen.fillRect(at - 0.5, BAR_TOP - 6, 1, 6)
    pen.fillStyle = colour('--soft')
    const half = pen.measureText(label).width / 2
    pen.fillText(label, Math.min(Math.max(at, half), width - half), BAR_TOP - 10)
  }
  pen.fillStyle = colour('--text')
  for (const lock of locks) {
    const from = Math.max(0, x(lock.fromMs))
    pen.fillRect(from, BAR_BOTTOM + 3, Math.max(3, Math.min(width, x(lock.toMs)) - from), 4)
  }
  if (selected !== undefined) {
    pen.strokeStyle = colour('--text')
    pen.lineWidth = 2
    const from = x(selected.fromMs)
    pen.globalAlpha = 0.18
    pen.fillStyle = colour('--text')
    pen.fillRect(from, BAR_TOP - 3, x(selected.toMs) - from, bar + 6)
    pen.globalAlpha = 1
    pen.strokeRect(from, BAR_TOP - 3, Math.max(2, x(selected.toMs) - from), bar + 6)
  }
  pen.fillStyle = colour('--soft')
  if (nowMs > view.fromMs && nowMs < view.toMs) pen.fillRect(x(nowMs) - 0.5, BAR_TOP - 2, 1, bar + 4)
  if (hoverMs !== undefined) pen.fillRect(x(hoverMs) - 0.5, BAR_TOP, 1, bar)
  paintHead(pen, x(positionMs), colour('--text'), colour('--card'))
}

function paintHead(pen: CanvasRenderingContext2D, at: number, colour: string, edge: string): void {
  pen.fillStyle = edge
  pen.fillRect(at - 2.5, BAR_TOP - 4, 5, BAR_BOTTOM - BAR_TOP + 10)
  pen.fillStyle = colour
  pen.fillRect(at - 1, BAR_TOP - 4, 2, BAR_BOTTOM - BAR_TOP + 10)
  pen.beginPath()
  pen.arc(at, BAR_BOTTOM + 7, 5.5, 0, 7)
  pen.fill()
}

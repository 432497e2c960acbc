/** A day of a camera: looked at, zoomed, moved and scrubbed by mouse, touch and keyboard. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Lock } from '../../web/api.ts'
import { clockText, HOUR_MS, MINUTE_MS, SECOND_MS, zoneName } from '../time/zone.ts'
import { paintTimeline } from './paint.ts'
import { pieceStart, type Span, spanAt, spanText } from './spans.ts'
import { changesClock } from './ticks.ts'
import { lengthOf, pan, timeAt, type View, xAt, zoom } from './view.ts'

export interface TimelineProps {
  readonly bounds: View
  readonly view: View
  readonly spans: readonly Span[]
  readonly locks: readonly Lock[]
  readonly zone: string
  readonly positionMs: number
  readonly nowMs: number
  readonly selected: View | undefined
  readonly onView: (view: View) => void
  /** While it is dragged, and at its end. */
  readonly onScrub: (ms: number, isLast: boolean) => void
}

const WHEEL = 0.0018
const KEY_ZOOM = 0.6
/** Two fingers closer than this tell nothing about zoom. */
const PINCH_MIN_PX = 12

export function TimelineBar(props: TimelineProps) {
  const { bounds, view, spans, zone, positionMs, onView, onScrub } = props
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const pointers = useRef(new Map<number, number>())
  const [hoverMs, setHoverMs] = useState<number>()
  const [sizes, setSizes] = useState(0)
  const width = () => box.current?.clientWidth ?? 1
  const at = (x: number) => timeAt(view, x - (box.current?.getBoundingClientRect().left ?? 0), width())
  const clamp = (ms: number) => Math.min(Math.max(ms, bounds.fromMs), bounds.toMs - 1)

  useEffect(() => {
    const again = () => setSizes((count) => count + 1)
    const observer = new ResizeObserver(again)
    if (box.current !== null) observer.observe(box.current)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', again)
    return () => {
      observer.disconnect()
      scheme.removeEventListener('change', again)
    }
  }, [])
  useEffect(() => {
    if (canvas.current !== null) paintTimeline(canvas.current, { ...props, hoverMs })
  }, [props, hoverMs, sizes])
  const onWheel = (event: WheelEvent) => {
    event.preventDefault()
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      onView(pan(view, bounds, (event.deltaX / width()) * lengthOf(view)))
    } else onView(zoom(view, bounds, Math.exp(event.deltaY * WHEEL), at(event.clientX)))
  }
  const wheel = useRef(onWheel)
  wheel.current = onWheel
  useEffect(() => {
    const listener = (event: WheelEvent) => wheel.current(event)
    box.current?.addEventListener('wheel', listener, { passive: false })
    return () => box.current?.removeEventListener('wheel', listener)
  }, [])

  const onDown = (event: PointerEvent) => {
    box.current?.setPointerCapture(event.pointerId)
    pointers.current.set(event.pointerId, event.clientX)
    if (pointers.current.size === 1) onScrub(clamp(at(event.clientX)), false)
  }
  const onMove = (event: PointerEvent) => {
    if (event.pointerType === 'mouse' || pointers.current.size === 1) setHoverMs(clamp(at(event.clientX)))
    const before = pointers.current.get(event.pointerId)
    if (before === undefined) return
    if (pointers.current.size === 1) onScrub(clamp(at(event.clientX)), false)
    else {
      const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1] ?? before
      const [old, now] = [Math.abs(before - other), Math.abs(event.clientX - other)]
      if (old > PINCH_MIN_PX && now > PINCH_MIN_PX) onView(zoom(view, bounds, old / now, at(other)))
    }
    pointers.current.set(event.pointerId, event.clientX)
  }
  const onUp = (event: PointerEvent) => {
    const wasAlone = pointers.current.size === 1
    if (!pointers.current.delete(event.pointerId)) return
    if (event.pointerType !== 'mouse') setHoverMs(undefined)
    if (wasAlone) onScrub(clamp(at(event.clientX)), true)
  }
  const onKey = (event: KeyboardEvent) => {
    const moved = keyMove(event, positionMs, spans, bounds)
    if (moved !== undefined) onScrub(clamp(moved), true)
    else if (event.key === '+' || event.key === '=') onView(zoom(view, bounds, KEY_ZOOM, positionMs))
    else if (event.key === '-') onView(zoom(view, bounds, 1 / KEY_ZOOM, positionMs))
    else if (event.key === '0') onView(bounds)
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  const isShownHover = hoverMs !== undefined && hoverMs >= view.fromMs && hoverMs <= view.toMs
  return (
    <div
      ref={box}
      class="timeline"
      role="slider"
      tabIndex={0}
      aria-label="Timeline: arrows move by 10 seconds, with Shift a minute, Page keys an hour, comma and period to the next piece, plus and minus zoom"
      aria-valuemin={Math.round(bounds.fromMs / 1000)}
      aria-valuemax={Math.round(bounds.toMs / 1000)}
      aria-valuenow={Math.round(positionMs / 1000)}
      aria-valuetext={momentText(positionMs, spans, zone, bounds)}
      onPointerDown={onDown}
      onPointerMove={onMove}
      onPointerUp={onUp}
      onPointerCancel={(event) => pointers.current.delete(event.pointerId)}
      onPointerLeave={() => setHoverMs(undefined)}
      onKeyDown={onKey}
    >
      <canvas ref={canvas} />
      {isShownHover && (
        <div class="tip numbers" style={{ left: `${tipLeft(xAt(view, hoverMs, width()), width())}px` }}>
          {momentText(hoverMs, spans, zone, bounds)}
        </div>
      )}
    </div>
  )
}

const tipLeft = (x: number, width: number) => Math.min(Math.max(x, 110), Math.max(110, width - 110))

/** `14:03:07, on the disk`; on days when the clocks change with the name of the zone. */
function momentText(ms: number, spans: readonly Span[], zone: string, bounds: View): string {
  const time = clockText(ms, zone) + (changesClock(bounds, zone) ? ` ${zoneName(ms, zone)}` : '')
  const span = spanAt(spans, ms)
  return span === undefined ? `${time} · nothing was recorded` : `${time} · ${spanText(span)}`
}

function keyMove(event: KeyboardEvent, ms: number, spans: readonly Span[], bounds: View): number | undefined {
  const step = event.shiftKey ? MINUTE_MS : 10 * SECOND_MS
  switch (event.key) {
    case 'ArrowLeft':
      return ms - step
    case 'ArrowRight':
      return ms + step
    case 'PageUp':
      return ms - HOUR_MS
    case 'PageDown':
      return ms + HOUR_MS
    case 'Home':
      return bounds.fromMs
    case 'End':
      return bounds.toMs - 1
    case ',':
      return pieceStart(spans, ms, -1)
    case '.':
      return pieceStart(spans, ms, 1)
    default:
      return undefined
  }
}

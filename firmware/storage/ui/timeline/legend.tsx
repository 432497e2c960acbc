/** What the colours and patterns mean. */
import { useEffect, useRef } from 'preact/hooks'
import type { SpanState } from '../../web/api.ts'
import { fillOf, penOf } from './paint.ts'
import { STATE_NAMES } from './spans.ts'

export function Legend() {
  return (
    <ul class="legend" aria-label="Legend">
      {(Object.keys(STATE_NAMES) as SpanState[]).map((state) => (
        <li key={state}>
          <Swatch state={state} />
          {STATE_NAMES[state]}
        </li>
      ))}
      <li>bare: nothing was recorded</li>
    </ul>
  )
}

function Swatch({ state }: { readonly state: SpanState }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const paint = () => {
      const pen = canvas.current === null ? undefined : penOf(canvas.current)
      if (pen === undefined) return
      pen.fillStyle = fillOf(pen, state)
      pen.fillRect(0, 0, 100, 100)
    }
    paint()
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', paint)
    return () => scheme.removeEventListener('change', paint)
  }, [state])
  return <canvas ref={canvas} />
}

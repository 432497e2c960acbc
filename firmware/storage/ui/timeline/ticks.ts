/** Where a timeline has its marks, and what stands at them. Pure. */
import { clockMs, clockText, HOUR_MS, isRepeated, MINUTE_MS, offsetAt, SECOND_MS, zoneName } from '../time/zone.ts'
import { lengthOf, type View } from './view.ts'

export interface Tick {
  readonly atMs: number
  readonly label: string
}

const STEPS = [1, 2, 5, 10, 15, 30]
  .map((seconds) => seconds * SECOND_MS)
  .concat([1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS))
  .concat([1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS))
const LABEL_PX = 62
const QUANTUM_MS = 15 * MINUTE_MS

/** At round times of the local clock, also where it jumps; what comes a second time carries its zone. */
export function ticksOf(view: View, widthPx: number, zone: string): Tick[] {
  const most = Math.max(1, Math.floor(widthPx / LABEL_PX))
  const step = STEPS.find((one) => lengthOf(view) / one <= most) ?? 12 * HOUR_MS
  const stride = Math.min(step, QUANTUM_MS)
  const ticks: Tick[] = []
  for (let atMs = Math.ceil(view.fromMs / stride) * stride; atMs <= view.toMs; atMs += stride) {
    if (clockMs(atMs, zone) % step !== 0) continue
    const text = clockText(atMs, zone, step < MINUTE_MS ? 'seconds' : 'minutes')
    ticks.push({ atMs, label: isRepeated(atMs, zone) ? `${text} ${zoneName(atMs, zone)}` : text })
  }
  return ticks
}

/** True when the clocks change in it. */
export function changesClock({ fromMs, toMs }: View, zone: string): boolean {
  return offsetAt(fromMs, zone) !== offsetAt(toMs - 1, zone)
}

/** Local time of a zone, with days of 23, 24 and 25 hours (IANA zones by `Intl`). Pure. */

export const SECOND_MS = 1000
export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** Every zone's offset has only ever changed at a multiple of this since zones are minutes (IANA `tzdata`, from 1972 on). */
const QUANTUM_MS = 15 * MINUTE_MS
/** No zone is further from UTC. */
const OFFSET_MAX_MS = 15 * HOUR_MS

const formats = new Map<string, Intl.DateTimeFormat>()
const offsets = new Map<string, Map<number, number>>()

export function viewerZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** What is to be added to UTC, in ms. */
export function offsetAt(ms: number, zone: string): number {
  const known = offsets.get(zone) ?? new Map<number, number>()
  offsets.set(zone, known)
  const quantum = Math.floor(ms / QUANTUM_MS)
  const offset = known.get(quantum) ?? computeOffset(quantum * QUANTUM_MS, zone)
  known.set(quantum, offset)
  return offset
}

function computeOffset(ms: number, zone: string): number {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: zone, calendar: 'iso8601', numberingSystem: 'latn', hourCycle: 'h23' },
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
  formats.set(zone, format)
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0
  const local = Date.UTC(
    ...([part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')] as const),
  )
  return local - ms
}

/** `2026-05-01`: the day that it is there. */
export function dayAt(ms: number, zone: string): string {
  return new Date(ms + offsetAt(ms, zone)).toISOString().slice(0, 10)
}

export interface DayBounds {
  readonly fromMs: number
  /** Exclusive: the start of the next day. */
  readonly toMs: number
}

/** From its first instant to the first of the next day: 23 or 25 hours where the clocks change. */
export function boundsOf(day: string, zone: string): DayBounds {
  return { fromMs: startOf(day, zone), toMs: startOf(shiftDay(day, 1), zone) }
}

/** By bisection, for some days do not begin at 00:00. */
function startOf(day: string, zone: string): number {
  const utc = Date.parse(`${day}T00:00:00Z`)
  let before = Math.floor((utc - OFFSET_MAX_MS) / QUANTUM_MS)
  let reached = Math.ceil((utc + OFFSET_MAX_MS) / QUANTUM_MS)
  while (reached - before > 1) {
    const middle = Math.floor((before + reached) / 2)
    if (dayAt(middle * QUANTUM_MS, zone) >= day) reached = middle
    else before = middle
  }
  return reached * QUANTUM_MS
}

export function shiftDay(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
}

/** `2026-05-01` and nothing else. */
export function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) && shiftDay(text, 0) === text
}

/** Since local midnight as the clock on the wall shows it, in ms. */
export function clockMs(ms: number, zone: string): number {
  const local = ms + offsetAt(ms, zone)
  return local - Math.floor(local / DAY_MS) * DAY_MS
}

/** The clock on the wall showed this before, on the same day. */
export function isRepeated(ms: number, zone: string): boolean {
  return [30, 60, 120].some((minutes) => {
    const back = minutes * MINUTE_MS
    return offsetAt(ms - back, zone) - offsetAt(ms, zone) === back
  })
}

/** `14:03`, `14:03:07` or `14:03:07.250`. */
export function clockText(ms: number, zone: string, detail: 'minutes' | 'seconds' | 'ms' = 'seconds'): string {
  const text = new Date(ms + offsetAt(ms, zone)).toISOString().slice(11, 23)
  return text.slice(0, detail === 'minutes' ? 5 : detail === 'seconds' ? 8 : 12)
}

/** Short name of the zone at that moment: `CEST`, `GMT+2`. */
export function zoneName(ms: number, zone: string): string {
  const parts = new Intl.DateTimeFormat(undefined, { timeZone: zone, timeZoneName: 'short' }).formatToParts(ms)
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? zone
}

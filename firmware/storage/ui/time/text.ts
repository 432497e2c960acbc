/** Durations, sizes and dates for people. Pure. */
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './zone.ts'

/** `3 s`, `2 min 5 s`, `4 h 10 min`, `12 days`. */
export function durationText(ms: number): string {
  if (ms < SECOND_MS) return ms <= 0 ? '0 s' : `${(ms / SECOND_MS).toFixed(1)} s`
  const units = [
    { ms: DAY_MS, one: ' day', many: ' days' },
    { ms: HOUR_MS, one: ' h', many: ' h' },
    { ms: MINUTE_MS, one: ' min', many: ' min' },
    { ms: SECOND_MS, one: ' s', many: ' s' },
  ]
  const rounded = Math.round(ms / SECOND_MS) * SECOND_MS
  const at = units.findIndex((unit) => rounded >= unit.ms)
  let rest = rounded
  const words = units.slice(at, at + 2).map((unit) => {
    const count = Math.floor(rest / unit.ms)
    rest -= count * unit.ms
    return count === 0 ? '' : `${count}${count === 1 ? unit.one : unit.many}`
  })
  return words.filter((word) => word !== '').join(' ')
}

/** One unit is enough: `just now`, `5 min ago`. */
export function agoText(ms: number): string {
  if (ms < 2 * SECOND_MS) return 'just now'
  const [first = '', unit = ''] = durationText(ms).split(' ')
  return `${first} ${unit} ago`
}

/** `812 KB`, `4.2 GB`: powers of 1000, as disks and cards are sold. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${Number(value.toFixed(digits))} ${units[unit]}`
}

/** As networks count: `4.2 Mbit/s`. */
export function rateText(bytesPerSecond: number): string {
  const bits = bytesPerSecond * 8
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1e3)} kbit/s`
}

/** `Fri 1 May 2026`, in the words of the viewer's language. */
export function dayText(day: string): string {
  return new Intl.DateTimeFormat(undefined, {
    ...{ timeZone: 'UTC', weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
  }).format(Date.parse(`${day}T00:00:00Z`))
}

export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`
}

/** What a command shows: text for a person, one JSON value for a program, one clear line for an error. */

import { describeError } from '../platform/control.ts'
import { errorLine, isUsageError } from '../wire/errors.ts'

export const EXIT_OK = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`)
}

function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined))
}

/** Shows `value` as JSON when asked to, else as the lines that `asText` makes of it. */
export function printResult<T>(value: T, json: boolean, asText: (value: T) => string): void {
  if (json) printJson(value)
  else printLine(asText(value))
}

/** One line on stderr, or a JSON object on stdout; returns the exit status. */
export function reportError(error: unknown, json: boolean): number {
  const description = describeError(error)
  if (json) printJson({ error: description })
  else process.stderr.write(`homeward: ${errorLine(description)}\n`)
  // A fault of the program itself: where it was is what the one who mends it needs.
  if (description.code === 'INTERNAL' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return isUsageError(error) ? EXIT_USAGE : EXIT_FAILED
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[unit]}`
}

/** 93784 s → "1 d 2 h"; the two largest units. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ]
  const first = parts.findIndex(([count]) => count > 0)
  if (first < 0) return '0 s'
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

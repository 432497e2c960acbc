/** Moments and spans as they stand in a query. Pure. */
import { HomewardError } from '../../wire/errors.ts'
import { MOMENT_MAX_MS } from './shapes.ts'

export interface Span {
  readonly fromUs: number
  readonly toUs: number
}

/** Milliseconds since 1970, or ISO 8601 with a zone; in µs. Throws USAGE. */
export function parseMoment(name: string, text: string): number {
  const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$/
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : iso.test(text) ? Date.parse(text) : Number.NaN
  if (ms >= 0 && ms <= MOMENT_MAX_MS) return Math.round(ms * 1000)
  throw new HomewardError('USAGE', `${name}: ${JSON.stringify(text)} is no moment`, {
    hint: 'Expected milliseconds since 1970, or such as 2026-05-01T12:00:00Z (in a URL, + is written %2B).',
  })
}

/** Throws USAGE when it is longer than `maxMs`, or does not go forward. */
export function parseSpan({ from, to }: { readonly from: string; readonly to: string }, maxMs: number): Span {
  const span = { fromUs: parseMoment('from', from), toUs: parseMoment('to', to) }
  if (span.fromUs >= span.toUs) throw new HomewardError('USAGE', 'from: it is not before to')
  if (span.toUs - span.fromUs <= maxMs * 1000) return span
  throw new HomewardError('USAGE', `the span is longer than ${Math.round(maxMs / 3_600_000)} hours`, {
    hint: 'Ask for it in parts.',
  })
}

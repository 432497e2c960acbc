/** The part of a day that is shown: zoom and pan. Pure. */

export interface View {
  readonly fromMs: number
  readonly toMs: number
}

/** Seconds are told apart then. */
export const VIEW_MIN_MS = 30_000

export const lengthOf = ({ fromMs, toMs }: View): number => toMs - fromMs

/** `factor` below 1 zooms in; the moment `atMs` stays where it is on the screen. */
export function zoom(view: View, bounds: View, factor: number, atMs: number): View {
  const length = Math.min(Math.max(lengthOf(view) * factor, VIEW_MIN_MS), lengthOf(bounds))
  const share = (atMs - view.fromMs) / lengthOf(view)
  const fromMs = atMs - share * length
  return within({ fromMs, toMs: fromMs + length }, bounds)
}

export function pan({ fromMs, toMs }: View, bounds: View, byMs: number): View {
  return within({ fromMs: fromMs + byMs, toMs: toMs + byMs }, bounds)
}

/** Moved as little as it takes to have `atMs` in it; the same object when it is. */
export function follow(view: View, bounds: View, atMs: number): View {
  if (atMs >= view.fromMs && atMs <= view.toMs) return view
  return pan(view, bounds, atMs < view.fromMs ? atMs - view.fromMs : atMs - view.toMs + lengthOf(view) * 0.9)
}

function within({ fromMs, toMs }: View, bounds: View): View {
  const length = Math.min(toMs - fromMs, lengthOf(bounds))
  const start = Math.min(Math.max(fromMs, bounds.fromMs), bounds.toMs - length)
  return { fromMs: start, toMs: start + length }
}

export const timeAt = (view: View, x: number, width: number): number => view.fromMs + (x / width) * lengthOf(view)
export const xAt = (view: View, ms: number, width: number): number => ((ms - view.fromMs) / lengthOf(view)) * width

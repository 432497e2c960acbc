/** Time as an interface: everything that waits or stamps takes a Clock, so that tests own the time. */
import type { ClockQuality } from '../wire/record.ts'

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Microseconds since 1970, UTC, as the machine believes. */
  wallUs(): number
  /** How far `wallUs` may be trusted. */
  quality(): ClockQuality
  /** Microseconds since some fixed moment of this boot; never steps. */
  monoUs(): number
  /** Runs `callback` once after `delayMs`. */
  after(delayMs: number, callback: () => void): Timer
}

/** Resolves after `delayMs`, or at once when `signal` aborts (it never rejects: look at the signal). */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}

/** How long a registration waits: while it holds, and after it failed. */
import { type Random, randomBelow } from '../platform/random.ts'

/** Below 30 s, after which many routers forget a UDP mapping; each device draws its own time, so that they do not march. */
export const REFRESH_MIN_MS = 20_000
export const REFRESH_MAX_MS = 25_000

/** The pause after the first failure, doubled up to the longest: a server that is back is found within one refresh. */
export const RETRY_FIRST_MS = 1000
export const RETRY_LONGEST_MS = 15_000

/** Doubling, and up to a quarter shorter by chance, so that devices do not come back all at once. */
export function retryPauseMs(failures: number, random: Random): number {
  const fullMs = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10))
  return fullMs - randomBelow(random, Math.floor(fullMs / 4))
}

export function refreshMs(random: Random): number {
  return REFRESH_MIN_MS + randomBelow(random, REFRESH_MAX_MS - REFRESH_MIN_MS)
}

/** Asks the camera's own networks by multicast where its storage device is, while an attempt to find a path goes on. */
import { type Clock, sleep } from '../platform/clock.ts'
import type { Interfaces } from './candidates.ts'
import { DiscoveryQuery, type Hear } from './discovery.ts'

/** Not in the first moment: most often it is known where. */
const SEARCH_SCHEDULE_MS = [200, 1_000, 3_000] as const
/** How long the last question waits for its answer. */
const LINGER_MS = 1_000

export interface SearchOptions {
  readonly clock: Clock
  readonly interfaces: () => Interfaces
  readonly hear: Hear
}

export class Search {
  readonly #options: SearchOptions
  #running: { readonly cancel: AbortController; readonly done: Promise<void> } | undefined

  constructor(options: SearchOptions) {
    this.#options = options
  }

  /** Sends what `seal` makes, on schedule. Nothing new while a search is under way. */
  start(seal: () => Uint8Array): void {
    if (this.#running !== undefined) return
    const cancel = new AbortController()
    const done = this.#run(seal, cancel.signal).finally(() => {
      this.#running = undefined
    })
    this.#running = { cancel, done }
  }

  stop(): void {
    this.#running?.cancel.abort()
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.stop()
    await this.#running?.done
  }

  async #run(seal: () => Uint8Array, signal: AbortSignal): Promise<void> {
    const { clock, interfaces, hear } = this.#options
    const query = new DiscoveryQuery(hear)
    let atMs = 0
    for (const nextMs of SEARCH_SCHEDULE_MS) {
      await sleep(clock, nextMs - atMs, signal)
      if (signal.aborted) break
      query.send(interfaces(), seal)
      atMs = nextMs
    }
    await sleep(clock, LINGER_MS, signal)
    await query.close()
  }
}

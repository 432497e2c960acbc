/** Sends to random ports, each once, at a steady pace: one half of a search for a port. */
import { type Clock, sleep } from '../platform/clock.ts'
import { type Random, randomBelow } from '../platform/random.ts'
import { SPRAY_AT_ONCE, SPRAY_EVERY_MS, SPRAY_FIRST_PORT, SPRAY_MADE_UP_MAX, SPRAY_PROBES } from './port-search.ts'

const PORTS_END = 65_536

export interface SprayOptions {
  readonly clock: Clock
  readonly random: Random
  readonly send: (port: number) => void
}

export class Spray {
  readonly #options: SprayOptions
  readonly #cancel = new AbortController()

  /** Begins at once. */
  constructor(options: SprayOptions) {
    this.#options = options
    void this.#run(this.#cancel.signal)
  }

  /** Idempotent. */
  close(): void {
    this.#cancel.abort()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random, send } = this.#options
    const sent = new Set<number>()
    const startUs = clock.monoUs()
    while (sent.size < SPRAY_PROBES && !signal.aborted) {
      const turns = 1 + Math.floor((clock.monoUs() - startUs) / (SPRAY_EVERY_MS * 1000))
      const due = Math.min(turns * SPRAY_AT_ONCE, SPRAY_PROBES, sent.size + SPRAY_MADE_UP_MAX)
      while (sent.size < due && !signal.aborted) {
        const port = freshPort(random, sent)
        sent.add(port)
        send(port)
      }
      await sleep(clock, SPRAY_EVERY_MS, signal)
    }
  }
}

function freshPort(random: Random, sent: ReadonlySet<number>): number {
  for (;;) {
    const port = SPRAY_FIRST_PORT + randomBelow(random, PORTS_END - SPRAY_FIRST_PORT)
    if (!sent.has(port)) return port
  }
}

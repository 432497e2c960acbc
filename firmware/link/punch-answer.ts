/**
 * The storage device's half of hole punching: sends probes to where a camera may be, so that the NAT before us lets the
 * camera's own probes in.
 */
import { type Clock, sleep } from '../platform/clock.ts'
import { type Address, formatAddress } from './address.ts'

/** The camera's probes are under way at the same time; after this it asks again. */
export const PUNCH_BACK_SCHEDULE_MS = [0, 50, 100, 200, 350, 550, 800, 1200] as const

export class PunchAnswer {
  readonly #clock: Clock
  readonly #send: (to: Address) => void
  #cancel = new AbortController()

  constructor(clock: Clock, send: (to: Address) => void) {
    this.#clock = clock
    this.#send = send
  }

  /** Replaces what an earlier request began: a camera is at one place. */
  start(targets: readonly Address[]): void {
    this.close()
    this.#cancel = new AbortController()
    const distinct = new Map(targets.map((target) => [formatAddress(target), target]))
    void this.#run([...distinct.values()], this.#cancel.signal)
  }

  close(): void {
    this.#cancel.abort()
  }

  async #run(targets: readonly Address[], signal: AbortSignal): Promise<void> {
    for (const [index, atMs] of PUNCH_BACK_SCHEDULE_MS.entries()) {
      for (const target of targets) if (!signal.aborted) this.#send(target)
      const nextMs = PUNCH_BACK_SCHEDULE_MS[index + 1]
      if (nextMs === undefined || signal.aborted) return
      await sleep(this.#clock, nextMs - atMs, signal)
    }
  }
}

import type { ClockQuality } from '../wire/record.ts'
import type { Clock, Timer } from './clock.ts'

interface Pending {
  readonly atUs: number
  readonly order: number
  readonly callback: () => void
}

/** A clock that stands still until told otherwise. Timers fire inside `advance`, in order. */
export class FakeClock implements Clock {
  #monoUs = 0
  #wallOffsetUs: number
  #quality: ClockQuality
  #order = 0
  readonly #pending = new Set<Pending>()

  constructor(wallUs = Date.UTC(2026, 0, 1) * 1000, quality: ClockQuality = 'synchronised') {
    this.#wallOffsetUs = wallUs
    this.#quality = quality
  }

  wallUs(): number {
    return this.#wallOffsetUs + this.#monoUs
  }

  quality(): ClockQuality {
    return this.#quality
  }

  monoUs(): number {
    return this.#monoUs
  }

  /** Timers that have not fired: a closed component leaves none. */
  get pendingTimers(): number {
    return this.#pending.size
  }

  after(delayMs: number, callback: () => void): Timer {
    const entry: Pending = { atUs: this.#monoUs + delayMs * 1000, order: this.#order++, callback }
    this.#pending.add(entry)
    return { cancel: () => this.#pending.delete(entry) }
  }

  /** The wall clock is set, as by NTP or a person; monotonic time does not notice. */
  setWall(wallUs: number, quality: ClockQuality = this.#quality): void {
    this.#wallOffsetUs = wallUs - this.#monoUs
    this.#quality = quality
  }

  /** Lets promises settle, moves time on, fires what is due, and lets promises settle after each firing. */
  async advance(ms: number): Promise<void> {
    await settle()
    const untilUs = this.#monoUs + ms * 1000
    for (;;) {
      const due = [...this.#pending]
        .filter((entry) => entry.atUs <= untilUs)
        .sort((a, b) => a.atUs - b.atUs || a.order - b.order)[0]
      if (due === undefined) break
      this.#pending.delete(due)
      this.#monoUs = Math.max(this.#monoUs, due.atUs)
      due.callback()
      await settle()
    }
    this.#monoUs = untilUs
    await settle()
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Runs a connect machine: feeds it events, has its actions performed, and keeps the one timer that it asks for. */
import type { Clock, Timer } from '../platform/clock.ts'
import { type Random, randomBelow } from '../platform/random.ts'
import { nextWakeMs, reduce } from './connect.ts'
import type { LinkAction, LinkEvent, Machine } from './link-state.ts'

export interface MachineLoopOptions {
  readonly machine: Machine
  readonly clock: Clock
  readonly random: Random
  readonly perform: (action: LinkAction) => void
}

export class MachineLoop {
  readonly #options: MachineLoopOptions
  readonly #events: LinkEvent[] = []
  #machine: Machine
  #working = false
  #timer: Timer | undefined

  constructor(options: MachineLoopOptions) {
    this.#options = options
    this.#machine = options.machine
  }

  get machine(): Machine {
    return this.#machine
  }

  /** One event after the other, also those that an action causes. `stopped` leaves no timer. */
  dispatch(event: LinkEvent): void {
    this.#events.push(event)
    if (this.#working) return
    this.#working = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#take(next)
    } finally {
      this.#working = false
    }
    this.#setTimer()
  }

  #take(event: LinkEvent): void {
    const { random, perform } = this.#options
    const chance = randomBelow(random, 65_536) / 65_536
    const { machine, actions } = reduce(this.#machine, event, { nowMs: this.#nowMs(), chance })
    this.#machine = machine
    for (const action of actions) perform(action)
  }

  #setTimer(): void {
    this.#timer?.cancel()
    const wakeMs = nextWakeMs(this.#machine)
    if (wakeMs === undefined) return
    const waitMs = Math.max(0, Math.ceil(wakeMs - this.#nowMs()))
    this.#timer = this.#options.clock.after(waitMs, () => this.dispatch({ type: 'timer' }))
  }

  #nowMs(): number {
    return this.#options.clock.monoUs() / 1000
  }
}

/** Gives each fragment its times: the pure rules of `stamps.ts` with a clock and memory. */
import type { Clock } from '../../platform/clock.ts'
import type { ClockQuality } from '../../wire/record.ts'
import { NO_TIMELINE, newRun, stampFragment, wallOf } from './stamps.ts'

export interface Times {
  readonly monoUs: number
  /** 0 when `clock` is `none`. */
  readonly wallUs: number
  readonly clock: ClockQuality
  readonly durationUs: number
}

export class Stamper {
  readonly #clock: Clock
  readonly #realTime: boolean
  #timeline = NO_TIMELINE
  #wallEndUs: number | undefined

  constructor(clock: Clock, realTime: boolean) {
    this.#clock = clock
    this.#realTime = realTime
  }

  newRun(): void {
    this.#timeline = newRun(this.#timeline)
  }

  /** A fragment whose last byte has just arrived. */
  stamp(streamUs: number, mediaDurationUs: number): Times {
    const arrival = { streamUs, durationUs: mediaDurationUs, arrivedUs: this.#clock.monoUs() }
    const [{ startUs, durationUs }, timeline] = stampFragment(this.#timeline, arrival, this.#realTime)
    this.#timeline = timeline
    const times = this.#times(startUs, durationUs)
    this.#wallEndUs = times.clock === 'none' ? undefined : times.wallUs + durationUs
    return times
  }

  /** Where the stream stands: behind the last fragment of the run, or now. Takes no time. */
  here(): Times {
    const { streamEndUs, endUs } = this.#timeline
    return this.#times(streamEndUs === undefined ? Math.max(endUs, this.#clock.monoUs()) : endUs, 0)
  }

  #times(startUs: number, durationUs: number): Times {
    const clock = this.#clock.quality()
    const wallUs = clock === 'none' ? 0 : wallOf(startUs, this.#clock.monoUs(), this.#clock.wallUs(), this.#wallEndUs)
    return { monoUs: startUs, wallUs, clock, durationUs }
  }
}

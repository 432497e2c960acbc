/**
 * How old footage is: by the time that passed while the agent ran, never by what the clock shows. A clock that jumps, or that
 * was wrong while footage came, makes nothing older; the time that the agent was not running does not count, for it cannot be
 * told from a jump.
 */
import type { Clock } from '../../platform/clock.ts'
import { ageAtUs, type ClockSegment, continues, extendClock } from '../archive/clock-segments.ts'

/** A step of the clock that deletion by age is held up for. */
const JUMP_US = 10_000_000
/** So long after a step, or a start with a clock that went back. */
export const CALM_AFTER_JUMP_US = 3600 * 1_000_000
/** An entry into the journal this often: a power cut makes footage younger by at most as much. */
const ENTRY_EVERY_US = 3600 * 1_000_000

export type Calm = { readonly is: 'calm' } | { readonly is: 'unsynchronised' | 'jumped' }

export class AgeClock {
  readonly #clock: Clock
  readonly #beganUs: number
  readonly #beganAgeUs: number
  #segments: readonly ClockSegment[]
  #enteredAgeUs: number | undefined
  /** A step is not in the journal yet. */
  #stepped = true
  #jumpedUs: number | undefined

  /** `segments` as the journal has them. */
  constructor(clock: Clock, segments: readonly ClockSegment[]) {
    this.#clock = clock
    this.#beganUs = clock.monoUs()
    const last = segments.at(-1)
    this.#beganAgeUs = last === undefined ? 0 : last.ageUs + last.lengthUs
    const endUs = last === undefined ? Number.NEGATIVE_INFINITY : last.atUs + last.lengthUs
    if (clock.wallUs() < endUs - JUMP_US) this.#jumpedUs = this.#beganUs
    // A start is a stretch of its own: what lies between is not known.
    this.#segments = [...segments, { atUs: clock.wallUs(), ageUs: this.#beganAgeUs, lengthUs: 0 }]
  }

  /** Age of the archive now. */
  get ageUs(): number {
    return this.#beganAgeUs + this.#clock.monoUs() - this.#beganUs
  }

  /** Looks at the clock. The moment is to be entered into the journal, and `entered` then to be called with it. */
  look(): Pick<ClockSegment, 'atUs' | 'ageUs'> | undefined {
    const moment = { atUs: this.#clock.wallUs(), ageUs: this.ageUs }
    const last = this.#segments.at(-1)
    const stepped = last === undefined || !continues(last, moment.atUs, moment.ageUs)
    if (last !== undefined && stepped) {
      const stepUs = moment.atUs - last.atUs - (moment.ageUs - last.ageUs)
      if (Math.abs(stepUs) > JUMP_US) this.#jumpedUs = this.#clock.monoUs()
    }
    this.#segments = extendClock(this.#segments, moment)
    this.#stepped ||= stepped
    const due = this.#enteredAgeUs !== undefined && moment.ageUs - this.#enteredAgeUs >= ENTRY_EVERY_US
    return this.#stepped || due ? moment : undefined
  }

  entered({ ageUs }: Pick<ClockSegment, 'ageUs'>): void {
    this.#enteredAgeUs = ageUs
    this.#stepped = false
  }

  /** Whether footage may be deleted for its age now. */
  get calm(): Calm {
    if (this.#clock.quality() !== 'synchronised') return { is: 'unsynchronised' }
    const jumped = this.#jumpedUs !== undefined && this.#clock.monoUs() - this.#jumpedUs < CALM_AFTER_JUMP_US
    return jumped ? { is: 'jumped' } : { is: 'calm' }
  }

  /** How long ago the clock showed `receivedUs`, at least. */
  sinceUs(receivedUs: number): number {
    return this.ageUs - Math.min(this.ageUs, ageAtUs(this.#segments, receivedUs))
  }
}

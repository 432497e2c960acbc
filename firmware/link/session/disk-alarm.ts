/**
 * A disk that does not take records: raised at the first failure, then one record at a time is tried, with growing pauses,
 * until one is stored. Meanwhile nothing is attempted, so that a full or dying disk is left in peace.
 */
import type { Clock, Timer } from '../../platform/clock.ts'
import type { HomewardError } from '../../wire/errors.ts'

/** Long enough for an automatic mount or a deletion by retention, short enough that nobody waits for it. */
export const TRIAL_AFTER_MS = 5000
export const TRIAL_AFTER_MAX_MS = 60_000

/** May this record be attempted: as usual, as the trial, or not at all. */
export type Admission = 'usual' | 'trial' | 'refused'

type State =
  | { readonly is: 'well' }
  | { readonly is: 'waiting'; readonly problem: HomewardError; readonly delayMs: number; readonly timer: Timer }
  | { readonly is: 'trying'; readonly problem: HomewardError; readonly delayMs: number; readonly used: boolean }

export class DiskAlarm {
  readonly #clock: Clock
  readonly #tell: (state: 'raised' | 'trial' | 'cleared', problem: HomewardError) => void
  #state: State = { is: 'well' }

  constructor(clock: Clock, tell: (state: 'raised' | 'trial' | 'cleared', problem: HomewardError) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** What is wrong, while something is. */
  get problem(): HomewardError | undefined {
    return this.#state.is === 'well' ? undefined : this.#state.problem
  }

  admit(): Admission {
    const state = this.#state
    if (state.is === 'well') return 'usual'
    if (state.is === 'waiting' || state.used) return 'refused'
    this.#state = { ...state, used: true }
    return 'trial'
  }

  /** An attempt failed. Told once for each kind of trouble. */
  failed(problem: HomewardError, admission: Admission): void {
    const state = this.#state
    const known = state.is !== 'well' && state.problem.code === problem.code
    if (state.is === 'well') this.#wait(problem, TRIAL_AFTER_MS)
    else if (state.is === 'waiting') this.#state = { ...state, problem }
    else if (admission === 'trial') this.#wait(problem, Math.min(state.delayMs * 2, TRIAL_AFTER_MAX_MS))
    else return
    if (!known) this.#tell('raised', problem)
  }

  /** An attempt wrote to the disk. Only the trial's counts: others may have been written before the trouble. */
  worked(admission: Admission): void {
    if (this.#state.is !== 'trying' || admission !== 'trial') return
    const { problem } = this.#state
    this.#state = { is: 'well' }
    this.#tell('cleared', problem)
  }

  /** The trial came to an end without touching the disk: the next record is the trial. */
  inconclusive(admission: Admission): void {
    if (this.#state.is === 'trying' && admission === 'trial') this.#try(this.#state.problem, this.#state.delayMs)
  }

  close(): void {
    if (this.#state.is === 'waiting') this.#state.timer.cancel()
    this.#state = { is: 'well' }
  }

  #wait(problem: HomewardError, delayMs: number): void {
    const timer = this.#clock.after(delayMs, () => {
      if (this.#state.is === 'waiting') this.#try(this.#state.problem, delayMs)
    })
    this.#state = { is: 'waiting', problem, delayMs, timer }
  }

  #try(problem: HomewardError, delayMs: number): void {
    this.#state = { is: 'trying', problem, delayMs, used: false }
    this.#tell('trial', problem)
  }
}

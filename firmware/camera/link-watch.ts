/** Tells the log what the link's status says: each trouble once, and when it is over. */
import type { LinkStatus } from '../link/link-status.ts'
import type { Clock, Timer } from '../platform/clock.ts'

/** The status is a look at a state machine; the log may be late by this much. */
export const LINK_LOOK_MS = 2_000

export interface LinkWatchOptions {
  readonly status: () => LinkStatus
  readonly clock: Clock
  onTrouble(problem: NonNullable<LinkStatus['problem']>): void
  onConnected(path: NonNullable<LinkStatus['path']>): void
}

export class LinkWatch {
  readonly #options: LinkWatchOptions
  /** What was told last. Between two attempts there is no trouble to see: that alone is no news. */
  #told: string | undefined
  #timer: Timer | undefined

  constructor(options: LinkWatchOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer ??= this.#options.clock.after(LINK_LOOK_MS, () => {
      this.#timer = undefined
      this.#look()
      this.start()
    })
  }

  close(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    const { status, onTrouble, onConnected } = this.#options
    const { path, problem } = status()
    const news = path ?? (problem === undefined ? undefined : `${problem.code} ${problem.hint}`)
    if (news === undefined || news === this.#told) return
    this.#told = news
    if (path !== undefined) onConnected(path)
    else if (problem !== undefined) onTrouble(problem)
  }
}

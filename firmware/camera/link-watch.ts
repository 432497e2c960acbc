/**
 * Keeps an eye on the link: tells each trouble once, and when it is over. The link itself forgets a trouble as soon as it
 * tries again; here the last one stands until the storage device is reached.
 */
import type { LinkStatus } from '../link/link-status.ts'
import type { Clock, Timer } from '../platform/clock.ts'

/** Shorter than the first pause between two attempts, so that no trouble is missed. */
export const LINK_LOOK_MS = 250

export type LinkProblem = NonNullable<LinkStatus['problem']>

export interface LinkWatchOptions {
  readonly status: () => LinkStatus
  readonly clock: Clock
  onTrouble(problem: LinkProblem): void
  onConnected(path: NonNullable<LinkStatus['path']>): void
}

export class LinkWatch {
  readonly #options: LinkWatchOptions
  #told: string | undefined
  #problem: LinkProblem | undefined
  #timer: Timer | undefined

  constructor(options: LinkWatchOptions) {
    this.#options = options
  }

  /** Why the storage device is not reached; undefined while it is, and before the first attempt has failed. */
  get problem(): LinkProblem | undefined {
    return this.#problem
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
    if (path !== undefined) this.#problem = undefined
    else if (problem !== undefined) this.#problem = problem
    const news = path ?? (problem === undefined ? undefined : `${problem.code} ${problem.hint}`)
    if (news === undefined || news === this.#told) return
    this.#told = news
    if (path !== undefined) onConnected(path)
    else if (problem !== undefined) onTrouble(problem)
  }
}

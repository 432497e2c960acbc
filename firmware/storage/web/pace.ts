/**
 * Work of the page, one piece in each turn of the event loop. What the cameras send is served in the same loop: it waits for
 * one piece at most, however many are asked for at once.
 */

/** More than a household's browsers ask for at once; whoever comes behind them would have given up. */
const WAITING_MAX = 512

export class Pace {
  readonly #waiting: (() => void)[] = []
  #next: NodeJS.Immediate | undefined

  /** False: too many wait already, and `work` will not be done. It must not throw. */
  add(work: () => void): boolean {
    if (this.#waiting.length >= WAITING_MAX) return false
    this.#waiting.push(work)
    this.#arm()
    return true
  }

  /** What waits is forgotten. */
  close(): void {
    clearImmediate(this.#next)
    this.#waiting.length = 0
  }

  #arm(): void {
    this.#next ??= setImmediate(() => {
      this.#next = undefined
      const work = this.#waiting.shift()
      if (this.#waiting.length > 0) this.#arm()
      work?.()
    })
  }
}

/**
 * Keeps those who move files and those who delete them out of each other's way: both look at where a file is, and act on it a
 * commit later.
 */
export class Turns {
  readonly #together = new Set<Promise<unknown>>()
  #alone: Promise<unknown> | undefined

  /** Runs beside others of its kind, but not while somebody is alone. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    const run = work()
    const done = settled(run)
    this.#together.add(done)
    try {
      return await run
    } finally {
      this.#together.delete(done)
    }
  }

  /** Begins when all that runs is done. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    const run = Promise.all(this.#together).then(work)
    const done = settled(run)
    this.#alone = done
    try {
      return await run
    } finally {
      if (this.#alone === done) this.#alone = undefined
    }
  }
}

async function settled(run: Promise<unknown>): Promise<void> {
  await run.catch(() => undefined)
}

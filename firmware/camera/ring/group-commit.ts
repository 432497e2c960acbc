/** Runs jobs one after the other and syncs once for all that came while the sync before was under way. */
import type { HomewardError } from '../../wire/errors.ts'

/** Bytes written between two syncs: a longer batch would keep its first fragment waiting. */
const BATCH_MAX_BYTES = 8 * 1024 * 1024

interface Job {
  readonly bytes: number
  run(): Promise<void>
  done(): void
  fail(error: HomewardError): void
}

export class GroupCommit {
  readonly #sync: () => Promise<void>
  readonly #toFailure: (error: unknown) => HomewardError
  #waiting: Job[] = []
  #waitingBytes = 0
  #working = Promise.resolve()
  #busy = false
  #failure: HomewardError | undefined

  /** After the first error, made known by `toFailure`, nothing is run any more. */
  constructor(sync: () => Promise<void>, toFailure: (error: unknown) => HomewardError) {
    this.#sync = sync
    this.#toFailure = toFailure
  }

  get failure(): HomewardError | undefined {
    return this.#failure
  }

  /** Of jobs that have not begun. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Resolves with the result of `run` after the sync that follows it. */
  add<T>(bytes: number, run: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise<T>((resolve, reject) => {
      let result: { value: T } | undefined
      this.#waiting.push({
        bytes,
        run: async () => {
          result = { value: await run() }
        },
        done: () => result !== undefined && resolve(result.value),
        fail: reject,
      })
      this.#waitingBytes += bytes
      if (!this.#busy) this.#working = this.#work()
    })
  }

  /** Everything under way and waiting is rejected, and whatever is added later. */
  fail(error: HomewardError): void {
    this.#failure ??= error
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#busy) await this.#working
  }

  async #work(): Promise<void> {
    this.#busy = true
    while (this.#waiting.length > 0) {
      const batch: Job[] = []
      try {
        let bytes = 0
        for (let job = this.#take(); job !== undefined; job = bytes < BATCH_MAX_BYTES ? this.#take() : undefined) {
          batch.push(job)
          bytes += job.bytes
          if (this.#failure !== undefined) throw this.#failure
          await job.run()
        }
        await this.#sync()
        if (this.#failure !== undefined) throw this.#failure
        for (const job of batch) job.done()
      } catch (error) {
        this.#failure ??= this.#toFailure(error)
        this.#waitingBytes = 0
        for (const job of [...batch, ...this.#waiting.splice(0)]) job.fail(this.#failure)
      }
    }
    this.#busy = false
  }

  #take(): Job | undefined {
    const job = this.#waiting.shift()
    this.#waitingBytes -= job?.bytes ?? 0
    return job
  }
}

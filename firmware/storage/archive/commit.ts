/**
 * Group commit: whatever gathers while one commit is under way goes into the next. Every commit costs the disk a few syncs
 * whatever its size, so each one waits a little for more to come, unless plenty is there already.
 */
import { type Clock, sleep } from '../../platform/clock.ts'
import type { BatchWriter } from './batch-writer.ts'
import { diskError } from './disk-errors.ts'
import { CLOSED, type Job } from './jobs.ts'

/** Bounds the memory of one batch and how long its first fragment waits for its last. */
const BATCH_MAX_BYTES = 64 * 1024 * 1024
/** Not worth waiting any longer: the syncs are small beside writing it. */
const BATCH_PLENTY_BYTES = 4 * 1024 * 1024

export class GroupCommit {
  readonly #writer: BatchWriter
  readonly #clock: Clock
  readonly #delayMs: number
  readonly #onCommit: (tookMs: number) => void
  readonly #queue: Job[] = []
  readonly #closing = new AbortController()
  #loop: Promise<void> | undefined

  constructor(writer: BatchWriter, clock: Clock, delayMs: number, onCommit: (tookMs: number) => void) {
    this.#writer = writer
    this.#clock = clock
    this.#delayMs = delayMs
    this.#onCommit = onCommit
  }

  get isBusy(): boolean {
    return this.#loop !== undefined
  }

  /** Resolves when the job is done and durable; rejects with the HomewardError of what kept it from that. */
  submit(job: Job): Promise<void> {
    if (this.#closing.signal.aborted) job.reject(CLOSED)
    else this.#queue.push(job)
    this.#loop ??= this.#run()
    return job.done
  }

  /** What was submitted before is finished; what comes later is refused. */
  async close(): Promise<void> {
    this.#closing.abort()
    while (this.#loop !== undefined) await this.#loop
  }

  async #run(): Promise<void> {
    do {
      const startedUs = this.#clock.monoUs()
      await this.#gather()
      const jobs = this.#take()
      try {
        await this.#writer.commit(jobs)
        this.#onCommit((this.#clock.monoUs() - startedUs) / 1000)
      } catch (error) {
        for (const job of jobs) job.reject(diskError(error, 'storing'))
      }
    } while (this.#queue.length > 0)
    this.#loop = undefined
  }

  async #gather(): Promise<void> {
    const bytes = this.#queue.reduce((sum, job) => sum + bytesOf(job), 0)
    // Also without a delay, what is submitted in the same turn belongs together.
    if (this.#delayMs === 0 || bytes >= BATCH_PLENTY_BYTES) await Promise.resolve()
    else await sleep(this.#clock, this.#delayMs, this.#closing.signal)
  }

  /** The next jobs in the order they came; one that runs alone comes alone. */
  #take(): Job[] {
    if (this.#queue[0]?.kind === 'alone') return this.#queue.splice(0, 1)
    let bytes = 0
    const end = this.#queue.findIndex((job, index) => {
      bytes += bytesOf(job)
      return job.kind === 'alone' || (index > 0 && bytes > BATCH_MAX_BYTES)
    })
    return this.#queue.splice(0, end === -1 ? this.#queue.length : end)
  }
}

function bytesOf(job: Job): number {
  return job.kind === 'fragment' ? job.arrived.entryBytes : 0
}

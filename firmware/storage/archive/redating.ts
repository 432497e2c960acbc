/**
 * What is still to be dated anew, boot by boot, one after the other. It is noted in the index until it is done, so that
 * neither a power cut nor a failing disk leaves footage without a date, or with a wrong one, for good.
 */
import { fromHex, toHex } from '../../wire/bytes.ts'
import type { Redate } from './boots.ts'
import { type DatingParts, dateAnew } from './date-anew.ts'
import type { IndexBatch } from './index-batch.ts'
import { promised } from './jobs.ts'

/** What the disk did not let happen is tried again after so long, when a camera is heard. */
export const RETRY_US = 30_000_000

export const DATING_META = 'dating'

export interface RedatingParts extends DatingParts {
  readonly monoUs: () => number
}

type Which = NonNullable<Redate>

interface Task {
  readonly camera: Uint8Array
  readonly boot: string
  /** What is to be done next, and what is being done. */
  next: Which
  running: Which | undefined
  /** Runs that are under way or wait. */
  runs: number
  /** The last one left something undone. */
  isUndone: boolean
  /** When it failed, monotonic; undefined when trying again would not help before the next start. */
  failedUs: number | undefined
}

export class Redating {
  readonly #parts: RedatingParts
  readonly #tasks = new Map<string, Task>()
  #noted = '[]'
  #last: Promise<void> = Promise.resolve()
  #closed = false

  constructor(parts: RedatingParts) {
    this.#parts = parts
  }

  /** Goes on with what was not done when the archive was open last. */
  resume(): void {
    this.#noted = this.#parts.index().meta(DATING_META) ?? '[]'
    for (const [camera, boot, which] of JSON.parse(this.#noted) as [string, string, Which][]) {
      void this.ask(fromHex(camera), boot, which)
    }
  }

  /** Resolves when it is done or has failed; then it is tried again later. */
  ask(camera: Uint8Array, boot: string, which: Redate): Promise<void> {
    if (which === undefined || this.#closed) return Promise.resolve()
    const key = `${toHex(camera)}/${boot}`
    const fresh: Task = { camera, boot, next: which, running: undefined, runs: 0, isUndone: false, failedUs: undefined }
    const task = this.#tasks.get(key) ?? fresh
    this.#tasks.set(key, task)
    if (which === 'all') task.next = which
    task.runs += 1
    void this.#note()
    this.#last = this.#last.then(() => this.#run(key, task))
    return this.#last
  }

  /** Something was heard: time to try again what failed a while ago. */
  retry(): void {
    const untilUs = this.#parts.monoUs() - RETRY_US
    for (const { camera, boot, next, runs, failedUs } of [...this.#tasks.values()]) {
      if (runs === 0 && failedUs !== undefined && failedUs <= untilUs) void this.ask(camera, boot, next)
    }
  }

  async settled(): Promise<void> {
    for (let last: Promise<void> | undefined; last !== this.#last; ) {
      last = this.#last
      await last
    }
  }

  /** Nothing new is begun. */
  async close(): Promise<void> {
    this.#closed = true
    await this.settled()
  }

  async #run(key: string, task: Task): Promise<void> {
    const { camera, boot, next } = task
    task.running = next
    task.next = 'undated'
    const result = await this.#date(camera, boot, next)
    task.running = undefined
    task.runs -= 1
    task.isUndone = result !== 'done'
    task.failedUs = result === 'failed' ? this.#parts.monoUs() : undefined
    if (task.isUndone && next === 'all') task.next = 'all'
    if (!task.isUndone && task.runs === 0) this.#tasks.delete(key)
    await this.#note()
  }

  async #date(camera: Uint8Array, boot: string, which: Which): Promise<'done' | 'next-start' | 'failed'> {
    try {
      const clock = this.#parts.clockOf(camera, boot)
      return clock === undefined ? 'done' : await dateAnew(this.#parts, camera, boot, clock, which)
    } catch {
      // The disk: footage tells of it, too.
      return 'failed'
    }
  }

  /** Submitted at once: what is entered along with it is committed along with it. */
  async #note(): Promise<void> {
    const open = [...this.#tasks.values()].filter((task) => this.#isWorthNoting(task))
    const text = JSON.stringify(open.map(rowOf))
    if (text === this.#noted) return
    const before = this.#noted
    this.#noted = text
    const run = async () => (rows: IndexBatch) =>
      open.length > 0 ? rows.putMeta(DATING_META, text) : rows.removeMeta(DATING_META)
    await this.#parts.submit({ kind: 'mend', run, ...promised() }).catch(() => {
      this.#noted = before
    })
  }

  /** Each boot is asked about when its first footage comes: mostly there is nothing to be dated. */
  #isWorthNoting({ camera, boot, next, running, isUndone }: Task): boolean {
    if (next === 'all' || running === 'all' || isUndone) return true
    const index = this.#parts.index()
    return [...index.undatedFiles(camera), ...index.undatedLedger(camera)].some(({ row }) => row.boot === boot)
  }
}

function rowOf({ camera, boot, next, running }: Task): [string, string, Which] {
  return [toHex(camera), boot, running === 'all' ? running : next]
}

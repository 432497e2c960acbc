/** Closes files that nothing has been added to for a while: a camera that is off leaves no file without its mfra. */
import type { Clock, Timer } from '../../platform/clock.ts'
import type { OpenFile } from './open-file.ts'

const LOOK_EVERY_MS = 60_000

export class IdleCloser {
  readonly #clock: Clock
  readonly #idleMs: number
  readonly #files: () => readonly OpenFile[]
  readonly #finish: (which: (file: OpenFile) => boolean) => Promise<void>
  #timer: Timer | undefined
  #closed = false

  constructor(
    clock: Clock,
    idleMs: number,
    files: () => readonly OpenFile[],
    finish: (which: (file: OpenFile) => boolean) => Promise<void>,
  ) {
    this.#clock = clock
    this.#idleMs = idleMs
    this.#files = files
    this.#finish = finish
  }

  /** To be called when a file may be open: looks again and again until none is. */
  watch(): void {
    if (this.#closed || this.#timer !== undefined || this.#files().length === 0) return
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => {
      this.#timer = undefined
      const until = this.#clock.monoUs() - this.#idleMs * 1000
      const idle = (file: OpenFile) => file.usedUs <= until
      const done = this.#files().some(idle) ? this.#finish(idle) : Promise.resolve()
      // What cannot be closed now is looked at again.
      done.catch(() => undefined).then(() => this.watch())
    })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }
}

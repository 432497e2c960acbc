/** A disk that hangs neither fails nor works: nothing comes back, so somebody has to notice. */
import type { Clock } from '../platform/clock.ts'
import { HomewardError } from '../wire/errors.ts'

/** Disks that spin up or remap a bad place take seconds; a system gives up on a command after 30 s and resets the disk. */
export const STALL_MS = 45_000

export class StallWatch {
  readonly #clock: Clock
  readonly #tell: (problem: HomewardError | undefined) => void
  #stalled = 0

  /** `tell` hears of the first call that hangs, and with undefined of the end of the last one. */
  constructor(clock: Clock, tell: (problem: HomewardError | undefined) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** The result of `work`, however long it takes. */
  async over<T>(work: Promise<T>): Promise<T> {
    let stalled = false
    const timer = this.#clock.after(STALL_MS, () => {
      stalled = true
      if (++this.#stalled === 1) this.#tell(hanging())
    })
    try {
      return await work
    } finally {
      timer.cancel()
      if (stalled && --this.#stalled === 0) this.#tell(undefined)
    }
  }
}

function hanging(): HomewardError {
  return new HomewardError('DISK_FAILED', `the storage disk has not answered for ${STALL_MS / 1000} s`, {
    hint: 'Look at `dmesg`, at its cable and its power. The cameras keep their footage; it goes on when the disk answers.',
  })
}

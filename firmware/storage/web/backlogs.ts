/** When a camera's card will be full, from how its backlog grew lately. */
import type { Clock } from '../../platform/clock.ts'

/** Long enough that one group of fragments makes no trend. */
const KEPT_US = 600_000_000
const LEAST_US = 60_000_000
const STEP_US = 15_000_000

interface Sample {
  readonly atUs: number
  readonly unackedBytes: number
}

export class Backlogs {
  readonly #clock: Clock
  readonly #samples = new Map<string, { readonly samples: Sample[]; capacityBytes: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(
    camera: string,
    { unackedBytes, capacityBytes }: { readonly unackedBytes: number; readonly capacityBytes: number },
  ) {
    const nowUs = this.#clock.monoUs()
    const known = this.#samples.get(camera) ?? { samples: [], capacityBytes }
    this.#samples.set(camera, known)
    known.capacityBytes = capacityBytes
    if (nowUs - (known.samples.at(-1)?.atUs ?? Number.NEGATIVE_INFINITY) < STEP_US) return
    known.samples.push({ atUs: nowUs, unackedBytes })
    while ((known.samples[0]?.atUs ?? nowUs) < nowUs - KEPT_US) known.samples.shift()
  }

  /** Undefined while it does not grow, or was not watched for a minute. */
  fullInMs(camera: string): number | undefined {
    const { samples, capacityBytes } = this.#samples.get(camera) ?? { samples: [], capacityBytes: 0 }
    const [first, last] = [samples[0], samples.at(-1)]
    if (first === undefined || last === undefined || last.atUs - first.atUs < LEAST_US) return undefined
    const perUs = (last.unackedBytes - first.unackedBytes) / (last.atUs - first.atUs)
    return perUs <= 0 ? undefined : Math.max(0, (capacityBytes - last.unackedBytes) / perUs / 1000)
  }
}

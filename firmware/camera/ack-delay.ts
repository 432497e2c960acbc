/** How long fragments wait from the card to their ACK: the lag that an owner would lose with the camera. */
import type { Clock } from '../platform/clock.ts'
import type { RecordRef, Ring } from './ring/ring.ts'

/** Enough for a 99th percentile, and a day's outage does not pile up numbers. */
const SAMPLES = 2000
const PENDING_MAX = 256

export interface AckDelayStats {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export class AckDelay {
  readonly #clock: Clock
  /** When a fragment of the log in use was found on the ring, by its number. */
  readonly #pending = new Map<number, number>()
  #samples: number[] = []
  #log: string | undefined
  #nextSeq = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** To be called with the ring in use after every change of it. */
  changed(ring: Pick<Ring, 'log' | 'next'>): void {
    if (ring.log !== this.#log) {
      this.#log = ring.log
      this.#nextSeq = 0
      this.#pending.clear()
    }
    const nowUs = this.#clock.monoUs()
    for (let ref = this.#next(ring); ref !== undefined; ref = this.#next(ring)) {
      this.#nextSeq = ref.seq + ref.span
      if (ref.kind === 'fragment' && this.#pending.size < PENDING_MAX) this.#pending.set(ref.seq, nowUs)
    }
    for (const [seq, sinceUs] of this.#pending) {
      if (ring.next(ring.log, seq)?.seq === seq) continue
      this.#pending.delete(seq)
      this.#samples.push((nowUs - sinceUs) / 1000)
    }
    if (this.#samples.length > SAMPLES) this.#samples = this.#samples.slice(-SAMPLES)
  }

  /** Of the latest fragments; all zero before the first ACK. */
  stats(): AckDelayStats {
    const sorted = this.#samples.toSorted((a, b) => a - b)
    const at = (part: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0)
    return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) }
  }

  #next(ring: Pick<Ring, 'log' | 'next'>): RecordRef | undefined {
    const ref = ring.next(ring.log, this.#nextSeq)
    // A gap that grows comes again with the same number.
    return ref !== undefined && ref.seq + ref.span > this.#nextSeq ? ref : undefined
  }
}

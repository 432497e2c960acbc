/** How long fragments wait from the card to their ACK: the lag that an owner would lose with the camera. */
import type { Clock } from '../platform/clock.ts'
import type { Range } from '../wire/ranges.ts'
import type { RecordRef, Ring } from './ring/ring.ts'

/** Enough for a 99th percentile, and a day's outage does not pile up numbers. */
const SAMPLES = 2000
const PENDING_MAX = 256

export interface AckDelayStats {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
}

type WatchedRing = Pick<Ring, 'log' | 'next' | 'logs'>

export class AckDelay {
  readonly #clock: Clock
  /** When a fragment of the log in use was found on the ring, by its number and in their order. */
  readonly #pending = new Map<number, number>()
  #samples: number[] = []
  #log: string | undefined
  #nextSeq = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** To be called with the ring in use after every change of it. */
  changed(ring: WatchedRing): void {
    if (ring.log !== this.#log) {
      this.#log = ring.log
      this.#nextSeq = 0
      this.#pending.clear()
    }
    // A ring tells of what it kept and of what was ACKed in separate calls: only the latter is worth a look at what waits.
    if (!this.#noteKept(ring)) this.#noteAcked(ring.logs().find(({ log }) => log === ring.log)?.unacked ?? [])
  }

  /** Of the latest fragments; all zero before the first ACK. */
  stats(): AckDelayStats {
    const sorted = this.#samples.toSorted((a, b) => a - b)
    const at = (part: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0)
    return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) }
  }

  /** True when there are records that were not there before. */
  #noteKept(ring: WatchedRing): boolean {
    const before = this.#nextSeq
    for (let ref = this.#next(ring); ref !== undefined; ref = this.#next(ring)) {
      this.#nextSeq = ref.seq + ref.span
      if (ref.kind === 'fragment' && this.#pending.size < PENDING_MAX) this.#pending.set(ref.seq, this.#clock.monoUs())
    }
    return this.#nextSeq > before
  }

  /** One walk along both, for both are in the order of the numbers. */
  #noteAcked(unacked: readonly Range[]): void {
    const nowUs = this.#clock.monoUs()
    let at = 0
    for (const [seq, sinceUs] of this.#pending) {
      while ((unacked[at]?.[1] ?? seq) < seq) at++
      if ((unacked[at]?.[0] ?? Number.POSITIVE_INFINITY) <= seq) continue
      this.#pending.delete(seq)
      this.#samples.push((nowUs - sinceUs) / 1000)
    }
    if (this.#samples.length > SAMPLES) this.#samples = this.#samples.slice(-SAMPLES)
  }

  #next(ring: WatchedRing): RecordRef | undefined {
    const ref = ring.next(ring.log, this.#nextSeq)
    // A gap that grows comes again with the same number.
    return ref !== undefined && ref.seq + ref.span > this.#nextSeq ? ref : undefined
  }
}

/** Has this datagram been here before? Decided by boot and sequence number, without a clock. Pure; after RFC 6479. */
import type { Freshness } from './datagram.ts'

/** Datagrams may overtake each other by this many. */
export const REPLAY_WINDOW = 256

/** Sequence numbers end here; a boot never gets there. */
const SEQ_MAX = 2 ** 48 - 1

/** What one peer has sent so far. Call `accept` only for datagrams that are proved to be the peer's. */
export class ReplayWindow {
  #boot: number
  #top: number
  /** Slot seq % 256 says whether seq was seen, for the 256 numbers up to #top. */
  readonly #seen = new Uint8Array(REPLAY_WINDOW)

  /** `last` is what was remembered of the peer: everything up to it counts as seen. */
  constructor(last: Freshness = { boot: 0, seq: 0 }) {
    this.#boot = last.boot
    this.#top = last.seq
    this.#seen.fill(1)
  }

  /** The newest that was accepted: what to remember across a restart. */
  get last(): Freshness {
    return { boot: this.#boot, seq: this.#top }
  }

  /** True exactly once for each (boot, seq), and never for an earlier boot or one that fell out of the window. */
  accept({ boot, seq }: Freshness): boolean {
    if (boot < this.#boot || seq < 1 || seq > SEQ_MAX) return false
    if (boot > this.#boot) {
      this.#boot = boot
      this.#top = seq
      // Numbers below the first one seen of a boot may still be on their way.
      this.#seen.fill(0)
      this.#seen[seq % REPLAY_WINDOW] = 1
      return true
    }
    if (seq > this.#top) {
      const skipped = Math.min(seq - this.#top, REPLAY_WINDOW)
      for (let step = 1; step <= skipped; step++) this.#seen[(seq - skipped + step) % REPLAY_WINDOW] = 0
      this.#top = seq
    } else if (seq <= this.#top - REPLAY_WINDOW || this.#seen[seq % REPLAY_WINDOW] === 1) {
      return false
    }
    this.#seen[seq % REPLAY_WINDOW] = 1
    return true
  }
}

/** Numbers the datagrams of this boot, over all peers. */
export class FreshnessSource {
  readonly boot: number
  #seq = 0

  constructor(boot: number) {
    this.boot = boot
  }

  next(): Freshness {
    this.#seq += 1
    return { boot: this.boot, seq: this.#seq }
  }
}

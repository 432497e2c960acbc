/** How much each storage device may have relayed: so many relays at once, so many bytes, and a fair part of the whole. */
import type { Clock } from '../platform/clock.ts'

export interface RelayLimits {
  readonly relays: number
  readonly relaysPerUid: number
  /** Both directions together. */
  readonly uidBytesPerSecond: number
  /** Of all relays. When they want more, each active storage device gets an equal part at least. */
  readonly totalBytesPerSecond: number
}

/** A relay for every camera of a large home at 100 Mbit/s, and a gigabit link of the server. */
export const RELAY_LIMITS: RelayLimits = {
  relays: 4096,
  relaysPerUid: 64,
  uidBytesPerSecond: 12_500_000,
  totalBytesPerSecond: 125_000_000,
}

/** Burst of each bucket: long enough for a key frame of live video, short enough that nobody notices another's. */
const BURST_S = 0.25
/** Who has sent nothing for so long has no part in the whole. */
const ACTIVE_US = 1_000_000
/** How often the active ones are counted. */
const COUNT_EVERY_US = 100_000

interface Bucket {
  tokens: number
  filledUs: number
}

interface Row {
  readonly own: Bucket
  /** Filled at the fair rate; what counts while the whole is overdrawn. */
  readonly fair: Bucket
  relays: number
  spentUs: number
}

/** One relay's claim. */
export interface Share {
  spend(bytes: number): void
  /** False: nothing more for now. */
  allows(): boolean
  /** Idempotent. */
  close(): void
}

export class RelayShares {
  readonly #clock: Clock
  readonly #limits: RelayLimits
  readonly #rows = new Map<string, Row>()
  readonly #total: Bucket
  #relays = 0
  #active = 1
  #countedUs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, limits: RelayLimits = RELAY_LIMITS) {
    this.#clock = clock
    this.#limits = limits
    this.#total = this.#full(limits.totalBytesPerSecond)
  }

  get relays(): number {
    return this.#relays
  }

  /** Undefined when there are as many relays as there may be, of this storage device or in all. */
  open(uid: string): Share | undefined {
    this.#forgetQuiet()
    const { relays, relaysPerUid, uidBytesPerSecond, totalBytesPerSecond } = this.#limits
    const row = this.#rows.get(uid) ?? {
      own: this.#full(uidBytesPerSecond),
      fair: this.#full(totalBytesPerSecond / this.#active),
      relays: 0,
      spentUs: Number.NEGATIVE_INFINITY,
    }
    if (this.#relays >= relays || row.relays >= relaysPerUid) return undefined
    this.#rows.set(uid, row)
    row.relays++
    this.#relays++
    let isOpen = true
    return {
      spend: (bytes) => this.#spend(row, bytes),
      allows: () => this.#allows(row),
      close: () => {
        if (!isOpen) return
        isOpen = false
        row.relays--
        this.#relays--
      },
    }
  }

  #spend(row: Row, bytes: number): void {
    row.spentUs = this.#clock.monoUs()
    this.#fill(row)
    for (const bucket of [row.own, row.fair, this.#total]) bucket.tokens -= bytes
  }

  #allows(row: Row): boolean {
    this.#fill(row)
    return row.own.tokens > 0 && (this.#total.tokens > 0 || row.fair.tokens > 0)
  }

  #fill(row: Row): void {
    const { uidBytesPerSecond, totalBytesPerSecond } = this.#limits
    this.#countActive()
    this.#pour(row.own, uidBytesPerSecond)
    this.#pour(row.fair, totalBytesPerSecond / this.#active)
    this.#pour(this.#total, totalBytesPerSecond)
  }

  #pour(bucket: Bucket, bytesPerSecond: number): void {
    const nowUs = this.#clock.monoUs()
    const gained = ((nowUs - bucket.filledUs) / 1e6) * bytesPerSecond
    bucket.filledUs = nowUs
    // A debt is paid back within one burst, however large it was.
    bucket.tokens = Math.min(bytesPerSecond * BURST_S, Math.max(-bytesPerSecond * BURST_S, bucket.tokens) + gained)
  }

  #full(bytesPerSecond: number): Bucket {
    return { tokens: bytesPerSecond * BURST_S, filledUs: this.#clock.monoUs() }
  }

  #countActive(): void {
    const nowUs = this.#clock.monoUs()
    if (nowUs - this.#countedUs < COUNT_EVERY_US) return
    this.#countedUs = nowUs
    let active = 0
    for (const row of this.#rows.values()) if (nowUs - row.spentUs < ACTIVE_US) active++
    this.#active = Math.max(1, active)
  }

  /** Rows without a relay whose buckets have had the time to fill up. */
  #forgetQuiet(): void {
    const nowUs = this.#clock.monoUs()
    for (const [uid, row] of this.#rows) {
      if (row.relays === 0 && nowUs - row.spentUs > ACTIVE_US) this.#rows.delete(uid)
    }
  }
}

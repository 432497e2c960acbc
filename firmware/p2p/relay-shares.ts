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
/** A relay is looked at before it could have used its budget up, should it carry so many times more than of late. */
const HURRY = 4
/** Who was over his budget is watched closely for so long: bursts would slip through between two looks. */
const CALM_US = 2_000_000
/** And who is new for so long: then it shows how much he carries. */
const NEW_US = 500_000

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
  /** When it was last over its budget; who is new is treated as if he had been a while ago. */
  overUs: number
  /** Since restMs was last asked. */
  freshBytes: number
}

/** One relay's claim. */
export interface Share {
  /** What it may carry in the long run, just now. */
  readonly bytesPerSecond: number
  spend(bytes: number): void
  /** False: nothing more for now. */
  allows(): boolean
  /** True when it has not been over its budget for a while. */
  isCalm(): boolean
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
  #restedUs: number

  constructor(clock: Clock, limits: RelayLimits = RELAY_LIMITS) {
    this.#clock = clock
    this.#limits = limits
    this.#total = this.#full(limits.totalBytesPerSecond)
    this.#restedUs = clock.monoUs()
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
      overUs: this.#clock.monoUs() - CALM_US + NEW_US,
      freshBytes: 0,
    }
    if (this.#relays >= relays || row.relays >= relaysPerUid) return undefined
    this.#rows.set(uid, row)
    row.relays++
    this.#relays++
    let isOpen = true
    const rate = () => this.#rate()
    return {
      get bytesPerSecond() {
        return rate()
      },
      isCalm: () => this.#clock.monoUs() - row.overUs > CALM_US,
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

  /**
   * How long nobody can use his budget up, in ms, going by what was spent since this was last asked; 0 while somebody is
   * over it or was lately.
   */
  restMs(): number {
    const nowUs = this.#clock.monoUs()
    const passedUs = Math.max(1, nowUs - this.#restedUs)
    this.#restedUs = nowUs
    let restMs = Number.POSITIVE_INFINITY
    let allBytes = 0
    const lasts = (bucket: Bucket, bytes: number) => (Math.max(0, bucket.tokens) * passedUs) / (HURRY * bytes) / 1000
    for (const row of this.#rows.values()) {
      const bytes = row.freshBytes
      row.freshBytes = 0
      allBytes += bytes
      if (nowUs - row.overUs <= CALM_US && row.relays > 0) restMs = 0
      if (bytes > 0) restMs = Math.min(restMs, lasts(row.own, bytes))
    }
    return allBytes > 0 ? Math.min(restMs, lasts(this.#total, allBytes)) : restMs
  }

  #rate(): number {
    const { uidBytesPerSecond, totalBytesPerSecond } = this.#limits
    const most = this.#total.tokens > 0 ? totalBytesPerSecond : totalBytesPerSecond / this.#active
    return Math.min(uidBytesPerSecond, most)
  }

  #spend(row: Row, bytes: number): void {
    if (bytes > 0) row.spentUs = this.#clock.monoUs()
    row.freshBytes += bytes
    this.#fill(row)
    for (const bucket of [row.own, row.fair, this.#total]) bucket.tokens -= bytes
  }

  #allows(row: Row): boolean {
    this.#fill(row)
    const isAllowed = row.own.tokens > 0 && (this.#total.tokens > 0 || row.fair.tokens > 0)
    if (!isAllowed) row.overUs = this.#clock.monoUs()
    return isAllowed
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

/** What arrived lately, and how long the disk took: kept in memory, for rates, lags and the newest footage. */
import type { Clock } from '../platform/clock.ts'
import { toHex } from '../wire/bytes.ts'
import type { RecordHeader } from '../wire/record.ts'

const BUCKET_US = 5_000_000
/** A minute of buckets. */
const BUCKETS = 12
const COMMITS_KEPT = 1000

/** The newest fragment that was stored since the start. */
export interface Newest {
  /** Undefined while the camera does not know the time. */
  readonly span: { readonly fromUs: number; readonly toUs: number } | undefined
  readonly receivedUs: number
  readonly receivedMonoUs: number
  /** From its end until it was stored. */
  readonly lagUs: number | undefined
}

interface Bucket {
  readonly number: number
  fragments: number
  bytes: number
}

interface CameraTraffic {
  newest: Newest | undefined
  readonly buckets: Bucket[]
}

export type StoredListener = (camera: Uint8Array, newest: Newest) => void

export class Traffic {
  readonly #clock: Clock
  readonly #cameras = new Map<string, CameraTraffic>()
  readonly #listeners = new Set<StoredListener>()
  readonly #commitsMs: number[] = []
  #commits = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A fragment is durable. */
  stored(camera: Uint8Array, header: RecordHeader, bytes: number, receivedUs: number): void {
    const id = toHex(camera)
    const known = this.#cameras.get(id) ?? { newest: undefined, buckets: [] }
    this.#cameras.set(id, known)
    const number = Math.floor(this.#clock.monoUs() / BUCKET_US)
    const last = known.buckets.at(-1)
    const bucket = last?.number === number ? last : { number, fragments: 0, bytes: 0 }
    if (bucket !== last) known.buckets.push(bucket)
    known.buckets.splice(0, known.buckets.length - BUCKETS - 1)
    bucket.fragments += 1
    bucket.bytes += bytes
    const endUs = header.wallUs + header.durationUs
    const dated = header.clock !== 'none'
    // Backlog that comes in between is not the newest.
    if (dated && (known.newest?.span?.toUs ?? 0) > endUs) return
    const newest = {
      span: dated ? { fromUs: header.wallUs, toUs: endUs } : undefined,
      receivedUs,
      receivedMonoUs: this.#clock.monoUs(),
      lagUs: dated && this.#clock.quality() !== 'none' ? Math.max(0, this.#clock.wallUs() - endUs) : undefined,
    }
    known.newest = newest
    for (const listener of this.#listeners) listener(camera, newest)
  }

  newest(camera: Uint8Array): Newest | undefined {
    return this.#cameras.get(toHex(camera))?.newest
  }

  /** Means over the last minute, or since the first fragment when that is less. */
  rates(camera: Uint8Array): { readonly bytesPerSecond: number; readonly fragmentsPerMinute: number } {
    const nowUs = this.#clock.monoUs()
    const since = Math.floor(nowUs / BUCKET_US) - BUCKETS
    const recent = (this.#cameras.get(toHex(camera))?.buckets ?? []).filter(({ number }) => number > since)
    const first = recent[0]
    if (first === undefined) return { bytesPerSecond: 0, fragmentsPerMinute: 0 }
    const bytes = recent.reduce((sum, bucket) => sum + bucket.bytes, 0)
    const fragments = recent.reduce((sum, bucket) => sum + bucket.fragments, 0)
    const seconds = Math.max(BUCKET_US, nowUs - first.number * BUCKET_US) / 1e6
    return { bytesPerSecond: bytes / seconds, fragmentsPerMinute: (fragments * 60) / seconds }
  }

  /** Called when a camera's newest footage is on the disk. Returns the way to stop. */
  onStored(listener: StoredListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  committed(tookMs: number): void {
    this.#commits += 1
    this.#commitsMs.push(tookMs)
    if (this.#commitsMs.length > COMMITS_KEPT) this.#commitsMs.shift()
  }

  /** Of the last thousand group commits. */
  commits(): { readonly count: number; readonly p50Ms: number | null; readonly p99Ms: number | null } {
    const sorted = this.#commitsMs.toSorted((a, b) => a - b)
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
    return { count: this.#commits, p50Ms: at(0.5), p99Ms: at(0.99) }
  }
}

/** The ring: everything the camera captured and the storage device has not yet confirmed. */
import type { GapReason } from '../../wire/gap.ts'
import type { Range } from '../../wire/ranges.ts'
import type { ClockQuality, RecordKind, RecordMeta } from '../../wire/record.ts'
import type { WaitingSpan } from '../../wire/session.ts'

export { type InitRingOptions, initRing } from './marker.ts'
export { openRing, type RingOptions } from './open-ring.ts'

/** One fragment to keep, with its init segment; both are plain. */
export interface RingFragment {
  readonly meta: FragmentMeta
  readonly init: Uint8Array
  readonly fragment: Uint8Array
}

export type FragmentMeta = Omit<RecordMeta, 'kind' | 'seq' | 'span'>

/** `gap`: the fragment is not kept; a gap record says so. */
export type AppendResult = 'kept' | 'gap'

/** When a gap was; by default now, without length. */
export interface GapTimes {
  readonly run: number
  readonly monoUs: number
  readonly wallUs: number
  readonly clock: ClockQuality
  readonly durationUs: number
  /** Of a time in which the camera was off: where it began, in an earlier boot or in this one. */
  readonly since?: RecordMoment
}

/** A record that can be read. */
export interface RecordRef {
  readonly log: string
  readonly seq: number
  readonly span: number
  readonly kind: RecordKind
  /** As it travels: header and sealed payload. */
  readonly bytes: number
  readonly monoUs: number
}

export interface LogState {
  readonly log: string
  /** Ed25519 key of the storage device that can open it. */
  readonly recipient: Uint8Array
  /** Lowest and highest number known. */
  readonly first: number
  readonly last: number
  /** With what is damaged. */
  readonly unacked: readonly Range[]
}

/** Numbers of a log that are lost on the card and that no gap record can say so of, for the log's key is gone. */
export interface LogRange {
  readonly log: string
  readonly first: number
  readonly last: number
}

export interface DiscardedRange extends LogRange {
  readonly recipient: Uint8Array
}

export interface RingStats {
  /** What the ring may take. */
  readonly capacityBytes: number
  /** What cannot be written over: slabs with footage that is not safe, and the part of the slab in use that is written. */
  readonly usedBytes: number
  /** Records that are not safe yet, as they travel. */
  readonly unackedBytes: number
  readonly oldestUnackedAgeMs: number
  /** To the card since the opening, everything included. */
  readonly writtenBytes: number
  /** Init segments and fragments kept since the opening: writtenBytes / capturedBytes is the write amplification. */
  readonly capturedBytes: number
  /** New fragments become a gap until a slab comes free. */
  readonly full: boolean
  /** `none`: it is in memory. */
  readonly card: 'ok' | 'read-only' | 'failed' | 'none'
}

/** A moment as a record tells it; `wallUs` is 0 while `clock` is `none`. */
export interface RecordMoment {
  readonly boot: string
  readonly monoUs: number
  readonly wallUs: number
  readonly clock: ClockQuality
}

export interface Ring {
  /** This opening's log, 16 hex digits. */
  readonly log: string
  /** The last moment that records of earlier openings show, if there are any. */
  readonly before: RecordMoment | undefined

  /**
   * Seals the fragment and keeps it; resolves once it is safe against a power cut and `next` finds it. Fragments are
   * numbered in the order of the calls. Rejects with RING_FAILED when the card fails, and then for good: what was
   * rejected may still be found on the card later.
   */
  append(fragment: RingFragment): Promise<AppendResult>
  /** `span` numbers become a gap. Rejects as `append` does. */
  addGap(span: number, reason: GapReason, times?: GapTimes): Promise<void>

  /** Every log with numbers that are not safe, oldest first. */
  logs(): LogState[]
  unacked(log: string): RecordRef[]
  /**
   * The first record that is not safe and covers `fromSeq` or a number above it. A gap that is growing comes again, with
   * the same `seq` and a greater `span`.
   */
  next(log: string, fromSeq: number): RecordRef | undefined
  /** A record that covers `seq`, safe ones included while they are not written over: for healing the archive. */
  find(log: string, seq: number): Promise<RecordRef | undefined>
  /**
   * The record as it travels, its checksum verified; the bytes must not be changed. Throws RECORD_DAMAGED when it is not
   * readable any more: the ring has put a gap record in its place, or entered it in `damage`. Throws RING_FAILED.
   */
  read(ref: RecordRef): Promise<Uint8Array>

  /** What is not safe yet and when it was, oldest log first. */
  backlog(): WaitingSpan[]
  /** What is lost of earlier logs and not ACKed yet. Storage may hold some of it: after the mark was lost, too much is named. */
  damage(): LogRange[]
  /** These are safe on the storage device. Numbers the ring never kept are passed over. */
  ack(log: string, ranges: readonly Range[]): void
  /** Gives up everything not safe that is sealed for another storage device than `keep`; durable when it resolves. */
  discard(keep: Uint8Array): Promise<DiscardedRange[]>

  stats(): RingStats
  /** Called after something was kept, ACKed or lost; the result stops it. */
  onChange(listener: () => void): () => void
  /** Finishes what is under way, writes the ACK mark. Idempotent. */
  close(): Promise<void>
}

/** What a camera session needs of a ring, on a card or in memory. The ring itself belongs to the camera. */
import type { Range } from '../../wire/ranges.ts'
import type { RecordKind } from '../../wire/record.ts'

export interface RecordRef {
  readonly log: string
  readonly seq: number
  /** It covers seq … seq+span-1. */
  readonly span: number
  readonly kind: RecordKind
  /** As it travels: header and sealed payload. */
  readonly bytes: number
}

/** A log with records that are not acknowledged. */
export interface WaitingLog {
  readonly log: string
  /** Public key of the storage device it is sealed for. */
  readonly recipient: Uint8Array
  readonly first: number
  readonly last: number
  readonly unacked: readonly Range[]
}

/** Numbers of one log. */
export interface LostRange {
  readonly log: string
  readonly first: number
  readonly last: number
}

export interface RecordSource {
  /** The log that is being written. */
  readonly log: string
  /** Logs with records that are not acknowledged, oldest first. */
  logs(): readonly WaitingLog[]
  /**
   * The first record that is not acknowledged and covers `fromSeq` or a number above it. A gap that is growing comes again,
   * with the same `seq` and a greater `span`.
   */
  next(log: string, fromSeq: number): RecordRef | undefined
  /** A record that covers `seq`, acknowledged ones included for as long as they are not written over. */
  find(log: string, seq: number): Promise<RecordRef | undefined>
  /** The record as it travels. Rejects when it cannot be read; then the source says later what became of it. */
  read(ref: RecordRef): Promise<Uint8Array>
  /**
   * What the card lost and is not acknowledged, of logs whose key is gone, so that no record can be sealed to say so. The
   * storage device may hold some of it: it is asked first.
   */
  damage(): readonly LostRange[]
  /** These are safe on the other side, or known there to be lost. */
  ack(log: string, ranges: readonly Range[]): void
  /** Something was appended, lost or acknowledged. Returns the way to stop. */
  onChange(listener: () => void): () => void
}

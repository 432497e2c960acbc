/** What a storage session needs of an archive, for one camera. The archive itself belongs to the storage device. */

import type { HomewardError } from '../../wire/errors.ts'
import type { GapPayload, GapReason } from '../../wire/gap.ts'
import type { Range } from '../../wire/ranges.ts'
import type { RecordHeader } from '../../wire/record.ts'
import type { LostRange } from './source.ts'

/** Numbers that will never arrive, and why. */
export interface Loss extends LostRange {
  readonly reason: GapReason
}

/** The numbers that a record covers. */
export interface RecordName {
  readonly log: string
  readonly first: number
  readonly last: number
}

/** Stored now, stored before with the same content, or stored apart because the name was taken by other content. */
export type StoreOutcome = 'stored' | 'duplicate' | 'conflict'

/**
 * Every promise resolves only once its effect is on the disk and in the index. What rejects with a fault of the record
 * itself (`recordFault`) goes to quarantine; any other rejection is trouble of the disk, and the camera keeps its copy.
 */
export interface RecordSink {
  /** `payload` is the opened payload of a fragment record; `receivedUs` is wall time. */
  store(header: RecordHeader, payload: Uint8Array, receivedUs: number): Promise<StoreOutcome>
  gap(header: RecordHeader, gap: GapPayload, receivedUs: number): Promise<void>
  /** Enters what of it is not settled otherwise. */
  lost(loss: Loss, receivedUs: number): Promise<void>
  /**
   * Keeps the record as it came, whatever is in it, and settles the numbers of `name`, for this camera only. `name` is what
   * an authenticated header says, else the one number that a forged header claims, else undefined: nothing else in the
   * record may be believed.
   */
  quarantine(record: Uint8Array, why: HomewardError, name: RecordName | undefined): Promise<void>
  /** Sorted ranges of first … last that are settled for good: stored, expired, quarantined or lost. */
  durable(log: string, first: number, last: number): readonly Range[] | Promise<readonly Range[]>
}

/** The plain payload of a gap record: why the fragments it covers will never arrive. */
import * as v from 'valibot'
import { decodeMessage, encodeMessage } from './codec.ts'
import { HomewardError } from './errors.ts'
import { CLOCK_QUALITIES, type ClockQuality } from './record.ts'

export const GAP_REASONS = [
  /** The card was full of footage that was not safe yet. */
  'ring-full',
  /** The card was missing or failing, and memory was full. */
  'card-gone',
  /** Written once, but not readable any more. */
  'damaged-on-card',
  /** The encoder delivered nothing, or nothing usable. */
  'encoder-down',
  /** The camera, or its agent, was not running. */
  'camera-off',
  /** Deleted by the storage device's retention. */
  'expired',
  /** Given up by the owner before it was sent. */
  'discarded',
  /** Kept by the storage device as it came, but not readable. */
  'quarantined',
  /** The log ended before the fragment was sent, and nothing of it is left. */
  'never-sent',
  /** The card or the processor did not keep up. */
  'too-slow',
  /** A fragment longer than the limit. */
  'too-long',
] as const
export type GapReason = (typeof GAP_REASONS)[number]

export interface GapPayload {
  readonly reason: GapReason
  /** When the last covered fragment ended, by the camera's monotonic clock of the record's boot. */
  readonly endMonoUs?: number
  /** The same in UTC, absent when the camera did not know the time. */
  readonly endWallUs?: number
  /** `camera-off`: the last moment before, by the clocks of the boot that it was in. The record's own time is its end. */
  readonly since?: {
    readonly boot: string
    readonly monoUs: number
    readonly wallUs: number
    readonly clock: ClockQuality
  }
  /** For a person, one line. */
  readonly note?: string
}

/** A gap record fits one 4 KiB block of the card with its header. */
export const GAP_MAX_BYTES = 1024
const NOTE_MAX_CHARS = 200

const moment = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const schema = v.strictObject({
  reason: v.picklist(GAP_REASONS),
  endMonoUs: v.exactOptional(moment),
  endWallUs: v.exactOptional(moment),
  since: v.exactOptional(
    v.object({
      boot: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
      monoUs: moment,
      wallUs: moment,
      clock: v.picklist(CLOCK_QUALITIES),
    }),
  ),
  note: v.exactOptional(v.pipe(v.string(), v.maxLength(NOTE_MAX_CHARS))),
})

/** A note longer than 200 characters is cut. */
export function encodeGap(gap: GapPayload): Uint8Array {
  const note = gap.note?.slice(0, NOTE_MAX_CHARS)
  return encodeMessage(note === undefined ? gap : { ...gap, note }, GAP_MAX_BYTES)
}

/** Throws what `decodeMessage` throws, and FRAME_MALFORMED when it is not a gap. */
export function decodeGap(payload: Uint8Array): GapPayload {
  const result = v.safeParse(schema, decodeMessage(payload, GAP_MAX_BYTES))
  if (!result.success) throw new HomewardError('FRAME_MALFORMED', `not a gap: ${result.issues[0].message}`)
  return result.output
}

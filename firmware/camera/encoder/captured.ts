/** What capture hands on: fragments with the time of their first frame, and what it could not hand on. */

import type { MediaFragment } from '../../media/fragment.ts'
import type { InitSegment } from '../../media/init.ts'
import type { ClockQuality } from '../../wire/record.ts'

/** When something was captured, and in which encoder run. */
export interface CaptureSpan {
  /** Encoder run since start, counted from 0. */
  readonly run: number
  readonly monoUs: number
  /** Microseconds since 1970 in UTC, 0 when `clock` is `none`. */
  readonly wallUs: number
  readonly clock: ClockQuality
  /** On this machine's clock; up to half less than the media's own when the encoder's clock runs faster. */
  readonly durationUs: number
}

export interface CapturedFragment extends CaptureSpan {
  readonly init: InitSegment
  readonly fragment: MediaFragment
  /** First fragment of its run that was handed on. */
  readonly runStart: boolean
}

/**
 * `card-stalled`: the sink did not take fragments for so long that the queue was full. `card-failed`: the sink refused one.
 * `encoder-damaged`: the stream held bytes that are no fragment, or one beyond the size limit. `encoder-ended`: the run
 * ended inside a fragment.
 */
export type CaptureGapReason = 'card-stalled' | 'card-failed' | 'encoder-damaged' | 'encoder-ended'

export interface CaptureGap extends CaptureSpan {
  readonly reason: CaptureGapReason
  /** Fragments that are lost; for damage, as many as there were damaged places. */
  readonly span: number
  /** For a person to read. */
  readonly detail: string
}

/** Takes fragments and gaps in the order of capture, one at a time: the next comes when the promise has resolved. */
export interface CaptureSink {
  /** When it rejects, the fragment is lost and comes again as a gap. */
  fragment(fragment: CapturedFragment): Promise<void>
  /** When it rejects, the same gap, possibly grown, is offered again a second later. */
  gap(gap: CaptureGap): Promise<void>
}

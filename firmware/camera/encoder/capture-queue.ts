/**
 * What waits for the sink, in order. Bounded in bytes and in time of footage: when the card stalls for longer, whole
 * fragments are left out and a gap stands in their place.
 */
import type { CapturedFragment, CaptureGap, CaptureGapReason } from './captured.ts'

export interface QueueLimits {
  readonly maxBytes: number
  /** Of footage. */
  readonly maxMs: number
}

export type QueueItem =
  | { readonly kind: 'fragment'; readonly fragment: CapturedFragment }
  | { readonly kind: 'gap'; readonly gap: CaptureGap }

/** Gaps are small, but a stream that is damaged all the time must not pile them up while the card stalls. */
const GAPS_MAX = 64

export class CaptureQueue {
  readonly #limits: QueueLimits
  readonly #items: QueueItem[] = []
  #bytes = 0
  #durationUs = 0
  #gaps = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /** Of fragments, the one that the sink is taking included. */
  get bytes(): number {
    return this.#bytes
  }

  get durationUs(): number {
    return this.#durationUs
  }

  /** True when one more fragment would be beyond the limits. One always fits into an empty queue. */
  isFullFor(fragment: CapturedFragment): boolean {
    if (this.#items.length === 0) return false
    const bytes = this.#bytes + fragment.fragment.bytes.byteLength
    return bytes > this.#limits.maxBytes || this.#durationUs + fragment.durationUs > this.#limits.maxMs * 1000
  }

  push(fragment: CapturedFragment): void {
    this.#items.push({ kind: 'fragment', fragment })
    this.#bytes += fragment.fragment.bytes.byteLength
    this.#durationUs += fragment.durationUs
  }

  /** Adds a gap, or widens the last one when nothing came between. */
  pushGap(gap: CaptureGap): void {
    const last = this.#items.at(-1)
    const alike = last?.kind === 'gap' && last.gap.reason === gap.reason && last.gap.run === gap.run
    // The first item may be with the sink already.
    if (last?.kind === 'gap' && this.#items.length > 1 && (alike || this.#gaps >= GAPS_MAX)) {
      this.#items[this.#items.length - 1] = { kind: 'gap', gap: widened(last.gap, gap) }
      return
    }
    this.#items.push({ kind: 'gap', gap })
    this.#gaps += 1
  }

  /** The oldest item; it stays until `taken` or `refused`. */
  first(): QueueItem | undefined {
    return this.#items[0]
  }

  /** The oldest item is where it belongs. */
  taken(): void {
    const item = this.#items.shift()
    if (item?.kind === 'gap') this.#gaps -= 1
    if (item?.kind !== 'fragment') return
    this.#bytes -= item.fragment.fragment.bytes.byteLength
    this.#durationUs -= item.fragment.durationUs
  }

  /** The sink has not taken the oldest item: a fragment becomes a gap, together with a gap behind it; a gap stays. */
  refused(reason: CaptureGapReason, detail: string): void {
    const item = this.#items[0]
    if (item?.kind !== 'fragment') return
    this.taken()
    const behind = this.#items[0]
    const gap = gapOf(item.fragment, reason, detail)
    if (behind?.kind === 'gap' && behind.gap.run === gap.run) {
      this.#items[0] = { kind: 'gap', gap: widened(gap, behind.gap) }
      return
    }
    this.#items.unshift({ kind: 'gap', gap })
    this.#gaps += 1
  }

  /** How many fragments are in it; gaps do not count. */
  get fragments(): number {
    return this.#items.length - this.#gaps
  }
}

/** What a fragment leaves behind when it is lost. */
export function gapOf(fragment: CapturedFragment, reason: CaptureGapReason, detail: string): CaptureGap {
  const { run, monoUs, wallUs, clock, durationUs } = fragment
  return { run, monoUs, wallUs, clock, durationUs, reason, span: 1, detail }
}

/** The earlier gap reaching to the end of the later one. */
function widened(gap: CaptureGap, later: CaptureGap): CaptureGap {
  const durationUs = Math.max(gap.durationUs, later.monoUs + later.durationUs - gap.monoUs)
  return { ...gap, span: gap.span + later.span, durationUs }
}

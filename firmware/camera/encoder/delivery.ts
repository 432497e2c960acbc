/** Hands fragments and gaps to the sink, one at a time and in order, and keeps what waits within bounds. */
import { type Clock, sleep } from '../../platform/clock.ts'
import { CaptureQueue, gapOf, type QueueLimits } from './capture-queue.ts'
import type { CapturedFragment, CaptureGap, CaptureSink } from './captured.ts'

export interface DeliveryOptions {
  readonly sink: CaptureSink
  readonly clock: Clock
  readonly limits: QueueLimits
  /** False: nothing is left out; the encoder waits for `hold` instead. */
  readonly realTime: boolean
}

/** Before a sink that refused is asked again. */
const RETRY_MS = 1000

export class Delivery {
  readonly #options: DeliveryOptions
  readonly #queue: CaptureQueue
  readonly #finishing = new AbortController()
  #gaveUp = false
  #active = false
  #pumping = Promise.resolve()
  #held: (() => void)[] = []
  #lost = 0

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#queue = new CaptureQueue(options.limits)
  }

  get queuedBytes(): number {
    return this.#queue.bytes
  }

  /** Fragments that were offered and did not arrive. */
  get lost(): number {
    return this.#lost
  }

  /** False when the fragment was left out, for the sink is too far behind; a gap stands for it. */
  offer(fragment: CapturedFragment): boolean {
    if (this.#options.realTime && this.#queue.isFullFor(fragment)) {
      const { bytes, durationUs } = this.#queue
      const behind = `${(bytes / 1048576).toFixed(1)} MiB and ${(durationUs / 1e6).toFixed(1)} s`
      this.#lost += 1
      this.gap(gapOf(fragment, 'card-stalled', `the card is behind by ${behind}`))
      return false
    }
    this.#queue.push(fragment)
    this.#pump()
    return true
  }

  gap(gap: CaptureGap): void {
    this.#queue.pushGap(gap)
    this.#pump()
  }

  /** A promise while the sink is half a queue behind, for encoders that can wait. */
  hold(): Promise<void> | undefined {
    if (this.#options.realTime || this.#finishing.signal.aborted || !this.#isBehind()) return undefined
    return new Promise((resolve) => {
      this.#held.push(resolve)
    })
  }

  #isBehind(): boolean {
    return this.#queue.bytes > this.#options.limits.maxBytes / 2
  }

  /** Nobody is held back any more, and a sink that refuses is asked only once more. */
  finish(): void {
    this.#finishing.abort()
    this.#release()
  }

  /** Resolves when all that was offered has been taken, or the sink refused it after `finish`. */
  drained(): Promise<void> {
    return this.#pumping
  }

  /** What is still queued will not be handed on. */
  giveUp(): void {
    if (this.#gaveUp) return
    this.#gaveUp = true
    this.#lost += this.#queue.fragments
  }

  #release(): void {
    for (const resume of this.#held.splice(0)) resume()
  }

  #pump(): void {
    if (this.#active) return
    this.#active = true
    this.#pumping = this.#deliver()
  }

  async #deliver(): Promise<void> {
    let going = true
    while (going && this.#queue.first() !== undefined) {
      going = await this.#deliverFirst()
      if (!this.#isBehind()) this.#release()
    }
    // In the same turn as the last look at the queue: what is offered later starts anew.
    this.#active = false
  }

  /** False when it makes no sense to go on. */
  async #deliverFirst(): Promise<boolean> {
    const { sink, clock } = this.#options
    const item = this.#queue.first()
    if (item === undefined || this.#gaveUp) return false
    try {
      if (item.kind === 'fragment') await sink.fragment(item.fragment)
      else await sink.gap(item.gap)
      if (!this.#gaveUp) this.#queue.taken()
      return !this.#gaveUp
    } catch (error) {
      const finishing = this.#finishing.signal
      if (this.#gaveUp || (item.kind === 'gap' && finishing.aborted)) return false
      if (item.kind === 'fragment') {
        this.#lost += 1
        this.#queue.refused('card-failed', error instanceof Error ? error.message : String(error))
      }
      if (!finishing.aborted) await sleep(clock, RETRY_MS, finishing)
      return !this.#gaveUp
    }
  }
}

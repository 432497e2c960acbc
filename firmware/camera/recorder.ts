/**
 * From capture to a ring: the card as long as it works, memory while it does not, the card again when it is back. A ring
 * that is not written any more stays attached until all of it is safe.
 */
import type { Clock, Timer } from '../platform/clock.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import type { GapReason } from '../wire/gap.ts'
import type { CapturedFragment, CaptureGap, CaptureGapReason, CaptureSink, CaptureSpan } from './encoder/captured.ts'
import type { GapTimes, Ring, RingFragment } from './ring/ring.ts'

/** A card that was pushed back in is found within this time. */
export const CARD_RETRY_MS = 5_000

const GAP_REASONS: Record<CaptureGapReason, GapReason> = {
  'card-stalled': 'too-slow',
  'card-failed': 'card-gone',
  'encoder-damaged': 'encoder-down',
  'encoder-ended': 'encoder-down',
}

export interface RecorderOptions {
  /** Opens the ring on the card; undefined when the camera is meant to run without one. */
  readonly openCard: (() => Promise<Ring>) | undefined
  readonly openMemory: () => Ring
  /** The card has worked before: missing now means that it was pulled out, not that the folder is wrong. */
  readonly cardKnown: boolean
  readonly clock: Clock
  /** This boot, 16 hex digits. */
  readonly boot: string
  /** A ring was attached, or is gone. */
  onRings(rings: readonly Ring[]): void
  warn(problem: HomewardError): void
}

export type CardState = 'ok' | 'read-only' | 'failed' | 'gone' | 'none'

export class Recorder implements CaptureSink {
  readonly #options: RecorderOptions
  #card: Ring | undefined
  #memory: Ring | undefined
  /** Why the card is not in use. */
  #cardProblem: HomewardError | undefined
  #timer: Timer | undefined
  #reopening: Promise<void> | undefined
  #stopWatching: (() => void) | undefined
  #closed = false
  #captured = 0
  #lost = 0

  constructor(options: RecorderOptions) {
    this.#options = options
  }

  /** Rejects when the card's folder is not a ring of this camera and never was. */
  async start(): Promise<void> {
    const { openCard, cardKnown } = this.#options
    if (openCard === undefined) this.#useMemory()
    else {
      try {
        this.#card = await openCard()
      } catch (error) {
        if (!isHomewardError(error) || !(cardKnown || isHomewardError(error, 'RING_FAILED'))) throw error
        this.#cardFailed(error)
      }
    }
    if (this.#card !== undefined && this.#card.stats().card !== 'ok') {
      this.#cardFailed(new HomewardError('RING_FAILED', 'the card can be read but not written'))
    }
    this.#announce()
  }

  get rings(): readonly Ring[] {
    return [this.#card, this.#memory].filter((ring) => ring !== undefined)
  }

  /** The ring that takes what is captured now. */
  get active(): Ring {
    const ring =
      this.#memory !== undefined && this.#cardProblem !== undefined ? this.#memory : (this.#card ?? this.#memory)
    if (ring === undefined) throw new HomewardError('INTERNAL', 'the recorder has not been started')
    return ring
  }

  get card(): CardState {
    if (this.#options.openCard === undefined) return 'none'
    if (this.#card === undefined) return 'gone'
    return this.#cardProblem === undefined ? 'ok' : this.#card.stats().card === 'read-only' ? 'read-only' : 'failed'
  }

  get cardProblem(): HomewardError | undefined {
    return this.#cardProblem
  }

  /** Fragments since the start: kept, and lost to a gap. */
  get counts(): { readonly captured: number; readonly lost: number } {
    return { captured: this.#captured, lost: this.#lost }
  }

  async fragment(captured: CapturedFragment): Promise<void> {
    const { init, fragment } = captured
    const entry: RingFragment = {
      meta: {
        ...timesOf(captured),
        boot: this.#options.boot,
        keyFrame: fragment.keyFrame,
        runStart: captured.runStart,
      },
      init: init.bytes,
      fragment: fragment.bytes,
    }
    const result = await this.#onActive((ring) => ring.append(entry))
    if (result === 'kept') this.#captured += 1
    else this.#lost += 1
  }

  async gap(gap: CaptureGap): Promise<void> {
    await this.#onActive((ring) => ring.addGap(gap.span, GAP_REASONS[gap.reason], timesOf(gap)))
    this.#lost += gap.span
  }

  /** Idempotent; finishes what is under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#stopWatching?.()
    await this.#reopening
    const rings = this.rings
    this.#card = undefined
    this.#memory = undefined
    await Promise.all(rings.map((ring) => ring.close()))
  }

  /** What the card refuses goes to memory. */
  async #onActive<T>(action: (ring: Ring) => Promise<T>): Promise<T> {
    const ring = this.active
    try {
      return await action(ring)
    } catch (error) {
      if (ring !== this.#card || !isHomewardError(error, 'RING_FAILED') || this.#closed) throw error
      this.#cardFailed(error)
      return action(this.active)
    }
  }

  #cardFailed(problem: HomewardError): void {
    if (this.#cardProblem?.message !== problem.message) this.#options.warn(problem)
    this.#cardProblem = problem
    if (this.#memory === undefined) this.#useMemory()
    this.#announce()
    this.#timer ??= this.#options.clock.after(CARD_RETRY_MS, () => {
      this.#timer = undefined
      this.#reopening = this.#reopen().finally(() => {
        this.#reopening = undefined
      })
    })
  }

  async #reopen(): Promise<void> {
    const { openCard } = this.#options
    if (openCard === undefined || this.#closed) return
    const old = this.#card
    this.#card = undefined
    this.#announce()
    await old?.close().catch(() => undefined)
    try {
      const card = await openCard()
      if (this.#closed) return await card.close()
      this.#card = card
      if (card.stats().card !== 'ok') throw new HomewardError('RING_FAILED', 'the card can be read but not written')
      this.#cardProblem = undefined
      this.#announce()
    } catch (error) {
      this.#cardFailed(
        isHomewardError(error) ? error : new HomewardError('RING_FAILED', String(error), { cause: error }),
      )
    }
  }

  #useMemory(): void {
    const memory = this.#options.openMemory()
    this.#memory = memory
    this.#stopWatching = memory.onChange(() => this.#retireMemory(memory))
  }

  /** Once the card works again and all of memory is safe, memory is not needed any more. */
  #retireMemory(memory: Ring): void {
    if (memory !== this.#memory || memory === this.active || memory.logs().length > 0) return
    this.#stopWatching?.()
    this.#stopWatching = undefined
    this.#memory = undefined
    this.#announce()
    void memory.close()
  }

  #announce(): void {
    this.#options.onRings(this.rings)
    if (this.#memory !== undefined) this.#retireMemory(this.#memory)
  }
}

function timesOf({ run, monoUs, wallUs, clock, durationUs }: CaptureSpan): GapTimes {
  return { run, monoUs, wallUs, clock, durationUs }
}

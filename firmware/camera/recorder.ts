/**
 * From capture to a ring: the card as long as it works, memory while it does not, the card again when it is back. A ring
 * that is not written any more stays attached until all of it is safe.
 */
import type { Clock, Timer } from '../platform/clock.ts'
import { type ErrorCode, HomewardError, isHomewardError } from '../wire/errors.ts'
import type { GapReason } from '../wire/gap.ts'
import { FRAGMENT_MAX_BYTES } from '../wire/limits.ts'
import type { CapturedFragment, CaptureGap, CaptureGapReason, CaptureSink, CaptureSpan } from './encoder/captured.ts'
import { type Now, OUTAGE_FIRST_US, OUTAGE_MIN_US, Outages, offTime } from './outages.ts'
import type { GapTimes, Ring, RingFragment } from './ring/ring.ts'
import { countWaiting } from './waiting.ts'

/** A card that was pushed back in is found within this time. */
export const CARD_RETRY_MS = 5_000
/** A card that opens but takes nothing is tried less and less often: each time all of it is looked through. */
export const CARD_RETRY_MAX_MS = 80_000

/** What pulling out, swapping or wearing out a card looks like. */
const CARD_TROUBLE: readonly ErrorCode[] = ['RING_UNMARKED', 'RING_FOREIGN', 'RING_FAILED', 'DISK_FULL']

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
  /** Why the card is not used from now on; undefined when it is used again. */
  onCard(problem: HomewardError | undefined): void
  /** The first fragment since the start is kept. */
  onFirst?(): void
}

export type CardState = 'ok' | 'read-only' | 'failed' | 'gone' | 'none'

export class Recorder implements CaptureSink {
  readonly #options: RecorderOptions
  #card: Ring | undefined
  #memory: Ring | undefined
  /** Why the card is not in use. */
  #cardProblem: HomewardError | undefined
  #timer: Timer | undefined
  #retryMs = CARD_RETRY_MS
  #reopening: Promise<void> | undefined
  #stopWatching: (() => void) | undefined
  #closed = false
  #captured = 0
  readonly #lost = new Map<GapReason, number>()
  readonly #outages = new Outages()
  /** While the encoder is down: when its outage is entered next. */
  #outageTimer: Timer | undefined
  /** When it was started; undefined once it is known for how long the camera had been off. */
  #startedAt: Now | undefined

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#startedAt = this.#now()
  }

  /** Rejects when the card's folder is not a ring of this camera and never was. */
  async start(): Promise<void> {
    const { openCard, cardKnown } = this.#options
    if (openCard === undefined) this.#useMemory()
    else {
      try {
        this.#card = await openCard()
      } catch (error) {
        const expected = cardKnown ? CARD_TROUBLE : (['RING_FAILED'] as const)
        if (!isHomewardError(error, ...expected)) throw error
        this.#cardFailed(error)
      }
    }
    if (this.#card !== undefined && this.#card.stats().card !== 'ok') this.#cardFailed(notWritable())
    await this.#enterOff()
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
    return { captured: this.#captured, lost: [...this.#lost.values()].reduce((sum, count) => sum + count, 0) }
  }

  /** What was lost since the start, by reason. */
  get lostBy(): Readonly<Partial<Record<GapReason, number>>> {
    return Object.fromEntries(this.#lost)
  }

  #count(span: number, reason: GapReason): void {
    this.#lost.set(reason, (this.#lost.get(reason) ?? 0) + span)
  }

  /** Why the ring in use has just not kept a fragment. */
  #reasonOf({ init, fragment }: RingFragment): GapReason {
    if (this.active.stats().full) return this.active === this.#card ? 'ring-full' : 'card-gone'
    return init.byteLength + fragment.byteLength > FRAGMENT_MAX_BYTES ? 'too-long' : 'too-slow'
  }

  async fragment(captured: CapturedFragment): Promise<void> {
    await this.#enterOutage(this.#outages.before(captured))
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
    if (result === 'kept') {
      this.#captured += 1
      if (this.#captured === 1) this.#options.onFirst?.()
    } else this.#count(1, this.#reasonOf(entry))
  }

  async gap(gap: CaptureGap): Promise<void> {
    await this.#enterOutage(this.#outages.before(gap))
    await this.#onActive((ring) => ring.addGap(gap.span, GAP_REASONS[gap.reason], timesOf(gap)))
    this.#count(gap.span, GAP_REASONS[gap.reason])
  }

  /** Enters that `span` fragments will never come. */
  async missed(span: number, reason: GapReason): Promise<void> {
    if (span === 0) return
    await this.#onActive((ring) => ring.addGap(span, reason))
    this.#count(span, reason)
  }

  /** The encoder delivers nothing, from now on or again. */
  encoderDown(): void {
    this.#outages.down(this.#options.clock.monoUs())
    this.#watchOutage(OUTAGE_FIRST_US)
  }

  #watchOutage(minUs: number): void {
    if (this.#closed) return
    this.#outageTimer ??= this.#options.clock.after(minUs / 1000, () => {
      this.#outageTimer = undefined
      const times = this.#outages.soFar(this.#now(), OUTAGE_MIN_US)
      if (times === undefined) return
      this.#enterOutage(times).catch(() => undefined)
      this.#watchOutage(2 * minUs)
    })
  }

  async #enterOutage(times: GapTimes | undefined): Promise<void> {
    if (times !== undefined) await this.#onActive((ring) => ring.addGap(1, 'encoder-down', times))
  }

  /** The first card that can be written tells for how long the camera had been off. */
  async #enterOff(): Promise<void> {
    const card = this.#card
    if (card === undefined || this.#cardProblem !== undefined || this.#startedAt === undefined) return
    const times = offTime(card.before, this.#options.boot, this.#startedAt)
    this.#startedAt = undefined
    // A card that fails says so again with the first fragment.
    if (times !== undefined) await card.addGap(1, 'camera-off', times).catch(() => undefined)
  }

  #now(): Now {
    const { clock } = this.#options
    const quality = clock.quality()
    return { monoUs: clock.monoUs(), wallUs: quality === 'none' ? 0 : clock.wallUs(), clock: quality }
  }

  /** Idempotent; finishes what is under way. Resolves with how many fragments were in memory only and are gone now. */
  async close(): Promise<number> {
    const outage = this.#closed ? undefined : this.#outages.soFar(this.#now(), OUTAGE_MIN_US)
    this.#closed = true
    this.#timer?.cancel()
    this.#outageTimer?.cancel()
    await this.#enterOutage(outage).catch(() => undefined)
    this.#stopWatching?.()
    await this.#reopening
    const rings = this.rings
    const unsent = this.#memory === undefined ? 0 : countWaiting(this.#memory.logs())
    this.#card = undefined
    this.#memory = undefined
    await Promise.all(rings.map((ring) => ring.close()))
    return unsent
  }

  /** What the card refuses goes to memory. */
  async #onActive<T>(action: (ring: Ring) => Promise<T>): Promise<T> {
    const ring = this.active
    try {
      const result = await action(ring)
      if (ring === this.#card) this.#retryMs = CARD_RETRY_MS
      return result
    } catch (error) {
      if (ring !== this.#card || !isHomewardError(error, 'RING_FAILED') || this.#closed) throw error
      this.#cardFailed(error)
      return action(this.active)
    }
  }

  #cardFailed(problem: HomewardError): void {
    if (this.#closed) return
    const told = this.#cardProblem?.message === problem.message
    this.#cardProblem = problem
    if (!told) this.#options.onCard(problem)
    if (this.#memory === undefined) this.#useMemory()
    this.#announce()
    this.#timer ??= this.#options.clock.after(this.#retryMs, () => {
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
      // One that takes no writes stays all the same: what is on it can be sent.
      this.#card = card
      // Only for the case that it takes nothing: what it takes makes the next retry a prompt one again.
      this.#retryMs = Math.min(this.#retryMs * 2, CARD_RETRY_MAX_MS)
      if (card.stats().card !== 'ok') throw notWritable()
      this.#cardProblem = undefined
      await this.#enterOff()
      this.#options.onCard(undefined)
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

function notWritable(): HomewardError {
  return new HomewardError('RING_FAILED', 'the card can be read but not written', {
    hint: 'Is it locked, mounted read-only, or worn out? What is on it is still sent.',
  })
}

function timesOf({ run, monoUs, wallUs, clock, durationUs }: CaptureSpan): GapTimes {
  return { run, monoUs, wallUs, clock, durationUs }
}

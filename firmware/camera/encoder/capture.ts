/**
 * Keeps an encoder running: starts it, cuts its stream into fragments, stamps them and hands them to the sink in order,
 * and starts it anew when it ends. Between encoder and sink stands a bounded queue, so that a slow card never makes the
 * memory grow and what had to be left out is a gap with a reason. An encoder that is not bound to real time is held back
 * instead and loses nothing.
 */
import { type Clock, sleep, type Timer } from '../../platform/clock.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { QueueLimits } from './capture-queue.ts'
import type { CaptureSink } from './captured.ts'
import { Delivery } from './delivery.ts'
import type { Encoder } from './encoder.ts'
import { type RunCounter, RunReader } from './run-reader.ts'
import { Stamper } from './stamper.ts'

interface StateBase {
  /** Monotonic time since which it is so. */
  readonly sinceUs: number
  /** How often the encoder was started again. */
  readonly restarts: number
  /** Why the encoder ended last. */
  readonly lastError?: HomewardError
}

export type CaptureState =
  /** The encoder was started and has delivered nothing yet. */
  | (StateBase & { readonly state: 'starting' })
  | (StateBase & { readonly state: 'running'; readonly run: number })
  /** The encoder ended and is started again `retryMs` after `sinceUs`. */
  | (StateBase & { readonly state: 'waiting'; readonly lastError: HomewardError; readonly retryMs: number })
  /** A finite source is over. */
  | (StateBase & { readonly state: 'ended' })
  | (StateBase & { readonly state: 'closed' })

export interface CaptureStats {
  /** Fragments that came from the encoder. */
  readonly captured: number
  /** Of these, lost in gaps, or still queued when `close` gave up on the sink. */
  readonly lost: number
  readonly queuedBytes: number
}

export interface CaptureOptions {
  readonly encoder: Encoder
  readonly sink: CaptureSink
  readonly clock: Clock
  /** How far the sink may fall behind; 32 MiB and 10 s of footage when absent. */
  readonly queue?: QueueLimits
  readonly onState?: (state: CaptureState) => void
}

const QUEUE: QueueLimits = { maxBytes: 32 * 1024 * 1024, maxMs: 10_000 }

/** A camera that re-enumerates is back within a second; one that is gone is asked for twice a minute. */
const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 30_000
/** A run this long shows that the fault is over. */
const HEALTHY_MS = 30_000
/** For the encoder to end and the sink to take what is queued. */
const CLOSE_MS = 3000

export class Capture {
  readonly #encoder: Encoder
  readonly #clock: Clock
  readonly #delivery: Delivery
  readonly #stamper: Stamper
  readonly #onState: (state: CaptureState) => void
  readonly #runs: RunCounter = { next: 0 }
  readonly #stopping = new AbortController()
  #state: CaptureState
  #supervising: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #restarts = 0
  #lastError: HomewardError | undefined
  #captured = 0

  constructor({ encoder, sink, clock, queue = QUEUE, onState = () => {} }: CaptureOptions) {
    this.#encoder = encoder
    this.#clock = clock
    this.#delivery = new Delivery({ sink, clock, limits: queue, realTime: encoder.realTime })
    this.#stamper = new Stamper(clock, encoder.realTime)
    this.#onState = onState
    this.#state = { state: 'starting', sinceUs: clock.monoUs(), restarts: 0 }
  }

  get state(): CaptureState {
    return this.#state
  }

  stats(): CaptureStats {
    return { captured: this.#captured, lost: this.#delivery.lost, queuedBytes: this.#delivery.queuedBytes }
  }

  /** Once; nothing happens after `close`. */
  start(): void {
    this.#supervising ??= this.#supervise()
  }

  /** Ends the encoder and hands on what is queued. Resolves within 3 s, even when the sink stalls. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    let timer: Timer | undefined
    const deadline = new Promise<void>((resolve) => {
      timer = this.#clock.after(CLOSE_MS, resolve)
    })
    this.#delivery.finish()
    this.#stopping.abort()
    await this.#supervising
    await Promise.race([this.#delivery.drained(), deadline])
    timer?.cancel()
    this.#delivery.giveUp()
    this.#enter({ state: 'closed', ...this.#base() })
  }

  async #supervise(): Promise<void> {
    const signal = this.#stopping.signal
    let retryMs = RETRY_FIRST_MS
    while (!signal.aborted) {
      this.#enter({ state: 'starting', ...this.#base() })
      const error = await this.#run(signal)
      if (signal.aborted) return
      if (error === undefined) {
        this.#enter({ state: 'ended', ...this.#base() })
        return
      }
      const ranUs = this.#state.state === 'running' ? this.#clock.monoUs() - this.#state.sinceUs : 0
      if (ranUs >= HEALTHY_MS * 1000) retryMs = RETRY_FIRST_MS
      this.#lastError = error
      this.#enter({ state: 'waiting', ...this.#base(), lastError: error, retryMs })
      await sleep(this.#clock, retryMs, signal)
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS)
      this.#restarts += 1
    }
  }

  /** One run of the encoder; undefined when its footage is over or it was aborted. */
  async #run(signal: AbortSignal): Promise<HomewardError | undefined> {
    const reader = new RunReader(this.#stamper, this.#runs, {
      fragment: (fragment) => {
        this.#captured += 1
        if (this.#state.state !== 'running' || this.#state.run !== fragment.run) {
          this.#enter({ state: 'running', ...this.#base(), run: fragment.run })
        }
        return this.#delivery.offer(fragment)
      },
      gap: (gap) => this.#delivery.gap(gap),
    })
    const chunk = (bytes: Uint8Array): Promise<void> | undefined => {
      reader.push(bytes)
      return this.#delivery.hold()
    }
    try {
      await this.#encoder.run({ chunk }, signal)
      return undefined
    } catch (error) {
      if (error instanceof HomewardError) return error
      return new HomewardError('INTERNAL', `the encoder failed: ${error}`, { cause: error })
    } finally {
      reader.end()
    }
  }

  #base(): StateBase {
    const base = { sinceUs: this.#clock.monoUs(), restarts: this.#restarts }
    return this.#lastError === undefined ? base : { ...base, lastError: this.#lastError }
  }

  #enter(state: CaptureState): void {
    this.#state = state
    this.#onState(state)
  }
}

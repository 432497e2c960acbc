/**
 * Whether the other end of a channel is still there. udx does not notice a path that died, so each end says something when
 * it has nothing to say, and gives up when it hears nothing. Any byte that arrives is a sign of life.
 */
import type { Clock, Timer } from '../platform/clock.ts'

/** Streaming: a ping after this long without a byte. Two more may get lost before the silence counts as an end. */
const STREAMING_PING_MS = 1_000
/**
 * Streaming: something is said at least this often. The sender's pings queue behind its own megabytes, their answers come
 * late on a slow line; what the other end says unasked does not.
 */
const STREAMING_BEAT_MS = 1_000
/** Streaming: silent for this long is dead. With GRACE_MS and the timer's own delay this stays below 3 s. */
const STREAMING_SILENCE_MS = 2_850
/** Idle: rarer, for a channel that carries nothing should cost next to nothing, and no NAT mapping expires in 5 s. */
const IDLE_PING_MS = 5_000
/** Idle: three pings unanswered. */
const IDLE_SILENCE_MS = 15_000
/** Longer than the pause between two fragments, so that a camera at work never looks idle. */
export const STREAMING_LINGER_MS = 10_000
/** A process that was held up runs its timers before it reads its sockets: what waits there is read within this time. */
const GRACE_MS = 100

export interface HeartbeatActions {
  /** Asks for a sign of life; `streaming` tells the other end how closely to watch. */
  ping(streaming: boolean): void
  /** A sign of life nobody asked for. */
  beat(): void
  dead(): void
}

export class Heartbeat {
  readonly #clock: Clock
  readonly #actions: HeartbeatActions
  #timer: Timer | undefined
  #stopped = false
  #receivedMs: number
  #sentMs: number
  #pingedMs = Number.NEGATIVE_INFINITY
  /** Silence counts from here at the earliest: a channel that woke up a moment ago is not yet silent. */
  #watchedFromMs: number
  #streamingUntilMs = Number.NEGATIVE_INFINITY
  #graceUntilMs: number | undefined

  constructor(clock: Clock, actions: HeartbeatActions) {
    this.#clock = clock
    this.#actions = actions
    this.#receivedMs = this.#sentMs = this.#watchedFromMs = this.#nowMs()
    this.#arm()
  }

  /** Any bytes arrived. */
  received(): void {
    this.#receivedMs = this.#nowMs()
    this.#graceUntilMs = undefined
  }

  /** Something was sent. */
  sent(): void {
    this.#sentMs = this.#nowMs()
  }

  /** Data moves in either direction, or the other end says that it does. Call before `sent` of the data itself. */
  streaming(): void {
    const nowMs = this.#nowMs()
    const idle = nowMs >= this.#streamingUntilMs
    this.#streamingUntilMs = nowMs + STREAMING_LINGER_MS
    if (!idle || this.#stopped) return
    this.#watchedFromMs = nowMs
    this.#ping(nowMs)
    this.#arm()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #tick(): void {
    const nowMs = this.#nowMs()
    const streaming = nowMs < this.#streamingUntilMs
    const heardMs = Math.max(this.#receivedMs, this.#watchedFromMs)
    if (nowMs >= heardMs + (streaming ? STREAMING_SILENCE_MS : IDLE_SILENCE_MS)) {
      if (this.#graceUntilMs !== undefined && nowMs >= this.#graceUntilMs) {
        this.stop()
        this.#actions.dead()
        return
      }
      this.#graceUntilMs ??= nowMs + GRACE_MS
    }
    if (nowMs >= Math.max(heardMs, this.#pingedMs) + (streaming ? STREAMING_PING_MS : IDLE_PING_MS)) this.#ping(nowMs)
    else if (streaming && nowMs >= this.#sentMs + STREAMING_BEAT_MS) {
      this.#sentMs = nowMs
      this.#actions.beat()
    }
    this.#arm()
  }

  #ping(nowMs: number): void {
    this.#pingedMs = this.#sentMs = nowMs
    this.#actions.ping(nowMs < this.#streamingUntilMs)
  }

  #arm(): void {
    if (this.#stopped) return
    const nowMs = this.#nowMs()
    const streaming = nowMs < this.#streamingUntilMs
    const heardMs = Math.max(this.#receivedMs, this.#watchedFromMs)
    const dueMs = Math.min(
      Math.max(heardMs, this.#pingedMs) + (streaming ? STREAMING_PING_MS : IDLE_PING_MS),
      this.#graceUntilMs ?? heardMs + (streaming ? STREAMING_SILENCE_MS : IDLE_SILENCE_MS),
      streaming ? this.#sentMs + STREAMING_BEAT_MS : Number.POSITIVE_INFINITY,
    )
    this.#timer?.cancel()
    this.#timer = this.#clock.after(Math.max(1, dueMs - nowMs), () => this.#tick())
  }

  #nowMs(): number {
    return this.#clock.monoUs() / 1000
  }
}

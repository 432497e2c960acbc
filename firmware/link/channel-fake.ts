/**
 * Two ends of a channel in one process, in the time of one clock: with delay, a send window that fills up, a way to stall
 * one direction, and sudden ends. Nothing is encrypted.
 */
import type { Clock, Timer } from '../platform/clock.ts'
import { HomewardError } from '../wire/errors.ts'
import { CHANNEL_MESSAGE_MAX_BYTES, type Channel, type ChannelCloseReason, type ChannelPath } from './channel.ts'

export interface FakeChannelOptions {
  readonly clock: Clock
  readonly path?: ChannelPath
  /** One way. */
  readonly delayMs?: number
  /** Bytes under way from one end before its `send` says "wait". */
  readonly windowBytes?: number
  /** Public keys of the two ends. */
  readonly keys?: readonly [Uint8Array, Uint8Array]
}

export class FakeChannel implements Channel {
  readonly path: ChannelPath
  readonly remote: Uint8Array
  /** Messages and bytes that were given to `send`. */
  readonly sent = { messages: 0, bytes: 0 }
  readonly #clock: Clock
  readonly #delayMs: number
  readonly #windowBytes: number
  readonly #timers = new Set<Timer>()
  /** Itself only until `pair` has made the other one. */
  #other: FakeChannel = this
  #underWay: Uint8Array[] = []
  #underWayBytes = 0
  #arrivals = 0
  #stalled = false
  #full = false
  #reason: ChannelCloseReason | undefined
  #gone: Promise<void> | undefined
  #held: Uint8Array[] = []
  #messageListener: ((message: Uint8Array) => void) | undefined
  #drainListener: (() => void) | undefined
  #closeListeners: ((reason: ChannelCloseReason) => void)[] = []

  private constructor(options: FakeChannelOptions, remote: Uint8Array) {
    this.path = options.path ?? 'lan'
    this.remote = remote
    this.#clock = options.clock
    this.#delayMs = options.delayMs ?? 1
    this.#windowBytes = options.windowBytes ?? 256 * 1024
  }

  static pair(options: FakeChannelOptions): [FakeChannel, FakeChannel] {
    const [keyA, keyB] = options.keys ?? [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    const a = new FakeChannel(options, keyB)
    const b = new FakeChannel(options, keyA)
    a.#other = b
    b.#other = a
    return [a, b]
  }

  send(message: Uint8Array): boolean {
    if (message.byteLength === 0 || message.byteLength > CHANNEL_MESSAGE_MAX_BYTES) {
      throw new HomewardError('INTERNAL', `a message of ${message.byteLength} bytes on a channel`)
    }
    if (this.#reason !== undefined) return false
    this.sent.messages += 1
    this.sent.bytes += message.byteLength
    this.#underWay.push(message.slice())
    this.#underWayBytes += message.byteLength
    this.#later(() => {
      this.#arrivals += 1
      this.#deliver()
    })
    this.#full = this.#underWayBytes >= this.#windowBytes
    return !this.#full
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#messageListener = listener
    const held = this.#held
    this.#held = []
    for (const message of held) listener(message)
  }

  onDrain(listener: () => void): void {
    this.#drainListener = listener
  }

  onClose(listener: (reason: ChannelCloseReason) => void): void {
    if (this.#reason === undefined) this.#closeListeners.push(listener)
    else listener(this.#reason)
  }

  /** The other end learns of it once everything sent before has arrived there; not at all while stalled. */
  close(): Promise<void> {
    if (this.#reason !== undefined) return this.#gone ?? Promise.resolve()
    this.#end('closed')
    this.#gone = new Promise((resolve) => {
      this.#later(() => {
        if (!this.#stalled) this.#other.#end('ended')
        resolve()
      })
    })
    return this.#gone
  }

  /** While stalled, what this end sends goes nowhere; it arrives when the stall is over. */
  stall(stalled: boolean): void {
    this.#stalled = stalled
    this.#deliver()
  }

  /** Both ends close, as when the path died; what is under way is lost. */
  sever(reason: ChannelCloseReason = 'silent'): void {
    for (const end of [this, this.#other]) {
      for (const timer of end.#timers) timer.cancel()
      end.#timers.clear()
      end.#underWay = []
      end.#end(reason)
    }
  }

  #later(action: () => void): void {
    const timer = this.#clock.after(this.#delayMs, () => {
      this.#timers.delete(timer)
      action()
    })
    this.#timers.add(timer)
  }

  #deliver(): void {
    while (!this.#stalled && this.#arrivals > 0) {
      const message = this.#underWay.shift()
      if (message === undefined) break
      this.#arrivals -= 1
      this.#underWayBytes -= message.byteLength
      this.#other.#receive(message)
    }
    if (!this.#full || this.#underWayBytes >= this.#windowBytes || this.#reason !== undefined) return
    this.#full = false
    this.#drainListener?.()
  }

  #receive(message: Uint8Array): void {
    if (this.#reason !== undefined) return
    if (this.#messageListener === undefined) this.#held.push(message)
    else this.#messageListener(message)
  }

  #end(reason: ChannelCloseReason): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    const listeners = this.#closeListeners
    this.#closeListeners = []
    for (const listener of listeners) listener(reason)
  }
}

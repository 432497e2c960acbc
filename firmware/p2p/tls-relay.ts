/** One relay over TLS: what one end sends goes to the other as fast as that one takes it and the budget allows. */
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Share } from './relay-shares.ts'

/** Nothing in either direction for so long: both ends have long gone another way. */
export const IDLE_MS = 30_000
/** How soon a direction that was over its budget is looked at again. */
const BUDGET_PAUSE_MS = 20

export interface TlsRelayOptions {
  readonly ends: readonly [Duplex, Duplex]
  readonly share: Share
  readonly clock: Clock
  readonly onBytes: (bytes: number) => void
  /** Once, when both ends are gone. */
  readonly onEnd: (why: 'ended' | 'idle') => void
}

export class TlsRelay {
  readonly #options: TlsRelayOptions
  readonly #pauses = new Set<Timer>()
  #heardUs: number
  #idle: Timer
  #open = 2
  #why: 'ended' | 'idle' = 'ended'

  constructor(options: TlsRelayOptions) {
    this.#options = options
    this.#heardUs = options.clock.monoUs()
    this.#idle = options.clock.after(IDLE_MS, () => this.#checkIdle())
    const [one, other] = options.ends
    this.#forward(one, other)
    this.#forward(other, one)
  }

  /** Ends both at once. Idempotent. */
  close(): void {
    for (const end of this.#options.ends) end.destroy()
  }

  #forward(source: Duplex, sink: Duplex): void {
    const { share, onBytes, clock } = this.#options
    let waits = 0
    const goOn = () => {
      waits--
      if (waits === 0) source.resume()
    }
    const wait = () => {
      waits++
      source.pause()
    }
    const untilAllowed = () => {
      const pause = clock.after(BUDGET_PAUSE_MS, () => {
        this.#pauses.delete(pause)
        if (share.allows()) goOn()
        else untilAllowed()
      })
      this.#pauses.add(pause)
    }
    source.on('data', (chunk: Uint8Array) => {
      this.#heardUs = clock.monoUs()
      onBytes(chunk.byteLength)
      share.spend(chunk.byteLength)
      if (!sink.write(chunk)) {
        wait()
        sink.once('drain', goOn)
      }
      if (!share.allows()) {
        wait()
        untilAllowed()
      }
    })
    source.on('end', () => sink.end())
    source.on('close', () => {
      // Both ways said goodbye: what is still on its way to the other end may arrive.
      if (source.readableEnded && source.writableFinished) sink.end()
      else sink.destroy()
      this.#left()
    })
    source.resume()
    // It may have ended before it was ours.
    if (source.destroyed) sink.destroy()
  }

  #checkIdle(): void {
    const leftMs = (this.#heardUs - this.#options.clock.monoUs()) / 1000 + IDLE_MS
    if (leftMs > 0) {
      this.#idle = this.#options.clock.after(leftMs, () => this.#checkIdle())
      return
    }
    this.#why = 'idle'
    this.close()
  }

  #left(): void {
    this.#open--
    if (this.#open > 0) return
    this.#idle.cancel()
    for (const pause of this.#pauses) pause.cancel()
    this.#options.onEnd(this.#why)
  }
}

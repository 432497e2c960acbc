/** Server-Sent Events (HTML Living Standard §9.2): what changes, to pages that are open. */
import { PassThrough } from 'node:stream'
import { formatUid } from '../../link/uid.ts'
import type { Clock } from '../../platform/clock.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { Traffic } from '../traffic.ts'
import type { RawAnswer } from './answers.ts'
import type { EventData, EventName } from './api.ts'
import type { Monitor } from './monitor.ts'

/** Also through what forgets silent connections, and soon enough to notice that nobody is there. */
const BEAT_MS = 15_000
const LISTENERS_MAX = 64
/** Whoever takes nothing any more is let go. */
const BEHIND_MAX_BYTES = 1024 * 1024

export interface EventsOptions {
  readonly monitor: Monitor
  readonly traffic: Traffic
  readonly clock: Clock
}

export class Events {
  readonly #options: EventsOptions
  readonly #open = new Set<PassThrough>()

  constructor(options: EventsOptions) {
    this.#options = options
  }

  get listeners(): number {
    return this.#open.size
  }

  /** `isAllowed` is asked before each event: a session that was ended hears no more. Throws TOO_MANY. */
  async answer(signal: AbortSignal, isAllowed: () => boolean): Promise<RawAnswer> {
    if (this.#open.size >= LISTENERS_MAX) {
      throw new HomewardError('TOO_MANY', `${LISTENERS_MAX} pages are open already`, { hint: 'Close some of them.' })
    }
    const { monitor, traffic, clock } = this.#options
    const stream = new PassThrough()
    this.#open.add(stream)
    const send = <Name extends EventName>(name: Name, data: EventData<Name>) => {
      if (stream.destroyed || stream.writableEnded) return
      if (!isAllowed()) stream.end()
      else if (stream.writableLength > BEHIND_MAX_BYTES) stream.destroy()
      else stream.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
    }
    let stopListening: (() => void) | undefined
    const stopTraffic = traffic.onStored((camera, { span }) => {
      if (span === undefined) return
      const [fromMs, toMs] = [Math.round(span.fromUs / 1000), Math.round(span.toUs / 1000)]
      send('stored', { camera: formatUid(camera), fromMs, toMs })
    })
    const beat = () => {
      if (stream.writableEnded || !isAllowed()) {
        stream.end()
        return
      }
      stream.write(':\n\n')
      timer = clock.after(BEAT_MS, beat)
    }
    let timer = clock.after(BEAT_MS, beat)
    const stop = () => {
      timer.cancel()
      stopTraffic()
      stopListening?.()
      this.#open.delete(stream)
      stream.destroy()
    }
    stream.once('close', stop)
    signal.addEventListener('abort', stop, { once: true })
    try {
      stopListening = await monitor.listen(send)
    } catch (error) {
      stop()
      throw error
    }
    if (stream.destroyed) stopListening()
    return { headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }, body: stream }
  }

  /** Idempotent. */
  close(): void {
    for (const stream of this.#open) stream.destroy()
  }
}

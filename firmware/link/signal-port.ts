/** The signalling traffic of one DatagramPort, shared by whoever talks to P2P servers over it. */
import { type Clock, sleep } from '../platform/clock.ts'
import { isHomewardError } from '../wire/errors.ts'
import { decodeSignal, encodeSignal, type SignalMessage } from '../wire/signal.ts'
import { type Address, canonicalAddress } from './address.ts'
import { type DatagramPort, SIGNAL_KIND } from './datagram-port.ts'
import type { SignalListener, Signals } from './signals.ts'

export interface SignalPortCounters {
  received: number
  /** Not a frame, or none that this version knows. */
  malformed: number
  /** Nobody waits for it: late, repeated or made up. */
  unexpected: number
}

export class SignalPort implements Signals {
  readonly counters: SignalPortCounters = { received: 0, malformed: 0, unexpected: 0 }
  readonly #port: DatagramPort
  readonly #listeners = new Set<SignalListener>()
  readonly #stop: () => void

  constructor(port: DatagramPort) {
    this.#port = port
    this.#stop = port.listen(SIGNAL_KIND, (datagram, from) => this.#receive(datagram, from))
  }

  send(message: SignalMessage, to: Address): void {
    this.#port.send(signalDatagram(message), to)
  }

  /** Returns the way to stop. */
  listen(listener: SignalListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The port itself stays open. */
  close(): void {
    this.#stop()
    this.#listeners.clear()
  }

  #receive(datagram: Uint8Array, from: Address): void {
    this.counters.received++
    const message = readSignalDatagram(datagram)
    const sender = canonicalAddress(from.host, from.port)
    if (message === undefined || sender === undefined) {
      this.counters.malformed++
      return
    }
    for (const listener of [...this.#listeners]) if (listener(message, sender)) return
    this.counters.unexpected++
  }
}

export function signalDatagram(message: SignalMessage): Uint8Array {
  const frame = encodeSignal(message)
  const datagram = new Uint8Array(frame.byteLength + 1)
  datagram[0] = SIGNAL_KIND
  datagram.set(frame, 1)
  return datagram
}

/** Undefined for whatever is not a signalling frame of this version. */
export function readSignalDatagram(datagram: Uint8Array): SignalMessage | undefined {
  if (datagram.byteLength === 0) return undefined
  try {
    // A plain view: udx hands out Buffers, whose slice() is none to anybody else's mind.
    return decodeSignal(new Uint8Array(datagram.buffer, datagram.byteOffset + 1, datagram.byteLength - 1))
  } catch (error) {
    if (isHomewardError(error)) return undefined
    throw error
  }
}

export interface Exchange<T> {
  readonly signals: Signals
  readonly clock: Clock
  /** When to send, counted from the start, ascending; the last entry is when to give up. */
  readonly scheduleMs: readonly number[]
  readonly send: () => void
  /** The result, `'taken'` for a message that was ours and changes nothing yet, or undefined for one that is not ours. */
  readonly accept: (message: SignalMessage, from: Address) => { readonly result: T } | 'taken' | undefined
  readonly signal: AbortSignal
}

/** Sends, and sends again, until `accept` has a result. Undefined when time is up or `signal` aborts. */
export async function exchange<T>(options: Exchange<T>): Promise<T | undefined> {
  const { signals, clock, scheduleMs, send, accept, signal } = options
  const answered = new AbortController()
  const stopWaiting = () => answered.abort()
  signal.addEventListener('abort', stopWaiting, { once: true })
  let outcome: { readonly result: T } | undefined
  const stopListening = signals.listen((message, from) => {
    const verdict = outcome === undefined ? accept(message, from) : undefined
    if (verdict === undefined) return false
    if (verdict !== 'taken') {
      outcome = verdict
      answered.abort()
    }
    return true
  })
  try {
    for (const [index, atMs] of scheduleMs.entries()) {
      const nextMs = scheduleMs[index + 1]
      if (nextMs === undefined || signal.aborted || outcome !== undefined) break
      send()
      await sleep(clock, nextMs - atMs, answered.signal)
    }
  } finally {
    stopListening()
    signal.removeEventListener('abort', stopWaiting)
  }
  return outcome?.result
}

/** What the device tells by itself, kept for every view; a lost connection is opened again by the browser or by us. */
import type { EventData, EventName } from '../../web/api.ts'
import { call } from './api.ts'

export interface Home {
  readonly status: EventData<'status'> | undefined
  readonly cameras: EventData<'cameras'> | undefined
  readonly alerts: EventData<'alerts'> | undefined
  readonly pairings: EventData<'pairings'> | undefined
  /** False while the device does not answer. */
  readonly connected: boolean
  /** The device's clock less the browser's, in ms. */
  readonly clockAheadMs: number
}

type Stored = EventData<'stored'>

const RETRY_MS = 2000

export class HomeFeed {
  #home: Home = {
    ...{ status: undefined, cameras: undefined, alerts: undefined, pairings: undefined },
    ...{ connected: true, clockAheadMs: 0 },
  }
  #source: EventSource | undefined
  #retry: number | undefined
  readonly #listeners = new Set<() => void>()
  readonly #storedListeners = new Set<(stored: Stored) => void>()

  get home(): Home {
    return this.#home
  }

  /** By the device's clock. */
  get nowMs(): number {
    return Date.now() + this.#home.clockAheadMs
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onStored(listener: (stored: Stored) => void): () => void {
    this.#storedListeners.add(listener)
    return () => this.#storedListeners.delete(listener)
  }

  start(): void {
    this.close()
    const source = new EventSource('/api/v1/events')
    this.#source = source
    const on = <Name extends EventName>(name: Name, take: (data: EventData<Name>) => void) =>
      source.addEventListener(name, (event) => take(JSON.parse((event as MessageEvent<string>).data)))
    on('status', (status) => this.#set({ status, clockAheadMs: status.nowMs - Date.now() }))
    on('cameras', (cameras) => this.#set({ cameras }))
    on('alerts', (alerts) => this.#set({ alerts }))
    on('pairings', (pairings) => this.#set({ pairings }))
    on('stored', (stored) => {
      for (const listener of this.#storedListeners) listener(stored)
    })
    source.addEventListener('open', () => this.#set({ connected: true }))
    source.addEventListener('error', () => {
      this.#set({ connected: false })
      if (source.readyState !== EventSource.CLOSED) return
      // An answer that is no stream: signed out, which the next call tells, or too many pages.
      this.#retry = window.setTimeout(() => {
        void call('GET', '/api/v1/status').catch(() => undefined)
        if (this.#source === source) this.start()
      }, RETRY_MS)
    })
  }

  /** Idempotent. */
  close(): void {
    window.clearTimeout(this.#retry)
    this.#source?.close()
    this.#source = undefined
  }

  #set(change: Partial<Home>): void {
    this.#home = { ...this.#home, ...change }
    for (const listener of this.#listeners) listener()
  }
}

/** Looks at the device every so often: alerts come and go, and whoever listens hears of what changed. */
import type { Clock, Timer } from '../../platform/clock.ts'
import { toHex } from '../../wire/bytes.ts'
import type { StorageAgent } from '../agent.ts'
import { AlertBook, findAlerts, type Look } from './alerts.ts'
import type { Alert, Camera, Cameras, EventData, EventName, Pairings } from './api.ts'
import type { Backlogs } from './backlogs.ts'
import type { Notice } from './webhook.ts'

/** How fresh the page is. */
const LISTENED_MS = 1_000
/** Alerts are about minutes. */
const ALONE_MS = 5_000

export type MonitorListener = <Name extends EventName>(name: Name, data: EventData<Name>) => void

export interface MonitorOptions {
  readonly agent: StorageAgent
  readonly clock: Clock
  readonly backlogs: Backlogs
  readonly look: () => Promise<Look>
  readonly pairings: () => Pairings
  readonly onAlerts: (notices: readonly Notice[]) => void
  readonly onFault: (error: unknown) => void
}

export class Monitor {
  readonly #options: MonitorOptions
  readonly #book = new AlertBook()
  readonly #listeners = new Set<MonitorListener>()
  readonly #sent = new Map<EventName, string>()
  #timer: Timer | undefined
  #working: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: MonitorOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer ??= this.#options.clock.after(0, () => this.#tick())
  }

  get alerts(): Alert[] {
    return this.#book.alerts
  }

  /** The device as it is now, alerts brought up to date. */
  async look(): Promise<Look> {
    const { agent, backlogs, clock, look, onAlerts } = this.#options
    for (const { key } of agent.cameras.enrolled()) {
      const ring = agent.intake.statusOf(key).camera?.rings.find(({ card }) => card !== 'none')
      if (ring !== undefined) backlogs.note(toHex(key), ring)
    }
    const seen = await look()
    const { raised, cleared } = this.#book.update(findAlerts(seen), Math.round(clock.wallUs() / 1000))
    const notices: Notice[] = [
      ...raised.map((alert) => ({ event: 'raised' as const, alert })),
      ...cleared.map((alert) => ({ event: 'cleared' as const, alert })),
    ]
    if (notices.length > 0) onAlerts(notices)
    return seen
  }

  cameras(seen: Look): Camera[] {
    const { alerts } = this
    return seen.cameras.map(({ quietMs: _, ...camera }) => ({
      ...camera,
      alerts: alerts.filter((alert) => alert.camera === camera.id),
    }))
  }

  camerasAnswer(seen: Look): Cameras {
    const refusals = this.#options.agent.desk.refusals.map(({ why, camera, name, atUs, attempts }) => ({
      ...{ why, camera, name, attempts },
      atMs: Math.max(0, Math.round(atUs / 1000)),
    }))
    return { cameras: this.cameras(seen), refusals }
  }

  /** Hears everything that changes from now on, and the present state at once. Returns the way to stop. */
  async listen(listener: MonitorListener): Promise<() => void> {
    const seen = await this.look()
    listener('status', seen.status)
    listener('cameras', this.camerasAnswer(seen))
    listener('alerts', { alerts: this.alerts })
    listener('pairings', this.#options.pairings())
    this.#listeners.add(listener)
    this.#again()
    return () => this.#listeners.delete(listener)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#working
  }

  #again(): void {
    if (this.#closed) return
    this.#timer?.cancel()
    const delayMs = this.#listeners.size === 0 ? ALONE_MS : LISTENED_MS
    this.#timer = this.#options.clock.after(delayMs, () => this.#tick())
  }

  #tick(): void {
    this.#working = this.#once()
      .catch(this.#options.onFault)
      .finally(() => this.#again())
  }

  async #once(): Promise<void> {
    const seen = await this.look()
    if (this.#listeners.size === 0) return
    this.#publish('status', seen.status)
    this.#publish('cameras', this.camerasAnswer(seen))
    this.#publish('alerts', { alerts: this.alerts })
    this.#publish('pairings', this.#options.pairings())
  }

  #publish<Name extends EventName>(name: Name, data: EventData<Name>): void {
    const text = JSON.stringify(data)
    if (this.#sent.get(name) === text) return
    this.#sent.set(name, text)
    for (const listener of this.#listeners) listener(name, data)
  }
}

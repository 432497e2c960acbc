/**
 * What a person finds on the device itself: LED, button, serial console, and the watchdog behind them. Once a second it
 * shows how the agent is, and pets the watchdog unless the agent is stuck.
 */
import type { Logger } from 'pino'
import type { HomewardError } from '../wire/errors.ts'
import { errorLine } from '../wire/errors.ts'
import type { Button } from './button.ts'
import type { Clock, Timer } from './clock.ts'
import { type ConsoleCommands, SerialConsole } from './console/console.ts'
import { type HoldAction, type HoldEvent, type HoldState, stepHold } from './holds.ts'
import type { Led, LedPattern } from './led.ts'
import type { SerialLine } from './serial.ts'
import type { Watchdog } from './watchdog.ts'

/** What the board has of it. */
export interface PanelParts {
  readonly led: Led | undefined
  readonly button: Button | undefined
  readonly serial: SerialLine | undefined
  readonly watchdog: Watchdog | undefined
}

export interface PanelOwner {
  readonly role: string
  readonly commands: ConsoleCommands
  /** How the agent is, asked once a second; `stuck` says what makes no progress without a reason known. */
  look(): { readonly pattern: LedPattern; readonly stuck: string | undefined }
  /** Network and pairing, by the button. */
  reset(): Promise<void>
  /** Everything, by the button. */
  factoryReset(): Promise<void>
}

/** Far below the time-out of any watchdog. */
const LOOK_EVERY_MS = 1_000

export class FrontPanel {
  readonly #parts: PanelParts
  readonly #owner: PanelOwner
  readonly #clock: Clock
  readonly #log: Logger
  readonly #console: SerialConsole | undefined
  #look: Timer | undefined
  #hold: HoldState = { state: 'up' }
  #holdTimer: Timer | undefined
  #stuck: string | undefined
  #closing: Promise<void> | undefined

  constructor(parts: PanelParts, owner: PanelOwner, clock: Clock, log: Logger) {
    this.#parts = parts
    this.#owner = owner
    this.#clock = clock
    this.#log = log
    const { serial } = parts
    this.#console =
      serial === undefined
        ? undefined
        : new SerialConsole({ line: serial, clock, role: owner.role, commands: owner.commands })
  }

  start(): void {
    this.#console?.start()
    this.#parts.button?.onChange((pressed) => this.#held(pressed ? 'press' : 'release'))
    this.#tick()
  }

  /** Disarms the watchdog, so that stopping the agent on purpose is no hang. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#look?.cancel()
    this.#holdTimer?.cancel()
    this.#console?.close()
    const { led, button, serial, watchdog } = this.#parts
    await Promise.all([led?.close(), button?.close(), serial?.close(), watchdog?.close()])
  }

  #tick(): void {
    const { pattern, stuck } = this.#owner.look()
    if (this.#hold.state === 'up' || this.#hold.state === 'pressed') this.#parts.led?.show(pattern)
    this.#pet(stuck)
    this.#look = this.#clock.after(LOOK_EVERY_MS, () => this.#tick())
  }

  #pet(stuck: string | undefined): void {
    const { watchdog } = this.#parts
    if (stuck === undefined) watchdog?.pet()
    if (stuck === this.#stuck) return
    this.#stuck = stuck
    if (stuck === undefined) this.#log.info('progress again')
    else if (watchdog === undefined) this.#log.error(`stuck: ${stuck}. This board has no watchdog: restart it by hand`)
    else this.#log.error(`stuck: ${stuck}. The watchdog restarts the board within ${watchdog.timeoutSeconds} s`)
  }

  #held(event: HoldEvent): void {
    const { state, actions } = stepHold(this.#hold, event)
    this.#hold = state
    if (state.state === 'reset-armed') this.#parts.led?.show('reset-armed')
    if (state.state === 'factory-reset-armed' || state.state === 'done') this.#parts.led?.show('resetting')
    for (const action of actions) this.#act(action)
  }

  #act(action: HoldAction): void {
    switch (action.do) {
      case 'start-timer':
        this.#holdTimer = this.#clock.after(action.afterMs, () => this.#held('timer'))
        return
      case 'stop-timer':
        this.#holdTimer?.cancel()
        return
      case 'reset':
        this.#log.warn('the button was held for 5 s: network and pairing are reset')
        this.#finish(this.#owner.reset())
        return
      case 'factory-reset':
        this.#log.warn('the button was held for 20 s: everything is reset')
        this.#finish(this.#owner.factoryReset())
        return
    }
  }

  #finish(work: Promise<void>): void {
    void work
      .catch((problem: HomewardError) => this.#log.error({ code: problem.code }, errorLine(problem)))
      .then(() => {
        this.#hold = { state: 'up' }
      })
  }
}

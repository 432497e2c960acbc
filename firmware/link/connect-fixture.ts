/** Drives a connect machine as its driver does, and fails on any change of what it was given. */
import * as assert from 'uvu/assert'
import { type Address, sameAddress } from './address.ts'
import type { Trial } from './attempt.ts'
import type { ChannelPath } from './channel.ts'
import { initialMachine, nextWakeMs, reduce } from './connect.ts'
import type { ConnectConfig, LinkAction, LinkEvent, LinkState, Machine } from './link-state.ts'
import { type LinkStatus, statusOf } from './link-status.ts'
import type { NatKind } from './nat.ts'

export const A: Address = { host: '192.168.1.2', port: 7441 }
export const B: Address = { host: '10.0.0.2', port: 7441 }
export const C: Address = { host: '172.16.0.2', port: 7441 }
/** Where the P2P server sees the storage device. */
export const P: Address = { host: '198.51.100.7', port: 40_001 }
/** Where the storage device comes from when its NAT maps each destination anew. */
export const Q: Address = { host: '198.51.100.7', port: 40_002 }

const CONFIG: ConnectConfig = { known: [A, B], enrolled: true, server: true }

export class Run {
  machine: Machine
  nowMs = 1000
  actions: readonly LinkAction[] = []
  readonly log: LinkAction[] = []

  constructor(config: Partial<ConnectConfig> = {}) {
    this.machine = initialMachine({ ...CONFIG, ...config })
  }

  get state(): LinkState {
    return this.machine.state
  }

  get status(): LinkStatus {
    return statusOf(this.machine, this.nowMs)
  }

  /** Number of the attempt under way. */
  get attempt(): number {
    return 'attempt' in this.state ? this.state.attempt.number : -1
  }

  get trials(): readonly Trial[] {
    return 'attempt' in this.state ? this.state.attempt.trials : []
  }

  /** The newest opening under way; without one that of the channel in use. */
  get opening(): number {
    const under = this.trials.flatMap(({ state }) => (state.name === 'opening' ? [state.opening] : []))
    return under.length > 0 ? Math.max(...under) : this.inUse
  }

  get inUse(): number {
    return this.state.name === 'connected' ? this.state.opening : -1
  }

  get path(): ChannelPath | undefined {
    return this.state.name === 'connected' ? this.state.used.path : undefined
  }

  /** What the last event wanted done, in short. */
  get sends(): string[] {
    return this.actions.flatMap((action): string[] => {
      if ('to' in action) return [`${action.type} ${action.to.host}`]
      if (action.type !== 'open') return []
      return [`open ${action.way.path}${'to' in action.way ? ` ${action.way.to.host}` : ''}`]
    })
  }

  send(event: LinkEvent, chance = 0.5): this {
    const step = reduce(freeze(this.machine), freeze(event), { nowMs: this.nowMs, chance })
    this.machine = step.machine
    this.actions = step.actions
    this.log.push(...step.actions)
    return this
  }

  start(): this {
    return this.send({ type: 'started' })
  }

  /** Fires every timer that becomes due within `ms`, at its time. */
  pass(ms: number): this {
    const untilMs = this.nowMs + ms
    for (let wake = nextWakeMs(this.machine); wake !== undefined && wake <= untilMs; wake = nextWakeMs(this.machine)) {
      this.timer(wake)
    }
    this.nowMs = untilMs
    return this
  }

  /** The timer that the machine wants at `wakeMs`. */
  timer(wakeMs: number): this {
    this.nowMs = Math.max(this.nowMs, wakeMs)
    this.send({ type: 'timer' })
    const nextMs = nextWakeMs(this.machine)
    assert.ok(nextMs === undefined || nextMs > this.nowMs, `a timer at ${this.nowMs} that does nothing comes again`)
    return this
  }

  index(of: Address | ChannelPath): number {
    return this.trials.findIndex((trial) =>
      typeof of === 'string' ? trial.path === of : 'address' in trial && sameAddress(trial.address, of),
    )
  }

  trial(of: Address | ChannelPath): Trial {
    const trial = this.trials[this.index(of)]
    if (trial === undefined) throw new Error(`nothing is tried at ${JSON.stringify(of)}`)
    return trial
  }

  answer(at: Address, rttMs = 2): this {
    return this.send({ type: 'probe-answered', attempt: this.attempt, candidate: this.index(at), rttMs })
  }

  heard(from: Address): this {
    return this.send({ type: 'heard', from })
  }

  /** The server has shown what both NATs do. */
  nats(camera: NatKind, storage: NatKind): this {
    this.send({ type: 'nat-seen', side: 'camera', nat: camera })
    return this.send({ type: 'nat-seen', side: 'storage', nat: storage })
  }

  get searches(): LinkAction[] {
    return this.log.filter(({ type }) => type === 'search')
  }

  /** The opening at this address or relay. */
  openingAt(of: Address | ChannelPath): number {
    const { state } = this.trial(of)
    return 'opening' in state ? state.opening : -1
  }

  opened(of: Address | ChannelPath): this {
    return this.send({ type: 'opened', opening: this.openingAt(of) })
  }

  closed(of: Address | ChannelPath): this {
    return this.send({ type: 'channel-closed', opening: this.openingAt(of), reason: 'reset' })
  }

  lookUpFails(): this {
    return this.send({ type: 'look-up-failed', attempt: this.attempt, code: 'SERVER_UNREACHABLE', hint: 'look' })
  }

  /** The server names addresses in the storage device's own network, and where it sees the device. */
  lookedUp(announced: readonly Address[], observed?: Address): this {
    return this.send({
      type: 'looked-up',
      attempt: this.attempt,
      candidates: [
        ...announced.map((address) => ({ path: 'lan', source: 'looked-up', address }) as const),
        ...(observed === undefined ? [] : [{ path: 'punched', source: 'observed', address: observed } as const]),
      ],
    })
  }
}

export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) freeze(part)
  }
  return value
}

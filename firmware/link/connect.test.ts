import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from './address.ts'
import { PROBE_GIVE_UP_MS, PROBE_SCHEDULE_MS, TRIALS_MAX } from './attempt.ts'
import { initialMachine, nextWakeMs, reduce } from './connect.ts'
import {
  type ConnectConfig,
  ENROL_RETRY_LONGEST_MS,
  type LinkAction,
  type LinkEvent,
  type LinkState,
  type Machine,
  OPEN_GIVE_UP_MS,
  OPEN_SCHEDULE_MS,
  RETRY_FIRST_MS,
  RETRY_LONGEST_MS,
  STABLE_MS,
} from './link-state.ts'

const A: Address = { host: '192.168.1.2', port: 7441 }
const B: Address = { host: '10.0.0.2', port: 7441 }
const C: Address = { host: '172.16.0.2', port: 7441 }
const CONFIG: ConnectConfig = { known: [A, B], enrolled: true, server: true }

/** Drives a machine as the driver does, and fails on any change of what it was given. */
class Run {
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

  /** Number of the attempt or opening under way. */
  get attempt(): number {
    return 'attempt' in this.state ? this.state.attempt.number : -1
  }

  get opening(): number {
    return 'opening' in this.state ? this.state.opening : -1
  }

  /** Sends of the last event, in short: what and to which host. */
  get sends(): string[] {
    return this.actions.flatMap((action) => ('to' in action ? [`${action.type} ${action.to.host}`] : []))
  }

  send(event: LinkEvent, chance = 0.5): this {
    const step = reduce(freeze(this.machine), freeze(event), { nowMs: this.nowMs, chance })
    this.machine = step.machine
    this.actions = step.actions
    this.log.push(...step.actions)
    return this
  }

  /** Fires every timer that becomes due within `ms`, at its time. */
  pass(ms: number): this {
    const untilMs = this.nowMs + ms
    for (let wake = nextWakeMs(this.machine); wake !== undefined && wake <= untilMs; wake = nextWakeMs(this.machine)) {
      this.nowMs = Math.max(this.nowMs, wake)
      const before = this.machine
      this.send({ type: 'timer' })
      assert.ok(before !== this.machine, `a timer at ${this.nowMs} that changes nothing would come again at once`)
    }
    this.nowMs = untilMs
    return this
  }

  answer(candidate: number, rttMs = 2): this {
    return this.send({ type: 'probe-answered', attempt: this.attempt, candidate, rttMs })
  }

  opened(): this {
    return this.send({ type: 'opened', opening: this.opening })
  }

  lookUpFails(): this {
    return this.send({ type: 'look-up-failed', attempt: this.attempt, code: 'SERVER_UNREACHABLE', hint: 'look' })
  }
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) freeze(part)
  }
  return value
}

/** A fresh machine in each state, everything about it known. */
const STATES: Record<string, () => Run> = {
  idle: () => new Run(),
  enrolling: () => new Run({ enrolled: false }).send({ type: 'started' }),
  'enrolling, resting': () => new Run({ enrolled: false, server: false }).send({ type: 'started' }).pass(2000),
  walking: () => new Run().send({ type: 'started' }),
  opening: () => new Run().send({ type: 'started' }).answer(0),
  connected: () => new Run().send({ type: 'started' }).answer(0).opened(),
  lost: () => new Run().send({ type: 'started' }).lookUpFails().pass(2000),
}

/** One event of every type, about what is under way just now. */
const EVENTS: Record<LinkEvent['type'], (run: Run) => LinkEvent> = {
  started: () => ({ type: 'started' }),
  stopped: () => ({ type: 'stopped' }),
  wake: () => ({ type: 'wake' }),
  timer: () => ({ type: 'timer' }),
  'looked-up': ({ attempt }) => ({
    type: 'looked-up',
    attempt,
    candidates: [{ path: 'lan', source: 'looked-up', address: C }],
  }),
  'look-up-failed': ({ attempt }) => ({ type: 'look-up-failed', attempt, code: 'SERVER_UNREACHABLE', hint: undefined }),
  'probe-answered': ({ attempt }) => ({ type: 'probe-answered', attempt, candidate: 1, rttMs: 5 }),
  enrolled: ({ attempt }) => ({ type: 'enrolled', attempt, name: 'Door', from: B }),
  opened: ({ opening }) => ({ type: 'opened', opening }),
  refused: ({ opening }) => ({ type: 'refused', opening, code: 'FRAME_VERSION' }),
  'channel-closed': ({ opening }) => ({ type: 'channel-closed', opening, reason: 'silent' }),
}

const IGNORED = 'ignored'

/** state → event → the state after it and what is done, at a moment when no timer is due. */
const TABLE: Record<string, Record<LinkEvent['type'], string>> = {
  idle: {
    started: 'walking: stop-look-up look-up probe probe',
    stopped: 'idle:',
    wake: IGNORED,
    timer: IGNORED,
    'looked-up': IGNORED,
    'look-up-failed': IGNORED,
    'probe-answered': IGNORED,
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
  },
  enrolling: {
    started: IGNORED,
    stopped: 'idle: stop-look-up',
    wake: 'enrolling: stop-look-up look-up enrol probe enrol probe',
    timer: 'enrolling:',
    'looked-up': 'enrolling: enrol probe',
    'look-up-failed': 'enrolling:',
    'probe-answered': 'opening: enrolled open',
    enrolled: 'walking: enrolled stop-look-up look-up probe probe',
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
  },
  'enrolling, resting': {
    started: IGNORED,
    stopped: 'idle: stop-look-up',
    wake: 'enrolling: stop-look-up enrol probe enrol probe',
    timer: IGNORED,
    'looked-up': IGNORED,
    'look-up-failed': IGNORED,
    'probe-answered': 'opening: enrolled open',
    enrolled: 'walking: enrolled stop-look-up probe probe',
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
  },
  walking: {
    started: IGNORED,
    stopped: 'idle: stop-look-up',
    wake: 'walking: stop-look-up look-up probe probe',
    timer: 'walking:',
    'looked-up': 'walking: probe',
    'look-up-failed': 'walking:',
    'probe-answered': 'opening: open',
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
  },
  opening: {
    started: IGNORED,
    stopped: 'idle: stop-look-up drop',
    wake: IGNORED,
    timer: IGNORED,
    'looked-up': 'opening:',
    'look-up-failed': 'opening:',
    'probe-answered': 'opening:',
    enrolled: IGNORED,
    opened: 'connected: stop-look-up remember use',
    refused: 'walking: drop probe',
    'channel-closed': 'walking: drop probe',
  },
  connected: {
    started: IGNORED,
    stopped: 'idle: stop-look-up drop',
    wake: IGNORED,
    timer: IGNORED,
    'looked-up': IGNORED,
    'look-up-failed': IGNORED,
    'probe-answered': IGNORED,
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': 'lost: stop-look-up',
  },
  lost: {
    started: IGNORED,
    stopped: 'idle: stop-look-up',
    wake: 'walking: stop-look-up look-up probe probe',
    timer: IGNORED,
    'looked-up': IGNORED,
    'look-up-failed': IGNORED,
    'probe-answered': 'opening: open',
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
  },
}

for (const [name, make] of Object.entries(STATES)) {
  test(`${name}: every event`, () => {
    assert.ok(name.startsWith(make().state.name))
    for (const [type, event] of Object.entries(EVENTS)) {
      const run = make()
      const before = run.machine
      run.send(event(run))
      const outcome =
        run.machine === before && run.actions.length === 0
          ? IGNORED
          : `${run.state.name}: ${run.actions.map((action) => action.type).join(' ')}`.trimEnd()
      assert.is(outcome, TABLE[name]?.[type as LinkEvent['type']], `${name}, ${type}`)
    }
  })

  test(`${name}: what belongs to an earlier attempt or opening is ignored`, () => {
    for (const event of Object.values(EVENTS)) {
      const run = make()
      const made = event(run)
      if (!('attempt' in made) && !('opening' in made)) continue
      const before = run.machine
      run.send({ ...made, ...('attempt' in made ? { attempt: made.attempt - 1 } : { opening: made.opening - 1 }) })
      assert.is(run.machine, before, made.type)
      assert.equal(run.actions, [], made.type)
    }
  })
}

test('known addresses are probed at once and on schedule, each for 2 s', () => {
  const run = new Run({ known: [A] }).send({ type: 'started' })
  const startMs = run.nowMs
  const sentMs = [run.nowMs]
  assert.equal(run.sends, ['probe 192.168.1.2'])
  for (let wake = nextWakeMs(run.machine); wake !== undefined; wake = nextWakeMs(run.machine)) {
    if (wake >= startMs + PROBE_GIVE_UP_MS) break
    run.nowMs = wake
    run.send({ type: 'timer' })
    if (run.sends.length > 0) sentMs.push(run.nowMs)
  }
  assert.equal(
    sentMs.map((ms) => ms - startMs),
    [...PROBE_SCHEDULE_MS],
  )
  run.nowMs = startMs + PROBE_GIVE_UP_MS
  run.send({ type: 'timer' })
  assert.is(run.state.name, 'walking', 'the server may still name another address')
  run.lookUpFails()
  assert.is(run.state.name, 'lost')
})

test('probes that were missed while the process was held up are not sent in a burst', () => {
  const run = new Run({ known: [A] }).send({ type: 'started' })
  run.nowMs += 1000
  run.send({ type: 'timer' })
  assert.equal(run.sends, ['probe 192.168.1.2'])
  assert.is(nextWakeMs(run.machine), 1000 + 1400)
})

test('addresses from the server are probed as they arrive, known ones only once', () => {
  const run = new Run().send({ type: 'started' }).pass(30)
  const candidates = [C, A].map((address) => ({ path: 'lan', source: 'looked-up', address }) as const)
  run.send({ type: 'looked-up', attempt: run.attempt, candidates })
  assert.equal(run.sends, ['probe 172.16.0.2'])
  run.pass(20)
  assert.equal(run.sends, ['probe 192.168.1.2', 'probe 10.0.0.2'])
})

test('a known address that was given up is tried again when the server names it', () => {
  const run = new Run({ known: [A] }).send({ type: 'started' }).pass(PROBE_GIVE_UP_MS + 100)
  run.send({
    type: 'looked-up',
    attempt: run.attempt,
    candidates: [{ path: 'lan', source: 'looked-up', address: A }],
  })
  assert.equal(run.sends, ['probe 192.168.1.2'])
})

test('a long list from the server makes no burst', () => {
  const run = new Run().send({ type: 'started' })
  const candidates = Array.from({ length: 200 }, (_, at) => ({
    path: 'lan' as const,
    source: 'looked-up' as const,
    address: { host: `10.1.1.${at}`, port: 1 },
  }))
  run.send({ type: 'looked-up', attempt: run.attempt, candidates })
  assert.is(run.sends.length, TRIALS_MAX - 2)
})

test('open is sent again on schedule, then the next that answered is opened, then the walk goes on', () => {
  const run = new Run({ known: [A, B, C] }).send({ type: 'started' }).answer(0)
  const first = run.opening
  run.answer(1, 9).answer(2, 4)
  const startMs = run.nowMs
  const sentMs = [startMs]
  while (run.opening === first) {
    run.nowMs = nextWakeMs(run.machine) ?? Number.NaN
    run.send({ type: 'timer' })
    if (run.opening === first && run.sends.length > 0) sentMs.push(run.nowMs)
  }
  assert.equal(
    sentMs.map((ms) => ms - startMs),
    [...OPEN_SCHEDULE_MS],
  )
  assert.is(run.nowMs, startMs + OPEN_GIVE_UP_MS)
  assert.equal(
    run.actions.map(({ type }) => type),
    ['drop', 'open'],
  )
  assert.equal(run.sends, ['open 172.16.0.2'], 'the one with the shorter round trip')
  run.send({ type: 'refused', opening: run.opening, code: 'FRAME_VERSION' })
  assert.equal(run.sends, ['open 10.0.0.2'])
  run.send({ type: 'channel-closed', opening: run.opening, reason: 'reset' })
  assert.is(run.state.name, 'walking')
  run.lookUpFails()
  assert.is(run.state.name, 'lost')
})

test('one that refused is not opened again by its late answers', () => {
  const run = new Run({ known: [A], server: false }).send({ type: 'started' }).answer(0)
  run.send({ type: 'refused', opening: run.opening, code: 'FRAME_VERSION' })
  assert.is(run.state.name, 'lost')
  const before = run.machine
  run.answer(0)
  assert.is(run.machine, before)
})

test('pauses double from half a second to half a minute, within their jitter', () => {
  for (const [chance, factor] of [
    [0, 0.5],
    [0.999999, 1],
  ] as const) {
    const run = new Run({ known: [], server: false })
    const pauses: number[] = []
    run.send({ type: 'started' }, chance)
    for (let count = 0; count < 10; count++) {
      if (run.state.name !== 'lost') throw new Error(run.state.name)
      pauses.push(run.state.retryMs - run.nowMs)
      run.nowMs = run.state.retryMs
      run.send({ type: 'timer' }, chance)
    }
    const expected = Array.from({ length: 10 }, (_, at) => Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** at))
    assert.equal(
      pauses,
      expected.map((ms) => ms * factor),
    )
  }
})

test('a channel that lasted is replaced at once, one that did not after a short pause', () => {
  const run = new Run().send({ type: 'started' }).answer(0).opened()
  run.nowMs += STABLE_MS
  run.send({ type: 'channel-closed', opening: run.opening, reason: 'silent' })
  assert.is(run.state.name, 'walking')
  assert.equal(run.sends, ['probe 192.168.1.2', 'probe 10.0.0.2'])
  for (let count = 0; count < 10; count++) {
    run.answer(0).opened()
    run.nowMs += STABLE_MS - 1
    run.send({ type: 'channel-closed', opening: run.opening, reason: 'reset' })
    if (run.state.name !== 'lost') throw new Error(run.state.name)
    assert.ok(run.state.retryMs - run.nowMs <= 4000, `pause ${run.state.retryMs - run.nowMs}`)
    run.nowMs = run.state.retryMs
    run.send({ type: 'timer' })
  }
})

test('the address that carried the channel is probed first from then on', () => {
  const run = new Run().send({ type: 'started' }).answer(1).opened()
  assert.equal(run.actions, [
    { type: 'stop-look-up' },
    { type: 'remember', address: B },
    { type: 'use', opening: run.opening },
  ])
  assert.equal(run.machine.config.known, [B, A])
})

test('enrolling goes on in rounds, by the token’s tag and the pair’s in turn, at most 5 s apart', () => {
  const run = new Run({ enrolled: false, known: [A] }).send({ type: 'started' })
  assert.equal(run.sends, ['enrol 192.168.1.2', 'probe 192.168.1.2'])
  for (let count = 0; count < 8; count++) {
    run.lookUpFails().pass(PROBE_GIVE_UP_MS)
    if (run.state.name !== 'enrolling' || run.state.restUntilMs === undefined) throw new Error('expected a rest')
    assert.ok(run.state.restUntilMs - run.nowMs <= ENROL_RETRY_LONGEST_MS)
    run.pass(run.state.restUntilMs - run.nowMs)
  }
  const asked = run.log.flatMap((action) => (action.type === 'look-up' ? [action.by] : []))
  assert.equal(asked, ['token', 'pair', 'token', 'pair', 'token', 'pair', 'token', 'pair', 'token'])
})

test('whoever is enrolled walks from then on, first to where it was enrolled', () => {
  const run = new Run({ enrolled: false, known: [A] }).send({ type: 'started' })
  run.send({ type: 'enrolled', attempt: run.attempt, name: 'Door', from: B })
  assert.equal(run.actions[0], { type: 'enrolled', name: 'Door' })
  assert.equal(run.sends, ['probe 10.0.0.2', 'probe 192.168.1.2'])
  run.send({ type: 'stopped' }).send({ type: 'started' })
  assert.is(run.state.name, 'walking', 'also when it is started again')
})

test('a look-up that never ends does not hold up the attempt', () => {
  const run = new Run({ known: [] }).send({ type: 'started' }).pass(8_000)
  assert.is(run.state.name, 'lost')
})

test('whatever happens in whatever order, it wants a timer or works, and never holds two openings', () => {
  const eventNames = Object.keys(EVENTS) as LinkEvent['type'][]
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.boolean(),
      fc.array(
        fc.record({
          type: fc.constantFrom(...eventNames, 'timer' as const, 'timer' as const),
          waitMs: fc.integer({ min: 0, max: 3000 }),
          candidate: fc.integer({ min: 0, max: 4 }),
          stale: fc.integer({ min: 0, max: 9 }),
        }),
        { maxLength: 60 },
      ),
      (enrolled, server, steps) => {
        const run = new Run({ enrolled, server }).send({ type: 'started' })
        const held = new Set<number>()
        for (const { type, waitMs, candidate, stale } of steps) {
          run.nowMs += waitMs
          const event = EVENTS[type](run)
          const aged = 'opening' in event && stale === 0 ? { ...event, opening: event.opening - 1 } : event
          run.send('candidate' in aged ? { ...aged, candidate } : aged)
          if (aged.type === 'channel-closed') held.delete(aged.opening)
          for (const action of run.actions) {
            if (action.type === 'open') held.add(action.opening)
            if (action.type === 'drop') held.delete(action.opening)
            if (action.type === 'use') assert.ok(held.has(action.opening))
          }
          assert.ok(held.size <= 1, `holds ${[...held]}`)
          const rests = run.state.name === 'idle' || run.state.name === 'connected'
          assert.is(nextWakeMs(run.machine) === undefined, rests, run.state.name)
          if (run.state.name === 'idle') run.send({ type: 'started' })
        }
      },
    ),
    { numRuns: 500 },
  )
})

test.run()

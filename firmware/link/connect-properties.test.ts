import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Address, formatAddress } from './address.ts'
import type { ChannelPath } from './channel.ts'
import { nextWakeMs } from './connect.ts'
import { A, B, C, P, Q, Run } from './connect-fixture.ts'
import { currentPath, type LinkAction, type LinkEvent, UPGRADE_AFTER_MS } from './link-state.ts'
import { isBetter, rankOf } from './path-rank.ts'

const SEED = 9

/** Checks after every step what must hold whatever happens. */
class CheckedRun extends Run {
  /** Openings that were asked for and not dropped. */
  readonly live = new Set<number>()
  readonly #used = new Set<number>()
  #searching = false

  override send(event: LinkEvent, chance?: number): this {
    super.send(event, chance)
    for (const action of this.actions) this.#check(action)
    const held = this.trials.flatMap(({ state }) => (state.name === 'opening' ? [state.opening] : []))
    if (this.inUse !== -1) held.push(this.inUse)
    assert.equal([...this.live].sort(), held.sort(), `${event.type}: what is open is what the state knows of`)
    const paths = this.trials.flatMap(({ state, path }) => (state.name === 'opening' ? [path] : []))
    assert.is(new Set(paths).size, paths.length, `one opening at a time for each path: ${paths}`)
    const isSearching = 'attempt' in this.state && this.state.attempt.search.name === 'running'
    assert.is(this.#searching, isSearching, `${event.type}: a search is under way, or is not`)
    assert.ok(!isSearching || (this.path !== undefined && isBetter('punched', this.path)), 'a search is of use')
    const wakeMs = nextWakeMs(this.machine)
    const mayRest = this.state.name === 'idle' || this.path === 'lan'
    assert.ok(mayRest || Number.isFinite(wakeMs), `${this.state.name} wants no timer`)
    return this
  }

  #check(action: LinkAction): void {
    switch (action.type) {
      case 'open':
        this.live.add(action.opening)
        assert.ok(isBetter(action.way.path, currentPath(this.state)), `opens ${action.way.path} on ${this.path}`)
        return
      case 'drop':
        assert.ok(this.live.delete(action.opening), `drops ${action.opening}, which is not open`)
        return
      case 'search':
        assert.is(this.#searching, false, 'one search at a time')
        this.#searching = true
        return
      case 'stop-search':
        assert.is(this.#searching, true, 'only a search under way is stopped')
        this.#searching = false
        return
      case 'use':
        assert.ok(this.live.has(action.opening) && !this.#used.has(action.opening), `uses ${action.opening}`)
        this.#used.add(action.opening)
        return
      default:
        return
    }
  }
}

type Made = (run: Run, at: number) => LinkEvent

const EVENTS: Record<LinkEvent['type'], Made> = {
  started: () => ({ type: 'started' }),
  stopped: () => ({ type: 'stopped' }),
  wake: () => ({ type: 'wake' }),
  timer: () => ({ type: 'timer' }),
  'looked-up': ({ attempt }) => ({
    ...{ type: 'looked-up', attempt },
    candidates: [
      { path: 'lan', source: 'looked-up', address: C },
      { path: 'punched', source: 'observed', address: P },
    ],
  }),
  'look-up-failed': ({ attempt }) => ({ type: 'look-up-failed', attempt, code: 'SERVER_UNREACHABLE', hint: undefined }),
  'probe-answered': ({ attempt }, at) => ({ type: 'probe-answered', attempt, candidate: at, rttMs: 5 + at }),
  heard: (_, at) => ({ type: 'heard', from: [A, C, P, Q][at % 4] ?? A, ...(at > 4 ? { via: at } : {}) }),
  'nat-seen': (_, at) => ({
    ...{ type: 'nat-seen', side: at % 2 === 0 ? 'camera' : 'storage' },
    nat: (['symmetric', 'cone', 'none', 'unknown'] as const)[at >> 1] ?? 'symmetric',
  }),
  'search-refused': ({ attempt }) => ({ type: 'search-refused', attempt }),
  enrolled: ({ attempt }, at) => ({ type: 'enrolled', attempt, name: 'Door', from: at % 2 === 0 ? B : undefined }),
  opened: (run, at) => ({ type: 'opened', opening: openingAt(run, at) }),
  refused: (run, at) => ({ type: 'refused', opening: openingAt(run, at), code: 'FRAME_VERSION' }),
  'channel-closed': (run, at) => ({ type: 'channel-closed', opening: openingAt(run, at), reason: 'silent' }),
}

/** One under way, the one in use, or one long gone. */
function openingAt(run: Run, at: number): number {
  const { state } = run.trials[at] ?? { state: { name: 'held' } }
  return at === 7 ? run.inUse : 'opening' in state ? state.opening : at - 3
}

test(`whatever happens in whatever order, every opening is dropped or in use (seed ${SEED})`, () => {
  const types = Object.keys(EVENTS) as LinkEvent['type'][]
  const often: LinkEvent['type'][] = ['timer', 'timer', 'probe-answered', 'opened', 'opened', 'looked-up']
  const step = fc.record({
    type: fc.constantFrom(...types, ...often),
    waitMs: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 40_000 })),
    at: fc.integer({ min: 0, max: 8 }),
    fractionUs: fc.integer({ min: 0, max: 999 }),
  })
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), fc.array(step, { maxLength: 60 }), (enrolled, server, steps) => {
      const run = new CheckedRun({ enrolled, server }).start()
      for (const { type, waitMs, at, fractionUs } of steps) {
        if (at % 2 === 0) run.pass(waitMs)
        else run.nowMs += waitMs + fractionUs / 1000
        run.send(EVENTS[type](run, at))
        if (run.state.name === 'idle') {
          assert.is(run.live.size, 0)
          run.start()
        }
      }
      run.send({ type: 'stopped' })
      assert.is(run.live.size, 0)
      assert.is(nextWakeMs(run.machine), undefined)
    }),
    { seed: SEED, numRuns: 1500 },
  )
})

/** How an address or a relay behaves once it is probed or opened. */
interface Way {
  /** Answers probes after this; never, when undefined. A relay is not probed. */
  readonly answersMs: number | undefined
  /** What comes of an opening, and after how long. */
  readonly opens: 'opened' | 'refused' | 'channel-closed' | 'never'
  readonly opensMs: number
}

interface World {
  readonly ways: ReadonlyMap<string, Way>
  readonly lookUp: { readonly how: 'answered' | 'failed' | 'hangs'; readonly afterMs: number }
  /** The storage device punches from here when it is asked to. */
  readonly punchesFrom: Address | undefined
}

const PATH_OF: Record<string, ChannelPath> = {
  [formatAddress(A)]: 'lan',
  [formatAddress(B)]: 'lan',
  [formatAddress(C)]: 'lan',
  [formatAddress(P)]: 'punched',
  [formatAddress(Q)]: 'punched',
  'relay-udp': 'relay-udp',
  'relay-tls': 'relay-tls',
}

/** Answers what the machine asks for, as `world` is at the moment. */
class Simulation {
  readonly run = new CheckedRun()
  world: World
  #queue: { atMs: number; make: () => LinkEvent }[] = []

  constructor(world: World) {
    this.world = world
    this.send({ type: 'started' })
  }

  send(event: LinkEvent): void {
    this.run.send(event)
    this.#answer()
  }

  /** Plays on until `untilMs` or until `isEnough`. */
  play(untilMs: number, isEnough: () => boolean = () => false): void {
    while (!isEnough()) {
      this.#queue.sort((a, b) => a.atMs - b.atMs)
      const [next] = this.#queue
      const wakeMs = nextWakeMs(this.run.machine) ?? Number.POSITIVE_INFINITY
      const atMs = Math.min(wakeMs, next?.atMs ?? Number.POSITIVE_INFINITY)
      if (atMs > untilMs) break
      if (next !== undefined && next.atMs <= wakeMs) {
        this.#queue.shift()
        this.run.nowMs = Math.max(this.run.nowMs, next.atMs)
        this.send(next.make())
      } else {
        this.run.timer(wakeMs)
        this.#answer()
      }
    }
    if (!isEnough()) this.run.nowMs = untilMs
  }

  #answer(): void {
    const { world } = this
    for (const action of this.run.actions) {
      switch (action.type) {
        case 'probe': {
          const { attempt, candidate } = action
          const { answersMs } = this.#way(formatAddress(action.to))
          if (answersMs === undefined) break
          this.#later(answersMs, () => ({ type: 'probe-answered', attempt, candidate, rttMs: answersMs }))
          break
        }
        case 'look-up': {
          const { attempt } = action
          const { how, afterMs } = world.lookUp
          const make = how === 'answered' ? EVENTS['looked-up'] : EVENTS['look-up-failed']
          if (how !== 'hangs') this.#later(afterMs, () => ({ ...make(this.run, 0), attempt }) as LinkEvent)
          break
        }
        case 'punch': {
          const { punchesFrom: from } = world
          if (from !== undefined) this.#later(60, () => ({ type: 'heard', from }))
          break
        }
        case 'open': {
          const { opening, way } = action
          const { opens, opensMs } = this.#way('to' in way ? formatAddress(way.to) : way.path)
          if (opens === 'never') break
          const [reason, code] = ['reset', 'FRAME_VERSION'] as const
          const outcome = {
            ...{ opened: { type: opens, opening }, refused: { type: opens, opening, code } },
            'channel-closed': { type: opens, opening, reason },
          }[opens] as LinkEvent
          this.#later(opensMs, () => outcome)
          break
        }
        default:
          break
      }
    }
  }

  #way(name: string): Way {
    return this.world.ways.get(name) ?? { answersMs: undefined, opens: 'never', opensMs: 0 }
  }

  #later(ms: number, make: () => LinkEvent): void {
    this.#queue.push({ atMs: this.run.nowMs + ms, make })
  }
}

/** The best path that works in this world, for a machine that knows these addresses. */
function bestOf({ ways, lookUp, punchesFrom }: World, known: readonly Address[]): ChannelPath | undefined {
  const named = lookUp.how === 'answered' ? [C, P] : []
  const heard = punchesFrom === undefined ? [] : [punchesFrom]
  const addresses = [...known, ...named, ...heard].map(formatAddress)
  const working = [...ways].filter(([name, { answersMs, opens }]) => {
    const isRelay = name.startsWith('relay')
    return opens === 'opened' && (isRelay || (answersMs !== undefined && addresses.includes(name)))
  })
  return working
    .map(([name]) => PATH_OF[name])
    .reduce((best, path) => {
      return path !== undefined && isBetter(path, best) ? path : best
    }, undefined)
}

const way = (maxMs: number): fc.Arbitrary<Way> =>
  fc.record({
    answersMs: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
    opens: fc.constantFrom('opened', 'opened', 'opened', 'refused', 'channel-closed', 'never'),
    opensMs: fc.integer({ min: 1, max: maxMs }),
  })

const worlds: fc.Arbitrary<World> = fc
  .tuple(
    fc.tuple(...Object.entries(PATH_OF).map(([, path]) => way(path.startsWith('relay') ? 2000 : 1000))),
    fc.record({
      how: fc.constantFrom('answered', 'answered', 'failed', 'hangs'),
      afterMs: fc.integer({ min: 1, max: 900 }),
    }),
    fc.constantFrom(undefined, P, Q),
  )
  .map(([ways, lookUp, punchesFrom]) => ({
    ways: new Map(
      Object.keys(PATH_OF).map((name, index) => [name, ways[index] ?? { answersMs: 1, opens: 'never', opensMs: 1 }]),
    ),
    lookUp,
    punchesFrom,
  }))

const noise = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 100_000 })),
    what: fc.constantFrom<'lost' | 'wake' | 'world'>('lost', 'wake', 'world', 'world'),
    world: worlds,
  }),
  { maxLength: 12 },
)

/** Openings that come to nothing, one after the other, before the one that is good. */
const SLACK_MS = 10_000

test(`it ends on the best path that answers, and no later than the upgrades say (seed ${SEED})`, () => {
  const reached = new Map<string, number>()
  fc.assert(
    fc.property(worlds, noise, (first, changes) => {
      const sim = new Simulation(first)
      const { run } = sim
      for (const { afterMs, what, world } of changes) {
        sim.play(run.nowMs + afterMs)
        if (what === 'world') sim.world = world
        else if (what === 'wake') sim.send({ type: 'wake' })
        else if (run.inUse !== -1) sim.send({ type: 'channel-closed', opening: run.inUse, reason: 'silent' })
      }
      const best = bestOf(sim.world, run.machine.config.known)
      reached.set(best ?? 'none', (reached.get(best ?? 'none') ?? 0) + 1)
      if (best === undefined) return
      // A channel in use on a path better than any that works now stays: nothing has ended it.
      const isThere = () => run.path !== undefined && rankOf(run.path) <= rankOf(best)
      sim.play(run.nowMs + 60_000, () => run.path !== undefined)
      assert.ok(run.path !== undefined, 'a path within a minute')
      const dueMs = run.state.name === 'connected' ? (run.state.upgradeMs ?? run.nowMs) : Number.NaN
      sim.play(dueMs + SLACK_MS, isThere)
      assert.ok(isThere(), `on ${run.path} where ${best} works`)
      const [, , , restMs] = UPGRADE_AFTER_MS
      sim.play(run.nowMs + restMs * 2, () => !isThere())
      assert.ok(isThere(), 'and stays there')
      sim.send({ type: 'stopped' })
      assert.is(run.live.size, 0)
    }),
    { seed: SEED, numRuns: 600 },
  )
  for (const path of ['lan', 'punched', 'relay-udp', 'relay-tls']) {
    assert.ok((reached.get(path) ?? 0) > 10, `${path} was the best ${reached.get(path)} times`)
  }
})

test.run()

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { randomBelow, seededRandom } from '../../platform/random.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { Channel } from '../channel.ts'
import type { FakeChannel } from '../channel-fake.ts'
import { tapped } from '../channel-tap-fixture.ts'
import { CreditBudget } from './credit.ts'
import { TRIAL_AFTER_MAX_MS } from './disk-alarm.ts'
import { KIB, Rig, SMALL_CREDIT } from './rig-fake.ts'
import { READ_AGAIN_MS } from './sender.ts'
import { FakeSink } from './sink-fake.ts'

const OLD = 'aaaaaaaaaaaaaaaa'

/** A ring with a bit of everything: an old log held in part, a large record, a gap, small ones. */
function filledRig(seed: number): Rig {
  const random = seededRandom(seed)
  const rig = new Rig()
  for (let at = 0; at < 3; at++) rig.ring.append(2 * KIB + randomBelow(random, 60 * KIB), OLD)
  rig.ring.append(210 * KIB + randomBelow(random, 100 * KIB))
  rig.ring.appendGap(3)
  rig.ring.append(1 * KIB)
  rig.sink.hold(OLD, 1, 1)
  return rig
}

/** Calls `cut` before or after the message of this number is handled, counted over both ends. */
function cutting(counter: { left: number }, after: boolean, cut: () => void): (channel: Channel) => Channel {
  return (channel) =>
    tapped(channel, {
      arrived: (message, deliver) => {
        const last = counter.left-- === 0
        if (!last || after) deliver(message)
        if (last) cut()
      },
    })
}

/** What is free on the ring was stored before; what was stored is stored once. */
function watchOrder(rig: Rig): () => void {
  const stored = new Set<string>()
  const wrong: string[] = []
  rig.sink.onStored = (log, seq) => {
    if (stored.has(`${log}:${seq}`)) wrong.push(`${log}/${seq} was stored twice`)
    stored.add(`${log}:${seq}`)
  }
  rig.ring.onAck = (log, ranges) => {
    for (const [first, last] of ranges) {
      for (let seq = first; seq <= last; seq++) {
        const isGap = log === rig.ring.log && seq >= 1 && seq <= 3
        const wasHeld = log === OLD && seq === 1
        if (!isGap && !wasHeld && !stored.has(`${log}:${seq}`))
          wrong.push(`${log}/${seq} was free before it was stored`)
      }
    }
  }
  return () => assert.equal(wrong, [])
}

test('a channel cut at any message loses nothing, repeats nothing, and frees nothing too early', async () => {
  for (const seed of [1, 2, 3]) {
    let cuts = 0
    for (let at = 0; at < 200; at++) {
      const what = `seed ${seed}, cut at message ${at}`
      const rig = filledRig(seed)
      const checkOrder = watchOrder(rig)
      const ends = rig.pair(1 + (seed % 3))
      let severed = false
      const cut = () => {
        severed = true
        ends[0].sever()
      }
      rig.connect(ends, cutting({ left: at }, (at + seed) % 2 === 0, cut))
      await rig.run(60)
      if (severed) {
        cuts++
        assert.equal(rig.ended, { camera: 1, storage: 1 }, what)
        rig.connect()
        await rig.run(80)
      }
      checkOrder()
      assert.is(rig.waiting(), 0, what)
      assert.is(rig.sink.stored.length, 4, what)
      assert.ok(rig.sink.duplicates <= 4, what)
      assert.equal(rig.problems, [], what)
      assert.is(rig.budget.committedBytes, 200 * KIB, what)
      if (!severed) break
    }
    assert.ok(cuts > 20, `seed ${seed}: only ${cuts} messages were cut`)
  }
})

test('a channel that is cut again and again still gets everything across', async () => {
  for (const seed of [11, 12, 13, 14]) {
    const random = seededRandom(seed)
    const rig = new Rig()
    const checkOrder = watchOrder(rig)
    for (let at = 0; at < 40; at++) rig.ring.append(500 + randomBelow(random, 50 * KIB), OLD)
    rig.sink.hold(OLD, 1, 1)
    let captured = 0
    for (let round = 0; round < 60 && rig.waiting() > 0; round++) {
      const ends: [FakeChannel, FakeChannel] = rig.pair(1 + randomBelow(random, 4), 40 * KIB)
      rig.connect(ends)
      for (let ms = 0; ms < 12 + round; ms++) {
        if (captured < 20 && randomBelow(random, 10) === 0 && ++captured > 0)
          rig.ring.append(400 + randomBelow(random, 9000))
        await rig.run(1)
      }
      ends[0].sever()
    }
    checkOrder()
    assert.is(rig.waiting(), 0, `seed ${seed}`)
    assert.is(rig.sink.stored.length, 39 + captured, `seed ${seed}`)
  }
})

test('a session that outlives a restart of the camera asks first', async () => {
  const rig = filledRig(5)
  rig.connect()
  await rig.run(100)
  assert.is(rig.waiting(), 0)
  rig.ring.forgetAcks()
  const ends = rig.pair()
  rig.connect(ends)
  await rig.run(100)
  assert.is(rig.waiting(), 0)
  assert.is(rig.sink.duplicates, 0)
  assert.is(rig.sink.stored.length, 4)
})

/** One thing that happens, and then some time passes. */
type Step =
  | { readonly do: 'append'; readonly camera: number; readonly bytes: number }
  | { readonly do: 'gap'; readonly camera: number; readonly span: number }
  | { readonly do: 'cut' | 'reconnect' | 'unreadable'; readonly camera: number }
  | { readonly do: 'disk'; readonly works: boolean }

const CAMERAS = 3
const camera = fc.nat(CAMERAS - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      camera,
      bytes: fc.integer({ min: 400, max: 390 * KIB }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      camera,
      bytes: fc.integer({ min: 400, max: 20 * KIB }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('gap' as const), camera, span: fc.integer({ min: 1, max: 9 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'reconnect' as const, 'unreadable' as const), camera }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disk' as const), works: fc.boolean() }) },
)

test('no schedule ends in a deadlock or exceeds the memory', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, fc.nat(12)), { maxLength: 25 }), async (steps) => {
      const clock = new FakeClock()
      const sink = new FakeSink(clock)
      const budgetBytes = 900 * KIB
      const budget = new CreditBudget({ ...SMALL_CREDIT, budgetBytes })
      let works = true
      let bad: string | undefined
      sink.fault = (action) => (works || action === 'durable' ? undefined : new HomewardError('DISK_FULL', 'full'))
      const rigs = Array.from({ length: CAMERAS }, (_, at) => {
        const rig = new Rig({ clock, sink, budget, cameraKey: new Uint8Array(32).fill(at + 1), sources: [] })
        const ring = rig.source(String(at + 1).repeat(16))
        ring.readFault = ({ log, seq }) =>
          bad === `${log}:${seq}` ? new HomewardError('RING_FAILED', 'EIO') : undefined
        rig.sources.push(ring)
        return { rig, ring, ends: rig.pair(2, 70 * KIB) }
      })
      let appended = 0
      for (const each of rigs) each.rig.connect(each.ends)
      for (const [what, ms] of steps) {
        const each = rigs[what.do === 'disk' ? 0 : what.camera]
        if (each === undefined) continue
        if (what.do === 'append') {
          each.ring.append(what.bytes)
          appended++
        } else if (what.do === 'gap') each.ring.appendGap(what.span)
        else if (what.do === 'disk') works = what.works
        else if (what.do === 'unreadable') bad = `${each.ring.log}:${each.ring.next(each.ring.log, 0)?.seq}`
        else {
          each.ends[0].sever()
          each.ends = each.rig.pair(1, 70 * KIB)
          if (what.do === 'reconnect') each.rig.connect(each.ends)
        }
        await each.rig.run(ms)
        assert.ok(budget.committedBytes <= budgetBytes, `${budget.committedBytes} bytes committed`)
      }
      works = true
      bad = undefined
      for (const each of rigs) {
        each.ends[0].sever()
        each.rig.connect(each.rig.pair(1, 70 * KIB))
      }
      for (let round = 0; round < 40 && rigs.some(({ rig }) => rig.waiting() > 0); round++) {
        await rigs[0]?.rig.run(100)
        await clock.advance(round % 2 === 0 ? READ_AGAIN_MS : TRIAL_AFTER_MAX_MS)
        assert.ok(budget.committedBytes <= budgetBytes, `${budget.committedBytes} bytes committed`)
      }
      for (const { rig } of rigs) {
        assert.is(rig.waiting(), 0)
        assert.equal(
          rig.problems.filter(({ code }) => code !== 'RING_FAILED' && code !== 'DISK_FULL'),
          [],
        )
      }
      assert.is(sink.stored.length, appended)
    }),
    { numRuns: 40 },
  )
})

test.run()

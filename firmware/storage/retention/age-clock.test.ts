/** However the clock jumps, footage is never taken for older than it is. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { type ClockSegment, extendClock } from '../archive/clock-segments.ts'
import { AgeClock, CALM_AFTER_JUMP_US } from './age-clock.ts'

const SECOND = 1_000_000
const HOUR = 3600 * SECOND
const DAY = 24 * HOUR
const T0 = Date.UTC(2026, 4, 1) * 1000

/** A storage device with a journal; the true time is what really passed. */
class World {
  trueUs = 0
  wallOffsetUs = T0
  segments: ClockSegment[] = []
  clock = new FakeClock(T0)
  age = new AgeClock(this.clock, [])
  readonly files: { readonly receivedUs: number; readonly trueUs: number }[] = []

  async pass(us: number): Promise<void> {
    // In steps of the deleter's rounds, coarser.
    for (let left = us; left > 0; left -= HOUR) {
      await this.clock.advance(Math.min(left, HOUR) / 1000)
      this.trueUs += Math.min(left, HOUR)
      this.round()
    }
  }

  round(): void {
    const moment = this.age.look()
    if (moment === undefined) return
    this.segments = extendClock(this.segments, moment)
    this.age.entered(moment)
  }

  receive(): void {
    this.files.push({ receivedUs: this.clock.wallUs(), trueUs: this.trueUs })
  }

  /** The agent ends, without a word, and starts again when the clock shows something else. */
  restart(offUs: number, jumpUs: number): void {
    const wallUs = this.clock.wallUs() + offUs + jumpUs
    this.trueUs += offUs
    this.clock = new FakeClock(Math.max(0, wallUs))
    this.age = new AgeClock(this.clock, this.segments)
    this.round()
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant('pass' as const), us: fc.integer({ min: SECOND, max: 5 * DAY }) }),
  fc.record({ do: fc.constant('receive' as const) }),
  fc.record({ do: fc.constant('receive' as const) }),
  fc.record({
    do: fc.constant('jump' as const),
    us: fc.oneof(fc.integer({ min: -60 * DAY, max: 60 * DAY }), fc.constant(-T0), fc.constant(3650 * DAY)),
  }),
  fc.record({
    do: fc.constant('restart' as const),
    offUs: fc.integer({ min: 0, max: 3 * DAY }),
    us: fc.oneof(fc.constant(0), fc.integer({ min: -60 * DAY, max: 60 * DAY }), fc.constant(-T0)),
  }),
)

test('nothing is older than the time that passed since it came, whatever the clock did', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      const world = new World()
      world.round()
      for (const one of steps) {
        if (one.do === 'pass') await world.pass(one.us)
        else if (one.do === 'receive') world.receive()
        else if (one.do === 'restart') world.restart(one.offUs, one.us)
        else {
          world.clock.setWall(Math.max(0, world.clock.wallUs() + one.us))
          world.round()
        }
        for (const { receivedUs, trueUs } of world.files) {
          const olderUs = world.age.sinceUs(receivedUs) - (world.trueUs - trueUs)
          // A stretch may be off by the slack at its begin.
          assert.ok(olderUs <= 2 * SECOND, `${olderUs / SECOND} s too old`)
        }
      }
    }),
    { numRuns: 150 },
  )
})

test('without steps footage ages by the second, also over restarts', async () => {
  const world = new World()
  world.round()
  await world.pass(10 * SECOND)
  world.receive()
  const [file] = world.files
  await world.pass(3 * DAY)
  assert.ok(Math.abs(world.age.sinceUs(file?.receivedUs ?? 0) - 3 * DAY) <= SECOND)
  world.restart(0, 0)
  await world.pass(2 * DAY)
  assert.ok(Math.abs(world.age.sinceUs(file?.receivedUs ?? 0) - 5 * DAY) <= HOUR + SECOND)
})

test('footage that came while the clock showed 1970 ages from then on, not from 1970', async () => {
  const world = new World()
  world.clock.setWall(5 * SECOND, 'none')
  world.round()
  await world.pass(HOUR)
  world.receive()
  const [file] = world.files
  assert.equal(world.age.calm, { is: 'unsynchronised' })
  world.clock.setWall(T0, 'synchronised')
  world.round()
  assert.equal(world.age.calm, { is: 'jumped' })
  await world.pass(CALM_AFTER_JUMP_US + SECOND)
  assert.equal(world.age.calm, { is: 'calm' })
  await world.pass(DAY)
  assert.ok(Math.abs(world.age.sinceUs(file?.receivedUs ?? 0) - DAY - HOUR) <= 3 * SECOND)
})

test('a clock that went back while the agent was not running holds deletion by age up', async () => {
  const world = new World()
  world.round()
  await world.pass(DAY)
  world.restart(HOUR, -30 * DAY)
  assert.equal(world.age.calm, { is: 'jumped' })
})

test.run()

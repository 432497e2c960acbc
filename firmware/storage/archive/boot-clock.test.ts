import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ANCHOR_EVERY_US,
  DRIFT_PPM,
  type Learned,
  type Lesson,
  learn,
  type Sighting,
  STEP_HOLD_US,
  slackAt,
  wallAt,
} from './boot-clock.ts'

const SECOND = 1_000_000
const UTC = Date.UTC(2026, 2, 14, 10) * 1000
const SEED = Number(process.env.HOMEWARD_SEED ?? Math.trunc(Math.random() * 2 ** 31))

/** A session's sighting whose round trip took this long. */
function session(monoUs: number, offsetUs: number, roundTripUs = 2000): Sighting {
  return {
    source: 'session',
    monoUs,
    earlyUs: monoUs + offsetUs - roundTripUs / 2,
    lateUs: monoUs + offsetUs + roundTripUs / 2,
  }
}

function told(...seen: readonly Sighting[]): { learned: Learned; lessons: Lesson[] } {
  let learned: Learned | undefined
  const lessons: Lesson[] = []
  for (const one of seen) {
    const next = learn(learned, one)
    learned = next.learned
    lessons.push(next.lesson)
  }
  if (learned === undefined) throw new Error('nothing was told')
  return { learned, lessons }
}

test('a first word dates the whole boot, a round trip narrows it', () => {
  const oneWay = { source: 'session', monoUs: 50 * SECOND, earlyUs: UTC - 30 * SECOND, lateUs: UTC } as const
  const first = told(oneWay)
  assert.is(wallAt(first.learned.clock, 0), UTC - 50 * SECOND)
  const { learned, lessons } = told(oneWay, session(51 * SECOND, UTC - 50 * SECOND - 40_000))
  assert.equal(lessons, ['known', 'better'])
  assert.is(wallAt(learned.clock, 50 * SECOND), UTC - 40_000)
  assert.ok(slackAt(learned.clock, 51 * SECOND) <= 2000)
  assert.ok(slackAt(learned.clock, 0) > 2000, 'the further away, the less sure')
})

test('a crystal that runs fast is followed: between two anchors, and beyond them', () => {
  const rate = 1 - 80 / 1e6
  const at = (monoUs: number) => session(monoUs, Math.round(UTC + monoUs * (rate - 1)))
  const seen = Array.from({ length: 30 }, (_, hour) => at(hour * ANCHOR_EVERY_US))
  const { learned } = told(...seen)
  for (const hours of [0.5, 7.3, 20, 29, 40]) {
    const monoUs = hours * ANCHOR_EVERY_US
    assert.ok(Math.abs(wallAt(learned.clock, monoUs) - (UTC + monoUs * rate)) < 5_000, `${hours} h`)
  }
  assert.ok(learned.clock.anchors.length <= 24)
})

test('a clock that was set is believed once it stays so, and one that leaps and comes back never', () => {
  const day = 86_400 * SECOND
  const leap = told(
    session(0, UTC),
    session(10 * SECOND, UTC - day),
    session(40 * SECOND, UTC - day),
    session(50 * SECOND, UTC),
  )
  assert.equal(leap.lessons, ['known', 'nothing', 'nothing', 'nothing'])
  assert.is(wallAt(leap.learned.clock, 0), UTC)
  const step = told(session(0, UTC), session(10 * SECOND, UTC + day), session(10 * SECOND + STEP_HOLD_US, UTC + day))
  assert.is(step.lessons.at(-1), 'stepped')
  assert.is(wallAt(step.learned.clock, 0), UTC + day)
})

test('what a session measured beats what footage claims, a synchronised claim beats a hardware clock', () => {
  const claim = (source: 'rtc' | 'synchronised', offsetUs: number): Sighting => ({
    ...session(SECOND, offsetUs),
    source,
  })
  assert.equal(told(claim('rtc', 5), claim('synchronised', UTC)).lessons, ['known', 'stepped'])
  assert.equal(told(claim('rtc', UTC), claim('synchronised', UTC)).lessons, ['known', 'better'])
  const { learned, lessons } = told(session(SECOND, UTC), claim('synchronised', 5), claim('rtc', 5))
  assert.equal(lessons, ['known', 'nothing', 'nothing'])
  assert.is(wallAt(learned.clock, 0), UTC)
})

test(`the truth stays within the bounds and time never goes back, seed ${SEED}`, () => {
  const boot = fc.record({
    ppm: fc.integer({ min: -DRIFT_PPM / 2, max: DRIFT_PPM / 2 }),
    steps: fc.array(
      fc.record({
        pauseUs: fc.integer({ min: SECOND, max: 3 * ANCHOR_EVERY_US }),
        upUs: fc.integer({ min: 0, max: 5 * SECOND }),
        downUs: fc.integer({ min: 0, max: 5 * SECOND }),
      }),
      { minLength: 1, maxLength: 60 },
    ),
  })
  const run = ({ ppm, steps }: { ppm: number; steps: { pauseUs: number; upUs: number; downUs: number }[] }) => {
    const truth = (monoUs: number) => UTC + monoUs * (1 + ppm / 1e6)
    let learned: Learned | undefined
    let monoUs = 0
    for (const { pauseUs, upUs, downUs } of steps) {
      monoUs += pauseUs
      const seen = { source: 'session', monoUs, earlyUs: truth(monoUs) - downUs, lateUs: truth(monoUs) + upUs } as const
      const next = learn(learned, seen)
      learned = next.learned
      assert.is(learned.doubt, undefined, 'honest words never contradict each other')
      const { clock } = learned
      assert.ok(Math.abs(wallAt(clock, monoUs) - truth(monoUs)) <= slackAt(clock, monoUs) + 1, 'within its bounds')
    }
    if (learned === undefined) return
    let before = Number.NEGATIVE_INFINITY
    for (let at = 0; at <= monoUs * 1.1; at += monoUs / 97) {
      const wallUs = wallAt(learned.clock, at)
      assert.ok(wallUs > before, 'rises')
      before = wallUs
    }
  }
  fc.assert(fc.property(boot, run), { seed: SEED, numRuns: 300 })
})

test.run()

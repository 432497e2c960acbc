import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NO_TIMELINE, newRun, type Stamp, stampFragment, type Timeline, wallOf } from './stamps.ts'

const S = 1_000_000

/** Fragments of `durationUs` each, arriving at the given times; all in one run. */
function stampAll(arrivals: readonly number[], durationUs: number, realTime = true): Stamp[] {
  let timeline: Timeline = NO_TIMELINE
  return arrivals.map((arrivedUs, index) => {
    const [stamp, next] = stampFragment(timeline, { streamUs: index * durationUs, durationUs, arrivedUs }, realTime)
    timeline = next
    return stamp
  })
}

test('the first fragment of a run began its duration before it arrived', () => {
  assert.equal(stampAll([12 * S], 2 * S), [{ startUs: 10 * S, durationUs: 2 * S }])
})

test('later ones follow the decode time, whatever the jitter of their arrival', () => {
  assert.equal(
    stampAll([10 * S, 11 * S + 80_000, 12 * S + 10_000, 13 * S + 900_000, 14 * S], S).map((stamp) => stamp.startUs),
    [9 * S, 10 * S, 11 * S, 12 * S, 13 * S],
  )
})

test('one late fragment moves nothing, three in a row step forward by the least delay', () => {
  const late = [10 * S, 14 * S, 15 * S, 13 * S + 50_000, 14 * S + 10]
  assert.equal(
    stampAll(late, S).map((stamp) => stamp.startUs),
    [9 * S, 10 * S, 11 * S, 12 * S, 13 * S],
  )
  assert.equal(
    stampAll([10 * S, 14 * S, 15 * S, 15.5 * S, 16.5 * S], S).map((stamp) => stamp.startUs),
    [9 * S, 10 * S, 11 * S, 14.5 * S, 15.5 * S],
  )
})

test('a clock of the encoder that runs fast shortens the spans, so that none ends after it arrived', () => {
  const stamps = stampAll([10 * S, 10.9 * S, 11.8 * S, 12.7 * S], S)
  assert.equal(stamps, [
    { startUs: 9 * S, durationUs: S },
    { startUs: 10 * S, durationUs: 900_000 },
    { startUs: 10.9 * S, durationUs: 900_000 },
    { startUs: 11.8 * S, durationUs: 900_000 },
  ])
})

test('a hole in the decode times is a hole in the stamps', () => {
  let [, timeline] = stampFragment(NO_TIMELINE, { streamUs: 0, durationUs: S, arrivedUs: 10 * S }, true)
  const [stamp, next] = stampFragment(timeline, { streamUs: 4 * S, durationUs: S, arrivedUs: 14 * S }, true)
  assert.equal(stamp, { startUs: 13 * S, durationUs: S })
  timeline = next
  const [absurd] = stampFragment(timeline, { streamUs: 95_000 * S, durationUs: S, arrivedUs: 15 * S }, true)
  assert.equal(absurd, { startUs: 14 * S, durationUs: S })
})

test('a new run starts by its arrival, never inside the run before', () => {
  let [, timeline] = stampFragment(NO_TIMELINE, { streamUs: 0, durationUs: S, arrivedUs: 10 * S }, true)
  const [later] = stampFragment(newRun(timeline), { streamUs: 0, durationUs: S, arrivedUs: 30 * S }, true)
  assert.equal(later, { startUs: 29 * S, durationUs: S })
  timeline = newRun(timeline)
  const [close] = stampFragment(timeline, { streamUs: 0, durationUs: 2 * S, arrivedUs: 11.5 * S }, true)
  assert.equal(close, { startUs: 10 * S, durationUs: 1.5 * S })
})

test('a source beyond real time follows its decode times only', () => {
  assert.equal(
    stampAll([10 * S, 10 * S, 10 * S], S, false).map((stamp) => stamp.startUs),
    [9 * S, 10 * S, 11 * S],
  )
})

test('whatever arrives: stamps are whole numbers, never overlap, and stay near the truth', () => {
  const fragment = fc.record({
    durationUs: fc.integer({ min: 1, max: 5 * S }),
    hole: fc.integer({ min: -S, max: 3 * S }),
    delay: fc.integer({ min: 0, max: 4 * S }),
    speed: fc.constantFrom(0.6, 0.99, 1, 1.01, 2),
  })
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 60 }), (fragments) => {
      let timeline: Timeline = NO_TIMELINE
      let nowUs = 100 * S
      let streamUs = 0
      let endUs = 0
      for (const { durationUs, hole, delay, speed } of fragments) {
        streamUs = Math.max(0, streamUs + hole)
        nowUs += (durationUs + Math.max(0, hole)) * speed
        const [stamp, next] = stampFragment(timeline, { streamUs, durationUs, arrivedUs: nowUs + delay }, true)
        assert.ok(Number.isSafeInteger(stamp.startUs) && Number.isSafeInteger(stamp.durationUs))
        assert.ok(stamp.startUs >= endUs, 'overlap')
        assert.ok(stamp.durationUs <= durationUs && stamp.durationUs >= Math.floor(durationUs / 2))
        endUs = stamp.startUs + stamp.durationUs
        timeline = next
        streamUs += durationUs
      }
    }),
    { seed: 7 },
  )
})

test('over a long time a crystal that is 200 ppm off costs no more than a second', () => {
  for (const ppm of [-200, 200]) {
    const factor = 1 + ppm / 1e6
    const arrivals = Array.from({ length: 20_000 }, (_, index) => 100 * S + (index + 1) * S * factor)
    const stamps = stampAll(arrivals, S)
    const worst = Math.max(
      ...stamps.map((stamp, index) => Math.abs(stamp.startUs + stamp.durationUs - (arrivals[index] ?? 0))),
    )
    assert.ok(worst <= 1_002_000, `${ppm} ppm: ${worst} µs`)
  }
})

test('wall time is read off the clock as it is now', () => {
  assert.is(wallOf(5 * S, 6 * S, 1000 * S, undefined), 999 * S)
})

test('a coarse or slewed wall clock makes no overlap, one that was set is followed', () => {
  assert.is(wallOf(5 * S, 6 * S, 1000 * S, 999 * S + 700), 999 * S + 700)
  assert.is(wallOf(5 * S, 6 * S, 1000 * S, 998 * S), 999 * S)
  assert.is(wallOf(5 * S, 6 * S, 400 * S, 999 * S), 399 * S)
  assert.is(wallOf(5 * S, 6 * S, 9000 * S, 999 * S), 8999 * S)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OFF_MIN_US, Outages, offTime } from './outages.ts'

const SECOND = 1_000_000
const WALL = Date.UTC(2026, 2, 14) * 1000

function at(seconds: number, run = 0, durationUs = SECOND) {
  const monoUs = seconds * SECOND
  return { run, monoUs, wallUs: WALL + monoUs, clock: 'synchronised' as const, durationUs }
}

function shown(times: { monoUs: number; durationUs: number } | undefined): [number, number] | undefined {
  return times && [times.monoUs / SECOND, (times.monoUs + times.durationUs) / SECOND]
}

test('an encoder that ended and came back leaves the span in between', () => {
  const outages = new Outages()
  assert.is(outages.before(at(10)), undefined, 'a start is no outage')
  assert.is(outages.before(at(11)), undefined)
  outages.down(12 * SECOND)
  const span = outages.before(at(40, 1))
  assert.equal(shown(span), [12, 40])
  assert.is(span?.wallUs, WALL + 12 * SECOND)
  assert.is(outages.before(at(41, 1)), undefined)
  outages.down(42 * SECOND)
  assert.is(outages.before(at(44, 2)), undefined, 'a short one is not worth a line')
})

test('an outage that goes on is entered piece by piece, without overlap', () => {
  const outages = new Outages()
  assert.is(outages.soFar(at(5), 0), undefined, 'no outage')
  outages.before(at(9))
  outages.down(10 * SECOND)
  outages.down(11 * SECOND)
  assert.is(outages.soFar(at(12), 10 * SECOND), undefined)
  assert.equal(shown(outages.soFar(at(20), 10 * SECOND)), [10, 20])
  assert.equal(shown(outages.soFar(at(40), 20 * SECOND)), [20, 40])
  assert.equal(shown(outages.before(at(70, 1))), [40, 70])
  assert.is(outages.soFar(at(90), 0), undefined, 'it is over')
})

test('a source that was never there is an outage from the moment it was missed', () => {
  const outages = new Outages()
  outages.down(3 * SECOND)
  outages.down(30 * SECOND)
  assert.equal(shown(outages.before(at(60))), [3, 60])
})

test('the time off is told from where the card ends', () => {
  const before = { boot: 'aa', monoUs: 100.4, wallUs: WALL, clock: 'synchronised' as const }
  assert.equal(offTime(before, 'bb', at(1))?.since, { ...before, monoUs: 100 })
  assert.is(offTime(undefined, 'bb', at(1)), undefined)
  assert.is(offTime({ ...before, monoUs: SECOND }, 'aa', at(1 + OFF_MIN_US / SECOND / 2)), undefined)
})

test.run()

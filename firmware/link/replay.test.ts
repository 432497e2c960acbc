import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBelow, seededRandom } from '../platform/random.ts'
import { FreshnessSource, REPLAY_WINDOW, ReplayWindow } from './replay.ts'

test('in order, each once', () => {
  const window = new ReplayWindow()
  for (let seq = 1; seq < 1000; seq++) {
    assert.ok(window.accept({ boot: 1, seq }))
    assert.not.ok(window.accept({ boot: 1, seq }))
  }
  assert.equal(window.last, { boot: 1, seq: 999 })
})

test('overtaking within the window, not beyond it', () => {
  const window = new ReplayWindow()
  assert.ok(window.accept({ boot: 1, seq: REPLAY_WINDOW + 10 }))
  assert.ok(window.accept({ boot: 1, seq: 11 }))
  assert.not.ok(window.accept({ boot: 1, seq: 11 }))
  assert.not.ok(window.accept({ boot: 1, seq: 10 }))
})

test('an earlier boot is over for good, a later one starts anew', () => {
  const window = new ReplayWindow()
  assert.ok(window.accept({ boot: 5, seq: 100 }))
  assert.not.ok(window.accept({ boot: 4, seq: 101 }))
  assert.ok(window.accept({ boot: 6, seq: 1 }))
  assert.not.ok(window.accept({ boot: 5, seq: 101 }))
  assert.not.ok(window.accept({ boot: 6, seq: 1 }))
})

test('nonsense numbers are refused', () => {
  const window = new ReplayWindow()
  for (const seq of [0, -1, 2 ** 48]) assert.not.ok(window.accept({ boot: 1, seq }))
  assert.not.ok(window.accept({ boot: -1, seq: 1 }))
})

test('after a restart nothing remembered is taken again', () => {
  const before = new ReplayWindow()
  for (let seq = 1; seq <= 300; seq++) before.accept({ boot: 2, seq })
  const after = new ReplayWindow(before.last)
  for (let seq = 1; seq <= 300; seq++) assert.not.ok(after.accept({ boot: 2, seq }), `${seq}`)
  assert.ok(after.accept({ boot: 2, seq: 302 }))
  assert.ok(after.accept({ boot: 2, seq: 301 }))
  assert.not.ok(after.accept({ boot: 2, seq: 302 }))
})

const SEED = 20261122

test(`agrees with a set that remembers everything (seed ${SEED})`, () => {
  const random = seededRandom(SEED)
  const window = new ReplayWindow()
  const seen = new Set<string>()
  let [boot, top] = [1, 0]
  for (let step = 0; step < 20_000; step++) {
    if (randomBelow(random, 2000) === 0) [boot, top] = [boot + 1, 0]
    const seq = Math.max(
      1,
      top + 20 - randomBelow(random, REPLAY_WINDOW + 60) + (randomBelow(random, 500) === 0 ? 400 : 0),
    )
    const isOld = top > 0 && seq <= top - REPLAY_WINDOW
    const expected = !isOld && !seen.has(`${boot} ${seq}`)
    assert.is(window.accept({ boot, seq }), expected, `step ${step}: boot ${boot}, seq ${seq}, top ${top}`)
    if (expected) seen.add(`${boot} ${seq}`)
    top = Math.max(top, seq)
  }
})

test('numbers of a boot count up from 1', () => {
  const source = new FreshnessSource(9)
  assert.equal(
    [source.next(), source.next()],
    [
      { boot: 9, seq: 1 },
      { boot: 9, seq: 2 },
    ],
  )
})

test.run()

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { outlookOf, sharesOf } from './shares.ts'

const GB = 1e9
const none = { days: null, limitBytes: null }

test('what one camera does not want goes to the others', () => {
  assert.equal(sharesOf(90, [Number.POSITIVE_INFINITY, 10, Number.POSITIVE_INFINITY]), [40, 10, 40])
  assert.equal(sharesOf(30, [100, 100, 100]), [10, 10, 10])
  assert.equal(sharesOf(100, [10, 20]), [10, 20])
  assert.equal(sharesOf(-5, [10, 20]), [0, 0])
  assert.equal(sharesOf(10, []), [])
})

test('shares never exceed the capacity nor what is wanted, and use all that is wanted', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.array(fc.nat(500), { maxLength: 8 }), (capacity, wanted) => {
      const shares = sharesOf(capacity, wanted)
      const sum = shares.reduce((all, one) => all + one, 0)
      const all = wanted.reduce((total, one) => total + one, 0)
      assert.ok(Math.abs(sum - Math.min(capacity, all)) < 1e-6)
      for (const [index, share] of shares.entries()) assert.ok(share <= (wanted[index] ?? 0) + 1e-6)
    }),
  )
})

test('days until the disk is full, and what each camera keeps then', () => {
  const cameras = [
    { bytes: 10 * GB, bytesPerDay: 10 * GB, ...none },
    { bytes: 5 * GB, bytesPerDay: 5 * GB, ...none },
  ]
  const { bytesPerDay, fullInDays, cameras: each } = outlookOf(cameras, 285 * GB)
  assert.equal([bytesPerDay, fullInDays], [15 * GB, 19])
  assert.equal(
    each.map(({ keepsDays, limitedBy }) => [keepsDays, limitedBy]),
    [
      [15, 'disk'],
      [30, 'disk'],
    ],
  )
})

test('limits that fit are never overtaken by the disk', () => {
  const cameras = [
    { bytes: 10 * GB, bytesPerDay: 10 * GB, days: 5, limitBytes: null },
    { bytes: 5 * GB, bytesPerDay: 5 * GB, days: 90, limitBytes: 40 * GB },
  ]
  const { fullInDays, cameras: each } = outlookOf(cameras, 100 * GB)
  assert.is(fullInDays, null)
  assert.equal(
    each.map(({ keepsDays, limitedBy }) => [keepsDays, limitedBy]),
    [
      [5, 'days'],
      [8, 'bytes'],
    ],
  )
})

test('one camera reaches its limit on the way, then the disk fills more slowly', () => {
  const cameras = [
    { bytes: 0, bytesPerDay: 10 * GB, days: 2, limitBytes: null },
    { bytes: 0, bytesPerDay: 10 * GB, ...none },
  ]
  assert.is(outlookOf(cameras, 100 * GB).fullInDays, 8)
  assert.is(outlookOf(cameras, -1).fullInDays, 0)
})

test('a camera that sent too little yet is left open', () => {
  const { cameras: each, fullInDays } = outlookOf([{ bytes: 1, bytesPerDay: null, ...none }], GB)
  assert.equal([each[0]?.keepsDays, each[0]?.limitedBy, fullInDays], [null, null, null])
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../../firmware/platform/random.ts'
import { cutMoments } from './cut-moments.ts'

const moments = (count: number, seed = 1) => cutMoments(count, seededRandom(seed))
const shares = (count: number) => moments(count).flatMap((moment) => (moment.at === 'write' ? [moment.share] : []))

test('twenty: from the first byte of the slot to the last, then each moment of the switching', () => {
  const all = moments(20)
  assert.is(all.length, 20)
  assert.equal(
    all.slice(15).map(({ at }) => at),
    ['first copy', 'second copy', 'loader', 'trial', 'kept'],
  )
  const written = shares(20)
  assert.is(written.length, 15)
  assert.equal([written[0], written.at(-1)], [0, 1])
  for (const [index, share] of written.entries())
    assert.ok(share >= index / 15 && share <= (index + 1) / 15, `${share}`)
})

test('two: one while the slot is written, one between the two copies', () => {
  assert.equal(
    moments(2).map(({ at }) => at),
    ['write', 'first copy'],
  )
})

test('a seed gives the same moments again, another one others', () => {
  assert.equal(moments(20, 7), moments(20, 7))
  assert.not.equal(moments(20, 7), moments(20, 8))
})

test.run()

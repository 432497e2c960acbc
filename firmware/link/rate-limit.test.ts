import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { RateLimit, sourceOf } from './rate-limit.ts'

const from = (host: string, port = 1) => ({ host, port })

test('a burst, then so many a second', async () => {
  const clock = new FakeClock()
  const limit = new RateLimit(clock, { perSecond: 2, burst: 3 }, 10)
  const take = () => limit.allows(from('10.0.0.1'))
  assert.equal([take(), take(), take(), take()], [true, true, true, false])
  await clock.advance(500)
  assert.equal([take(), take()], [true, false])
  await clock.advance(3_600_000)
  assert.equal([take(), take(), take(), take()], [true, true, true, false])
})

test('asking too often does not lengthen the wait', async () => {
  const clock = new FakeClock()
  const limit = new RateLimit(clock, { perSecond: 1, burst: 1 }, 10)
  let allowed = 0
  for (let step = 0; step < 100; step++) {
    if (limit.allows(from('10.0.0.1'))) allowed++
    await clock.advance(100)
  }
  assert.is(allowed, 10)
})

test('a source is an IPv4 address or an IPv6 /64, whatever the port', () => {
  assert.is(sourceOf(from('10.0.0.1', 1)), sourceOf(from('10.0.0.1', 2)))
  assert.is.not(sourceOf(from('10.0.0.1')), sourceOf(from('10.0.0.2')))
  assert.is(sourceOf(from('2001:db8::1')), sourceOf(from('2001:db8::ffff:1')))
  assert.is.not(sourceOf(from('2001:db8::1')), sourceOf(from('2001:db8:0:1::1')))
})

test('the table is bounded; who was quiet for longest is forgotten', () => {
  const limit = new RateLimit(new FakeClock(), { perSecond: 1, burst: 1 }, 3)
  for (const host of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) assert.ok(limit.allows(from(host)))
  assert.not.ok(limit.allows(from('10.0.0.1')), 'used just now')
  assert.ok(limit.allows(from('10.0.0.4')), 'takes the place of 10.0.0.2')
  assert.is(limit.sources, 3)
  assert.not.ok(limit.allows(from('10.0.0.1')))
  assert.ok(limit.allows(from('10.0.0.2')))
})

test.run()

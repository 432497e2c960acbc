import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { AckDelay } from './ack-delay.ts'
import { MemoryRing } from './ring/memory-ring.ts'
import type { Ring } from './ring/ring.ts'
import { BOOT, fragmentAt } from './ring/ring-fixture.ts'
import { FakeSealer } from './ring/sealer-fake.ts'

const KEEPS_AT_MOST = 256

function scene(log = '00000000000000aa') {
  const clock = new FakeClock()
  const delay = new AckDelay(clock)
  const newRing = (sealer: FakeSealer) => {
    const ring = new MemoryRing({ sealer, boot: BOOT, clock, capacityBytes: 2 ** 30 })
    ring.onChange(() => delay.changed(ring))
    return ring
  }
  return { clock, delay, newRing, ring: newRing(new FakeSealer({ log })) }
}

async function append(ring: Ring, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await ring.append(fragmentAt(at, 10))
}

test('each fragment is timed from the ring to its ACK', async () => {
  const { clock, delay, ring } = scene()
  await append(ring, 1)
  await clock.advance(100)
  await ring.addGap(3, 'encoder-down')
  await append(ring, 1)
  await clock.advance(200)
  ring.ack(ring.log, [[0, 0]])
  assert.equal(delay.stats(), { count: 1, p50Ms: 300, p99Ms: 300 })
  await clock.advance(50)
  ring.ack(ring.log, [[0, 4]])
  assert.equal(delay.stats(), { count: 2, p50Ms: 300, p99Ms: 300 })
})

test('ACKs out of order, for several ranges, and again', async () => {
  const { clock, delay, ring } = scene()
  await append(ring, 10)
  await clock.advance(10)
  ring.ack(ring.log, [
    [8, 9],
    [2, 3],
    [5, 5],
  ])
  assert.equal(delay.stats(), { count: 5, p50Ms: 10, p99Ms: 10 })
  await clock.advance(10)
  ring.ack(ring.log, [
    [0, 0],
    [2, 9],
  ])
  assert.equal(delay.stats(), { count: 9, p50Ms: 10, p99Ms: 20 })
  await append(ring, 1)
  await clock.advance(80)
  ring.ack(ring.log, [[0, 10]])
  assert.equal(delay.stats(), { count: 11, p50Ms: 20, p99Ms: 100 })
})

test('another log starts anew', async () => {
  const { delay, ring, newRing } = scene()
  await append(ring, 1)
  await append(newRing(new FakeSealer({ log: '00000000000000bb' })), 1)
  ring.ack(ring.log, [[0, 0]])
  assert.is(delay.stats().count, 0)
})

test('a growing gap does not hold it up', () => {
  const delay = new AckDelay(new FakeClock())
  const log = '00000000000000aa'
  for (const span of [2, 3, 3]) {
    const ref = { log, seq: 0, span, kind: 'gap', bytes: 1, monoUs: 0 } as const
    const unacked = [[0, span - 1]] as const
    const logs = () => [{ log, recipient: new Uint8Array(32), first: 0, last: span - 1, unacked }]
    delay.changed({ log, next: (_log, from) => (from < span ? ref : undefined), logs })
  }
  assert.equal(delay.stats(), { count: 0, p50Ms: 0, p99Ms: 0 })
})

test('with much waiting, a change costs two looks at the ring; of an outage, only its beginning is timed', async () => {
  const { clock, delay, newRing } = scene()
  const ring = newRing(new FakeSealer())
  let looks = 0
  const counted = {
    log: ring.log,
    next: (log: string, from: number) => {
      looks++
      return ring.next(log, from)
    },
    logs: () => {
      looks++
      return ring.logs()
    },
  }
  const watching = new AckDelay(clock)
  ring.onChange(() => watching.changed(counted))
  await append(ring, 1000)
  assert.is(looks, 2000)
  await clock.advance(5)
  for (let seq = 0; seq < 1000; seq++) ring.ack(ring.log, [[seq, seq]])
  assert.is(looks, 4000)
  for (const each of [delay, watching]) assert.equal(each.stats(), { count: KEEPS_AT_MOST, p50Ms: 5, p99Ms: 5 })
})

test.run()

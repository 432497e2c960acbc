import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { AckDelay } from './ack-delay.ts'
import type { RecordRef } from './ring/ring.ts'

const LOG = '00000000000000aa'

type Kept = Pick<RecordRef, 'seq' | 'span' | 'kind'>

/** A ring that holds these, not ACKed. */
function ringOf(refs: Kept[]) {
  return {
    log: LOG,
    next: (log: string, from: number): RecordRef | undefined => {
      const ref = refs.find(({ seq, span }) => seq + span > from)
      return ref === undefined ? undefined : { log, bytes: 1, monoUs: 0, ...ref }
    },
  }
}

test('each fragment is timed from the ring to its ACK', async () => {
  const clock = new FakeClock()
  const delay = new AckDelay(clock)
  const first: Kept = { seq: 0, span: 1, kind: 'fragment' }
  const gap: Kept = { seq: 1, span: 3, kind: 'gap' }
  const second: Kept = { seq: 4, span: 1, kind: 'fragment' }
  delay.changed(ringOf([first]))
  await clock.advance(100)
  delay.changed(ringOf([first, gap, second]))
  await clock.advance(200)
  delay.changed(ringOf([gap, second]))
  assert.equal(delay.stats(), { count: 1, p50Ms: 300, p99Ms: 300 })
  await clock.advance(50)
  delay.changed(ringOf([]))
  assert.equal(delay.stats(), { count: 2, p50Ms: 300, p99Ms: 300 })
})

test('another log starts anew', () => {
  const delay = new AckDelay(new FakeClock())
  delay.changed(ringOf([{ seq: 0, span: 1, kind: 'fragment' }]))
  delay.changed({ ...ringOf([]), log: '00000000000000bb' })
  assert.is(delay.stats().count, 0)
})

test('a growing gap does not hold it up', () => {
  const delay = new AckDelay(new FakeClock())
  const gap: Kept = { seq: 0, span: 2, kind: 'gap' }
  delay.changed(ringOf([gap]))
  delay.changed(ringOf([{ ...gap, span: 3 }]))
  assert.equal(delay.stats(), { count: 0, p50Ms: 0, p99Ms: 0 })
})

test.run()

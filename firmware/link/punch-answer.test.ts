import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { type Address, formatAddress } from './address.ts'
import { PUNCH_SCHEDULE_MS } from './attempt.ts'
import { PUNCH_BACK_SCHEDULE_MS, PunchAnswer } from './punch-answer.ts'

const A = { host: '198.51.100.7', port: 1 }
const B = { host: '192.168.1.2', port: 2 }

function answerer() {
  const clock = new FakeClock()
  const sent: string[] = []
  const punch = new PunchAnswer(clock, (to: Address) => sent.push(`${clock.monoUs() / 1000} ${formatAddress(to)}`))
  return { clock, sent, punch }
}

test('sends to every address on its schedule, once each time, then it is over', async () => {
  const { clock, sent, punch } = answerer()
  punch.start([A, B, { ...A }])
  await clock.advance(60_000)
  assert.equal(
    sent,
    PUNCH_BACK_SCHEDULE_MS.flatMap((ms) => [`${ms} 198.51.100.7:1`, `${ms} 192.168.1.2:2`]),
  )
  assert.is(clock.pendingTimers, 0)
})

test('goes on until the camera asks again', () => {
  const lastMs = PUNCH_BACK_SCHEDULE_MS.at(-1) ?? 0
  for (const [index, atMs] of PUNCH_SCHEDULE_MS.entries()) {
    assert.ok(lastMs > atMs - (PUNCH_SCHEDULE_MS[index - 1] ?? 0))
  }
})

test('a new request takes the place of the one before', async () => {
  const { clock, sent, punch } = answerer()
  punch.start([A])
  await clock.advance(75)
  punch.start([B])
  assert.is(clock.pendingTimers, 1)
  await clock.advance(60_000)
  assert.equal(sent, [
    ...['0 198.51.100.7:1', '50 198.51.100.7:1'],
    ...PUNCH_BACK_SCHEDULE_MS.map((ms) => `${75 + ms} 192.168.1.2:2`),
  ])
})

test('closed it sends nothing more and leaves no timer, also from within a send', async () => {
  const { clock, sent, punch } = answerer()
  punch.close()
  punch.start([A])
  punch.close()
  punch.close()
  assert.is(clock.pendingTimers, 0)
  await clock.advance(5000)
  assert.is(sent.length, 1)
  const inside = new PunchAnswer(clock, () => {
    sent.push('once')
    inside.close()
  })
  inside.start([A, B])
  await clock.advance(5000)
  assert.equal(sent.slice(1), ['once'])
  assert.is(clock.pendingTimers, 0)
})

test('nowhere to send to is nothing to do', async () => {
  const { clock, sent, punch } = answerer()
  punch.start([])
  await clock.advance(5000)
  assert.equal(sent, [])
  assert.is(clock.pendingTimers, 0)
})

test.run()

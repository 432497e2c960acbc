import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { Heartbeat, STREAMING_LINGER_MS } from './heartbeat.ts'

function watched(clock: FakeClock) {
  const said: string[] = []
  const nowMs = () => Math.round(clock.monoUs() / 1000)
  const heartbeat = new Heartbeat(clock, {
    ping: (streaming) => said.push(`${nowMs()} ping ${streaming ? 'streaming' : 'idle'}`),
    beat: () => said.push(`${nowMs()} beat`),
    dead: () => said.push(`${nowMs()} dead`),
  })
  return { heartbeat, said }
}

test('idle: a ping every 5 s of silence, dead after 15 s', async () => {
  const clock = new FakeClock()
  const { said } = watched(clock)
  await clock.advance(60_000)
  assert.equal(said, ['5000 ping idle', '10000 ping idle', '15000 ping idle', '15100 dead'])
  assert.is(clock.pendingTimers, 0)
})

test('idle: bytes that arrive postpone the ping', async () => {
  const clock = new FakeClock()
  const { heartbeat, said } = watched(clock)
  for (let second = 0; second < 60; second++) {
    await clock.advance(1000)
    heartbeat.received()
  }
  assert.equal(said, [])
  heartbeat.stop()
})

test('streaming: a ping every second of silence, dead before 3 s', async () => {
  const clock = new FakeClock()
  const { heartbeat, said } = watched(clock)
  heartbeat.streaming()
  await clock.advance(10_000)
  assert.equal(said, ['0 ping streaming', '1000 ping streaming', '2000 ping streaming', '2950 dead'])
})

test('streaming: whoever only receives says something every second unasked', async () => {
  const clock = new FakeClock()
  const { heartbeat, said } = watched(clock)
  for (let tenth = 0; tenth < 35; tenth++) {
    heartbeat.received()
    heartbeat.streaming()
    await clock.advance(100)
  }
  assert.equal(said, ['0 ping streaming', '1000 beat', '2000 beat', '3000 beat'])
  heartbeat.stop()
})

test('waking up after a long idle does not count the idle time as silence', async () => {
  const clock = new FakeClock()
  const { heartbeat, said } = watched(clock)
  await clock.advance(4_900)
  heartbeat.streaming()
  await clock.advance(2_800)
  assert.not.ok(said.some((line) => line.endsWith('dead')))
  heartbeat.received()
  await clock.advance(2_800)
  assert.not.ok(said.some((line) => line.endsWith('dead')))
  await clock.advance(200)
  assert.is(said.at(-1), '10650 dead')
})

test('streaming ends by itself', async () => {
  const clock = new FakeClock()
  const { heartbeat, said } = watched(clock)
  heartbeat.streaming()
  for (let tenth = 0; tenth < STREAMING_LINGER_MS / 100; tenth++) {
    await clock.advance(100)
    heartbeat.received()
  }
  said.length = 0
  await clock.advance(4_900)
  assert.equal(said, [])
  await clock.advance(200)
  assert.equal(said, ['15000 ping idle'])
  heartbeat.stop()
})

test('bytes that waited while the process was held up still count', async () => {
  const clock = new FakeClock()
  const { heartbeat, said } = watched(clock)
  heartbeat.streaming()
  await clock.advance(2_900)
  heartbeat.received()
  await clock.advance(1_900)
  assert.not.ok(said.some((line) => line.endsWith('dead')))
  heartbeat.stop()
})

test.run()

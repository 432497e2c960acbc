import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { FakeChannel } from './channel-fake.ts'

test('delivers in order after the delay, and what came early once somebody listens', async () => {
  const clock = new FakeClock()
  const [a, b] = FakeChannel.pair({ clock, delayMs: 20 })
  a.send(Uint8Array.of(1))
  a.send(Uint8Array.of(2))
  await clock.advance(19)
  const got: number[] = []
  await clock.advance(1)
  b.onMessage((message) => got.push(message[0] ?? -1))
  assert.equal(got, [1, 2])
  assert.equal(a.sent, { messages: 2, bytes: 2 })
})

test('a full window says wait, and drain says go on', async () => {
  const clock = new FakeClock()
  const [a] = FakeChannel.pair({ clock, windowBytes: 100 })
  let drains = 0
  a.onDrain(() => {
    drains += 1
  })
  assert.is(a.send(new Uint8Array(60)), true)
  assert.is(a.send(new Uint8Array(60)), false)
  await clock.advance(1)
  assert.is(drains, 1)
})

test('a stalled end sends nothing until the stall is over', async () => {
  const clock = new FakeClock()
  const [a, b] = FakeChannel.pair({ clock })
  const got: number[] = []
  b.onMessage((message) => got.push(message[0] ?? -1))
  a.stall(true)
  a.send(Uint8Array.of(7))
  await clock.advance(1000)
  assert.equal(got, [])
  a.stall(false)
  assert.equal(got, [7])
})

test('close lets what was sent arrive; sever loses it; both tell once', async () => {
  const clock = new FakeClock()
  const [a, b] = FakeChannel.pair({ clock, delayMs: 5 })
  const events: string[] = []
  b.onMessage((message) => events.push(`message ${message[0]}`))
  a.onClose((reason) => events.push(`a ${reason}`))
  b.onClose((reason) => events.push(`b ${reason}`))
  a.send(Uint8Array.of(1))
  const closed = a.close()
  await clock.advance(5)
  await closed
  assert.equal(events, ['a closed', 'message 1', 'b ended'])
  const [c, d] = FakeChannel.pair({ clock, delayMs: 5 })
  d.onMessage((message) => events.push(`late ${message[0]}`))
  c.onClose((reason) => events.push(`c ${reason}`))
  d.onClose((reason) => events.push(`d ${reason}`))
  c.send(Uint8Array.of(1))
  c.sever()
  c.sever()
  await clock.advance(100)
  assert.equal(events.slice(3), ['c silent', 'd silent'])
  assert.is(clock.pendingTimers, 0)
})

test.run()

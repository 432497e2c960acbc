import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { FakeWatchdog } from '../platform/watchdog-fake.ts'
import { petWhileStarting, START_WITHIN_MS } from './front-panel.ts'

const withWatchdog = () => {
  const watchdog = new FakeWatchdog()
  return { watchdog, parts: { led: undefined, button: undefined, serial: undefined, watchdog } }
}

test('a start that takes longer than the watchdog is not reset, until it is stuck', async () => {
  const clock = new FakeClock()
  const { watchdog, parts } = withWatchdog()
  petWhileStarting(parts, clock)
  await clock.advance(60_000)
  assert.is(watchdog.pets, 61)
  await clock.advance(START_WITHIN_MS)
  const { pets } = watchdog
  assert.is(pets, START_WITHIN_MS / 1000 + 1)
  await clock.advance(60_000)
  assert.is(watchdog.pets, pets)
})

test('once the agent is up nothing of it is left', async () => {
  const clock = new FakeClock()
  const { watchdog, parts } = withWatchdog()
  petWhileStarting(parts, clock)()
  await clock.advance(60_000)
  assert.is(watchdog.pets, 1)
  petWhileStarting(undefined, clock)()
})

test.run()

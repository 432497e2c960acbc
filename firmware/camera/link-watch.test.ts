import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LinkStatus } from '../link/link-status.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { LINK_LOOK_MS, LinkWatch } from './link-watch.ts'

const test = suite('link watch')

const walking: LinkStatus = { state: 'walking' }
const connected: LinkStatus = { state: 'connected', path: 'lan' }
const lost = (message: string, hint = 'Look.'): LinkStatus => ({
  state: 'lost',
  problem: { code: 'STORAGE_UNREACHABLE', message, hint },
})

async function told(states: readonly LinkStatus[]): Promise<string[]> {
  const clock = new FakeClock()
  const lines: string[] = []
  let now = walking
  const watch = new LinkWatch({
    status: () => now,
    clock,
    onTrouble: ({ message }) => lines.push(message),
    onConnected: (path) => lines.push(path),
  })
  watch.start()
  watch.start()
  for (const state of states) {
    now = state
    await clock.advance(LINK_LOOK_MS)
  }
  watch.close()
  assert.is(clock.pendingTimers, 0)
  return lines
}

test('each trouble once, though it comes and goes with every attempt', async () => {
  const states = [walking, lost('no answer from 2'), walking, lost('no answer from 3'), walking, lost('again')]
  assert.equal(await told(states), ['no answer from 2'])
})

test('another trouble, and the end of it', async () => {
  const states = [lost('silent'), lost('refused', 'Pair again.'), connected, connected, lost('silent'), connected]
  assert.equal(await told(states), ['silent', 'refused', 'lan', 'silent', 'lan'])
})

test('the last trouble stands until the storage device is reached', async () => {
  const clock = new FakeClock()
  let now = walking
  const watch = new LinkWatch({ status: () => now, clock, onTrouble: () => {}, onConnected: () => {} })
  watch.start()
  const seen: (string | undefined)[] = []
  for (const state of [walking, lost('silent'), walking, lost('still'), walking, connected, walking]) {
    now = state
    await clock.advance(LINK_LOOK_MS)
    seen.push(watch.problem?.message)
  }
  assert.equal(seen, [undefined, 'silent', 'silent', 'still', 'still', undefined, undefined])
  watch.close()
})

test.run()

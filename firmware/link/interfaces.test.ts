import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import type { Interfaces } from './candidates.ts'
import { INTERFACES_POLL_MS, watchInterfaces } from './interfaces.ts'

function info(address: string): NetworkInterfaceInfo {
  return { address, netmask: '255.255.255.0', family: 'IPv4', mac: '', internal: false, cidr: null }
}

test('tells of addresses that come and go, not of their order', async () => {
  const clock = new FakeClock()
  const [a, b] = [info('192.168.1.5'), info('10.0.0.5')]
  let now: Interfaces = { eth0: [a], wlan0: [b] }
  let changes = 0
  const stop = watchInterfaces(
    () => now,
    clock,
    () => {
      changes += 1
    },
  )
  const states: Interfaces[] = [{ wlan0: [b], eth0: [a] }, { eth0: [a] }, { eth0: [a] }, { eth0: [b] }, { wlan0: [b] }]
  const counts: number[] = []
  for (const state of states) {
    now = state
    await clock.advance(INTERFACES_POLL_MS)
    counts.push(changes)
  }
  assert.equal(counts, [0, 1, 1, 2, 3])
  stop()
  assert.is(clock.pendingTimers, 0)
})

test.run()

// time-out: 120 s
/**
 * No server, no internet, and the storage device has got another address since it was last met: a question by multicast
 * finds it.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Lab } from './lab.ts'
import { labTest } from './lab-fixture.ts'
import { LabHome } from './lab-home.ts'
import { reconnect } from './measure.ts'
import { topologyNamed } from './topologies.ts'

labTest('a storage device with a new address is found in its own network, without a server', async () => {
  const lab = await Lab.create(topologyNamed('same-lan'))
  const home = new LabHome(lab)
  try {
    await home.start()
    await home.program('camera').stop()
    await home.program('server').stop()
    lab.faults.renumber('storage', '192.168.1.77/24')
    const { first, connectedMs, upMs } = await reconnect(home, 'camera', { on: 'lan', withinMs: 30_000 })
    assert.is(first, 'lan')
    assert.ok(connectedMs - upMs < 5_000, `${connectedMs - upMs} ms`)
    const { lastAttempt } = await home.status('camera')
    const used = lastAttempt?.candidates.find(({ result }) => result === 'opened')
    assert.equal([used?.source, used?.address], ['heard', '192.168.1.77:7441'])
  } finally {
    await home.close()
    lab.close()
  }
})

test.run()

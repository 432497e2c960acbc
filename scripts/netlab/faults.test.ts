// time-out: 120 s
/** That each fault does what it is called, and that it ends. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../../firmware/wire/errors.ts'
import { Lab } from './lab.ts'
import { arrives, isDropped, labTest, withEnds } from './lab-fixture.ts'
import { pause, runToolIn } from './tool.ts'
import { topologyNamed } from './topologies.ts'

const SERVER = '198.51.100.10'
const STORAGE = '192.168.1.10'
const CAMERA = '192.168.1.20'
const ON_LAN = { camera: 5000, storage: 5001 }

labTest('a pulled cable lets nothing through until it is plugged in again', async () => {
  await withEnds('same-lan', ON_LAN, async ({ camera, storage }, { faults }) => {
    await arrives(camera, storage, STORAGE)
    faults.pull('camera')
    await isDropped(camera, storage, STORAGE)
    await isDropped(storage, camera, CAMERA)
    faults.plug('camera')
    // It asks for its neighbour's address again within a second.
    camera.send('plugged in', STORAGE, 5001)
    await storage.from('plugged in')
    await arrives(storage, camera, CAMERA)
  })
})

labTest('blocked UDP passes again when it is allowed', async () => {
  await withEnds('two-cones', { camera: 5000, server: 7440 }, async ({ camera, server }, { faults }) => {
    faults.blockUdp('camera-home')
    await isDropped(camera, server, SERVER)
    faults.allowUdp('camera-home')
    await arrives(camera, server, SERVER)
  })
})

for (const direction of ['from', 'to'] as const) {
  labTest(`a cable cut ${direction} a node still works the other way, for long`, async () => {
    await withEnds('same-lan', ON_LAN, async ({ camera, storage }, lab) => {
      lab.faults.cut('camera', direction)
      // Whoever has no neighbour's address any more must be able to ask for it.
      for (const node of ['camera', 'storage']) runToolIn(lab.namespace(node), 'ip', ['neigh', 'flush', 'all'])
      await (direction === 'to' ? arrives : isDropped)(camera, storage, STORAGE)
      await (direction === 'to' ? isDropped : arrives)(storage, camera, CAMERA)
      lab.faults.mend('camera')
      await arrives(camera, storage, STORAGE)
      await arrives(storage, camera, CAMERA)
    })
  })
}

labTest('packet loss is about as much as set, in both directions, and beside other faults', async () => {
  await withEnds('same-lan', ON_LAN, async ({ camera, storage }, { faults }) => {
    const lost = async (text: string) => {
      camera.send(text, STORAGE, 5001, 1000)
      storage.send(text, CAMERA, 5000, 1000)
      await Promise.all([storage.settled(text), camera.settled(text)])
      return [1000 - storage.count(text), 1000 - camera.count(text)]
    }
    faults.lose('camera', 30)
    for (const count of await lost('lossy')) assert.ok(count > 220 && count < 380, `${count} of 1000 were lost`)
    faults.cut('camera', 'to')
    faults.lose('camera', 0)
    assert.equal(await lost('cut'), [0, 1000])
    faults.mend('camera')
    assert.equal(await lost('sound'), [0, 0])
  })
})

labTest('a router that is flushed has forgotten: nothing gets in, and a symmetric one takes another port', async () => {
  for (const topology of ['two-cones', 'both-symmetric']) {
    await withEnds(topology, { camera: 5000, server: 7440 }, async ({ camera, server }, { faults }) => {
      camera.send('hello', SERVER, 7440)
      const before = await server.from('hello')
      faults.flush('camera-home')
      server.answer('answer', before)
      assert.is(await camera.got('answer'), false)
      camera.send('again', SERVER, 7440)
      const after = await server.from('again')
      assert.is(after === before, topology === 'two-cones', `${before}, then ${after}`)
      server.answer('back', after)
      await camera.from('back')
    })
  }
})

labTest('a mapping lasts as long as set, and longer once it was answered', async () => {
  await withEnds('two-cones', { camera: 5000, server: 7440 }, async ({ camera, server }, { faults }) => {
    faults.setUdpTimeouts('camera-home', 1, 60)
    camera.send('one', SERVER, 7440)
    const mapped = await server.from('one')
    await pause(1_300)
    server.answer('late', mapped)
    assert.is(await camera.got('late'), false)
    // Answered for two seconds and more, Linux takes it for a stream.
    for (let at = 0; at < 9; at += 1) {
      camera.send(`hello ${at}`, SERVER, 7440)
      server.answer(`answer ${at}`, await server.from(`hello ${at}`))
      await camera.from(`answer ${at}`)
      await pause(250)
    }
    await pause(1_300)
    server.answer('in time', mapped)
    await camera.from('in time')
  })
})

labTest('a host with another address is reached there, not where it was, and reaches the internet', async () => {
  await withEnds('same-lan', { ...ON_LAN, server: 7440 }, async ({ camera, storage, server }, { faults }) => {
    faults.renumber('camera', '192.168.1.77/24')
    await isDropped(storage, camera, CAMERA)
    await arrives(storage, camera, '192.168.1.77')
    await arrives(camera, server, SERVER)
  })
})

labTest('a home with another address is seen under it, at once', async () => {
  await withEnds('two-cones', { camera: 5000, server: 7440 }, async ({ camera, server }, { faults }) => {
    camera.send('before', SERVER, 7440)
    assert.is(await server.from('before'), '203.0.113.20:5000')
    faults.renumber('camera-home', '203.0.113.99/24')
    camera.send('after', SERVER, 7440)
    assert.is(await server.from('after'), '203.0.113.99:5000')
  })
})

labTest('what cannot be is refused', async () => {
  const lab = await Lab.create(topologyNamed('same-lan'))
  const isUsage = (error: unknown) => isHomewardError(error, 'USAGE')
  assert.throws(() => lab.faults.pull('fridge'), isUsage)
  assert.throws(() => lab.faults.flush('camera'), isUsage)
  assert.throws(() => lab.faults.lose('camera', 101), isUsage)
  assert.throws(() => lab.faults.renumber('camera', '192.168.1.77'), isUsage)
  assert.throws(() => topologyNamed('moon'), isUsage)
  lab.close()
})

test.run()

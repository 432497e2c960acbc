// time-out: 120 s
/** That the NATs of the lab are what they are called: what a datagram's sender looks like outside, and what gets in. */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { arrives, isDropped, labTest, withEnds } from './lab-fixture.ts'
import { runIp } from './tool.ts'
import { topologyNamed } from './topologies.ts'
import { hostOf, nodeNamed } from './topology.ts'

const SERVER = '198.51.100.10'
const CAMERA_HOME = '203.0.113.20'
const STORAGE_HOME = '203.0.113.30'

labTest('a NAT that keeps ports shows the same address to everybody', async () => {
  const ends = { camera: 5000, server: 7440, 'server-2': 7441 }
  await withEnds('two-cones', ends, async ({ camera, server, 'server-2': other }) => {
    camera.send('one', SERVER, 7440)
    camera.send('two', SERVER, 7441)
    assert.equal([await server.from('one'), await other.from('two')], [`${CAMERA_HOME}:5000`, `${CAMERA_HOME}:5000`])
  })
})

labTest('two devices behind one NAT with the same port of their own have two outside', async () => {
  await withEnds(
    'two-cameras',
    { camera: 5000, 'camera-2': 5000, server: 7440 },
    async ({ camera, server, ...more }) => {
      camera.send('one', SERVER, 7440)
      assert.is(await server.from('one'), `${CAMERA_HOME}:5000`)
      more['camera-2'].send('two', SERVER, 7440)
      const second = await server.from('two')
      assert.match(second, new RegExp(`^${CAMERA_HOME}:`))
      assert.is.not(second, `${CAMERA_HOME}:5000`)
    },
  )
})

labTest('a symmetric NAT shows another random port to each destination, and keeps each', async () => {
  const ends = { camera: 5000, server: 7440, 'server-2': 7441 }
  await withEnds('cone-symmetric', ends, async ({ camera, server, 'server-2': other }) => {
    camera.send('one', SERVER, 7440)
    camera.send('two', SERVER, 7441)
    const seen = [await server.from('one'), await other.from('two'), `${CAMERA_HOME}:5000`]
    assert.is(new Set(seen).size, 3, seen.join())
    camera.send('again', SERVER, 7440)
    assert.is(await server.from('again'), seen[0])
  })
})

for (const topology of ['two-cones', 'both-symmetric']) {
  labTest(`${topology}: only who was sent something gets in, from that very port`, async () => {
    const ends = { camera: 5000, storage: 5001, server: 7440, 'server-2': 7441 }
    await withEnds(topology, ends, async ({ camera, storage, server, 'server-2': other }) => {
      camera.send('hello', SERVER, 7440)
      const mapped = await server.from('hello')
      server.answer('answer', mapped)
      await camera.from('answer')
      other.answer('another port', mapped)
      storage.answer('stranger', mapped)
      assert.is(await camera.got('another port'), false)
      assert.is(await camera.got('stranger'), false)
    })
  })
}

labTest('who knows the private address of a device at home does not get in with it either', async () => {
  await withEnds('two-cones', { camera: 5000, server: 7440 }, async ({ camera, server }, lab) => {
    runIp([`route add 192.168.1.20/32 via ${CAMERA_HOME}`], lab.namespace('core'))
    await isDropped(server, camera, '192.168.1.20')
  })
})

labTest('between two NATs that keep ports a hole can be punched, whoever sends first', async () => {
  await withEnds('two-cones', { camera: 5000, storage: 5001 }, async ({ camera, storage }) => {
    storage.send('too early', CAMERA_HOME, 5000)
    assert.is(await camera.got('too early'), false)
    camera.send('through', STORAGE_HOME, 5001)
    // The datagram that was refused before has not cost the camera its port.
    assert.is(await storage.from('through'), `${CAMERA_HOME}:5000`)
    storage.send('back', CAMERA_HOME, 5000)
    assert.is(await camera.from('back'), `${STORAGE_HOME}:5001`)
  })
})

labTest('through two NATs, one behind the other, as well', async () => {
  await withEnds('double-nat', { camera: 5000, storage: 5001, server: 7440 }, async ({ camera, storage, server }) => {
    storage.send('hello', SERVER, 7440)
    assert.is(await server.from('hello'), `${STORAGE_HOME}:5001`)
    camera.send('too early', STORAGE_HOME, 5001)
    assert.is(await storage.got('too early'), false)
    storage.send('through', CAMERA_HOME, 5000)
    assert.is(await camera.from('through'), `${STORAGE_HOME}:5001`)
    camera.send('back', STORAGE_HOME, 5001)
    assert.is(await storage.from('back'), `${CAMERA_HOME}:5000`)
  })
})

for (const topology of ['both-symmetric', 'cone-symmetric', 'symmetric-cone']) {
  labTest(`${topology}: the ports that the server sees are not enough to get through`, async () => {
    await withEnds(topology, { camera: 5000, storage: 5001, server: 7440 }, async ({ camera, storage, server }) => {
      camera.send('camera', SERVER, 7440)
      storage.send('storage', SERVER, 7440)
      const [cameraSeen, storageSeen] = [await server.from('camera'), await server.from('storage')]
      for (const text of ['one', 'two', 'three']) {
        camera.answer(text, storageSeen)
        storage.answer(text, cameraSeen)
      }
      assert.is(await camera.got('three'), false)
      assert.is(storage.count('three'), 0)
    })
  })
}

for (const side of ['camera', 'storage']) {
  labTest(`udp-blocked-${side}: no UDP through its line, TCP as before`, async () => {
    await withEnds(`udp-blocked-${side}`, { camera: 5000, storage: 5001, server: 7440 }, async (ends, lab) => {
      for (const node of ['camera', 'storage'] as const) {
        await (node === side ? isDropped : arrives)(ends[node], ends.server, SERVER)
      }
      // Nobody listens there: a refusal has been to the server and back.
      const [program = '', ...args] = lab.on(side, ['bash', '-c', `exec 3<>/dev/tcp/${SERVER}/7443`])
      const { stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 5_000 })
      assert.match(stderr, 'Connection refused')
    })
  })
}

labTest('same-lan and routed: both see the real address of the other', async () => {
  for (const name of ['same-lan', 'routed']) {
    await withEnds(name, { camera: 5000, storage: 5001 }, async ({ camera, storage }) => {
      camera.send('there', '192.168.1.10', 5001)
      const address = hostOf(nodeNamed(topologyNamed(name), 'camera'))
      assert.is(await storage.from('there'), `${address}:5000`)
      storage.send('back', address, 5000)
      assert.is(await camera.from('back'), '192.168.1.10:5001')
    })
  }
})

labTest("a private address of another home is somebody else's", async () => {
  await withEnds('two-cones', { camera: 5000, storage: 5001 }, async ({ camera, storage }) => {
    camera.send('lost', '192.168.1.10', 5001)
    assert.is(await storage.got('lost'), false)
  })
})

labTest('ipv6-only: routed, and no IPv4 anywhere', async () => {
  await withEnds(
    'ipv6-only',
    { camera: 5000, storage: 5001, server: 7440 },
    async ({ camera, storage, server }, lab) => {
      camera.send('there', '2001:db8:1::10', 5001)
      assert.is(await storage.from('there'), '[2001:db8:2::20]:5000')
      storage.send('hello', '2001:db8:53::10', 7440)
      assert.is(await server.from('hello'), '[2001:db8:1::10]:5001')
      for (const { name } of lab.topology.nodes) {
        const [program = '', ...args] = lab.on(name, ['ip', '-4', '-o', 'addr', 'show', 'scope', 'global'])
        assert.is(spawnSync(program, args, { encoding: 'utf8' }).stdout, '', name)
      }
    },
  )
})

test.run()

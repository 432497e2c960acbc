/** Two real servers with one key and one Redis: the storage device is registered at one, and the camera asks the other. */
import type { NetworkInterfaceInfo } from 'node:os'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from '../link/address.ts'
import { CameraServer } from '../link/camera-server.ts'
import { makeCertificate } from '../link/certificate.ts'
import { createIdentity, type Identity } from '../link/identity.ts'
import { startCamera, startStorage, waitFor } from '../link/link-devices.ts'
import { PairKeys } from '../link/pair.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { UdxPort } from '../link/udx-port.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import { MemoryRegistry } from './registry/memory.ts'
import { hasRedis, RedisServer } from './registry/redis-fixture.ts'
import { RedisStore } from './registry/redis-store.ts'
import { SharedRegistry } from './registry/shared.ts'
import { P2pServer } from './server.ts'
import { TlsListener } from './tls-listener.ts'

const test = suite('servers that share a registry')
const run = hasRedis() ? test : test.skip

const clock = new RealClock()
const random = realRandom
/** An address that leads nowhere: of a home behind a NAT, seen from another one. */
const FAR: NetworkInterfaceInfo = {
  ...{ address: '192.168.99.10', netmask: '255.255.255.0', family: 'IPv4', mac: '', internal: false },
  cidr: '192.168.99.10/24',
}

/** Datagrams to these ports are lost. */
class LossyPort extends UdxPort {
  readonly blocked = new Set<number>()

  constructor() {
    super({ host: '127.0.0.1' })
  }

  override send(message: Uint8Array, to: Address): void {
    if (!this.blocked.has(to.port)) super.send(message, to)
  }
}

async function startServer(identity: Identity, redis: RedisServer) {
  const port = new UdxPort({ host: '127.0.0.1' })
  const listen = { host: '127.0.0.1', port: 0 }
  const tls = await TlsListener.listen({ listen, certificate: makeCertificate(), identity, clock })
  const own = new MemoryRegistry(clock)
  const self = { host: '127.0.0.1', port: port.local.port, tls: tls.port }
  const serverKey = toHex(identity.publicKey)
  const store = new RedisStore({ url: redis.url, self, serverKey, ttlMs: own.ttlMs, clock })
  const registry = new SharedRegistry(own, store)
  const server = new P2pServer({ port, streams: port, tls, identity, registry, clock, random })
  server.start()
  await store.start()
  const place = { host: '127.0.0.1', port: port.local.port, key: identity.publicKey }
  const addresses = () => new ServerAddresses(place, clock, { tls: { host: '127.0.0.1', port: tls.port } })
  const close = async () => {
    await server.close()
    await port.close()
  }
  return { server, store, port, tls, addresses, close }
}

type RunningServer = Awaited<ReturnType<typeof startServer>>

async function scene() {
  const redis = await RedisServer.start()
  const identity = createIdentity()
  const [a, b] = [await startServer(identity, redis), await startServer(identity, redis)]
  const camera = createIdentity()
  const [storagePort, cameraPort] = [new LossyPort(), new LossyPort()]
  const storage = await startStorage({
    ...{ server: a.addresses(), enrolled: [camera], udx: storagePort, interfaces: () => ({ eth0: [FAR] }) },
  })
  await waitFor(() => storage.link.status().registration?.state === 'registered', 'registered at A')
  const uid = storage.identity.publicKey
  const connect = (server: RunningServer) => {
    const tags = { pair: new PairKeys(camera, uid).lookupTag }
    const help = new CameraServer({ port: cameraPort, server: server.addresses(), storage: uid, tags, clock, random })
    return startCamera({ identity: camera, storage: uid, server: help, udx: cameraPort })
  }
  const close = async () => {
    await storage.close()
    for (const server of [a, b]) await server.close()
    await redis.close()
  }
  return { redis, a, b, storage, storagePort, cameraPort, connect, close }
}

async function carries(
  channel: { send(message: Uint8Array): unknown },
  storage: Awaited<ReturnType<typeof startStorage>>,
) {
  const far = await storage.nextChannel(0)
  let heard = ''
  far.onMessage((message) => {
    heard += Buffer.from(message).toString()
  })
  channel.send(new Uint8Array(Buffer.from('footage')))
  await waitFor(() => heard.includes('footage'), 'footage')
}

run('punched: the request is carried by the server that was named', async () => {
  const { a, b, storage, connect, close } = await scene()
  const device = connect(b)
  const channel = await device.nextChannel(0)
  assert.is(channel.path, 'punched')
  await carries(channel, storage)
  assert.ok(b.server.counters.elsewhere >= 1)
  assert.is(b.server.counters.carried, 0)
  assert.ok(a.server.counters.found >= 1 && a.server.counters.carried >= 1)
  await device.close()
  await close()
})

run('relayed over UDP at the server that was named', async () => {
  const { a, b, storage, storagePort, cameraPort, connect, close } = await scene()
  storagePort.blocked.add(cameraPort.local.port)
  cameraPort.blocked.add(storagePort.local.port)
  const device = connect(b)
  const channel = await device.nextChannel(0)
  assert.is(channel.path, 'relay-udp')
  await carries(channel, storage)
  assert.equal([a.server.counters.relayUdp.joined, b.server.counters.relayUdp.opened], [1, 0])
  await device.close()
  await close()
})

run('without UDP: looked up, named and relayed over TLS', async () => {
  const { a, b, storage, storagePort, cameraPort, connect, close } = await scene()
  for (const { port } of [a.port.local, b.port.local, storagePort.local]) cameraPort.blocked.add(port)
  storagePort.blocked.add(cameraPort.local.port)
  const device = connect(b)
  const channel = await device.nextChannel(0)
  assert.is(channel.path, 'relay-tls')
  await carries(channel, storage)
  assert.equal([a.server.counters.relayTls.joined, b.server.counters.relayTls.opened], [1, 0])
  assert.ok(b.server.counters.elsewhere >= 1)
  await device.close()
  await close()
})

run('without Redis: each server answers for its own devices, and names others again when it is back', async () => {
  const { redis, a, b, connect, close } = await scene()
  await redis.stop()
  await waitFor(() => a.store.state === 'down' && b.store.state === 'down', 'down')
  const near = connect(a)
  assert.is((await near.nextChannel(0)).path, 'punched')
  await near.close()
  assert.is(b.server.counters.failed, 0)
  await redis.startAgain()
  await waitFor(() => a.store.state === 'up' && b.store.state === 'up', 'up again')
  await close()
})

run('the server that holds the device goes: it registers at the other, and cameras find it there', async () => {
  const redis = await RedisServer.start()
  const identity = createIdentity()
  const [a, b] = [await startServer(identity, redis), await startServer(identity, redis)]
  const camera = createIdentity()
  const first = await startStorage({ server: a.addresses(), enrolled: [camera] })
  await waitFor(() => first.link.status().registration?.state === 'registered', 'registered at A')
  const { identity: same } = first
  await first.close()
  const second = await startStorage({ identity: same, server: b.addresses(), enrolled: [camera], boot: 2 })
  await waitFor(() => second.link.status().registration?.state === 'registered', 'registered at B')
  await waitFor(() => b.server.counters.registered > 0, 'known at B')
  let held: number | undefined
  for (let waited = 0; waited < 200 && held !== 0; waited++) {
    held = (await a.server.stats()).uids
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.is(held, 0, 'A was told of the move')
  const port = new UdxPort({ host: '127.0.0.1' })
  const tags = { pair: new PairKeys(camera, same.publicKey).lookupTag }
  const help = new CameraServer({ port, server: a.addresses(), storage: same.publicKey, tags, clock, random })
  const device = startCamera({ identity: camera, storage: same.publicKey, server: help, udx: port })
  await device.nextChannel(0)
  assert.ok(a.server.counters.elsewhere >= 1)
  await device.close()
  await second.close()
  for (const server of [a, b]) await server.close()
  await redis.close()
})

test.run()

/** Storage device and camera meet through a real server over real sockets, and without it once they have met. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CameraServer } from '../link/camera-server.ts'
import { createIdentity, type Identity } from '../link/identity.ts'
import { startCamera, startStorage } from '../link/link-devices.ts'
import { PairKeys, tokenTags } from '../link/pair.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { UdxPort } from '../link/udx-port.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { MemoryRegistry } from './registry/memory.ts'
import { P2pServer } from './server.ts'

const clock = new RealClock()

async function startServer() {
  const port = new UdxPort({ host: '127.0.0.1' })
  const identity = createIdentity()
  const server = new P2pServer({ port, identity, clock, random: realRandom, registry: new MemoryRegistry(clock) })
  server.start()
  const address = { host: '127.0.0.1', port: port.local.port, key: identity.publicKey }
  const close = async () => {
    await server.close()
    await port.close()
  }
  return { address: () => new ServerAddresses(address, clock), close }
}

/** The server's help for one camera, by a port of its own: for what is looked up, not for what is punched or relayed. */
function helpFor(server: ServerAddresses, identity: Identity, storage: Uint8Array, token?: Uint8Array) {
  const port = new UdxPort({ host: '127.0.0.1' })
  const pair = new PairKeys(identity, storage).lookupTag
  const tags = token === undefined ? { pair } : { pair, token: tokenTags(token).lookupTag }
  ports.push(port)
  return new CameraServer({ port, server, storage, tags, clock, random: realRandom })
}

const ports: UdxPort[] = []

async function registered(storage: Awaited<ReturnType<typeof startStorage>>, tags: number): Promise<void> {
  for (;;) {
    const registration = storage.link.status().registration
    if (registration?.state === 'registered' && registration.tags === tags) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a setup code without any address is enough: found by the token’s tag, enrolled, connected, and found again', async () => {
  const server = await startServer()
  const storage = await startStorage({ server: server.address() })
  const { token } = await storage.tokens.issue()
  await registered(storage, 1)
  const identity = createIdentity()
  const uid = storage.identity.publicKey
  const pairing = { identity, storage: uid }
  const help = () => helpFor(server.address(), identity, uid)
  const first = startCamera({ ...pairing, token, server: helpFor(server.address(), identity, uid, token) })
  await first.nextChannel(0)
  assert.is(first.kept.enrolledAs, 'Front door')
  // The token has done its work, but is looked up until its time is over.
  await registered(storage, 2)
  await first.close()

  const again = startCamera({ ...pairing, boot: 2, server: help() })
  await again.nextChannel(0)
  const { lastAttempt } = again.link.status()
  assert.is(lastAttempt?.lookUp.result, 'answered')
  assert.ok(lastAttempt?.candidates.some(({ source }) => source === 'looked-up'))
  const [known] = again.kept.addresses
  await again.close()

  await server.close()
  const offline = startCamera({ ...pairing, boot: 3, server: help(), addresses: known === undefined ? [] : [known] })
  const startMs = performance.now()
  await offline.nextChannel(0)
  assert.ok(performance.now() - startMs < 200, 'the server that is down costs no time')
  await offline.close()
  await storage.close()
})

test('a forgotten camera is looked up in vain', async () => {
  const server = await startServer()
  const identity = createIdentity()
  const storage = await startStorage({ server: server.address(), enrolled: [identity] })
  await registered(storage, 1)
  await storage.desk.forget(identity.publicKey)
  await registered(storage, 0)
  const uid = storage.identity.publicKey
  const camera = startCamera({ identity, storage: uid, server: helpFor(server.address(), identity, uid) })
  const { problem } = await camera.until(({ state }) => state === 'lost')
  assert.is(problem?.code, 'STORAGE_UNREACHABLE')
  assert.match(problem?.message ?? '', /^no address to try, and the P2P server did not say where it is/)
  await camera.close()
  await storage.close()
  await server.close()
})

test.after(async () => {
  await Promise.all(ports.map((port) => port.close()))
})

test.run()

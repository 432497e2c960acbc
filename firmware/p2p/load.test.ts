/** What a server does when it is asked too much, or its registry fails it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from '../link/address.ts'
import type { DatagramPort } from '../link/datagram-port.ts'
import { createIdentity } from '../link/identity.ts'
import { signalDatagram } from '../link/signal-port.ts'
import { lookUpKey, signStatement } from '../link/signal-proof.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import type { SignalMessage } from '../wire/signal.ts'
import { Cookies } from './cookie.ts'
import { udpOrigin } from './origin.ts'
import { MemoryRegistry } from './registry/memory.ts'
import { Rendezvous } from './rendezvous.ts'
import { P2pServer } from './server.ts'

const FROM = { host: '198.51.100.1', port: 40_000 }

function scene() {
  const clock = new FakeClock()
  const random = seededRandom(1)
  const [server, storage] = [createIdentity(random.bytes(32)), createIdentity(random.bytes(32))]
  const registry = new MemoryRegistry(clock)
  const rendezvous = new Rendezvous({ identity: server, registry, clock, cookies: new Cookies(clock, random) })
  const tag = random.bytes(16)
  const register = (cookie: Uint8Array): SignalMessage => {
    const terms = { cookie, part: 0, parts: 1, tags: tag }
    const signed = signStatement(storage, server.publicKey, { serial: 1, candidates: [] }, terms)
    return { t: 'register', nonce: random.bytes(16), ...terms, ...signed }
  }
  const ask = (message: SignalMessage, from: Address = FROM) => rendezvous.answer(message, udpOrigin(from))
  const cookie = async () => {
    const answer = await ask({ t: 'register-hello', nonce: random.bytes(16) })
    if (answer?.t !== 'challenge') throw new Error('no challenge')
    return answer.cookie
  }
  const lookUp: SignalMessage = { t: 'look-up', nonce: random.bytes(16), key: lookUpKey(storage.publicKey, tag) }
  const keep = (good: Uint8Array): SignalMessage => ({
    t: 'keep',
    nonce: random.bytes(16),
    cookie: good,
    uid: storage.publicKey,
  })
  return { clock, random, server, registry, rendezvous, ask, cookie, register, lookUp, keep }
}

test('each kind of request has a limit of its own for each address, and recovers', async () => {
  const { clock, rendezvous, ask, cookie, register, lookUp, keep } = scene()
  const good = await cookie()
  const requests = [register(good), keep(good), lookUp]
  const answered = async (message: SignalMessage) => {
    let count = 0
    for (let index = 0; index < 600; index++) if ((await ask(message)) !== undefined) count++
    return count
  }
  const counts: number[] = []
  for (const message of requests) counts.push(await answered(message))
  assert.equal(counts, [512, 512, 256])
  assert.is(rendezvous.counters.limited, 88 + 88 + 344)
  assert.ok(await ask(lookUp, { host: '198.51.100.2', port: 1 }), 'another address is not held up')
  await clock.advance(1000)
  for (const message of requests) assert.ok(await ask(message), message.t)
})

test('look-ups that miss cost nobody anything', async () => {
  const { rendezvous, ask, random, cookie, register, lookUp } = scene()
  await ask(register(await cookie()))
  const sources = rendezvous.sources
  for (let index = 0; index < 2000; index++) {
    const from = { host: `10.0.${index >> 8}.${index & 255}`, port: 1 }
    await ask({ t: 'look-up', nonce: random.bytes(16), key: random.bytes(16) }, index % 2 === 0 ? FROM : from)
  }
  assert.is(rendezvous.counters.unknown, 2000)
  assert.is(rendezvous.sources, sources)
  assert.ok(await ask(lookUp))
})

/** A server whose registry answers look-ups as `find` does. */
function serverWith(find: MemoryRegistry['find']) {
  const { clock, random, server: identity, lookUp } = scene()
  const registry = new MemoryRegistry(clock)
  registry.find = find
  const receiver = { handler: (_message: Uint8Array, _from: Address): void => {} }
  const port: DatagramPort = {
    local: FROM,
    send: () => {},
    listen: (_, handler) => {
      receiver.handler = handler
      return () => {}
    },
  }
  const server = new P2pServer({ port, identity, registry, clock, random })
  server.start()
  const datagram = signalDatagram(lookUp)
  return { server, receive: () => receiver.handler(datagram, FROM) }
}

test('a registry that is slow holds up a bounded number of requests, and closing waits for them', async () => {
  const waiting: (() => void)[] = []
  const { server, receive } = serverWith(() => new Promise((resolve) => waiting.push(() => resolve(undefined))))
  for (let index = 0; index < 5000; index++) receive()
  assert.is(waiting.length, 4096)
  assert.is(server.counters.dropped, 5000 - 4096)
  let isClosed = false
  const closing = server.close().then(() => {
    isClosed = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.not(isClosed)
  for (const go of waiting) go()
  await closing
  assert.is(server.counters.unknown, 4096)
})

test('a registry that fails costs the request, not the server', async () => {
  const { server, receive } = serverWith(() => Promise.reject(new Error('connection lost')))
  receive()
  receive()
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(server.counters.failed, 2)
  await server.close()
})

test.run()

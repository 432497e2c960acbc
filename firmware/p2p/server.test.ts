import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sameAddress } from '../link/address.ts'
import { createIdentity } from '../link/identity.ts'
import { LOOK_UP_SCHEDULE_MS } from '../link/look-up.ts'
import { REFRESH_MAX_MS, REQUEST_SCHEDULE_MS } from '../link/registration.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { isHomewardError } from '../wire/errors.ts'
import { REGISTRATION_TTL_MS } from './registry/memory.ts'
import { SERVER_ADDRESS, World } from './world-fake.ts'

test('a storage device registers, and its camera finds it', async () => {
  const world = new World(1)
  const tag = world.tag()
  const storage = await world.registeredStorage([world.tag(), tag])
  const status = storage.registration.status()
  assert.is(status.state, 'registered')
  if (status.state === 'registered') {
    assert.equal(status.observed, storage.seenAs)
    assert.equal(status.server, SERVER_ADDRESS)
    assert.is(status.tags, 2)
    assert.is(status.tagsLeftOut, 0)
  }
  const camera = world.camera()
  const located = await world.during(camera.lookUp(storage.identity.publicKey, tag))
  assert.equal(located.candidates, storage.candidates)
  assert.equal(located.observed, storage.seenAs)
  assert.equal(located.self, camera.seenAs)
  assert.equal(located.server, SERVER_ADDRESS)
  await world.close()
  assert.is(world.clock.pendingTimers, 0)
})

test('the refresh is light, and keeps it registered', async () => {
  const world = new World(2)
  const tag = world.tag()
  const storage = await world.registeredStorage([tag])
  await world.pass(10 * 60_000)
  assert.is(world.server.counters.registered, 1)
  assert.ok(world.server.counters.kept >= 24, `${world.server.counters.kept} refreshes in ten minutes`)
  assert.is((await world.server.stats()).uids, 1)
  await world.during(world.camera().lookUp(storage.identity.publicKey, tag))
  await world.close()
})

test('a new tag is known at once, a dropped one is not any more', async () => {
  const world = new World(3)
  const [oldTag, newTag] = [world.tag(), world.tag()]
  const storage = await world.registeredStorage([oldTag])
  storage.tags = [newTag]
  storage.candidates = [{ host: '10.0.0.7', port: 7441 }]
  storage.registration.refresh()
  await world.pass(50)
  const camera = world.camera()
  const located = await world.during(camera.lookUp(storage.identity.publicKey, newTag))
  assert.equal(located.candidates, storage.candidates)
  assert.is(await codeOf(world.during(camera.lookUp(storage.identity.publicKey, oldTag))), 'SERVER_UNREACHABLE')
  await world.close()
})

test('more tags than fit one datagram go in several', async () => {
  const world = new World(4)
  const tags = Array.from({ length: 230 }, () => world.tag())
  const storage = await world.registeredStorage(tags)
  storage.candidates = Array.from({ length: 12 }, (_, index) => ({ host: `2001:db8::${index + 1}`, port: 65_535 }))
  storage.registration.refresh()
  await world.pass(50)
  assert.equal(await world.server.stats(), {
    uids: 1,
    keys: 230,
    sources: 2,
    relays: 0,
    relaysByKind: { udp: 0, tls: 0 },
    tlsConnections: 0,
  })
  const camera = world.camera()
  for (const tag of [tags[0], tags[40], tags[229]]) {
    const located = await world.during(camera.lookUp(storage.identity.publicKey, tag ?? world.tag()), 5)
    assert.is(located.candidates.length, 12)
  }
  storage.tags = tags.slice(100, 150)
  storage.registration.refresh()
  await world.pass(50)
  assert.is((await world.server.stats()).keys, 50)
  await world.close()
})

test('tags beyond the limit are left out, and the status says how many', async () => {
  const world = new World(5)
  const storage = await world.registeredStorage(Array.from({ length: 650 }, () => world.tag()))
  const status = storage.registration.status()
  assert.is(status.state === 'registered' && status.tags, 640)
  assert.is(status.state === 'registered' && status.tagsLeftOut, 10)
  await world.close()
})

test('one datagram in five lost, the rest in any order, some twice: still registered, still found', async () => {
  for (let seed = 100; seed < 130; seed++) {
    const world = new World(seed, { lossRatio: 0.2, repeatRatio: 0.05, minDelayMs: 5, maxDelayMs: 250 })
    const tags = Array.from({ length: 100 }, () => world.tag())
    const storage = world.storage(tags)
    storage.registration.start()
    await world.pass(60_000)
    assert.is((await world.server.stats()).keys, 100, `seed ${seed}`)
    const located = await world.during(world.camera().lookUp(storage.identity.publicKey, tags[77] ?? world.tag()))
    assert.equal(located.observed, storage.seenAs, `seed ${seed}`)
    await world.close()
  }
})

test('after a restart of the server everybody is back within one refresh', async () => {
  for (let seed = 200; seed < 205; seed++) {
    const world = new World(seed)
    const tag = world.tag()
    const storage = await world.registeredStorage([tag])
    await world.pass(12_345)
    await world.restartServer()
    await world.pass(REFRESH_MAX_MS)
    assert.is((await world.server.stats()).uids, 1, `seed ${seed}`)
    await world.during(world.camera().lookUp(storage.identity.publicKey, tag))
    await world.close()
  }
})

test('a server that was down for long is found again', async () => {
  const world = new World(6)
  const storage = await world.registeredStorage([world.tag()])
  world.network.blocked = (datagram) => sameAddress(datagram.to, SERVER_ADDRESS)
  await world.pass(REFRESH_MAX_MS + (REQUEST_SCHEDULE_MS.at(-1) ?? 0) + 10)
  const status = storage.registration.status()
  assert.is(status.state, 'waiting')
  assert.is(status.state === 'waiting' && status.error.code, 'SERVER_UNREACHABLE')
  await world.pass(10 * 60_000)
  await world.restartServer()
  world.network.blocked = () => false
  await world.pass(REFRESH_MAX_MS)
  assert.is(storage.registration.status().state, 'registered')
  assert.is((await world.server.stats()).uids, 1)
  await world.close()
})

test('a pause after a failure ends when something changes', async () => {
  const world = new World(7)
  world.network.blocked = () => true
  const storage = world.storage()
  storage.registration.start()
  await world.pass(5 * 60_000)
  for (let step = 0; step < 100 && storage.registration.status().state !== 'waiting'; step++) await world.pass(100)
  world.network.blocked = () => false
  storage.registration.refresh()
  await world.pass(10)
  assert.is(storage.registration.status().state, 'registered')
  await world.close()
})

test('a device that went away is forgotten', async () => {
  const world = new World(8)
  const tag = world.tag()
  const storage = await world.registeredStorage([tag])
  await world.pass(60_000)
  await storage.registration.close()
  assert.is(storage.registration.status().state, 'stopped')
  await world.pass(REGISTRATION_TTL_MS - REFRESH_MAX_MS - 1000)
  const camera = world.camera()
  await world.during(camera.lookUp(storage.identity.publicKey, tag))
  await world.pass(REFRESH_MAX_MS + 1000)
  assert.is(await codeOf(world.during(camera.lookUp(storage.identity.publicKey, tag))), 'SERVER_UNREACHABLE')
  assert.equal(await world.server.stats(), {
    uids: 0,
    keys: 0,
    sources: 4,
    relays: 0,
    relaysByKind: { udp: 0, tls: 0 },
    tlsConnections: 0,
  })
  await world.close()
})

test('a router that forgets the mapping: registered under the new address within one refresh', async () => {
  const world = new World(9)
  const tag = world.tag()
  const storage = await world.registeredStorage([tag])
  const moved = { host: storage.seenAs.host, port: 51_111 }
  world.network.attach(storage.port, moved)
  await world.pass(REFRESH_MAX_MS + 10)
  const located = await world.during(world.camera().lookUp(storage.identity.publicKey, tag))
  assert.equal(located.observed, moved)
  await world.close()
})

test('the name of the server is asked again, all its addresses are tried, the last known serve meanwhile', async () => {
  const world = new World(10)
  const tag = world.tag()
  world.resolve = async () => ['2001:db8::99', '203.0.113.77', SERVER_ADDRESS.host]
  const storage = await world.registeredStorage([tag])
  assert.is(storage.registration.status().state, 'registered')
  world.resolve = async () => {
    throw new Error('ENOTFOUND')
  }
  const silentUntil = world.clock.monoUs() + 60_000_000
  world.network.blocked = () => world.clock.monoUs() < silentUntil
  await world.pass(60_000 + REFRESH_MAX_MS)
  assert.is(storage.registration.status().state, 'registered')
  assert.is(await codeOf(world.camera().lookUp(storage.identity.publicKey, tag)), 'SERVER_UNREACHABLE')
  await world.close()
})

test('another key than the pinned one: every answer is dropped', async () => {
  const world = new World(11)
  const tag = world.tag()
  const storage = await world.registeredStorage([tag])
  world.pinnedKey = createIdentity(world.random.bytes(32)).publicKey
  const fooled = world.storage([tag])
  fooled.registration.start()
  await world.pass(30_000)
  assert.is.not(fooled.registration.status().state, 'registered')
  const lookedUp = world.camera().lookUp(storage.identity.publicKey, tag)
  assert.is(await codeOf(world.during(lookedUp)), 'SERVER_UNREACHABLE')
  assert.ok(world.server.counters.found > 0, 'the server did answer')
  await world.close()
})

test('two devices with the same tag are two devices', async () => {
  const world = new World(12)
  const tag = world.tag()
  const wanted = await world.registeredStorage([tag])
  const other = await world.registeredStorage([tag])
  const camera = world.camera()
  const located = await world.during(camera.lookUp(other.identity.publicKey, tag))
  assert.equal(located.observed, other.seenAs)
  assert.equal((await world.during(camera.lookUp(wanted.identity.publicKey, tag))).observed, wanted.seenAs)
  await world.close()
})

test('a full server says so to who has proven himself', async () => {
  const world = new World(13)
  world.limits = { ...world.limits, uids: 1 }
  await world.restartServer()
  await world.registeredStorage([world.tag()])
  const second = await world.registeredStorage([world.tag()])
  const status = second.registration.status()
  assert.is(status.state, 'waiting')
  assert.match(status.state === 'waiting' ? status.error.message : '', 'full')
  await world.close()
})

test('a look-up gives up in its time, with a reason, and can be cancelled', async () => {
  const world = new World(14)
  const storage = await world.registeredStorage([world.tag()])
  const camera = world.camera()
  const startUs = world.clock.monoUs()
  let failure: unknown
  try {
    await world.during(camera.lookUp(storage.identity.publicKey, world.tag()), 1)
  } catch (error) {
    failure = error
  }
  assert.ok(isHomewardError(failure, 'SERVER_UNREACHABLE'))
  assert.match((isHomewardError(failure) && failure.hint) || '', 'not paired')
  assert.ok((world.clock.monoUs() - startUs) / 1000 - (LOOK_UP_SCHEDULE_MS.at(-1) ?? 0) <= 1)
  const stop = new AbortController()
  const cancelled = codeOf(camera.lookUp(storage.identity.publicKey, world.tag(), stop.signal))
  await world.pass(150)
  stop.abort()
  assert.is(await cancelled, 'CANCELLED')
  await world.close()
  assert.is(world.clock.pendingTimers, 0)
})

test('in every exchange the answer is no longer than its request', async () => {
  const world = new World(15)
  const last = new Map<string, number>()
  const seen = new Map<string, number>()
  const tooLong: string[] = []
  world.network.watch(({ message, from, to }) => {
    const kind = (address: { host: string; port: number }) => `${address.host} ${address.port}`
    if (sameAddress(to, SERVER_ADDRESS)) last.set(kind(from), message.byteLength)
    else {
      const request = last.get(kind(to)) ?? 0
      seen.set(`${request}>${message.byteLength}`, 1)
      if (message.byteLength > request) tooLong.push(`${request} bytes got ${message.byteLength}`)
    }
  })
  const long = Array.from({ length: 12 }, (_, index) => ({ host: `2001:db8::f:${index + 1}`, port: 65_535 }))
  const tag = world.tag()
  const storage = world.storage([])
  storage.candidates = []
  storage.registration.start()
  await world.pass(60_000)
  storage.candidates = long
  storage.tags = [tag]
  storage.registration.refresh()
  await world.pass(60_000)
  world.network.attach(storage.port, { host: '2001:db8:ffff:ffff:ffff:ffff:ffff:fffe', port: 65_535 })
  await world.pass(60_000)
  const camera = world.camera()
  world.network.attach(camera.port, { host: '2001:db8:ffff:ffff:ffff:ffff:ffff:fffd', port: 65_535 })
  await world.during(camera.lookUp(storage.identity.publicKey, tag))
  assert.equal(tooLong, [])
  assert.ok(seen.size >= 5, [...seen.keys()].join(' '))
  assert.is(world.server.counters.withheld, 0)
  await world.close()
})

test('closing twice is fine, and nothing is answered afterwards', async () => {
  const world = new World(16)
  const storage = await world.registeredStorage()
  await storage.registration.close()
  await storage.registration.close()
  await world.server.close()
  await world.server.close()
  assert.is(world.server.counters.failed, 0)
  await world.close()
})

test.run()

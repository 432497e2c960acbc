/** What strangers try at a P2P server: nothing they send leaves a trace, gains them bytes, or tells them anything. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Address, sameAddress } from '../link/address.ts'
import { SIGNAL_KIND } from '../link/datagram-port.ts'
import type { FakeDatagramPort } from '../link/datagram-port-fake.ts'
import { createIdentity, type Identity } from '../link/identity.ts'
import { readSignalDatagram, signalDatagram } from '../link/signal-port.ts'
import { lookUpKey, type RegistrationTerms, signStatement } from '../link/signal-proof.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { randomBelow, seededRandom } from '../platform/random.ts'
import { encodeMessage } from '../wire/codec.ts'
import type { SignalMessage, SignalOf } from '../wire/signal.ts'
import { COOKIE_LIFE_MS, Cookies } from './cookie.ts'
import { udpOrigin } from './origin.ts'
import { MemoryRegistry } from './registry/memory.ts'
import { Rendezvous } from './rendezvous.ts'
import { SERVER_ADDRESS, World } from './world-fake.ts'

const EMPTY = { uids: 0, keys: 0, relays: 0, relaysByKind: { udp: 0, tls: 0 }, tlsConnections: 0 }

/** Somebody with a socket, who sends what he likes and sees what comes back. */
class Stranger {
  readonly heard: SignalMessage[] = []
  heardBytes = 0
  readonly port: FakeDatagramPort
  readonly #world: World

  constructor(world: World, host = '192.0.2.66', port = 6666) {
    this.#world = world
    this.port = world.network.open({ host, port })
    this.port.listen(SIGNAL_KIND, (datagram) => {
      const message = readSignalDatagram(datagram)
      this.heardBytes += datagram.byteLength
      if (message !== undefined) this.heard.push(message)
    })
  }

  /** What the server answers to `message`. */
  async ask(message: SignalMessage): Promise<SignalMessage | undefined> {
    const before = this.heard.length
    this.port.send(signalDatagram(message), SERVER_ADDRESS)
    await this.#world.pass(10)
    return this.heard[before]
  }

  async cookie(): Promise<Uint8Array> {
    const answer = await this.ask({ t: 'register-hello', nonce: this.#world.random.bytes(16) })
    if (answer?.t !== 'challenge') throw new Error('no challenge')
    return answer.cookie
  }
}

function registerMessage(
  world: World,
  identity: Identity,
  terms: Partial<RegistrationTerms> & { cookie: Uint8Array },
  serial = 1,
  serverKey = world.serverIdentity.publicKey,
): SignalOf<'register'> {
  const full = { part: 0, parts: 1, tags: world.tag(), ...terms }
  const candidates = [{ host: '10.6.6.6', port: 6666 }]
  const signed = signStatement(identity, serverKey, { serial, candidates }, full)
  return { t: 'register', nonce: world.random.bytes(16), ...full, ...signed }
}

/** Datagrams from here to the server, as somebody on the way records them. */
function record(world: World, from: Address): Uint8Array[] {
  const recorded: Uint8Array[] = []
  world.network.watch((datagram) => {
    if (sameAddress(datagram.from, from) && sameAddress(datagram.to, SERVER_ADDRESS)) recorded.push(datagram.message)
  })
  return recorded
}

test('without a cookie there is no state, whatever is signed', async () => {
  const world = new World(1)
  const stranger = new Stranger(world)
  const identity = createIdentity(world.random.bytes(32))
  const answer = await stranger.ask(registerMessage(world, identity, { cookie: world.random.bytes(22) }))
  assert.is(answer?.t, 'challenge')
  assert.equal(await world.server.stats(), { ...EMPTY, sources: 1 })
  await world.close()
})

test('a cookie is good for its own address and its own time only', async () => {
  const world = new World(2)
  const stranger = new Stranger(world)
  const elsewhere = new Stranger(world, '192.0.2.66', 6667)
  const identity = createIdentity(world.random.bytes(32))
  const cookie = await stranger.cookie()
  assert.is((await elsewhere.ask(registerMessage(world, identity, { cookie })))?.t, 'challenge')
  assert.is((await stranger.ask(registerMessage(world, identity, { cookie })))?.t, 'signed')
  await world.pass(COOKIE_LIFE_MS + 10)
  assert.is((await stranger.ask(registerMessage(world, identity, { cookie }, 2)))?.t, 'challenge')
  const fresh = Buffer.from(await stranger.cookie())
  fresh.writeUInt8((fresh[5] ?? 0) ^ 1, 5)
  assert.is((await stranger.ask(registerMessage(world, identity, { cookie: fresh }, 3)))?.t, 'challenge')
  assert.is(world.server.counters.registered, 1)
  await world.close()
})

test("nobody registers another's UID", async () => {
  const world = new World(3)
  const tag = world.tag()
  const victim = await world.registeredStorage([tag])
  const stranger = new Stranger(world)
  const cookie = await stranger.cookie()
  const own = registerMessage(world, createIdentity(world.random.bytes(32)), { cookie, tags: tag })
  // The victim's key in the place of the stranger's, everything else as signed by the stranger.
  const at = Buffer.from(own.statement).indexOf(uidIn(own.statement))
  const statement = own.statement.slice()
  statement.set(victim.identity.publicKey, at)
  assert.is(await stranger.ask({ ...own, statement }), undefined)
  assert.is(world.server.counters.forged, 1)
  const located = await world.during(world.camera().lookUp(victim.identity.publicKey, tag))
  assert.equal(located.observed, victim.seenAs)
  await world.close()
})

/** The 32 bytes that follow the first bin header of 32 bytes in a statement: its uid. */
function uidIn(statement: Uint8Array): Uint8Array {
  const header = Buffer.from(statement).indexOf(Buffer.from([0xc4, 32]))
  return statement.subarray(header + 2, header + 34)
}

test('a recorded registration is worth nothing: not elsewhere, not later, not with other tags', async () => {
  const world = new World(4)
  const storage = world.storage([world.tag()])
  const recorded = record(world, storage.seenAs)
  storage.registration.start()
  await world.pass(100)
  const stranger = new Stranger(world)
  const registered = recorded
    .map((datagram) => readSignalDatagram(datagram))
    .find((message) => message?.t === 'register')
  if (registered?.t !== 'register') throw new Error('no registration was recorded')

  assert.is((await stranger.ask(registered))?.t, 'challenge', 'from another address')
  const cookie = await stranger.cookie()
  assert.is(await stranger.ask({ ...registered, cookie }), undefined, 'with a cookie of his own')

  const forged = world.server.counters.forged
  for (const change of [{ tags: world.tag() }, { parts: 2 }, { part: 1, parts: 2 }]) {
    world.network.inject(signalDatagram({ ...registered, ...change }), storage.seenAs, SERVER_ADDRESS)
  }
  await world.pass(10)
  assert.is(world.server.counters.forged, forged + 3, 'in the name of the sender, but changed')
  await world.close()
})

test('a recorded registration sent again neither extends nor brings back the older one', async () => {
  const world = new World(5)
  const [firstTag, secondTag] = [world.tag(), world.tag()]
  const storage = world.storage([firstTag])
  const recorded = record(world, storage.seenAs)
  storage.registration.start()
  await world.pass(100)
  const old = [...recorded]
  storage.tags = [secondTag]
  storage.registration.refresh()
  await world.pass(100)
  await storage.registration.close()
  const all = [...recorded]
  for (const datagram of old) world.network.inject(datagram, storage.seenAs, SERVER_ADDRESS)
  await world.pass(10)
  const camera = world.camera()
  await world.during(camera.lookUp(storage.identity.publicKey, secondTag))
  assert.ok(world.server.counters.outdated > 0)
  for (let step = 0; step < 10; step++) {
    await world.pass(7_500)
    for (const datagram of all) world.network.inject(datagram, storage.seenAs, SERVER_ADDRESS)
  }
  await world.pass(1_000)
  assert.is((await world.server.stats()).uids, 0, 'it expired although it was repeated all the time')
  await world.close()
})

test('a registration for one server is refused by another, which therefore cannot be fed by the first', async () => {
  const world = new World(6)
  const stranger = new Stranger(world)
  const identity = createIdentity(world.random.bytes(32))
  const otherServer = createIdentity(world.random.bytes(32))
  const cookie = await stranger.cookie()
  const misdirected = registerMessage(world, identity, { cookie }, 1, otherServer.publicKey)
  assert.is(await stranger.ask(misdirected), undefined)
  assert.is(world.server.counters.forged, 1)
  assert.is((await world.server.stats()).uids, 0)
  await world.close()
})

test('the same cookie with a lower or equal serial is refused, an exact repetition is only answered again', async () => {
  const world = new World(7)
  const stranger = new Stranger(world)
  const identity = createIdentity(world.random.bytes(32))
  const cookie = await stranger.cookie()
  const first = registerMessage(world, identity, { cookie }, 5)
  assert.is((await stranger.ask(first))?.t, 'signed')
  assert.is((await stranger.ask(first))?.t, 'signed')
  assert.is(world.server.counters.repeated, 1)
  assert.is(await stranger.ask(registerMessage(world, identity, { cookie }, 5)), undefined, 'equal')
  assert.is(await stranger.ask(registerMessage(world, identity, { cookie }, 4)), undefined, 'lower')
  assert.is((await stranger.ask(registerMessage(world, identity, { cookie }, 6)))?.t, 'signed', 'higher')
  await world.pass(5)
  const newer = await stranger.cookie()
  assert.is((await stranger.ask(registerMessage(world, identity, { cookie: newer }, 1)))?.t, 'signed', 'newer cookie')
  assert.is(await stranger.ask(registerMessage(world, identity, { cookie }, 99)), undefined, 'older cookie')
  await world.close()
})

test('a UID is not given away: known, unknown and misspelt look the same', async () => {
  const world = new World(8)
  const tag = world.tag()
  const storage = await world.registeredStorage([tag])
  const stranger = new Stranger(world)
  const { publicKey } = storage.identity
  const nonce = () => world.random.bytes(16)
  const keys = [
    lookUpKey(publicKey, new Uint8Array(16)),
    lookUpKey(publicKey, world.tag()),
    lookUpKey(world.random.bytes(32), tag),
    tag,
    publicKey.slice(0, 16),
    new Uint8Array(16),
  ]
  for (const key of keys) assert.is(await stranger.ask({ t: 'look-up', nonce: nonce(), key }), undefined)
  const cookie = await stranger.cookie()
  const challengeBytes = stranger.heardBytes
  for (const uid of [publicKey, world.random.bytes(32)]) {
    const answer = await stranger.ask({ t: 'keep', nonce: nonce(), cookie, uid })
    assert.is(answer?.t, 'challenge')
    assert.is(stranger.heardBytes % challengeBytes, 0, 'challenges of one length, nothing else')
  }
  await world.close()
})

test('a refresh in the name of another changes nothing', async () => {
  const world = new World(9)
  const tag = world.tag()
  const storage = await world.registeredStorage([tag])
  await storage.registration.close()
  const stranger = new Stranger(world)
  for (let step = 0; step < 8; step++) {
    const keep = { t: 'keep', nonce: world.random.bytes(16), uid: storage.identity.publicKey } as const
    await stranger.ask({ ...keep, cookie: await stranger.cookie() })
    world.network.inject(signalDatagram({ ...keep, cookie: await stranger.cookie() }), storage.seenAs, SERVER_ADDRESS)
    await world.pass(10_000)
  }
  assert.is((await world.server.stats()).uids, 0)
  await world.close()
})

test('messages of a server are not answered, so two servers cannot be set on each other', async () => {
  const world = new World(10)
  const stranger = new Stranger(world)
  const nonce = world.random.bytes(16)
  const body = new Uint8Array(700)
  assert.is(
    await stranger.ask({ t: 'challenge', nonce, cookie: world.random.bytes(22), key: world.random.bytes(32) }),
    undefined,
  )
  assert.is(await stranger.ask({ t: 'signed', nonce, body, signature: new Uint8Array(64) }), undefined)
  assert.is(world.server.counters.misdirected, 2)
  await world.close()
})

test('a request that is not filled up gets no longer answer', async () => {
  const world = new World(11)
  const tag = world.tag()
  const storage = await world.registeredStorage([tag])
  const stranger = new Stranger(world)
  const key = lookUpKey(storage.identity.publicKey, tag)
  const whole = signalDatagram({ t: 'look-up', nonce: world.random.bytes(16), key })
  const bare = encodeMessage({ t: 'look-up', nonce: world.random.bytes(16), key }, 1199)
  stranger.port.send(Uint8Array.from([SIGNAL_KIND, ...bare]), SERVER_ADDRESS)
  await world.pass(10)
  assert.is(stranger.heard.length, 0)
  assert.is(world.server.counters.withheld, 1)
  stranger.port.send(whole, SERVER_ADDRESS)
  await world.pass(10)
  assert.is(stranger.heard.length, 1)
  await world.close()
})

test('a flood from forged addresses leaves a bounded table and no registration', async () => {
  const clock = new FakeClock()
  const random = seededRandom(12)
  const registry = new MemoryRegistry(clock)
  const cookies = new Cookies(clock, random)
  const rendezvous = new Rendezvous({ identity: createIdentity(random.bytes(32)), registry, clock, cookies })
  const [nonce, uid, cookie] = [random.bytes(16), random.bytes(32), random.bytes(22)]
  for (let index = 0; index < 40_000; index++) {
    const host = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
    const from = udpOrigin({ host, port: 1 + (index & 1023) })
    await rendezvous.answer({ t: 'register-hello', nonce }, from)
    if (index % 4 === 0) await rendezvous.answer({ t: 'keep', nonce, cookie, uid }, from)
  }
  assert.equal(await registry.stats(), { uids: 0, keys: 0 })
  assert.ok(rendezvous.sources <= 16_384, `${rendezvous.sources} sources`)
  assert.is(rendezvous.counters.challenged, 50_000)
})

test('one address is slowed down, without slowing a device that has proven its own', async () => {
  const world = new World(13)
  const storage = await world.registeredStorage([world.tag()])
  const hello = signalDatagram({ t: 'register-hello', nonce: world.random.bytes(16) })
  for (let index = 0; index < 800; index++) {
    world.network.inject(hello, storage.seenAs, SERVER_ADDRESS)
    if (index % 50 === 49) await world.clock.advance(2)
  }
  await world.pass(30_000)
  assert.ok(world.server.counters.limited >= 250, `${world.server.counters.limited} limited`)
  assert.is(storage.registration.status().state, 'registered')
  assert.ok(world.server.counters.kept > 0)
  await world.close()
})

test('random and mutated frames: no throw, no growth, no answer to garbage', async () => {
  const seed = 20_261_122
  const world = new World(seed)
  const { random } = world
  const tag = world.tag()
  const storage = world.storage([tag])
  const recorded = record(world, storage.seenAs)
  storage.registration.start()
  await world.pass(30_000)
  const camera = world.camera()
  const asked = record(world, camera.seenAs)
  await world.during(camera.lookUp(storage.identity.publicKey, tag))
  await storage.registration.close()
  const samples = [...recorded, ...asked]
  assert.ok(samples.length >= 4)
  const before = await world.server.stats()
  const stranger = new Stranger(world)
  const pick = (bound: number) => randomBelow(random, bound)
  for (let run = 0; run < 3000; run++) {
    const sample = samples[pick(samples.length)] ?? new Uint8Array(1)
    const garbage = run % 3 === 0 ? random.bytes(pick(300)) : sample.slice(0, run % 3 === 1 ? undefined : pick(1200))
    garbage[0] = SIGNAL_KIND
    for (let change = pick(4); change >= 0; change--) garbage[1 + pick(garbage.byteLength)] = pick(256)
    stranger.port.send(garbage, SERVER_ADDRESS)
    if (run % 50 === 49) await world.clock.advance(1)
  }
  await world.pass(10)
  const { counters } = world.server
  const after = await world.server.stats()
  assert.is(counters.failed, 0, `seed ${seed}`)
  assert.is(after.uids, before.uids, `seed ${seed}`)
  assert.is(after.keys, before.keys, `seed ${seed}`)
  assert.is(counters.withheld, 0, `seed ${seed}`)
  assert.ok(counters.malformed > 1000, `seed ${seed}: ${counters.malformed} malformed`)
  // A changed byte in the padding or the nonce leaves a good request; such are answered, with no more bytes.
  const types = new Set(stranger.heard.map((message) => message.t))
  assert.ok([...types].every((type) => type === 'challenge' || type === 'signed'))
  await world.close()
})

test.run()

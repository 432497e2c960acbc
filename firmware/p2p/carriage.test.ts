/** Boxes between a camera and its storage device by way of the server, and what strangers try with them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Address, sameAddress } from '../link/address.ts'
import { SIGNAL_KIND } from '../link/datagram-port.ts'
import { readSignalDatagram, signalDatagram } from '../link/signal-port.ts'
import { lookUpKey, openAnswer } from '../link/signal-proof.ts'
import { encodeMessage } from '../wire/codec.ts'
import { BOX_MAX_BYTES, REQUEST_MIN_BYTES, type SignalMessage, type SignalOf } from '../wire/signal.ts'
import { HANDLE_LIFE_MS } from './handle.ts'
import { SERVER_ADDRESS, type StorageInWorld, World } from './world-fake.ts'

interface Carried {
  readonly box: Uint8Array
  readonly from: Address | undefined
  readonly reply: (box: Uint8Array) => void
}

async function scene(seed: number) {
  const world = new World(seed)
  const tag = world.tag()
  const storage = await world.registeredStorage([tag])
  const carried: Carried[] = []
  storage.registration.onCarried((box, from, reply) => carried.push({ box, from, reply }))
  const camera = world.camera()
  const carrier = camera.carrier(storage.identity.publicKey, tag)
  const returned: { box: Uint8Array; observed: Address | undefined }[] = []
  carrier.onReturned((box, observed) => returned.push({ box, observed }))
  return { world, tag, storage, carried, camera, carrier, returned }
}

/** Every message that arrives at `to`, as it stands on the wire. */
function tap(world: World, to: Address): { message: SignalMessage; bytes: number }[] {
  const seen: { message: SignalMessage; bytes: number }[] = []
  world.network.watch((datagram) => {
    const message = sameAddress(datagram.to, to) ? readSignalDatagram(datagram.message) : undefined
    if (message !== undefined) seen.push({ message, bytes: datagram.message.byteLength })
  })
  return seen
}

test('a box goes there and another comes back, with both addresses as the server sees them', async () => {
  const { world, storage, carried, camera, carrier, returned } = await scene(1)
  const [there, back] = [world.random.bytes(256), world.random.bytes(120)]
  carrier.send(there)
  await world.pass(5)
  assert.equal(carried[0]?.box, there)
  assert.equal(carried[0]?.from, camera.seenAs)
  carried[0]?.reply(back)
  await world.pass(5)
  assert.equal(returned, [{ box: back, observed: storage.seenAs }])
  assert.is(world.server.counters.carried, 1)
  assert.is(world.server.counters.returned, 1)
  await world.close()
  assert.is(world.clock.pendingTimers, 0)
})

test('several boxes there, several back on each, and none of the wrong length', async () => {
  const { world, carried, carrier, returned } = await scene(2)
  for (let index = 0; index < 5; index++) carrier.send(new Uint8Array(BOX_MAX_BYTES).fill(index))
  await world.pass(5)
  assert.equal(
    carried.map(({ box }) => box[0]),
    [0, 1, 2, 3, 4],
  )
  for (const { reply } of carried) for (let index = 0; index < 3; index++) reply(new Uint8Array(110).fill(index))
  await world.pass(5)
  assert.is(returned.length, 15)
  assert.throws(() => carrier.send(new Uint8Array(BOX_MAX_BYTES + 1)), /a box of 513 bytes/)
  assert.throws(() => carried[0]?.reply(new Uint8Array(BOX_MAX_BYTES + 1)), /a box of 513 bytes/)
  await world.close()
})

test('whoever does not know the tag gets silence, known UID or not', async () => {
  const { world, storage, carried, camera } = await scene(3)
  const heard = tap(world, camera.seenAs)
  camera.carrier(storage.identity.publicKey, world.tag()).send(new Uint8Array(100))
  camera.carrier(world.random.bytes(32), world.tag()).send(new Uint8Array(100))
  await world.pass(1000)
  assert.is(heard.length, 0)
  assert.is(carried.length, 0)
  assert.is(world.server.counters.carryUnknown, 2)
  await world.close()
})

test('what comes back on one carry is together no longer than the carry was', async () => {
  const { world, carried, carrier, camera, returned } = await scene(4)
  const heard = tap(world, camera.seenAs)
  carrier.send(new Uint8Array(256))
  await world.pass(5)
  for (let index = 0; index < 50; index++) carried[0]?.reply(new Uint8Array(200))
  await world.pass(50)
  const bytes = heard.reduce((sum, message) => sum + message.bytes, 0)
  assert.ok(returned.length >= 2, `${returned.length} boxes`)
  assert.ok(bytes <= REQUEST_MIN_BYTES.carry + 1, `${bytes} bytes`)
  assert.is(world.server.counters.returnWithheld, 50 - returned.length)
  await world.close()
})

test('a carry that is not filled up brings nothing back that is longer', async () => {
  const { world, tag, storage, carried, camera } = await scene(5)
  const heard = tap(world, camera.seenAs)
  const key = lookUpKey(storage.identity.publicKey, tag)
  const bare = encodeMessage({ t: 'carry', nonce: world.random.bytes(16), key, box: new Uint8Array(8) }, 1199)
  camera.port.send(Uint8Array.from([SIGNAL_KIND, ...bare]), SERVER_ADDRESS)
  await world.pass(5)
  assert.is(carried.length, 1)
  carried[0]?.reply(new Uint8Array(8))
  await world.pass(5)
  assert.is(heard.length, 0)
  assert.is(world.server.counters.returnWithheld, 1)
  await world.close()
})

/** The carry-back by which `storage` answers a carry of the camera. */
async function recordedAnswer({ world, storage, carried, carrier }: Awaited<ReturnType<typeof scene>>) {
  const seen = tap(world, SERVER_ADDRESS)
  carrier.send(new Uint8Array(256))
  await world.pass(5)
  carried.at(-1)?.reply(new Uint8Array(100))
  const answer = seen.map(({ message }) => message).find((message) => message.t === 'carry-back')
  if (answer?.t !== 'carry-back') throw new Error('no answer was recorded')
  await world.pass(5)
  return { answer, from: storage.seenAs }
}

test('an answer counts from its own address, with its own cookie, for its own carry, and in its time', async () => {
  const all = await scene(6)
  const { world, returned } = all
  const other = await world.registeredStorage([world.tag()])
  const { answer, from } = await recordedAnswer(all)
  assert.is(returned.length, 1)
  const say = async (message: SignalOf<'carry-back'>, by: Address) => {
    world.network.inject(signalDatagram(message), by, SERVER_ADDRESS)
    await world.pass(5)
  }
  await say(answer, { ...from, port: 1 })
  await say({ ...answer, cookie: world.random.bytes(22) }, from)
  await say({ ...answer, uid: other.identity.publicKey }, from)
  assert.is(world.server.counters.returnUnproven, 3)

  const theirs = other.registration.owner()
  if (theirs === undefined) throw new Error('the other device is not registered')
  await say({ ...answer, ...theirs }, other.seenAs)
  const handle = answer.handle.slice()
  handle[handle.byteLength - 1] = (handle.at(-1) ?? 0) ^ 1
  await say({ ...answer, handle }, from)
  await say({ ...answer, handle: new Uint8Array(0) }, from)
  assert.is(world.server.counters.returnStale, 3)
  assert.is(returned.length, 1)

  await world.pass(HANDLE_LIFE_MS)
  await say(answer, from)
  assert.is(world.server.counters.returnStale, 4)
  assert.is(returned.length, 1)
  await world.close()
})

test('what another than the server says is not taken: not by the storage device, not by the camera', async () => {
  const { world, storage, carried, carrier, camera, returned } = await scene(7)
  const [atStorage, atCamera] = [tap(world, storage.seenAs), tap(world, camera.seenAs)]
  carrier.send(new Uint8Array(256))
  await world.pass(5)
  carried[0]?.reply(new Uint8Array(100))
  await world.pass(5)
  const carry = atStorage.find(({ message }) => message.t === 'carried')?.message
  const back = atCamera.find(({ message }) => message.t === 'signed')?.message
  if (carry?.t !== 'carried' || back?.t !== 'signed') throw new Error('nothing was recorded')
  const changed = (bytes: Uint8Array) => bytes.map((byte, index) => (index === 40 ? byte ^ 1 : byte))
  const stranger = { host: '192.0.2.66', port: 7440 }
  world.network.inject(signalDatagram(carry), stranger, storage.seenAs)
  world.network.inject(signalDatagram({ ...carry, body: changed(carry.body) }), SERVER_ADDRESS, storage.seenAs)
  world.network.inject(signalDatagram({ ...back, body: changed(back.body) }), SERVER_ADDRESS, camera.seenAs)
  world.network.inject(signalDatagram({ ...back, nonce: new Uint8Array(16) }), SERVER_ADDRESS, camera.seenAs)
  await world.pass(5)
  assert.is(carried.length, 1)
  assert.is(returned.length, 1)
  // An answer is no carried box and the other way round, although both are signed alike.
  assert.is(openAnswer(back, world.serverIdentity.publicKey)?.t, 'returned')
  await world.close()
})

test('one camera’s key is slowed down by itself, and another camera gets through', async () => {
  const { world, tag, storage, carried, camera } = await scene(8)
  const second = world.tag()
  storage.tags = [tag, second]
  storage.registration.refresh()
  await world.pass(100)
  const key = lookUpKey(storage.identity.publicKey, tag)
  for (let index = 0; index < 400; index++) {
    const nonce = world.random.bytes(16)
    const from = { host: `10.0.${index >> 8}.${index & 255}`, port: 5000 }
    world.network.inject(signalDatagram({ t: 'carry', nonce, key, box: new Uint8Array(10) }), from, SERVER_ADDRESS)
  }
  await world.pass(10)
  assert.ok(carried.length < 100, `${carried.length} got through`)
  assert.ok(world.server.counters.carryLimited > 300)
  const before = carried.length
  camera.carrier(storage.identity.publicKey, second).send(new Uint8Array(10))
  await world.pass(10)
  assert.is(carried.length, before + 1)
  await world.close()
})

test('a device that is not registered any more is carried nothing', async () => {
  const { world, storage, carried, carrier } = await scene(9)
  await storage.registration.close()
  await world.pass(80_000)
  carrier.send(new Uint8Array(10))
  await world.pass(10)
  assert.is(carried.length, 0)
  await world.close()
})

test('a reply after the registration has ended goes nowhere and harms nothing', async () => {
  const { world, storage, carried, carrier, returned } = await scene(10)
  carrier.send(new Uint8Array(10))
  await world.pass(5)
  await closeOf(storage)
  carried[0]?.reply(new Uint8Array(10))
  await world.pass(5)
  assert.is(returned.length, 0)
  carrier.close()
  carrier.close()
  await world.close()
})

const closeOf = (storage: StorageInWorld) => storage.registration.close()

test.run()

/** The relay over UDP with real sockets and real udx streams, and what strangers try with it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type JoinRelayUdp, joinRelayUdp, type RelayOwner } from '../link/relay-udp.ts'
import { signalDatagram } from '../link/signal-port.ts'
import type { PortStream } from '../link/udx-port.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import type { SignalMessage } from '../wire/signal.ts'
import { RELAY_LIMITS } from './relay-shares.ts'
import { clock, type DeviceOnRig, pause, Rig, random, type StorageOnRig, until } from './rig-fixture.ts'
import { IDLE_MS, JOIN_WITHIN_MS, REST_MS } from './udp-relays.ts'

const open = () => new AbortController().signal

function join(rig: Rig, device: DeviceOnRig, key: Uint8Array, stream: number, more: Partial<JoinRelayUdp> = {}) {
  const { signals } = device
  const serverKey = rig.identity.publicKey
  return joinRelayUdp({ signals, address: rig.udp, serverKey, key, stream, clock, random, signal: open(), ...more })
}

const ownerOf = ({ registration }: StorageOnRig): RelayOwner => {
  const owner = registration.owner()
  if (owner === undefined) throw new Error('not registered')
  return owner
}

/** Both ends of a relay, joined, with their streams connected. */
async function relayed(rig: Rig, storage: StorageOnRig, camera: DeviceOnRig, key = random.bytes(16)) {
  const [own, far] = [camera.port.openStream(), storage.port.openStream()]
  const [atCamera, atStorage] = await Promise.all([
    join(rig, camera, key, own.id),
    join(rig, storage, key, far.id, { owner: ownerOf(storage) }),
  ])
  own.connect(atCamera.stream, atCamera.to)
  far.connect(atStorage.stream, atStorage.to)
  return { own, far, key }
}

function collect({ bytes }: PortStream): { readonly chunks: Uint8Array[]; readonly size: () => number } {
  const chunks: Uint8Array[] = []
  let size = 0
  bytes.on('data', (chunk) => {
    chunks.push(chunk)
    size += chunk.byteLength
  })
  return { chunks, size: () => size }
}

test('bytes go both ways through the server, unchanged, and only after both are there', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage()
  const { own, far } = await relayed(rig, storage, rig.device())
  const [atStorage, atCamera] = [collect(far), collect(own)]
  const sent = random.bytes(300_000)
  own.bytes.write(sent)
  far.bytes.write(random.bytes(1000))
  await until(() => atStorage.size() === sent.byteLength && atCamera.size() === 1000, 'all bytes')
  assert.is(Buffer.compare(Buffer.concat(atStorage.chunks), sent), 0)
  await until(() => rig.server.counters.relayUdp.bytes > 300_000, 'counted')
  assert.is((await rig.server.stats()).relays, 1)
  own.bytes.destroy()
  await until(() => rig.server.counters.relayUdp.joined === 1, 'joined')
  const start = performance.now()
  while ((await rig.server.stats()).relays > 0 && performance.now() - start < 3000) await pause(5)
  assert.is((await rig.server.stats()).relays, 0, 'the end of one stream ends the relay')
  await rig.close()
})

test('the camera may come first, and answers that got lost are repeated', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage()
  const camera = rig.device()
  const key = random.bytes(16)
  const first = join(rig, camera, key, 77)
  await pause(150)
  const owner = ownerOf(storage)
  const atStorage = await join(rig, storage, key, 88, { owner })
  const atCamera = await first
  assert.equal(await join(rig, camera, key, 77), atCamera)
  assert.equal(await join(rig, storage, key, 88, { owner }), atStorage)
  assert.is(rig.server.counters.relayUdp.joined, 1)
  assert.is.not(atCamera.stream, atStorage.stream)
  await rig.close()
})

test('nobody is let in without the key, without a registration, or into a relay that is full', async () => {
  const rig = await Rig.start()
  const [storage, other] = [await rig.storage(), await rig.storage()]
  const stranger = rig.device()
  const heard: SignalMessage[] = []
  stranger.signals.listen((message) => heard.push(message) > 0)
  const say = (message: Omit<Extract<SignalMessage, { t: 'relay' }>, 't' | 'nonce'>) =>
    stranger.port.send(signalDatagram({ t: 'relay', nonce: random.bytes(16), ...message }), rig.udp)

  const { key } = await relayed(rig, storage, rig.device())
  // A key that nobody has, the right key, and a registration that is another's.
  say({ key: random.bytes(16), stream: 5 })
  say({ key, stream: 5 })
  say({ key: random.bytes(16), stream: 5, ...ownerOf(storage) })
  say({ key: random.bytes(16), stream: 5, cookie: random.bytes(22), uid: storage.identity.publicKey })
  await until(() => rig.server.counters.relayUdp.unknown >= 2, 'unknown')
  await until(() => rig.server.counters.relayUdp.unproven === 2, 'unproven')
  assert.is(heard.length, 0)
  assert.is((await rig.server.stats()).relays, 1)

  const before = rig.server.counters.relayUdp.unknown
  const stop = new AbortController()
  const taken = codeOf(join(rig, other, key, 9, { owner: ownerOf(other), signal: stop.signal }))
  await until(() => rig.server.counters.relayUdp.unknown > before, 'another’s relay is not taken over')
  stop.abort()
  assert.is(await taken, 'CANCELLED')
  await rig.close()
})

test('a leg leads to a proven address only: without the cookie there is a challenge and no relay', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage()
  const key = random.bytes(16)
  const owned = join(rig, storage, key, 88, { owner: ownerOf(storage) })
  const stranger = rig.device()
  const heard: SignalMessage[] = []
  stranger.signals.listen((message) => heard.push(message) > 0)
  await until(() => rig.server.counters.relayUdp.opened === 1, 'opened')
  const request = { t: 'relay', nonce: random.bytes(16), key, stream: 5 } as const
  stranger.port.send(signalDatagram(request), rig.udp)
  await until(() => heard.length > 0, 'an answer')
  assert.equal(
    heard.map(({ t }) => t),
    ['challenge'],
  )
  stranger.port.send(signalDatagram({ ...request, cookie: random.bytes(22) }), rig.udp)
  await until(() => heard.length > 1, 'another answer')
  assert.is(heard[1]?.t, 'challenge')
  assert.is(rig.server.counters.relayUdp.joined, 0)
  await join(rig, rig.device(), key, 5)
  await owned
  await rig.close()
})

test('so many relays for each storage device, and the owner is told', async () => {
  const rig = await Rig.start({ relayLimits: { ...RELAY_LIMITS, relaysPerUid: 1 } })
  const [storage, other] = [await rig.storage(), await rig.storage()]
  await relayed(rig, storage, rig.device())
  assert.is(await codeOf(join(rig, storage, random.bytes(16), 3, { owner: ownerOf(storage) })), 'SERVER_UNREACHABLE')
  assert.is(rig.server.counters.relayUdp.refused, 1)
  await relayed(rig, other, rig.device())
  await rig.close()
})

test('a relay that nobody joins is swept, and so is one that is idle; one that is in use is not', async () => {
  const time = new FakeClock()
  const rig = await Rig.start({ clock: time })
  const storage = await rig.storage()
  const stop = new AbortController()
  const alone = codeOf(join(rig, storage, random.bytes(16), 3, { owner: ownerOf(storage), signal: stop.signal }))
  await until(() => rig.server.counters.relayUdp.opened === 1, 'opened')
  stop.abort()
  await alone
  await time.advance(JOIN_WITHIN_MS + REST_MS)
  assert.is(rig.server.counters.relayUdp.abandoned, 1)
  assert.is((await rig.server.stats()).relays, 0)

  const [used, quiet] = [await relayed(rig, storage, rig.device()), await relayed(rig, storage, rig.device())]
  const [received, unheard] = [collect(used.far), collect(quiet.far)]
  for (let step = 0; step < 4; step++) {
    await time.advance(IDLE_MS / 4)
    used.own.bytes.write(Uint8Array.of(step))
    await until(() => received.size() === step + 1, 'a byte')
  }
  await time.advance(IDLE_MS / 4 + REST_MS)
  assert.is(rig.server.counters.relayUdp.idle, 1)
  assert.is((await rig.server.stats()).relays, 1)
  quiet.own.bytes.write(Uint8Array.of(1))
  used.own.bytes.write(Uint8Array.of(1))
  await until(() => received.size() === 5, 'another byte')
  assert.is(unheard.size(), 0)
  await rig.close()
  assert.is(time.pendingTimers, 0)
})

test('an owner that asks again with a new stream gets a new relay, and the old one ends', async () => {
  const rig = await Rig.start()
  const [storage, camera] = [await rig.storage(), rig.device()]
  const old = await relayed(rig, storage, camera)
  const { own, far } = await relayed(rig, storage, camera, old.key)
  assert.is((await rig.server.stats()).relays, 1)
  const [unheard, received] = [collect(old.far), collect(far)]
  old.own.bytes.write(Uint8Array.of(1))
  own.bytes.write(Uint8Array.of(1))
  await until(() => received.size() === 1, 'a byte')
  assert.is(unheard.size(), 0)
  await rig.close()
})

test('packets for ids that are no leg, and a flood of relay requests from forged senders, leave nothing', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage()
  const stranger = rig.device()
  let heard = 0
  stranger.signals.listen(() => ++heard > 0)
  const packet = Buffer.concat([Buffer.from([0xff, 1, 8, 0]), random.bytes(16)])
  const { uid } = ownerOf(storage)
  for (let index = 0; index < 2000; index++) {
    stranger.port.send(packet, rig.udp)
    const request = { t: 'relay', nonce: random.bytes(16), key: random.bytes(16), stream: index } as const
    const owned = index % 2 === 0 ? { cookie: random.bytes(22), uid } : {}
    stranger.port.send(signalDatagram({ ...request, ...owned }), rig.udp)
    if (index % 100 === 99) await pause(2)
  }
  await pause(50)
  assert.is(heard, 0)
  const { opened, unknown, unproven } = rig.server.counters.relayUdp
  assert.is(opened, 0)
  assert.ok(unknown > 100 && unproven > 100, `${unknown} unknown, ${unproven} unproven`)
  await relayed(rig, storage, rig.device())
  await rig.close()
})

test('the join gives up in its time', async () => {
  const rig = await Rig.start()
  const startMs = performance.now()
  assert.is(await codeOf(join(rig, rig.device(), random.bytes(16), 3)), 'TIMED_OUT')
  assert.ok(performance.now() - startMs < 3500)
  await rig.close()
})

test('a storage device that is over its budget gets all of it, evenly, and another is not held up', async () => {
  const uidBytesPerSecond = 2_000_000
  const rig = await Rig.start({ relayLimits: { ...RELAY_LIMITS, uidBytesPerSecond } })
  const storage = await rig.storage()
  const { own, far } = await relayed(rig, storage, rig.device())
  const received = collect(far)
  const block = new Uint8Array(64 * 1024)
  let isOver = false
  const push = () => {
    while (!isOver && own.bytes.write(block));
  }
  own.bytes.on('drain', push)
  push()
  // The burst that everybody has at first is over then.
  await pause(1000)
  const seconds: number[] = []
  for (let second = 0; second < 2; second++) {
    const [before, startMs] = [received.size(), performance.now()]
    await pause(1000)
    seconds.push((received.size() - before) / ((performance.now() - startMs) / 1000))
  }
  isOver = true
  for (const through of seconds) {
    assert.ok(through < uidBytesPerSecond * 1.3, `${seconds} bytes a second`)
    assert.ok(through > uidBytesPerSecond * 0.6, `${seconds} bytes a second`)
  }
  // It is still a stream: what is left arrives, and the small things of another pass at once.
  const other = await relayed(rig, await rig.storage(), rig.device())
  const small = collect(other.far)
  other.own.bytes.write(new Uint8Array(1000))
  await until(() => small.size() === 1000, 'the other relay works')
  await rig.close()
})

test('a stream that was too fast and keeps to its budget again takes the straight way, and nothing of it is lost', async () => {
  const rig = await Rig.start({ relayLimits: { ...RELAY_LIMITS, uidBytesPerSecond: 1_000_000 } })
  const { own, far } = await relayed(rig, await rig.storage(), rig.device())
  const received = collect(far)
  // The other end speaks as well, as a storage device does: udx then waits for an ACK that a relayed stream never gets.
  far.bytes.write(random.bytes(1000))
  const answered = collect(own)
  await until(() => answered.size() === 1000, 'the other end is heard')
  const burst = random.bytes(1_500_000)
  own.bytes.write(burst)
  await until(() => received.size() === burst.byteLength, 'the burst')
  await until(() => rig.server.counters.relayUdp.detours > 0, 'a detour')
  await pause(2500)
  const after = random.bytes(50_000)
  own.bytes.write(after)
  await until(() => received.size() === burst.byteLength + after.byteLength, 'what came after')
  assert.is(Buffer.compare(Buffer.concat(received.chunks), Buffer.concat([burst, after])), 0)
  assert.is(rig.server.counters.relayUdp.onDetour, 0)
  await rig.close()
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { PROBE_GIVE_UP_MS, PROBE_SCHEDULE_MS } from './attempt.ts'
import { TYPE_NUMBERS } from './datagram.ts'
import { NO_RELAY, type Open } from './datagram-body.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { createIdentity } from './identity.ts'
import { ended, hurry, nextMessage, startCamera, startStorage, waitFor } from './link-devices.ts'
import { NoiseInitiator } from './noise.ts'
import { Peer } from './peer.ts'
import { FreshnessSource } from './replay.ts'
import { UdpForwarder } from './udp-forwarder.ts'
import { UdxPort } from './udx-port.ts'

const bytes = (message: string) => new Uint8Array(Buffer.from(message))

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

test('a known address is enough: a channel within 100 ms, without any server', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const addresses = [{ host: '127.0.0.1', port: 9 }, storage.port.local]
  const connect = async (boot: number) => {
    const startMs = performance.now()
    const device = startCamera({ identity, storage: storage.identity.publicKey, addresses, boot })
    await device.nextChannel(0)
    return { device, tookMs: performance.now() - startMs }
  }
  // The best of three: the machine may be busy with something else.
  const [one, two, three] = [await connect(1), await connect(2), await connect(3)]
  const tookMs = Math.min(one.tookMs, two.tookMs, three.tookMs)
  assert.ok(tookMs < 100, `${tookMs} ms`)
  await one.device.close()
  await two.device.close()
  const camera = three.device
  const [near, far] = await Promise.all([camera.nextChannel(0), storage.nextChannel(2)])
  assert.equal(near.remote, storage.identity.publicKey)
  assert.equal(far.remote, identity.publicKey)
  near.send(bytes('to storage'))
  far.send(bytes('to camera'))
  assert.equal(await Promise.all([nextMessage(far), nextMessage(near)]), ['to storage', 'to camera'])
  assert.equal(camera.kept.addresses, [storage.port.local])
  const status = camera.link.status()
  assert.is(status.state, 'connected')
  assert.is(status.path, 'lan')
  assert.is(status.lastAttempt?.lookUp.result, 'none')
  assert.equal(
    status.lastAttempt?.candidates.map(({ result }) => result),
    ['waiting', 'opened'],
  )
  assert.match(
    status.lastAttempt?.why ?? '',
    /^127\.0\.0\.1:\d+ \(lan, known from before\), round trip [0-9.]+ ms, open after \d+ ms$/,
  )
  assert.is(storage.link.status().channels.length, 1)
  await camera.close()
  assert.is(await ended(far), 'ended')
  await storage.close()
})

test('a camera that is not enrolled hears nothing at all, and says so', async () => {
  const storage = await startStorage({ enrolled: [createIdentity()] })
  const forwarder = await UdpForwarder.start(storage.port.local)
  const clock = new FakeClock()
  const camera = startCamera({ clock, storage: storage.identity.publicKey, addresses: [forwarder.address] })
  await hurry(clock, PROBE_GIVE_UP_MS)
  const status = camera.link.status()
  assert.is(status.state, 'lost')
  await waitFor(() => forwarder.seen.up >= PROBE_SCHEDULE_MS.length, 'the last probe')
  assert.is(forwarder.seen.up, PROBE_SCHEDULE_MS.length)
  assert.is(forwarder.seen.down, 0)
  assert.is(status.problem?.code, 'STORAGE_UNREACHABLE')
  assert.match(status.problem?.message ?? '', /^no answer from 127\.0\.0\.1:\d+$/)
  await camera.close()
  await storage.close()
  await forwarder.close()
})

test('forged, foreign and repeated datagrams are answered with silence', async () => {
  const enrolled = createIdentity()
  const storage = await startStorage({ enrolled: [enrolled] })
  const socket = new UdxPort({ host: '127.0.0.1' })
  let answers = 0
  socket.listen(PAIR_KIND, () => {
    answers += 1
  })
  const peer = new Peer(enrolled, storage.identity.publicKey, new FreshnessSource(1))
  const probe = peer.seal({ type: 'probe', tx: '00'.repeat(8), candidate: 0, sentUs: 1 })
  const open = (digits: string, stream: number, path: Open['path'], noise: Uint8Array) =>
    peer.seal({ type: 'open', attempt: digits.repeat(8), path, stream, relay: NO_RELAY, noise })
  const noise = () => new NoiseInitiator(enrolled, storage.identity.publicKey).message
  const badNoise = open('11', 5, 'lan', new Uint8Array(96))
  const zeroStream = open('22', 0, 'lan', noise())
  // A relay is joined through the server, and nowhere else.
  const relays = [open('33', 5, 'relay-udp', noise()), open('44', 5, 'relay-tls', noise())]
  const flipped = probe.with(100, (probe[100] ?? 0) ^ 1)
  const stranger = new Peer(createIdentity(), storage.identity.publicKey, new FreshnessSource(1))
  const foreign = stranger.seal({ type: 'probe', tx: '00'.repeat(8), candidate: 0, sentUs: 1 })
  const cut = [probe.subarray(0, 200), Uint8Array.of(PAIR_KIND)]
  for (const datagram of [flipped, foreign, badNoise, zeroStream, ...relays, ...cut]) {
    socket.send(datagram, storage.port.local)
  }
  await pause(50)
  assert.is(answers, 0)
  socket.send(probe, storage.port.local)
  await pause(50)
  assert.is(answers, 1, 'the real one is answered')
  socket.send(probe, storage.port.local)
  await pause(50)
  assert.is(answers, 1, 'once')
  await socket.close()
  await storage.close()
})

test('a repeated open brings no second channel', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const forwarder = await UdpForwarder.start(storage.port.local)
  const recorded: Uint8Array[] = []
  forwarder.filter = (message, direction) => {
    if (direction === 'up' && message[0] === PAIR_KIND) recorded.push(message.slice())
    return false
  }
  const camera = startCamera({ identity, storage: storage.identity.publicKey, addresses: [forwarder.address] })
  await camera.nextChannel(0)
  const far = await storage.nextChannel(0)
  const socket = new UdxPort({ host: '127.0.0.1' })
  let answers = 0
  socket.listen(PAIR_KIND, () => {
    answers += 1
  })
  assert.ok(recorded.length >= 2)
  for (const datagram of recorded) socket.send(datagram, storage.port.local)
  await pause(50)
  assert.is(answers, 0)
  assert.is(storage.channels.length, 1)
  const message = nextMessage(far)
  camera.channels[0]?.send(bytes('still here'))
  assert.is(await message, 'still here')
  await socket.close()
  await camera.close()
  await storage.close()
  await forwarder.close()
})

test('an answer that got lost is given again, for the same channel', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const forwarder = await UdpForwarder.start(storage.port.local)
  let dropped = 0
  forwarder.filter = (message, direction) => {
    const isOpened = direction === 'down' && message[0] === PAIR_KIND && message[2] === TYPE_NUMBERS.opened
    if (isOpened) dropped += 1
    return isOpened && dropped <= 2
  }
  const camera = startCamera({ identity, storage: storage.identity.publicKey, addresses: [forwarder.address] })
  const startMs = performance.now()
  const near = await camera.nextChannel(0)
  assert.ok(performance.now() - startMs < 900, 'without a time-out of the stream below')
  near.send(bytes('through'))
  assert.is(await nextMessage(await storage.nextChannel(0)), 'through')
  assert.is(storage.channels.length, 1)
  assert.is(dropped, 3)
  await camera.close()
  await storage.close()
  await forwarder.close()
})

test('another key at the same address is not taken for the storage device', async () => {
  const identity = createIdentity()
  const impostor = await startStorage({ enrolled: [identity] })
  const clock = new FakeClock()
  const camera = startCamera({
    ...{ clock, identity },
    storage: createIdentity().publicKey,
    addresses: [impostor.port.local],
  })
  await hurry(clock, PROBE_GIVE_UP_MS)
  assert.is(camera.link.status().state, 'lost')
  assert.is(impostor.channels.length, 0)
  await camera.close()
  await impostor.close()
})

test('the answer to another attempt’s probe is not taken', async () => {
  const [camera, storage] = [createIdentity(), createIdentity()]
  const port = new UdxPort({ host: '127.0.0.1' })
  const peer = new Peer(storage, camera.publicKey, new FreshnessSource(1))
  let opens = 0
  let isStale = true
  port.listen(PAIR_KIND, (datagram, from) => {
    const message = peer.open(datagram)
    if (message?.type === 'open') opens += 1
    if (message?.type !== 'probe') return
    const tx = isStale ? '00'.repeat(8) : message.tx
    port.send(peer.seal({ ...message, type: 'probe-answer', tx, observed: from }), from)
  })
  const device = startCamera({ identity: camera, storage: storage.publicKey, addresses: [port.local] })
  await pause(150)
  assert.is(device.link.status().state, 'walking')
  isStale = false
  await device.until(({ lastAttempt }) => lastAttempt?.candidates[0]?.result === 'opening')
  await waitFor(() => opens > 0, 'an open')
  await device.close()
  await port.close()
})

test('a setup token enrols the camera, then it connects', async () => {
  const storage = await startStorage()
  const names: string[] = []
  storage.link.onEnrolled(({ name }) => names.push(name))
  const { token } = await storage.tokens.issue()
  const camera = startCamera({ storage: storage.identity.publicKey, token, addresses: [storage.port.local] })
  assert.is(camera.link.status().state, 'enrolling')
  await camera.nextChannel(0)
  assert.equal(camera.kept.enrolledAs, 'Front door')
  assert.equal(names, ['Front door'])
  await camera.close()
  await storage.close()
})

test('a camera whose enrolment was not written down connects though its token has expired', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const token = new Uint8Array(16).fill(9)
  const camera = startCamera({ identity, storage: storage.identity.publicKey, token, addresses: [storage.port.local] })
  await camera.nextChannel(0)
  assert.is(camera.kept.enrolled, true)
  await camera.close()
  await storage.close()
})

test('a token nobody gave out: silence, and after a while the likely reasons', async () => {
  const clock = new FakeClock()
  const storage = await startStorage()
  const forwarder = await UdpForwarder.start(storage.port.local)
  const camera = startCamera({
    clock,
    storage: storage.identity.publicKey,
    token: new Uint8Array(16).fill(9),
    addresses: [forwarder.address],
  })
  await clock.advance(10_000)
  assert.is(camera.link.status().problem, undefined)
  await clock.advance(10_000)
  const { state, problem } = camera.link.status()
  assert.is(state, 'enrolling')
  assert.match(problem?.hint ?? '', /expired/)
  await pause(20)
  assert.ok(forwarder.seen.up > 20)
  assert.is(forwarder.seen.down, 0)
  await camera.close()
  assert.is(clock.pendingTimers, 0)
  await storage.close()
  await forwarder.close()
})

test('a change of interfaces ends the wait', async () => {
  const clock = new FakeClock()
  let address = '192.168.1.5'
  const camera = startCamera({
    clock,
    storage: createIdentity().publicKey,
    interfaces: () => ({
      eth0: [{ address, netmask: '255.255.255.0', family: 'IPv4', mac: '', internal: false, cidr: null }],
    }),
  })
  while ((camera.link.status().retryInMs ?? 0) < 14_000) await clock.advance(250)
  address = '192.168.1.6'
  await clock.advance(3_000)
  assert.ok((camera.link.status().retryInMs ?? 0) < 4000, 'the pauses begin anew')
  await camera.close()
  assert.is(clock.pendingTimers, 0)
})

test.run()

/** Signalling over TLS with real sockets: the same work as over UDP, and what strangers try at the TLS port. */
import { connect as connectTcp } from 'node:net'
import { connect as connectTls, createServer } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Carrier } from '../link/carry.ts'
import { makeCertificate } from '../link/certificate.ts'
import { createIdentity } from '../link/identity.ts'
import { lookUp } from '../link/look-up.ts'
import { signTls } from '../link/signal-proof.ts'
import { tlsFrame } from '../link/tls-frames.ts'
import { dialServer, dialTls, type TlsLine } from '../link/tls-line.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { encodeMessage } from '../wire/codec.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { encodeSignal, encodeTlsProof, type SignalMessage } from '../wire/signal.ts'
import { clock, pause, Rig, random, until } from './rig-fixture.ts'
import { FRAME_WITHIN_MS, QUIET_MS } from './tls-connection.ts'

const open = () => new AbortController().signal
/** A port that nobody answers on. */
const NOBODY = 9

async function line(rig: Rig): Promise<TlsLine> {
  const dialled = await dialTls({ address: rig.tls, key: rig.identity.publicKey, clock, signal: open() })
  rig.onClose(() => dialled.close())
  return dialled
}

/** A bare TLS connection: what it got, and whether it was ended. */
async function stranger(rig: Rig) {
  const socket = connectTls({ host: rig.tls.host, port: rig.tls.port, rejectUnauthorized: false })
  const state = { received: 0, isClosed: false }
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    state.received += chunk.byteLength
  })
  socket.on('close', () => {
    state.isClosed = true
  })
  await new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()))
  rig.onClose(() => {
    socket.destroy()
  })
  await until(() => state.received > 0, 'the proof')
  return { socket, state, proofBytes: state.received }
}

test('the server proves its key: pinned, learned, and no other', async () => {
  const rig = await Rig.start()
  const dial = (key: Uint8Array | undefined) => dialTls({ address: rig.tls, key, clock, signal: open() })
  const pinned = await dial(rig.identity.publicKey)
  const learned = await dial(undefined)
  assert.is(Buffer.compare(learned.key, rig.identity.publicKey), 0)
  assert.is(await codeOf(dial(createIdentity().publicKey)), 'SERVER_UNREACHABLE')
  await Promise.all([pinned.close(), learned.close(), pinned.close()])
  assert.is(pinned.isOpen, false)
  await rig.close()
})

test('a proof made for one connection is worth nothing on another', async () => {
  const rig = await Rig.start()
  // Somebody in between: he has a connection of his own to the real server, and hands its proof on.
  const real = await stranger(rig)
  const exported = real.socket.exportKeyingMaterial(32, 'EXPORTER-homeward-p2p', Buffer.alloc(0))
  const proof = encodeTlsProof(signTls(rig.identity, exported))
  const impostor = createServer(makeCertificate(), (socket) => {
    socket.on('error', () => {})
    socket.write(tlsFrame(proof))
  })
  await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve))
  const { port } = impostor.address() as { port: number }
  const address = { host: '127.0.0.1', port }
  const dialled = dialTls({ address, key: rig.identity.publicKey, clock, signal: open() })
  assert.is(await codeOf(dialled), 'SERVER_UNREACHABLE')
  impostor.close()
  await rig.close()
})

test('no server, none that speaks TLS, one that says nothing, an abort: each ends in its time', async () => {
  const rig = await Rig.start()
  const dial = (port: number, more: Partial<Parameters<typeof dialTls>[0]> = {}) =>
    dialTls({ address: { host: '127.0.0.1', port }, key: undefined, clock, signal: open(), ...more })
  assert.is(await codeOf(dial(NOBODY)), 'SERVER_UNREACHABLE')
  const mute = createServer(makeCertificate(), (socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const { port } = mute.address() as { port: number }
  const fake = new FakeClock()
  const waiting = codeOf(dial(port, { clock: fake }))
  await pause(50)
  await fake.advance(5_000)
  assert.is(await waiting, 'SERVER_UNREACHABLE')
  const stop = new AbortController()
  const cancelled = codeOf(dial(port, { signal: stop.signal }))
  await pause(20)
  stop.abort()
  assert.is(await cancelled, 'CANCELLED')
  assert.is(await codeOf(dial(port, { signal: stop.signal })), 'CANCELLED')
  mute.close()

  const addresses = [{ host: '127.0.0.1', port: NOBODY }, rig.tls]
  const first = await dialServer({ addresses, key: rig.identity.publicKey, clock, signal: open() })
  assert.equal(first.address, rig.tls)
  await first.close()
  const nowhere = dialServer({ addresses: addresses.slice(0, 1), key: undefined, clock, signal: open() })
  assert.is(await codeOf(nowhere), 'SERVER_UNREACHABLE')
  await rig.close()
})

test('registered, looked up and carried over TLS: nobody is told an address that UDP cannot reach', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage({ noUdp: true })
  const status = storage.registration.status()
  if (status.state !== 'registered') throw new Error(status.state)
  assert.is(status.transport, 'tls')
  assert.equal(status.server, rig.tls)
  assert.is(status.observed, undefined)

  const signals = await line(rig)
  const server = rig.addresses()
  const asking = { server, storage: storage.identity.publicKey, tag: storage.tag, clock, random, signal: open() }
  const overTls = await lookUp({ ...asking, signals })
  assert.is(overTls.observed, undefined)
  assert.is(overTls.self, undefined)
  assert.equal(overTls.server, rig.tls)
  const camera = rig.device()
  const overUdp = await lookUp({ ...asking, signals: camera.signals })
  assert.is(overUdp.observed, undefined)
  assert.is(overUdp.self?.port, camera.port.local.port)

  storage.registration.onCarried((box, from, reply) => reply(Uint8Array.of(...box, from?.port === undefined ? 0 : 1)))
  for (const [way, address, sees] of [
    [signals, rig.tls, 0],
    [camera.signals, rig.udp, 1],
  ] as const) {
    const carrier = new Carrier({
      signals: way,
      server: { addresses: [address], key: rig.identity.publicKey },
      storage: storage.identity.publicKey,
      tag: storage.tag,
      random,
    })
    const returned: [Uint8Array, unknown][] = []
    carrier.onReturned((box, observed) => returned.push([box, observed]))
    carrier.send(Uint8Array.of(7))
    await until(() => returned.length > 0, 'an answer')
    assert.equal(returned, [[Uint8Array.of(7, sees), undefined]])
    carrier.close()
  }
  await rig.close()
})

test('a storage device that is registered by UDP is carried boxes from a camera on TLS', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage()
  assert.is((storage.registration.status() as { transport?: string }).transport, 'udp')
  storage.registration.onCarried((box, _from, reply) => reply(box))
  const signals = await line(rig)
  const carrier = new Carrier({
    signals,
    server: { addresses: [rig.tls], key: rig.identity.publicKey },
    storage: storage.identity.publicKey,
    tag: storage.tag,
    random,
  })
  let observed: number | undefined
  carrier.onReturned((_box, address) => {
    observed = address?.port
  })
  carrier.send(Uint8Array.of(1))
  await until(() => observed !== undefined, 'an answer')
  assert.is(observed, storage.port.local.port)
  carrier.close()
  await rig.close()
})

test('the newest registration wins, whichever way it came', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage()
  const before = rig.server.counters.registered
  const line = await dialTls({ address: rig.tls, key: undefined, clock, signal: open() })
  // The same device by TLS, with a newer cookie.
  const again = await rig.storage({ noUdp: true, identity: storage.identity, tag: storage.tag })
  assert.is(rig.server.counters.registered, before + 1)
  const asking = { storage: storage.identity.publicKey, tag: storage.tag, clock, random, signal: open() }
  const located = await lookUp({ ...asking, server: rig.addresses(), signals: line })
  assert.is(located.observed, undefined)
  await again.registration.close()
  await line.close()
  await rig.close()
})

test('garbage, a length that no frame has, another version, half a frame and more: the connection ends, nothing else', async () => {
  const rig = await Rig.start()
  const hello = tlsFrame(encodeSignal({ t: 'register-hello', nonce: random.bytes(16) }))
  const kind = Uint8Array.of(0, 2, 0x54, 1)
  const unknown = tlsFrame(encodeMessage({ t: 'register-bye', nonce: random.bytes(16) }, 100))
  const samples = [random.bytes(64).fill(255, 0, 1), Uint8Array.of(0, 0), Uint8Array.of(0, 1), Uint8Array.of(5, 0)]
  for (const sample of [...samples, kind, unknown, Buffer.concat([hello, Uint8Array.of(255, 255)])]) {
    const { socket, state } = await stranger(rig)
    socket.write(sample)
    await until(() => state.isClosed, `the end after ${sample.byteLength} bytes`)
  }
  assert.is(rig.server.counters.tls?.malformed, 7)
  const { socket, state, proofBytes } = await stranger(rig)
  for (const byte of hello) socket.write(Uint8Array.of(byte))
  await until(() => state.received > proofBytes, 'a frame in single bytes is answered')
  await rig.close()
})

test('strangers get silence: an unknown key, a UID without its cookie, messages of a server', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage()
  const { socket, state, proofBytes } = await stranger(rig)
  const nonce = random.bytes(16)
  const uid = storage.identity.publicKey
  const silent: SignalMessage[] = [
    { t: 'look-up', nonce, key: random.bytes(16) },
    { t: 'carry', nonce, key: random.bytes(16), box: random.bytes(20) },
    { t: 'carry-back', nonce, cookie: random.bytes(22), uid, handle: random.bytes(59), box: random.bytes(20) },
    { t: 'signed', nonce, body: random.bytes(20), signature: random.bytes(64) },
    { t: 'relay', nonce, key: random.bytes(16), stream: 0 },
  ]
  for (const message of silent) socket.write(tlsFrame(encodeSignal(message)))
  await until(() => rig.server.counters.carryUnknown === 1 && rig.server.counters.misdirected === 1, 'all read')
  await pause(50)
  assert.is(state.received, proofBytes)
  assert.is(state.isClosed, false)
  const impostor = await stranger(rig)
  const relay = { t: 'relay', nonce, key: random.bytes(16), stream: 0, cookie: random.bytes(22), uid } as const
  impostor.socket.write(tlsFrame(encodeSignal(relay)))
  await until(() => impostor.state.isClosed, 'the end')
  assert.is(impostor.state.received, impostor.proofBytes)
  assert.is(rig.server.counters.relayTls.unproven, 1)
  await rig.close()
})

test('each thing has its time: a first frame, a whole frame, the next keep', async () => {
  const time = new FakeClock()
  const rig = await Rig.start({ clock: time })
  const hello = tlsFrame(encodeSignal({ t: 'register-hello', nonce: random.bytes(16) }))
  const [silent, slow, good] = [await stranger(rig), await stranger(rig), await stranger(rig)]
  good.socket.write(hello)
  await until(() => good.state.received > good.proofBytes, 'answered')
  slow.socket.write(hello)
  await until(() => slow.state.received > slow.proofBytes, 'answered')
  // One byte each second.
  for (let at = 0; at < 6; at++) {
    slow.socket.write(hello.subarray(at, at + 1))
    await pause(20)
    await time.advance(1000)
  }
  await until(() => slow.state.isClosed && silent.state.isClosed, 'both are ended')
  assert.is(good.state.isClosed, false)
  assert.is(rig.server.counters.tls?.late, 2)
  await time.advance(QUIET_MS - FRAME_WITHIN_MS)
  await until(() => good.state.isClosed, 'the quiet one too')
  await rig.close()
  assert.is(time.pendingTimers, 0)
})

test('a TCP connection without a handshake ends in its time, and so many from one address are enough', async () => {
  const rig = await Rig.start({ tlsLimits: { connectionsPerSource: 3, handshakeMs: 100 } })
  const sockets = Array.from({ length: 5 }, () => connectTcp(rig.tls.port, rig.tls.host))
  let closed = 0
  for (const socket of sockets) {
    socket.on('error', () => {})
    socket.on('close', () => closed++)
    socket.resume()
  }
  await until(() => rig.server.counters.tls?.turnedAway === 2, 'two are turned away')
  await until(() => closed === 5, 'the others are late')
  assert.is(rig.server.counters.tls?.failedHandshakes, 3)
  await until(() => rig.listener.connections === 0, 'nothing is left')
  assert.ok(await stranger(rig))
  await rig.close()
})

test('whoever asks and does not read is slowed down or dropped, and what he was owed is not kept', async () => {
  const rig = await Rig.start()
  const { socket, state } = await stranger(rig)
  socket.pause()
  const hello = tlsFrame(encodeSignal({ t: 'register-hello', nonce: random.bytes(16) }))
  const many = Buffer.concat(Array.from({ length: 200 }, () => hello))
  let isDropped = false
  socket.on('close', () => {
    isDropped = true
  })
  for (let round = 0; round < 400 && !isDropped; round++) {
    if (!socket.write(many)) await pause(2)
  }
  socket.resume()
  await until(() => state.isClosed || rig.server.counters.limited > 0, 'dropped, or slowed down before')
  await rig.close()
})

test('a storage device whose UDP does not get through is registered by TLS, and goes back when it does', async () => {
  const rig = await Rig.start()
  const time = new FakeClock()
  const silent = rig.device()
  const storage = await rig.storage({ udpPort: silent.port.local.port, clock: time })
  const { registration } = storage
  const state = () => {
    const status = registration.status()
    return status.state === 'registered' ? status.transport : status.state
  }
  for (let step = 0; step < 200 && state() !== 'tls'; step++) {
    await time.advance(250)
    await pause(2)
  }
  assert.is(state(), 'tls')
  assert.ok(registration.owner())
  // The silent one begins to answer: it hands on to the real server and back.
  let from = { host: '127.0.0.1', port: 0 }
  silent.signals.close()
  silent.port.listen(0x53, (datagram, sender) => {
    if (sender.port === rig.udp.port) silent.port.send(datagram, from)
    else {
      from = sender
      silent.port.send(datagram, rig.udp)
    }
  })
  for (let step = 0; step < 400 && state() !== 'udp'; step++) {
    await time.advance(250)
    await pause(2)
  }
  assert.is(state(), 'udp')
  assert.ok(time.monoUs() < 100_000_000, 'within one minute after it came back')
  await registration.close()
  await until(() => rig.listener.connections === 0, 'the TLS line is closed')
  assert.is(time.pendingTimers, 0)
  await rig.close()
})

test('a TLS line that breaks is dialled again, without waiting for UDP first', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage({ noUdp: true })
  const lines = storage.lines
  assert.is(lines.length, 1)
  await lines[0]?.close()
  await until(() => lines.length === 2 && storage.registration.status().state === 'registered', 'registered again')
  await rig.close()
})

test.run()

/** The relay over TLS with real connections, and what strangers try with it. */
import { connect } from 'node:tls'
import type { RawStream } from '@hyperswarm/secret-stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type JoinRelayTls, joinRelayTls, RELAY_TLS_WITHIN_MS } from '../link/relay-tls.ts'
import type { RelayOwner } from '../link/relay-udp.ts'
import { tlsFrame } from '../link/tls-frames.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { encodeSignal } from '../wire/signal.ts'
import { RELAY_LIMITS } from './relay-shares.ts'
import { clock, pause, Rig, random, type StorageOnRig, until } from './rig-fixture.ts'
import { IDLE_MS } from './tls-relay.ts'
import { JOIN_WITHIN_MS } from './udp-relays.ts'

const ownerOf = ({ registration }: StorageOnRig): RelayOwner => {
  const owner = registration.owner()
  if (owner === undefined) throw new Error('not registered')
  return owner
}

function join(rig: Rig, key: Uint8Array, more: Partial<JoinRelayTls> = {}): Promise<RawStream> {
  const signal = new AbortController().signal
  return joinRelayTls({ address: rig.tls, serverKey: rig.identity.publicKey, key, clock, random, signal, ...more })
}

interface End {
  readonly bytes: RawStream
  readonly chunks: Uint8Array[]
  size: number
  isEnded: boolean
  isClosed: boolean
}

function read(bytes: RawStream): End {
  const end: End = { bytes, chunks: [], size: 0, isEnded: false, isClosed: false }
  bytes.on('error', () => {})
  bytes.on('data', (chunk) => {
    end.chunks.push(chunk)
    end.size += chunk.byteLength
  })
  bytes.on('end', () => {
    end.isEnded = true
  })
  bytes.on('close', () => {
    end.isClosed = true
  })
  return end
}

/** Both ends of a relay. */
async function relayed(rig: Rig, storage: StorageOnRig): Promise<[camera: RawStream, storage: RawStream]> {
  const key = random.bytes(16)
  const ends = await Promise.all([join(rig, key), join(rig, key, { owner: ownerOf(storage) })])
  rig.onClose(() => {
    for (const end of ends) end.destroy()
  })
  return ends
}

test('bytes go both ways, unchanged; what one end finished, the other may still answer', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage({ noUdp: true })
  const [own, far] = await relayed(rig, storage)
  // Before anybody reads: nothing of it gets lost.
  const [there, back] = [random.bytes(500_000), random.bytes(200_000)]
  own.write(there)
  own.end()
  await pause(50)
  const [camera, home] = [read(own), read(far)]
  await until(() => home.isEnded, 'the end has arrived')
  assert.is(Buffer.compare(Buffer.concat(home.chunks), there), 0)
  assert.is(camera.isEnded, false)
  far.write(back)
  far.end()
  await until(() => camera.isEnded && camera.isClosed && home.isClosed, 'both ended')
  assert.is(Buffer.compare(Buffer.concat(camera.chunks), back), 0)
  const { joined, bytes } = rig.server.counters.relayTls
  assert.equal({ joined, bytes }, { joined: 1, bytes: 700_000 })
  await until(() => rig.listener.connections === 1, 'only the registration is left')
  assert.is((await rig.server.stats()).relays, 0)
  await rig.close()
})

test('either end may come first, and a storage device registered by UDP may relay by TLS', async () => {
  const rig = await Rig.start()
  const storage = await rig.storage()
  for (const isCameraFirst of [true, false]) {
    const key = random.bytes(16)
    const camera = () => join(rig, key)
    const owner = () => join(rig, key, { owner: ownerOf(storage) })
    const first = isCameraFirst ? camera() : owner()
    await pause(50)
    const [one, other] = await Promise.all([first, isCameraFirst ? owner() : camera()])
    one.write(Uint8Array.of(1, 2, 3))
    const end = read(other)
    await until(() => end.size === 3, 'bytes')
    one.destroy()
    await until(() => end.isEnded, 'the end of the other')
    other.destroy()
  }
  await rig.close()
})

test('one end that breaks off ends the other, and what that one still says goes nowhere', async () => {
  const rig = await Rig.start()
  const [own, far] = await relayed(rig, await rig.storage())
  const end = read(far)
  own.on('error', () => {})
  own.destroy(new Error('power cut'))
  await until(() => end.isEnded, 'ended')
  assert.is((await rig.server.stats()).relays, 1)
  // The first byte tells the server that nobody is there, the second tells it to us.
  for (let byte = 0; byte < 5; byte++) {
    far.write(Uint8Array.of(byte))
    await pause(10)
  }
  await until(() => rig.listener.connections === 0, 'nothing is left')
  await rig.close()
})

test('an end that does not read stops the other, and the server keeps little', async () => {
  const [uidBytesPerSecond, totalBytesPerSecond] = [1e10, 1e10]
  const rig = await Rig.start({ relayLimits: { ...RELAY_LIMITS, uidBytesPerSecond, totalBytesPerSecond } })
  const [own, far] = await relayed(rig, await rig.storage())
  far.on('error', () => {})
  let isFull = false
  let drained = () => {}
  own.on('drain', () => drained())
  const block = new Uint8Array(64 * 1024)
  for (let round = 0; round < 2000 && !isFull; round++) {
    if (own.write(block)) continue
    // Not taken within 300 ms: it stands still.
    isFull = await Promise.race([
      pause(300).then(() => true),
      new Promise<boolean>((resolve) => {
        drained = () => resolve(false)
      }),
    ])
  }
  assert.ok(isFull, 'it stood still')
  const through = rig.server.counters.relayTls.bytes
  assert.ok(through < 16 * 2 ** 20, `${through} bytes went into buffers, most of them the kernel’s`)
  const end = read(far)
  await until(() => end.size > through, 'it goes on once somebody reads')
  await rig.close()
})

test('a storage device that is over its budget is slowed down to it', async () => {
  const uidBytesPerSecond = 2_000_000
  const rig = await Rig.start({ relayLimits: { ...RELAY_LIMITS, uidBytesPerSecond } })
  const [own, far] = await relayed(rig, await rig.storage())
  const end = read(far)
  for (let round = 0; round < 200; round++) own.write(new Uint8Array(64 * 1024))
  await pause(1500)
  assert.ok(end.size < uidBytesPerSecond * 2.1, `${end.size} bytes in 1.5 s`)
  assert.ok(end.size > uidBytesPerSecond * 0.9, `${end.size} bytes in 1.5 s`)
  await rig.close()
})

test('whoever speaks before the other end is there is thrown out', async () => {
  const rig = await Rig.start()
  const socket = connect({ host: rig.tls.host, port: rig.tls.port, rejectUnauthorized: false })
  let isClosed = false
  let received = 0
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  socket.on('data', (chunk) => {
    received += chunk.byteLength
  })
  await until(() => received > 0, 'the proof')
  const proof = received
  const key = random.bytes(16)
  socket.write(tlsFrame(encodeSignal({ t: 'relay', nonce: random.bytes(16), key, stream: 0 })))
  await pause(50)
  assert.is(isClosed, false)
  socket.write('hello?')
  await until(() => isClosed, 'the end')
  assert.is(received, proof)
  assert.is(rig.server.counters.tls?.malformed, 1)
  await rig.close()
})

test('an end that is alone too long is ended, on both sides of the line, and leaves nothing', async () => {
  const time = new FakeClock()
  const rig = await Rig.start({ clock: time })
  const storage = await rig.storage()
  const [alone, owner] = [join(rig, random.bytes(16)), join(rig, random.bytes(16), { owner: ownerOf(storage) })]
  const codes = Promise.all([codeOf(alone), codeOf(owner)])
  await until(() => rig.server.counters.relayTls.opened === 1, 'the owner waits')
  await until(() => rig.listener.connections === 2, 'both are connected')
  await pause(50)
  await time.advance(JOIN_WITHIN_MS)
  assert.equal(await codes, ['TIMED_OUT', 'TIMED_OUT'])
  await until(() => rig.listener.connections === 0, 'nothing is left')
  assert.is((await rig.server.stats()).relays, 0)
  assert.is(rig.server.counters.relayTls.abandoned, 1)
  const own = new FakeClock()
  const late = codeOf(join(rig, random.bytes(16), { clock: own }))
  await until(() => rig.listener.connections === 1, 'connected')
  await pause(50)
  await own.advance(RELAY_TLS_WITHIN_MS)
  assert.is(await late, 'TIMED_OUT')
  const stop = new AbortController()
  const cancelled = codeOf(join(rig, random.bytes(16), { signal: stop.signal }))
  await pause(50)
  stop.abort()
  assert.is(await cancelled, 'CANCELLED')
  await rig.close()
  assert.is(time.pendingTimers, 0)
  assert.is(own.pendingTimers, 0)
})

test('a relay over which nothing goes is ended, one that is in use is not', async () => {
  const time = new FakeClock()
  const rig = await Rig.start({ clock: time })
  const storage = await rig.storage()
  const [[busy, far], [quiet]] = [await relayed(rig, storage), await relayed(rig, storage)]
  const [used, unused] = [read(far), read(quiet)]
  for (let step = 0; step < 4; step++) {
    await time.advance(IDLE_MS / 4)
    busy.write(Uint8Array.of(step))
    await until(() => used.size === step + 1, 'a byte')
  }
  await time.advance(IDLE_MS / 4)
  await until(() => unused.isEnded, 'the quiet one is ended')
  assert.is(used.isEnded, false)
  assert.is(rig.server.counters.relayTls.idle, 1)
  assert.is((await rig.server.stats()).relays, 1)
  await rig.close()
  assert.is(time.pendingTimers, 0)
})

test('so many relays for each storage device, and the owner is told', async () => {
  const rig = await Rig.start({ relayLimits: { ...RELAY_LIMITS, relaysPerUid: 1 } })
  const storage = await rig.storage()
  await relayed(rig, storage)
  assert.is(await codeOf(join(rig, random.bytes(16), { owner: ownerOf(storage) })), 'SERVER_UNREACHABLE')
  await rig.close()
})

test('who asks again takes the place of his older connection, another storage device does not', async () => {
  const rig = await Rig.start()
  const [storage, other] = [await rig.storage(), await rig.storage()]
  const key = random.bytes(16)
  const first = codeOf(join(rig, key, { owner: ownerOf(storage) }))
  await until(() => rig.server.counters.relayTls.opened === 1, 'the first waits')
  const second = join(rig, key, { owner: ownerOf(storage) })
  assert.is(await first, 'TIMED_OUT')
  assert.is(await codeOf(join(rig, key, { owner: ownerOf(other) })), 'TIMED_OUT')
  const end = read(await join(rig, key))
  ;(await second).write(Uint8Array.of(1))
  await until(() => end.size === 1, 'a byte')
  assert.is((await rig.server.stats()).relays, 1)
  end.bytes.destroy()
  await rig.close()
})

test.run()

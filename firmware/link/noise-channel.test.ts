import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clock } from '../platform/clock.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { RealClock } from '../platform/clock-real.ts'
import { seededRandom } from '../platform/random.ts'
import { CHANNEL_MESSAGE_MAX_BYTES, type ChannelCloseReason } from './channel.ts'
import { createIdentity } from './identity.ts'
import { waitFor } from './link-devices.ts'
import { NoiseInitiator, respondNoise } from './noise.ts'
import { NoiseChannel } from './noise-channel.ts'
import { UdpForwarder } from './udp-forwarder.ts'
import { type PortStream, UdxPort } from './udx-port.ts'

interface Pair {
  a: NoiseChannel
  b: NoiseChannel
  streams: [PortStream, PortStream]
  ports: [UdxPort, UdxPort]
  forwarder: UdpForwarder
  close(): Promise<void>
}

/** Two channels' ends over real sockets with a forwarder in between. */
async function pair(clock: Clock = new RealClock()): Promise<Pair> {
  const ports: [UdxPort, UdxPort] = [new UdxPort({ host: '127.0.0.1' }), new UdxPort({ host: '127.0.0.1' })]
  const forwarder = await UdpForwarder.start(ports[1].local)
  // One datagram makes the forwarder's mapping, so that the far end knows where to send.
  const arrived = new Promise<void>((resolve) => ports[1].listen(1, () => resolve()))
  ports[0].send(Uint8Array.of(1), forwarder.address)
  await arrived
  const [alice, bob] = [createIdentity(), createIdentity()]
  const first = new NoiseInitiator(alice, bob.publicKey)
  const answer = respondNoise(bob, alice.publicKey, first.message)
  const keys = first.finish(answer?.reply ?? new Uint8Array(0))
  if (answer === undefined || keys === undefined) throw new Error('the handshake failed')
  const streams: [PortStream, PortStream] = [ports[0].openStream(), ports[1].openStream()]
  streams[0].connect(streams[1].id, forwarder.address)
  streams[1].connect(streams[0].id, forwarder.seenByTarget)
  const b = new NoiseChannel({ path: 'lan', bytes: streams[1].bytes, initiator: false, keys: answer.keys, clock })
  const a = new NoiseChannel({ path: 'lan', bytes: streams[0].bytes, initiator: true, keys, clock })
  const close = async () => {
    await Promise.all([a.close(), b.close()])
    await Promise.all(ports.map((port) => port.close()))
    await forwarder.close()
  }
  return { a, b, streams, ports, forwarder, close }
}

function reasonOf(channel: NoiseChannel): Promise<ChannelCloseReason> {
  return new Promise((resolve) => channel.onClose(resolve))
}

/** libudx: magic 0xFF, version 1, type DESTROY, offset, id, window, seq, ack. */
function resetPacket(id: number, seq: number): Uint8Array {
  const packet = new Uint8Array(20)
  packet.set([0xff, 1, 0x10, 0])
  const view = new DataView(packet.buffer)
  view.setUint32(4, id, true)
  view.setUint32(12, seq, true)
  return packet
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

test('messages arrive whole, in order, also those before anybody listened', async () => {
  const { a, b, close } = await pair()
  const sizes = [1, 5, 1000, 32 * 1024, CHANNEL_MESSAGE_MAX_BYTES, 2]
  sizes.forEach((size, at) => {
    a.send(new Uint8Array(size).fill(at))
  })
  await new Promise<void>((resolve) => b.onReady(resolve))
  await pause(30)
  const got: number[][] = []
  const all = new Promise<void>((resolve) =>
    b.onMessage((message) => {
      got.push([message.byteLength, message[0] ?? -1, message.at(-1) ?? -1])
      if (got.length === sizes.length) resolve()
    }),
  )
  await all
  assert.equal(
    got,
    sizes.map((size, at) => [size, at, at]),
  )
  assert.is(a.path, 'lan')
  assert.throws(() => a.send(new Uint8Array(0)))
  assert.throws(() => a.send(new Uint8Array(CHANNEL_MESSAGE_MAX_BYTES + 1)))
  await close()
})

test('an end is used once the other has sent a message of its own, heartbeats are none', async () => {
  const clock = new FakeClock()
  const { a, b, close } = await pair(clock)
  const log: string[] = []
  b.onUsed(() => log.push('used'))
  await Promise.all([a, b].map((end) => new Promise<void>((resolve) => end.onReady(resolve))))
  for (let count = 0; count < 8; count++) {
    await clock.advance(500)
    await pause(2)
  }
  assert.equal(log, [], 'pings have gone to and fro, and that is not yet a choice')
  a.send(Uint8Array.of(1))
  a.send(Uint8Array.of(2))
  await waitFor(() => log.length > 0, 'the first message')
  await pause(20)
  assert.equal(log, ['used'], 'once')
  b.onUsed(() => log.push('late'))
  assert.equal(log, ['used', 'late'], 'a late listener is told too')
  b.onMessage((message) => log.push(`${message[0]}`))
  assert.equal(log, ['used', 'late', '1', '2'], 'and nothing is lost that came before')
  a.onUsed(() => log.push('the other end'))
  assert.is(log.length, 4, 'each end by itself')
  await close()
})

test('50 MB come through exactly, held back by drain, in flat memory', async () => {
  const { a, b, close } = await pair()
  const piece = 32 * 1024
  const pieces = 1600
  const random = seededRandom(7)
  const pattern = random.bytes(piece * 4)
  const sentHash = createHash('sha256')
  const gotHash = createHash('sha256')
  let gotBytes = 0
  const all = new Promise<void>((resolve) =>
    b.onMessage((message) => {
      gotHash.update(message)
      gotBytes += message.byteLength
      if (gotBytes === piece * pieces) resolve()
    }),
  )
  let sent = 0
  let refused = 0
  let peakBytes = 0
  const before = process.memoryUsage().rss
  const pump = () => {
    while (sent < pieces) {
      const at = (sent * 977) % (piece * 3)
      const message = pattern.subarray(at, at + piece)
      sentHash.update(message)
      sent += 1
      if (sent % 100 === 0) peakBytes = Math.max(peakBytes, process.memoryUsage().rss - before)
      if (!a.send(message)) {
        refused += 1
        return
      }
    }
  }
  a.onDrain(pump)
  const startMs = performance.now()
  pump()
  await all
  const seconds = (performance.now() - startMs) / 1000
  assert.is(gotHash.digest('hex'), sentHash.digest('hex'))
  assert.ok(refused > 10, `send said "wait" ${refused} times`)
  assert.ok(peakBytes < 60e6, `memory grew by ${peakBytes} bytes`)
  assert.ok(seconds < 8, `${seconds} s for 50 MB`)
  await close()
})

test('close sends what is queued, and the other end learns of it', async () => {
  const { a, b, close } = await pair()
  const got: number[] = []
  b.onMessage((message) => got.push(message.byteLength))
  const [ofA, ofB] = [reasonOf(a), reasonOf(b)]
  for (let count = 0; count < 20; count++) a.send(new Uint8Array(20_000))
  await a.close()
  assert.is(await ofA, 'closed')
  assert.is(await ofB, 'ended')
  assert.is(got.length, 20)
  assert.is(a.send(new Uint8Array(1)), false)
  assert.is(await reasonOf(a), 'closed', 'a late listener is told too')
  await close()
})

test('a path that dies while streaming, one way or both, is left within 3 s', async () => {
  const directions = ['up', 'down', 'both'] as const
  await Promise.all(
    directions.map(async (direction) => {
      const { a, b, forwarder, close } = await pair()
      await Promise.all([a, b].map((end) => new Promise<void>((resolve) => end.onReady(resolve))))
      const first = Promise.race([a, b].map(reasonOf))
      const stream = setInterval(() => a.send(new Uint8Array(1000)), 100)
      await pause(300)
      forwarder.rules.drop = direction
      const startMs = performance.now()
      assert.is(await first, 'silent', direction)
      const tookMs = performance.now() - startMs
      assert.ok(tookMs < 3500, `${direction}: ${tookMs} ms`)
      clearInterval(stream)
      await close()
    }),
  )
})

test('a closed channel leaves no timer', async () => {
  const clock = new FakeClock()
  const { a, b, close } = await pair(clock)
  await Promise.all([a, b].map((end) => new Promise<void>((resolve) => end.onReady(resolve))))
  assert.is(clock.pendingTimers, 2)
  await Promise.all([a.close(), b.close()])
  assert.is(clock.pendingTimers, 0)
  await close()
})

test('a guessed reset closes the channel and nothing else', async () => {
  const { a, b, streams, ports, close } = await pair()
  await new Promise<void>((resolve) => b.onReady(resolve))
  const stranger = new UdxPort({ host: '127.0.0.1' })
  const ofB = reasonOf(b)
  // The id is known here; the sequence number counts packets from 0 and is tried.
  const resets = Array.from({ length: 64 }, (_, seq) => resetPacket(streams[1].id, seq))
  for (const packet of resets) stranger.send(packet, ports[1].local)
  assert.is(await ofB, 'reset')
  await a.close()
  const heard = new Promise<number>((resolve) => ports[1].listen(2, (message) => resolve(message.byteLength)))
  // The same packets again belong to nobody: the port drops them, and goes on with the next datagram.
  for (const packet of resets) stranger.send(packet, ports[1].local)
  stranger.send(Uint8Array.of(2, 3), ports[1].local)
  assert.is(await heard, 2)
  await stranger.close()
  await close()
})

test('bytes that are not the other end’s close the channel', async () => {
  const { b, streams, close } = await pair()
  await new Promise<void>((resolve) => b.onReady(resolve))
  const ofB = reasonOf(b)
  // A frame of 20 bytes that nobody sealed.
  streams[0].bytes.write(Uint8Array.of(20, 0, 0, ...new Uint8Array(20)))
  assert.is(await ofB, 'malformed')
  await close()
})

test('a frame that claims to be longer than allowed closes the channel before it is there', async () => {
  const { b, streams, close } = await pair()
  await new Promise<void>((resolve) => b.onReady(resolve))
  const ofB = reasonOf(b)
  const claim = CHANNEL_MESSAGE_MAX_BYTES + 100
  streams[0].bytes.write(Uint8Array.of(claim & 255, (claim >> 8) & 255, claim >> 16, 1, 2, 3))
  assert.is(await ofB, 'overrun')
  await close()
})

test('what nobody takes is bounded', async () => {
  const { a, b, close } = await pair()
  const ofB = reasonOf(b)
  const pump = () => {
    while (a.send(new Uint8Array(32 * 1024))) {}
  }
  a.onDrain(pump)
  pump()
  assert.is(await ofB, 'overrun')
  await close()
})

test.run()

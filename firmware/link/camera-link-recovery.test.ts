import { createSocket } from 'node:dgram'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { PROBE_GIVE_UP_MS } from './attempt.ts'
import { createIdentity } from './identity.ts'
import { ended, hurry, nextMessage, startCamera, startStorage, waitFor } from './link-devices.ts'
import { UdpForwarder } from './udp-forwarder.ts'

const text = (message: Uint8Array) => Buffer.from(message).toString()
const bytes = (message: string) => new Uint8Array(Buffer.from(message))

/** A DESTROY packet of libudx for the stream of `packet`. */
function resetLike(packet: Uint8Array, seq: number): Uint8Array {
  const reset = packet.with(2, 0x10)
  new DataView(reset.buffer).setUint32(12, seq, true)
  return reset
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

const INJURIES: Record<string, (forwarder: UdpForwarder) => void> = {
  'dies both ways': (forwarder) => {
    forwarder.rules.drop = 'both'
  },
  'dies towards the storage device': (forwarder) => {
    forwarder.rules.drop = 'up'
  },
  'dies towards the camera': (forwarder) => {
    forwarder.rules.drop = 'down'
  },
  'gets another address from its router': (forwarder) => forwarder.rebind(),
}

test('a path that dies or changes is left within 3 s, and another channel is there as soon as it can', async () => {
  const recover = async (what: string, injure: (forwarder: UdpForwarder) => void) => {
    const identity = createIdentity()
    const storage = await startStorage({ enrolled: [identity] })
    const forwarder = await UdpForwarder.start(storage.port.local)
    const camera = startCamera({ identity, storage: storage.identity.publicKey, addresses: [forwarder.address] })
    const near = await camera.nextChannel(0)
    const stream = setInterval(() => near.send(new Uint8Array(500)), 100)
    await pause(200)
    injure(forwarder)
    const startMs = performance.now()
    assert.ok(['silent', 'ended', 'reset'].includes(await ended(near)), what)
    const tookMs = performance.now() - startMs
    assert.ok(tookMs < 3500, `${what}: ${tookMs} ms`)
    clearInterval(stream)
    forwarder.rules.drop = 'none'
    const again = await camera.nextChannel(1)
    again.send(bytes('back'))
    assert.is(await nextMessage(await storage.nextChannel(1)), 'back', what)
    await camera.close()
    await storage.close()
    await forwarder.close()
  }
  await Promise.all(Object.entries(INJURIES).map(([what, injure]) => recover(what, injure)))
})

test('a guessed reset ends the channel only; the next one follows', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const forwarder = await UdpForwarder.start(storage.port.local)
  // Whoever sees the packets knows the stream's id, and can make one that ends it.
  let seen = new Uint8Array(20)
  forwarder.filter = (message, direction) => {
    if (direction === 'up' && message[0] === 0xff) seen = message.slice(0, 20)
    return false
  }
  const camera = startCamera({ identity, storage: storage.identity.publicKey, addresses: [forwarder.address] })
  const [near, far] = await Promise.all([camera.nextChannel(0), storage.nextChannel(0)])
  await pause(50)
  const stranger = createSocket('udp4')
  for (let seq = 0; seq < 64; seq++) stranger.send(resetLike(seen, seq), storage.port.local.port, '127.0.0.1')
  assert.is(await ended(far), 'reset')
  assert.is(await ended(near), 'ended', 'the storage device says so, for the stranger’s packet told the camera nothing')
  await Promise.all([camera.nextChannel(1), storage.nextChannel(1)])
  stranger.close()
  await camera.close()
  await storage.close()
  await forwarder.close()
})

test('lost and reordered datagrams only delay the first channel', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const got: string[] = []
  storage.link.onChannel((_, channel) => channel.onMessage((message) => got.push(text(message))))
  const forwarder = await UdpForwarder.start(storage.port.local, 42)
  Object.assign(forwarder.rules, { lossRatio: 0.1, jitterMs: 20 })
  const camera = startCamera({ identity, storage: storage.identity.publicKey, addresses: [forwarder.address] })
  camera.link.onChannel((channel) => channel.send(bytes('through')))
  await waitFor(() => got.includes('through'), 'a message')
  await camera.close()
  await storage.close()
  await forwarder.close()
})

test('a storage device that restarts is found again, and counts the camera’s datagrams anew', async () => {
  const identity = createIdentity()
  const first = await startStorage({ enrolled: [identity] })
  const { port } = first.port.local
  const camera = startCamera({ identity, storage: first.identity.publicKey, addresses: [first.port.local] })
  const near = await camera.nextChannel(0)
  await first.close()
  assert.ok(['ended', 'reset'].includes(await ended(near)))
  const second = await startStorage({ identity: first.identity, enrolled: [identity], boot: 2, port })
  await camera.nextChannel(1)
  await second.nextChannel(0)
  await camera.close()
  await second.close()
})

test('forgetting a camera ends its channel and silences the device', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const clock = new FakeClock()
  const camera = startCamera({ clock, identity, storage: storage.identity.publicKey, addresses: [storage.port.local] })
  const near = await camera.nextChannel(0)
  await storage.nextChannel(0)
  await storage.desk.forget(identity.publicKey)
  assert.ok(['ended', 'reset'].includes(await ended(near)))
  // Soon after the loss it tries again, and gets no answer.
  while (camera.link.status().state === 'lost') await hurry(clock, 25)
  await hurry(clock, PROBE_GIVE_UP_MS)
  const { state, problem, lastAttempt } = camera.link.status()
  assert.equal([state, problem?.code], ['lost', 'STORAGE_UNREACHABLE'])
  assert.is(lastAttempt?.candidates[0]?.result, 'silent')
  assert.is(storage.channels.length, 1)
  await camera.close()
  await storage.close()
})

test('a channel takes the place of another only once the camera has spoken on it', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const options = { identity, storage: storage.identity.publicKey, addresses: [storage.port.local] }
  const before = startCamera(options)
  const old = await storage.nextChannel(0)
  const after = startCamera({ ...options, boot: 2, silent: true })
  const fresh = await after.nextChannel(0)
  await pause(50)
  assert.is(storage.channels.length, 1)
  const message = nextMessage(old)
  before.channels[0]?.send(bytes('still in use'))
  assert.is(await message, 'still in use')
  fresh.send(bytes('from now on this one'))
  assert.is(await ended(old), 'replaced')
  assert.is(await nextMessage(await storage.nextChannel(1)), 'from now on this one')
  await before.close()
  await after.close()
  await storage.close()
})

test('a second start of the camera replaces the channel of the first', async () => {
  const identity = createIdentity()
  const storage = await startStorage({ enrolled: [identity] })
  const options = { identity, storage: storage.identity.publicKey, addresses: [storage.port.local] }
  const before = startCamera(options)
  const old = await storage.nextChannel(0)
  const after = startCamera({ ...options, boot: 2 })
  assert.is(await ended(old), 'replaced')
  await storage.nextChannel(1)
  assert.is(storage.link.status().channels.length, 1)
  await before.close()
  await after.close()
  await storage.close()
})

test.run()

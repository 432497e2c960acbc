import { PassThrough } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import type { Address } from './address.ts'
import type { Channel } from './channel.ts'
import { type Datagram, NO_RELAY, type Open, RELAY_KEY_BYTES } from './datagram-body.ts'
import { createIdentity } from './identity.ts'
import { ended, nextMessage, waitFor } from './link-devices.ts'
import { NoiseInitiator } from './noise.ts'
import { NoiseChannel } from './noise-channel.ts'
import { Peer } from './peer.ts'
import { FreshnessSource } from './replay.ts'
import type { RelayLeg } from './server-help.ts'
import { OPENING_LIMIT_MS, OPENINGS_PER_SECOND, StorageLine } from './storage-line.ts'
import { UdxPort } from './udx-port.ts'

const FROM = { host: '127.0.0.1', port: 9 }
const bytes = (message: string) => new Uint8Array(Buffer.from(message))

function lineFor() {
  const clock = new FakeClock()
  const [port, cameraPort] = [new UdxPort({ host: '127.0.0.1' }), new UdxPort({ host: '127.0.0.1' })]
  const [identity, camera] = [createIdentity(), createIdentity()]
  const peer = new Peer(identity, camera.publicKey, new FreshnessSource(1))
  const channels: Channel[] = []
  const lost = { count: 0 }
  const sent: { message: Datagram; to: Address }[] = []
  const line = new StorageLine({
    ...{ identity, port, clock, peer },
    send: (message, to) => sent.push({ message, to }),
    onChannel: (channel) => channels.push(channel),
    onLost: () => {
      lost.count += 1
    },
  })
  const request = (digit: string, more: Partial<Open> = {}, from = camera): Open => ({
    ...{ type: 'open', attempt: digit.repeat(16), path: 'lan', stream: 5, relay: NO_RELAY },
    noise: new NoiseInitiator(from, identity.publicKey).message,
    ...more,
  })
  /** The camera's end of a channel over udx; it has said nothing on it yet. */
  const join = (digit: string, path: Open['path'] = 'punched') => {
    const noise = new NoiseInitiator(camera, identity.publicKey)
    const stream = cameraPort.openStream()
    const open = request(digit, { path, stream: stream.id, noise: noise.message })
    const legs: number[] = []
    const answer =
      path === 'relay-udp'
        ? line.openAtRelay(open, async (id) => {
            legs.push(id)
            return { to: cameraPort.local, stream: stream.id }
          })
        : line.open(open, cameraPort.local)
    const keys = answer === undefined ? undefined : noise.finish(answer.noise)
    if (answer === undefined || keys === undefined) throw new Error('the storage device gave no answer')
    stream.connect(answer.stream, port.local)
    const channel = new NoiseChannel({ path, bytes: stream.bytes, initiator: true, keys, clock })
    return { channel, answer, legs, open }
  }
  const close = async () => {
    await line.close()
    assert.is(line.live, undefined)
    await Promise.all([port.close(), cameraPort.close()])
    await waitFor(() => clock.pendingTimers === 0, 'the end of all timers')
  }
  return { clock, line, request, join, channels, lost, sent, cameraPort, close }
}

test('the same attempt gets the same answer, others are opened beside it', async () => {
  const { clock, line, request, close } = lineFor()
  const [first, second] = [request('1'), request('2')]
  const answer = line.open(first, FROM)
  assert.is(answer?.attempt, first.attempt)
  assert.is(line.open(first, FROM), answer)
  const newer = line.open(second, FROM)
  assert.is(newer?.attempt, second.attempt)
  assert.is.not(newer?.stream, answer?.stream)
  assert.is(clock.pendingTimers, 2)
  assert.is(line.open(first, FROM), answer, 'still')
  assert.is(line.live, undefined)
  await close()
})

test('so many are opened at the same time: the oldest gives way', async () => {
  const { clock, line, request, close } = lineFor()
  const requests = [...'123456789'].map((digit) => request(digit))
  const answers = requests.map((open) => line.open(open, FROM))
  assert.is(answers.filter((answer) => answer !== undefined).length, 9)
  assert.is(clock.pendingTimers, 8)
  await clock.advance(1000)
  const [first, second] = requests
  if (first === undefined || second === undefined) throw new Error('there are nine')
  assert.is(line.open(second, FROM), answers[1], 'the second is still there')
  assert.is.not(line.open(first, FROM)?.stream, answers[0]?.stream)
  await close()
})

test('a camera gone mad gets so many answers in a second', async () => {
  const { clock, line, request, close } = lineFor()
  const digits = [...'0123456789abcdef']
  const answers = digits.map((digit) => line.open(request(digit), FROM))
  assert.is(answers.filter((answer) => answer !== undefined).length, OPENINGS_PER_SECOND)
  await clock.advance(1000)
  assert.ok(line.open(request('0'), FROM) !== undefined)
  await close()
})

test('what the camera leaves behind is cleared away', async () => {
  const { clock, line, request, close } = lineFor()
  const first = request('1')
  const answer = line.open(first, FROM)
  await clock.advance(OPENING_LIMIT_MS)
  assert.is(clock.pendingTimers, 0)
  const again = line.open(first, FROM)
  assert.is.not(again?.stream, answer?.stream)
  await close()
})

test('a handshake by another key than the camera’s is not answered, whatever it comes by', async () => {
  const { line, request, close } = lineFor()
  const stranger = createIdentity()
  assert.is(line.open(request('1', {}, stranger), FROM), undefined)
  const relay = new Uint8Array(RELAY_KEY_BYTES).fill(1)
  let joined = 0
  const join = () => {
    joined += 1
    return Promise.reject(new Error('nobody should ask'))
  }
  assert.is(line.openAtRelay(request('2', { path: 'relay-udp', relay }, stranger), join), undefined)
  assert.is(line.openOn(new PassThrough(), request('3', { stream: 0 }, stranger)), undefined)
  assert.is(joined, 0)
  await close()
})

test('a udx stream has a number, a stream of its own has none', async () => {
  const { clock, line, request, close } = lineFor()
  assert.is(line.open(request('1', { stream: 0 }), FROM), undefined)
  assert.is(line.openOn(new PassThrough(), request('2', { stream: 7 })), undefined)
  assert.is(clock.pendingTimers, 0)
  const answer = line.openOn(new PassThrough(), request('3', { stream: 0, path: 'relay-tls' }))
  assert.is(answer?.stream, 0)
  await close()
})

test('a channel is in use once the camera has spoken on it, not before', async () => {
  const { line, join, channels, close } = lineFor()
  const { channel, answer, open } = join('1')
  await new Promise<void>((resolve) => channel.onReady(resolve))
  assert.is(line.live, undefined)
  assert.equal(channels, [])
  channel.send(bytes('mine'))
  await waitFor(() => channels.length === 1, 'the channel')
  const [used] = channels
  if (used === undefined) throw new Error('there is none')
  assert.is(line.live?.channel, used)
  assert.is(used.path, 'punched')
  assert.is(await nextMessage(used), 'mine')
  assert.is(line.open(open, FROM), answer, 'a repeated request brings no second one')
  await close()
  await channel.close()
})

test('the channel spoken on last is the one in use; the camera hears of its end', async () => {
  const { line, join, channels, sent, cameraPort, close } = lineFor()
  const [first, second] = [join('1', 'relay-udp'), join('2')]
  assert.is(first.legs.length, 1)
  // In use in the order they are spoken on, not in the order they were opened.
  second.channel.send(bytes('second'))
  await waitFor(() => channels.length === 1, 'the second channel')
  first.channel.send(bytes('first'))
  await waitFor(() => channels.length === 2, 'the first channel')
  assert.is(line.live?.channel.path, 'relay-udp')
  const [old] = channels
  if (old === undefined) throw new Error('there is none')
  assert.is(await ended(old), 'replaced')
  assert.equal(sent, [], 'what was replaced is no news')
  const third = join('3')
  third.channel.send(bytes('third'))
  await waitFor(() => channels.length === 3, 'the third channel')
  await close()
  assert.equal(sent, [{ message: { type: 'bye', attempt: '3'.repeat(16) }, to: cameraPort.local }])
  for (const { channel } of [first, second, third]) await channel.close()
})

test('a camera that closes an opening, or its channel, leaves nothing behind', async () => {
  const { clock, line, join, channels, close } = lineFor()
  const [unused, used] = [join('1'), join('2')]
  await new Promise<void>((resolve) => unused.channel.onReady(resolve))
  await unused.channel.close()
  used.channel.send(bytes('mine'))
  await waitFor(() => channels.length === 1, 'the channel')
  await used.channel.close()
  await waitFor(() => line.live === undefined && clock.pendingTimers === 0, 'the end of both')
  await close()
})

test('the end of the channel in use is told unless it was ours', async () => {
  const { line, join, channels, lost, close } = lineFor()
  const [unused, first, second, third] = [join('1'), join('2'), join('3'), join('4')]
  await new Promise<void>((resolve) => unused.channel.onReady(resolve))
  await unused.channel.close()
  first.channel.send(bytes('first'))
  await waitFor(() => channels.length === 1, 'the first channel')
  second.channel.send(bytes('second'))
  await waitFor(() => channels.length === 2, 'the second channel')
  await waitFor(() => line.live?.channel === channels[1], 'the second in use')
  assert.is(lost.count, 0, 'one that was never used, and one that was replaced')
  await second.channel.close()
  await waitFor(() => line.live === undefined, 'its end')
  assert.is(lost.count, 1)
  third.channel.send(bytes('third'))
  await waitFor(() => channels.length === 3, 'the third channel')
  await close()
  assert.is(lost.count, 1, 'closed by us')
  for (const { channel } of [first, third]) await channel.close()
})

test('our leg of a relay is asked for once; without it the opening is over', async () => {
  const { clock, line, request, close } = lineFor()
  const legs: { id: number; resolve: (leg: RelayLeg) => void; reject: (error: Error) => void }[] = []
  const join = (id: number) => new Promise<RelayLeg>((resolve, reject) => legs.push({ id, resolve, reject }))
  const relay = new Uint8Array(RELAY_KEY_BYTES).fill(1)
  const open = request('1', { path: 'relay-udp', relay })
  const answer = line.openAtRelay(open, join)
  assert.is(line.openAtRelay(open, join), answer)
  assert.equal(
    legs.map(({ id }) => id),
    [answer?.stream],
  )
  legs[0]?.reject(new Error('no relay'))
  await clock.advance(0)
  assert.is(clock.pendingTimers, 0)
  const again = line.openAtRelay(open, join)
  assert.is.not(again?.stream, answer?.stream)
  // One that comes too late is not used.
  await clock.advance(OPENING_LIMIT_MS)
  legs[1]?.resolve({ to: FROM, stream: 7 })
  await clock.advance(0)
  assert.is(clock.pendingTimers, 0)
  await close()
})

test('a closed line opens nothing', async () => {
  const { line, request, close } = lineFor()
  await line.close()
  assert.is(line.open(request('1'), FROM), undefined)
  assert.is(line.openOn(new PassThrough(), request('2', { stream: 0 })), undefined)
  await close()
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import type { Open } from './datagram.ts'
import { createIdentity } from './identity.ts'
import { NoiseInitiator } from './noise.ts'
import { Peer } from './peer.ts'
import { FreshnessSource } from './replay.ts'
import { OPENING_LIMIT_MS, OPENINGS_PER_SECOND, StorageLine } from './storage-line.ts'
import { UdxPort } from './udx-port.ts'

const FROM = { host: '127.0.0.1', port: 9 }

function lineFor() {
  const clock = new FakeClock()
  const port = new UdxPort({ host: '127.0.0.1' })
  const [identity, camera] = [createIdentity(), createIdentity()]
  const peer = new Peer(identity, camera.publicKey, new FreshnessSource(1))
  const line = new StorageLine({ identity, port, clock, peer, send: () => {}, onChannel: () => {} })
  const request = (digit: string, from = camera): Open => ({
    type: 'open',
    attempt: digit.repeat(16),
    stream: 5,
    noise: new NoiseInitiator(from, identity.publicKey).message,
  })
  const close = async () => {
    await line.close()
    assert.is(clock.pendingTimers, 0)
    await port.close()
  }
  return { clock, line, request, close }
}

test('the same attempt gets the same answer, a newer one takes its place', async () => {
  const { clock, line, request, close } = lineFor()
  const [first, second] = [request('1'), request('2')]
  const answer = line.open(first, FROM)
  assert.is(answer?.attempt, first.attempt)
  assert.is(line.open(first, FROM), answer)
  const newer = line.open(second, FROM)
  assert.is(newer?.attempt, second.attempt)
  assert.is.not(newer?.stream, answer?.stream)
  assert.is(clock.pendingTimers, 1, 'only one is being opened')
  await close()
})

test('a camera gone mad gets so many answers in a second', async () => {
  const { clock, line, request, close } = lineFor()
  const digits = [...'0123456789abcdef']
  const answers = digits.map((digit) => line.open(request(digit), FROM))
  assert.is(answers.filter((answer) => answer !== undefined).length, OPENINGS_PER_SECOND)
  assert.is(clock.pendingTimers, 1, 'and only one is being opened')
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

test('a handshake by another key than the camera’s is not answered', async () => {
  const { line, request, close } = lineFor()
  assert.is(line.open(request('1', createIdentity()), FROM), undefined)
  await close()
})

test('a closed line opens nothing', async () => {
  const { line, request, close } = lineFor()
  await line.close()
  assert.is(line.open(request('1'), FROM), undefined)
  await close()
})

test.run()

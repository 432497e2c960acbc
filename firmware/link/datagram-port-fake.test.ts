import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import type { Address } from './address.ts'
import { FakeNetwork, type Weather } from './datagram-port-fake.ts'

const KIND = 1
const A = { host: '10.0.0.1', port: 1000 }
const B = { host: '10.0.0.2', port: 2000 }

function network(weather: Partial<Weather> = {}, seed = 1) {
  const clock = new FakeClock()
  const net = new FakeNetwork(clock, seededRandom(seed), weather)
  const heard: { value: number | undefined; from: Address }[] = []
  const a = net.open(A)
  const b = net.open(B)
  b.listen(KIND, (message, from) => heard.push({ value: message[1], from }))
  return { clock, net, a, b, heard }
}

const message = (value: number) => Uint8Array.of(KIND, value)

test('what is sent arrives after its delay, as it was when it was sent', async () => {
  const { clock, a, heard } = network({ minDelayMs: 5, maxDelayMs: 5 })
  const sent = message(7)
  a.send(sent, B)
  sent[1] = 8
  await clock.advance(4)
  assert.is(heard.length, 0)
  await clock.advance(1)
  assert.equal(heard, [{ value: 7, from: A }])
})

test('other kinds, other addresses and nobody hear nothing', async () => {
  const { clock, a, heard } = network()
  a.send(Uint8Array.of(2, 1), B)
  a.send(message(1), { ...B, port: 2001 })
  a.send(new Uint8Array(0), B)
  await clock.advance(10)
  assert.is(heard.length, 0)
})

test('loss, repetition and reordering come from the seed', async () => {
  const run = async (seed: number) => {
    const { clock, a, heard } = network({ lossRatio: 0.2, repeatRatio: 0.1, minDelayMs: 1, maxDelayMs: 50 }, seed)
    for (let value = 0; value < 200; value++) a.send(message(value), B)
    await clock.advance(60)
    return heard.map(({ value }) => value ?? 0)
  }
  const values = await run(1)
  assert.equal(values, await run(1))
  assert.not.equal(values, await run(2))
  const distinct = new Set(values).size
  assert.ok(distinct > 130 && distinct < 190, `${distinct} of 200 arrived`)
  assert.ok(values.length > distinct, 'some arrived twice')
  assert.ok(
    values.some((value, index) => value < (values[index - 1] ?? 0)),
    'some arrived out of order',
  )
})

test('a sender can be forged, a datagram blocked, and all of it watched', async () => {
  const { clock, net, a, heard } = network()
  const fates: string[] = []
  const stop = net.watch((_, fate) => fates.push(fate))
  const forged = { host: '1.2.3.4', port: 5 }
  net.inject(message(1), forged, B)
  net.blocked = ({ from }) => from.port === A.port
  a.send(message(2), B)
  stop()
  a.send(message(3), B)
  await clock.advance(5)
  assert.equal(heard, [{ value: 1, from: forged }])
  assert.equal(fates, ['sent', 'lost'])
})

test('a port behind a router is seen as another, and may be seen as yet another later', async () => {
  const { clock, net, b, heard } = network()
  const outside = { host: '198.51.100.1', port: 40_000 }
  const later = { host: '198.51.100.1', port: 40_001 }
  const inside = net.open({ host: '192.168.1.2', port: 7441 }, outside)
  const answers: Address[] = []
  inside.listen(KIND, (_, from) => answers.push(from))
  inside.send(message(1), B)
  net.attach(inside, later)
  inside.send(message(2), B)
  b.send(message(3), outside)
  b.send(message(4), later)
  await clock.advance(5)
  assert.equal(
    heard.map(({ from }) => from),
    [outside, later],
  )
  assert.is(answers.length, 1)
  await inside.close()
  inside.send(message(5), B)
  await clock.advance(5)
  assert.is(heard.length, 2)
})

test('one listener for each kind, one port for each address', () => {
  const { net, b } = network()
  assert.throws(() => b.listen(KIND, () => {}), /already/)
  const stop = b.listen(KIND + 1, () => {})
  stop()
  b.listen(KIND + 1, () => {})()
  assert.throws(() => net.open(A), /already/)
})

test.run()

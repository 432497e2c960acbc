import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import { type Address, formatAddress } from './address.ts'
import { type Dependence, type NatKind, type NatPort, Realm } from './nat-fake.ts'

const KIND = 1
const HOME = '203.0.113.1'
const INNER: Address = { host: '192.168.1.2', port: 7441 }
/** Two ports of one host, and another host. */
const [X, Y, Z] = [
  { host: '198.51.100.1', port: 10 },
  { host: '198.51.100.1', port: 20 },
  { host: '198.51.100.2', port: 10 },
]
const DEPENDENCES: Dependence[] = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent']

interface Heard {
  readonly value: number
  readonly from: string
}

function listen(port: NatPort): Heard[] {
  const heard: Heard[] = []
  port.listen(KIND, (message, from) => heard.push({ value: message[1] ?? -1, from: formatAddress(from) }))
  return heard
}

const message = (value: number) => Uint8Array.of(KIND, value)

/** One device behind a NAT, and three ports on the internet. */
function home(kind: NatKind) {
  const clock = new FakeClock()
  const internet = Realm.internet(clock, seededRandom(5))
  const nat = internet.nat(HOME, kind)
  const device = nat.inside.open(INNER)
  const [x, y, z] = [internet.open(X), internet.open(Y), internet.open(Z)]
  const heard = { device: listen(device), x: listen(x), y: listen(y), z: listen(z) }
  /** Sends to all three, and tells the outer ports they saw. */
  const outerPorts = async (): Promise<number[]> => {
    for (const to of [X, Y, Z]) device.send(message(1), to)
    await clock.advance(5)
    return [heard.x, heard.y, heard.z].map((each) => Number(each.at(-1)?.from.split(':')[1]))
  }
  return { clock, internet, nat, device, x, y, z, heard, outerPorts }
}

test('a mapping depends on what its kind says', async () => {
  const distinct = { 'endpoint-independent': 1, 'address-dependent': 2, 'address-and-port-dependent': 3 }
  for (const mapping of DEPENDENCES) {
    const { outerPorts, heard } = home({ mapping, filtering: 'endpoint-independent' })
    const ports = await outerPorts()
    assert.is(new Set(ports).size, distinct[mapping], mapping)
    assert.equal(await outerPorts(), ports, 'the same again')
    assert.is(heard.x[0]?.from.split(':')[0], HOME)
    assert.is(ports.includes(INNER.port), false, 'random')
  }
})

test('whoever is let in depends on whom it was sent to', async () => {
  const admitted = { 'endpoint-independent': 'xyz', 'address-dependent': 'xy', 'address-and-port-dependent': 'x' }
  for (const filtering of DEPENDENCES) {
    const { clock, device, x, y, z, heard } = home({ mapping: 'endpoint-independent', filtering })
    device.send(message(1), X)
    await clock.advance(5)
    const outer = { host: HOME, port: Number(heard.x[0]?.from.split(':')[1]) }
    for (const port of [x, y, z]) {
      port.send(message(2), outer)
      port.send(message(3), { ...outer, port: outer.port ^ 1 })
    }
    await clock.advance(5)
    const from = { [formatAddress(X)]: 'x', [formatAddress(Y)]: 'y', [formatAddress(Z)]: 'z' }
    assert.is(heard.device.map((each) => from[each.from]).join(''), admitted[filtering], filtering)
    assert.ok(heard.device.every(({ value }) => value === 2))
  }
})

test('a mapping ends when nothing has gone out for a while; what comes in does not keep it', async () => {
  const { clock, device, x, heard, outerPorts } = home({
    ...{ mapping: 'endpoint-independent', filtering: 'endpoint-independent', bindingMs: 30_000 },
  })
  const [port = 0] = await outerPorts()
  for (let count = 0; count < 3; count++) {
    await clock.advance(20_000)
    device.send(message(1), X)
    x.send(message(2), { host: HOME, port })
  }
  await clock.advance(29_000)
  x.send(message(3), { host: HOME, port })
  await clock.advance(2_000)
  x.send(message(4), { host: HOME, port })
  await clock.advance(5)
  assert.equal(
    heard.device.map(({ value }) => value),
    [2, 2, 2, 3],
  )
  assert.is.not((await outerPorts())[0], port)
})

test('ports are kept where they are free, whatever the mapping', async () => {
  for (const mapping of DEPENDENCES) {
    const { clock, nat, heard, outerPorts } = home({ mapping, filtering: mapping, preservesPorts: true })
    assert.equal(await outerPorts(), [INNER.port, INNER.port, INNER.port], mapping)
    const second = nat.inside.open({ host: '192.168.1.3', port: INNER.port })
    second.send(message(2), X)
    await clock.advance(5)
    assert.is.not(heard.x.at(-1)?.from, formatAddress({ host: HOME, port: INNER.port }))
  }
})

test('a kept port still lets in only those that it was used for', async () => {
  const [mapping, filtering] = ['address-and-port-dependent', 'address-and-port-dependent'] as const
  const { clock, device, x, y, heard } = home({ mapping, filtering, preservesPorts: true })
  device.send(message(1), X)
  await clock.advance(5)
  for (const port of [x, y]) port.send(message(2), { host: HOME, port: INNER.port })
  await clock.advance(5)
  assert.equal(heard.device, [{ value: 2, from: formatAddress(X) }])
})

test('after a flush nothing gets in by the old ports, and new ones are other ones', async () => {
  for (const preservesPorts of [true, false]) {
    const [mapping, filtering] = ['endpoint-independent', 'endpoint-independent'] as const
    const { clock, nat, x, heard, outerPorts } = home({ mapping, filtering, preservesPorts })
    const [port = 0] = await outerPorts()
    nat.flush()
    x.send(message(9), { host: HOME, port })
    await clock.advance(5)
    assert.equal(heard.device, [])
    const [after = 0] = await outerPorts()
    assert.is.not(after, port)
    x.send(message(9), { host: HOME, port: after })
    await clock.advance(5)
    assert.is(heard.device.length, 1)
  }
})

test('those inside reach each other directly, and by their outer address where there is a hairpin', async () => {
  for (const hairpin of [true, false]) {
    const [mapping, filtering] = ['endpoint-independent', 'address-and-port-dependent'] as const
    const { clock, nat, device, heard, outerPorts } = home({ mapping, filtering, hairpin })
    const other = nat.inside.open({ host: '192.168.1.3', port: 1 })
    const heardByOther = listen(other)
    device.send(message(1), other.local)
    other.send(message(2), X)
    const [port = 0] = await outerPorts()
    assert.equal(heardByOther, [{ value: 1, from: formatAddress(INNER) }])
    const outer = { host: HOME, port: Number(heard.x.find(({ value }) => value === 2)?.from.split(':')[1]) }
    // Both ways, for it filters as for anybody.
    other.send(message(3), { host: HOME, port })
    device.send(message(4), outer)
    await clock.advance(5)
    const expected = hairpin ? [{ value: 4, from: formatAddress({ host: HOME, port }) }] : []
    assert.equal(heardByOther.slice(1), expected)
  }
})

test('NATs stand behind NATs', async () => {
  const clock = new FakeClock()
  const internet = Realm.internet(clock, seededRandom(5))
  const [mapping, filtering] = ['endpoint-independent', 'address-and-port-dependent'] as const
  const carrier = internet.nat(HOME, { mapping, filtering })
  const house = carrier.inside.nat('10.0.0.7', { mapping, filtering })
  const device = house.inside.open(INNER)
  const [x, y] = [internet.open(X), internet.open(Y)]
  const neighbour = carrier.inside.open({ host: '10.0.0.8', port: 3 })
  const heard = { device: listen(device), x: listen(x), neighbour: listen(neighbour) }
  device.send(message(1), X)
  device.send(message(2), neighbour.local)
  await clock.advance(5)
  assert.is(heard.x[0]?.from.split(':')[0], HOME)
  assert.is(heard.neighbour[0]?.from.split(':')[0], '10.0.0.7', 'not through the carrier’s NAT')
  const outer = { host: HOME, port: Number(heard.x[0]?.from.split(':')[1]) }
  for (const port of [x, y]) port.send(message(3), outer)
  await clock.advance(5)
  assert.equal(heard.device, [{ value: 3, from: formatAddress(X) }])
})

test('one that blocks UDP blocks it both ways, but not among those inside', async () => {
  const [mapping, filtering] = ['endpoint-independent', 'endpoint-independent'] as const
  const { clock, nat, device, x, heard } = home({ mapping, filtering, blocksUdp: true, preservesPorts: true })
  const other = nat.inside.open({ host: '192.168.1.3', port: 1 })
  const heardByOther = listen(other)
  device.send(message(1), X)
  device.send(message(2), other.local)
  x.send(message(3), { host: HOME, port: INNER.port })
  await clock.advance(5)
  assert.equal([heard.x.length, heard.device.length, heardByOther.length], [0, 0, 1])
})

test('loss, repetition and reordering come from the seed; a private address is nowhere on the internet', async () => {
  const run = async (seed: number) => {
    const clock = new FakeClock()
    const internet = Realm.internet(clock, seededRandom(seed), { lossRatio: 0.2, repeatRatio: 0.1, maxDelayMs: 50 })
    const [x, y] = [internet.open(X), internet.open(Y)]
    const heard = listen(y)
    for (let value = 0; value < 200; value++) x.send(message(value), Y)
    x.send(message(0), INNER)
    await clock.advance(60)
    y.close()
    x.send(message(0), Y)
    y.send(message(0), X)
    await clock.advance(60)
    return heard.map(({ value }) => value)
  }
  const values = await run(1)
  assert.equal(values, await run(1))
  assert.not.equal(values, await run(2))
  const distinct = new Set(values).size
  assert.ok(distinct > 130 && distinct < 190 && values.length > distinct, `${distinct} of 200 arrived`)
  assert.ok(values.some((value, index) => value < (values[index - 1] ?? 0)))
})

test.run()

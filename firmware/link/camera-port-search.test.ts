import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import type { Address } from './address.ts'
import { CameraPortSearch } from './camera-port-search.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { SEARCH_ASK_SCHEDULE_MS, SEARCH_SOCKETS, SPRAY_PROBES } from './port-search.ts'
import { type FakeSocket, FakeSockets } from './search-sockets-fixture.ts'

const STORAGE: Address = { host: '198.51.100.7', port: 7441 }

function camera() {
  const clock = new FakeClock()
  const sockets = new FakeSockets()
  const asked: number[] = []
  const sprayed: Address[] = []
  const taken: FakeSocket[] = []
  const search = new CameraPortSearch<FakeSocket>({
    ...{ clock, random: seededRandom(3), open: sockets.open },
    ask: () => asked.push(clock.monoUs() / 1000),
    probe: () => Uint8Array.of(PAIR_KIND),
    send: (_, to) => sprayed.push(to),
    take: (_, __, socket) => taken.push(socket),
  })
  return { clock, sockets, asked, sprayed, taken, search }
}

test('asks until it is answered, and sprays only then: to the host where the server sees the storage device', async () => {
  const { clock, sockets, asked, sprayed, search } = camera()
  search.start('spray', STORAGE)
  await clock.advance(400)
  assert.equal([asked, sprayed], [[0, 300], []])
  search.begun()
  await clock.advance(60_000)
  assert.is(asked.length, 2)
  assert.is(sprayed.length, SPRAY_PROBES)
  assert.equal([...new Set(sprayed.map(({ host }) => host))], [STORAGE.host])
  search.begun()
  await clock.advance(60_000)
  assert.is(sprayed.length, SPRAY_PROBES, 'once')
  assert.is(sockets.opened, 0)
  await search.close()
  assert.is(clock.pendingTimers, 0)
})

test('unanswered it asks some times, and does nothing else', async () => {
  const { clock, asked, sprayed, search } = camera()
  search.start('spray', STORAGE)
  await clock.advance(60_000)
  assert.equal(asked, [...SEARCH_ASK_SCHEDULE_MS])
  assert.is(sprayed.length, 0)
  search.stop()
  search.begun()
  await clock.advance(60_000)
  assert.is(sprayed.length, 0, 'an answer that comes when it is over')
})

test('the first answer from that host ends the spray', async () => {
  const { clock, sprayed, search } = camera()
  search.start('spray', STORAGE)
  search.begun()
  await clock.advance(100)
  search.answeredFrom({ host: '192.168.1.2', port: 7441 })
  await clock.advance(100)
  const { length } = sprayed
  search.answeredFrom({ ...STORAGE, port: 51_234 })
  await clock.advance(60_000)
  assert.is(sprayed.length, length)
  assert.ok(length >= 20)
})

test('listens at its sockets, tells one from the other, and closes all that were not taken out', async () => {
  const { clock, sockets, taken, sprayed, search } = camera()
  search.start('listen', STORAGE)
  search.begun()
  await clock.advance(1_000)
  assert.is(sockets.alive.size, SEARCH_SOCKETS)
  assert.is(sprayed.length, 0)
  const [first, second] = sockets.alive
  if (first === undefined || second === undefined) throw new Error('there are sockets')
  for (const socket of [first, second]) socket.arrive(Uint8Array.of(PAIR_KIND), STORAGE)
  assert.equal(taken, [first, second])
  const [one, two] = taken.map((socket) => search.numberOf(socket))
  assert.is.not(one, two)
  assert.is(search.numberOf(first), one)
  assert.is(search.socket(two ?? 0), second)
  assert.is(search.takeOut(two ?? 0), second)
  assert.is(search.takeOut(two ?? 0), undefined)
  await search.close()
  assert.equal([...sockets.alive], [second])
  assert.is(search.socket(one ?? 0), undefined)
  assert.is(clock.pendingTimers, 0)
})

test('a new search takes the place of the one before, and never the numbers of its sockets', async () => {
  const { clock, sockets, search } = camera()
  search.start('listen', STORAGE)
  await clock.advance(1_000)
  const [old] = sockets.alive
  const number = old === undefined ? 0 : search.numberOf(old)
  search.start('listen', STORAGE)
  await clock.advance(1_000)
  assert.is(sockets.alive.size, SEARCH_SOCKETS)
  const [fresh] = sockets.alive
  assert.ok(fresh !== undefined && search.numberOf(fresh) > number)
  assert.is(search.takeOut(number), undefined)
  await search.close()
  assert.is(sockets.alive.size, 0)
})

test.run()

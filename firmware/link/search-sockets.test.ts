import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import type { Address } from './address.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { SEARCH_SOCKETS, SOCKETS_AT_ONCE, SOCKETS_EVERY_MS } from './port-search.ts'
import { SearchSockets } from './search-sockets.ts'
import { type FakeSocket, FakeSockets } from './search-sockets-fixture.ts'

const TO: Address = { host: '198.51.100.7', port: 7441 }

function search(room?: number) {
  const clock = new FakeClock()
  const sockets = new FakeSockets(room)
  const taken: string[] = []
  let probes = 0
  const searching = new SearchSockets<FakeSocket>({
    ...{ clock, to: TO, open: sockets.open },
    probe: () => Uint8Array.of(PAIR_KIND, probes++ & 255),
    take: (datagram, from, socket) => taken.push(`${datagram[1]} from ${from.port} at ${socket.local.port}`),
  })
  return { clock, sockets, taken, searching, made: () => probes }
}

test('opens its sockets in batches, and each sends one probe of its own', async () => {
  const { clock, sockets, searching, made } = search()
  assert.is(sockets.alive.size, SOCKETS_AT_ONCE)
  await clock.advance(SOCKETS_EVERY_MS)
  assert.is(sockets.alive.size, 2 * SOCKETS_AT_ONCE)
  await clock.advance(60_000)
  assert.is(sockets.alive.size, SEARCH_SOCKETS)
  assert.is(made(), SEARCH_SOCKETS)
  for (const { sent } of sockets.alive)
    assert.equal(
      sent.map(({ to }) => to),
      [TO],
    )
  assert.is(clock.pendingTimers, 0)
  await searching.close()
  assert.is(sockets.alive.size, 0)
})

test('what arrives is handed over with its socket; one that was taken out is not closed', async () => {
  const { clock, sockets, taken, searching } = search()
  await clock.advance(1_000)
  const [first, second] = sockets.alive
  if (first === undefined || second === undefined) throw new Error('there are sockets')
  second.arrive(Uint8Array.of(PAIR_KIND, 9), TO)
  assert.equal(taken, [`9 from 7441 at ${second.local.port}`])
  assert.is(searching.takeOut(second), true)
  assert.is(searching.takeOut(second), false)
  assert.is(searching.size, SEARCH_SOCKETS - 1)
  await searching.close()
  await searching.close()
  assert.equal([...sockets.alive], [second])
  assert.is(searching.takeOut(first), false)
})

test('fewer have to do when the system gives no more', async () => {
  const { clock, sockets, searching } = search(40)
  await clock.advance(1_000)
  assert.is(sockets.alive.size, 40)
  assert.is(sockets.refused, 1, 'nobody asks again')
  await searching.close()
  assert.is(sockets.alive.size, 0)
})

test('closed on the way it opens no more', async () => {
  const { clock, sockets, searching } = search()
  await clock.advance(SOCKETS_EVERY_MS)
  await searching.close()
  await clock.advance(1_000)
  assert.is(sockets.alive.size, 0)
  assert.is(sockets.opened, 2 * SOCKETS_AT_ONCE)
  assert.is(clock.pendingTimers, 0)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import type { Address } from './address.ts'
import type { Punch } from './datagram-body.ts'
import { createIdentity } from './identity.ts'
import type { NatKind } from './nat.ts'
import { Peer } from './peer.ts'
import { SEARCH_LIMIT_MS, SEARCH_SOCKETS, SPRAY_PROBES } from './port-search.ts'
import { FreshnessSource } from './replay.ts'
import { type FakeSocket, FakeSockets } from './search-sockets-fixture.ts'
import { PROBES_MAX, PROBES_WITHIN_MS, StoragePortSearches } from './storage-port-searches.ts'

const CAMERA: Address = { host: '203.0.113.20', port: 7441 }

function storage() {
  const clock = new FakeClock()
  const sockets = new FakeSockets()
  const sprayed: Address[] = []
  const heard: FakeSocket[] = []
  const searches = new StoragePortSearches<FakeSocket>({
    ...{ clock, random: seededRandom(3), open: sockets.open },
    send: (_, to) => sprayed.push(to),
    take: (_, __, socket) => heard.push(socket),
  })
  const own = createIdentity()
  const newPeer = () => new Peer(own, createIdentity().publicKey, new FreshnessSource(1))
  return { clock, sockets, sprayed, heard, searches, newPeer, peer: newPeer() }
}

let requests = 0

function request(nat: NatKind, seen: Address | undefined = CAMERA): Punch {
  requests += 1
  const tx = requests.toString(16).padStart(16, '0')
  const punch: Punch = { type: 'punch', tx, candidates: [], nat, search: true }
  return seen === undefined ? punch : { ...punch, seen }
}

test('sprays the host where the server sees the camera, and nothing else', async () => {
  const { clock, sockets, sprayed, searches, peer } = storage()
  assert.is(searches.request(peer, request('symmetric', { ...CAMERA, port: 9 }), 'cone', CAMERA), 'running')
  await clock.advance(60_000)
  assert.is(sprayed.length, SPRAY_PROBES)
  assert.equal([...new Set(sprayed.map(({ host }) => host))], [CAMERA.host])
  assert.is(sockets.opened, 0)
  assert.is(clock.pendingTimers, 0)
})

test('no search where it is of no use, or where server and camera do not agree on who asks', async () => {
  const { clock, sockets, sprayed, searches, peer } = storage()
  const victim = { host: '192.0.2.66', port: 7441 }
  const rows: [NatKind, NatKind | undefined, Address | undefined, Address | undefined][] = [
    ['cone', 'cone', CAMERA, CAMERA],
    ['symmetric', 'symmetric', CAMERA, CAMERA],
    ['symmetric', 'unknown', CAMERA, CAMERA],
    ['symmetric', undefined, CAMERA, CAMERA],
    ['unknown', 'symmetric', CAMERA, CAMERA],
    ['symmetric', 'cone', CAMERA, undefined],
    ['symmetric', 'cone', undefined, CAMERA],
    // The request itself is authentic, and was sent on by somebody else under another address.
    ['symmetric', 'cone', CAMERA, victim],
    ['cone', 'symmetric', CAMERA, victim],
  ]
  for (const [nat, own, seen, from] of rows) {
    const punch = request(nat, seen)
    const { seen: _, ...blind } = punch
    assert.is(
      searches.request(peer, seen === undefined ? blind : punch, own, from),
      'no',
      `${nat} ${own} ${from?.host}`,
    )
  }
  await clock.advance(60_000)
  assert.equal([sprayed.length, sockets.opened], [0, 0])
})

test('opens sockets towards the camera, keeps the one that carries a channel, and closes it after its last stream', async () => {
  const { clock, sockets, searches, peer } = storage()
  assert.is(searches.request(peer, request('cone'), 'symmetric', CAMERA), 'running')
  await clock.advance(1_000)
  assert.is(sockets.alive.size, SEARCH_SOCKETS)
  for (const { sent } of sockets.alive)
    assert.equal(
      sent.map(({ to }) => to),
      [CAMERA],
    )
  const [hit] = sockets.alive
  if (hit === undefined) throw new Error('there are sockets')
  searches.keep(hit)
  searches.keep(hit)
  await clock.advance(60_000)
  assert.equal([...sockets.alive], [hit])
  hit.becomeIdle()
  await clock.advance(1_000)
  assert.is(sockets.alive.size, 0)
  assert.is(clock.pendingTimers, 0)
})

test('in vain it is over in time', async () => {
  const { clock, sockets, searches, peer } = storage()
  searches.request(peer, request('cone'), 'symmetric', CAMERA)
  await clock.advance(SEARCH_LIMIT_MS - 1)
  assert.is(sockets.alive.size, SEARCH_SOCKETS)
  await clock.advance(1)
  assert.is(sockets.alive.size, 0)
  assert.is(clock.pendingTimers, 0)
})

test('a probe of that camera from there ends the spray, one of another attempt or place does not', async () => {
  const { clock, sprayed, searches, peer, newPeer } = storage()
  const punch = request('symmetric')
  searches.request(peer, punch, 'cone', CAMERA)
  const hit = { ...CAMERA, port: 51_234 }
  searches.heard(newPeer(), punch.tx, hit)
  searches.heard(peer, 'ffffffffffffffff', hit)
  searches.heard(peer, punch.tx, { host: '192.168.1.20', port: 7441 })
  await clock.advance(1_000)
  assert.ok(sprayed.length > 100)
  const { length } = sprayed
  searches.heard(peer, punch.tx, hit)
  await clock.advance(60_000)
  assert.is(sprayed.length, length)
  assert.is(clock.pendingTimers, 0)
})

test('one search at a time for all cameras; what is asked twice is done once', async () => {
  const { clock, sockets, searches, peer, newPeer } = storage()
  const [punch, other] = [request('cone'), newPeer()]
  assert.is(searches.request(peer, punch, 'symmetric', CAMERA), 'running')
  assert.is(searches.request(peer, punch, 'symmetric', CAMERA), 'running')
  assert.is(searches.request(other, request('cone'), 'symmetric', CAMERA), 'busy')
  await clock.advance(1_000)
  assert.is(sockets.opened, SEARCH_SOCKETS)
  const again = request('cone')
  assert.is(searches.request(peer, again, 'symmetric', CAMERA), 'running', 'its camera begins anew')
  await clock.advance(1_000)
  assert.is(sockets.alive.size, SEARCH_SOCKETS)
  await clock.advance(SEARCH_LIMIT_MS)
  assert.is(searches.request(peer, again, 'symmetric', CAMERA), 'running')
  await clock.advance(1_000)
  assert.is(sockets.alive.size, 0, 'a request that comes late begins nothing')
  assert.is(searches.request(other, request('cone'), 'symmetric', CAMERA), 'running')
  await searches.close()
  assert.is(sockets.alive.size, 0)
})

test('a camera that asks again and again has its share and no more, whatever it says', async () => {
  const { clock, sprayed, searches, peer, newPeer } = storage()
  for (let count = 0; count < 100; count++) {
    searches.request(peer, request('symmetric'), 'cone', CAMERA)
    await clock.advance(2_000)
  }
  assert.ok(sprayed.length >= PROBES_MAX && sprayed.length < PROBES_MAX + SPRAY_PROBES, `${sprayed.length}`)
  assert.is(searches.request(newPeer(), request('symmetric'), 'cone', CAMERA), 'running', 'the others have theirs')
  await clock.advance(PROBES_WITHIN_MS)
  assert.is(searches.request(peer, request('symmetric'), 'cone', CAMERA), 'running')
  await searches.close()
})

test('a camera that is forgotten, and the end of it all, end a search and its sockets', async () => {
  const { clock, sockets, searches, peer } = storage()
  searches.request(peer, request('cone'), 'symmetric', CAMERA)
  await clock.advance(1_000)
  searches.forget(peer)
  await clock.advance(1)
  assert.is(sockets.alive.size, 0)
  searches.request(peer, request('cone'), 'symmetric', CAMERA)
  await clock.advance(1_000)
  const [hit] = sockets.alive
  if (hit !== undefined) searches.keep(hit)
  const closed = searches.close()
  await clock.advance(1_000)
  await closed
  assert.is(sockets.alive.size, 0, 'also one that is kept')
  assert.is(searches.request(peer, request('cone'), 'symmetric', CAMERA), 'busy')
  assert.is(clock.pendingTimers, 0)
})

test.run()

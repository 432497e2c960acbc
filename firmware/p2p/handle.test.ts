import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import { HANDLE_MAX_BYTES } from '../wire/signal.ts'
import { HANDLE_LIFE_MS, Handles } from './handle.ts'
import { decodeOrigin, encodeOrigin, type Origin, sameOrigin, udpOrigin } from './origin.ts'

const origins: readonly Origin[] = [
  udpOrigin({ host: '198.51.100.7', port: 40_000 }),
  udpOrigin({ host: '2001:db8:ffff:ffff:ffff:ffff:ffff:fffe', port: 65_535 }),
  { transport: 'tls', address: { host: '192.0.2.1', port: 1 }, connection: 2 ** 40 },
]

test('a handle leads back to where the carry came from, with its nonce and length, while it is fresh', async () => {
  const clock = new FakeClock()
  const random = seededRandom(1)
  const handles = new Handles(clock, random)
  const [nonce, uid] = [random.bytes(16), random.bytes(32)]
  for (const origin of origins) {
    const handle = handles.issue(origin, nonce, 897, uid)
    assert.ok(handle.byteLength <= HANDLE_MAX_BYTES)
    const handled = handles.open(handle, uid)
    assert.equal([...(handled?.nonce ?? [])], [...nonce])
    assert.is(handled?.bytes, 897)
    assert.equal(handled?.to, decodeOrigin(encodeOrigin(origin)))
    await clock.advance(HANDLE_LIFE_MS)
    assert.ok(handles.open(handle, uid))
    await clock.advance(1)
    assert.is(handles.open(handle, uid), undefined)
  }
})

test('another storage device, another process, another bit, another length: no handle', () => {
  const clock = new FakeClock()
  const random = seededRandom(2)
  const handles = new Handles(clock, random)
  const uid = random.bytes(32)
  const handle = handles.issue(origins[0] as Origin, random.bytes(16), 897, uid)
  assert.is(handles.open(handle, random.bytes(32)), undefined)
  assert.is(new Handles(clock, random).open(handle, uid), undefined)
  for (let at = 0; at < handle.byteLength; at++) {
    const changed = new Uint8Array(handle)
    changed[at] = (changed[at] ?? 0) ^ 1
    assert.is(handles.open(changed, uid), undefined, `byte ${at}`)
    assert.is(handles.open(handle.subarray(0, at), uid), undefined, `${at} bytes`)
  }
})

test('origins are told apart, and of a TLS connection only its number is told', () => {
  for (const [index, one] of origins.entries()) {
    for (const [other, two] of origins.entries()) assert.is(sameOrigin(one, two), index === other)
  }
  assert.equal(decodeOrigin(encodeOrigin(origins[2] as Origin)), { transport: 'tls', connection: 2 ** 40 })
  assert.is(decodeOrigin(new Uint8Array(0)), undefined)
  assert.is(decodeOrigin(Uint8Array.of(1, 2)), undefined)
  assert.is(decodeOrigin(Uint8Array.of(9, 1, 2, 3, 4, 5, 6)), undefined)
})

test.run()

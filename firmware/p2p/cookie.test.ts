import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import { COOKIE_BYTES } from '../wire/signal.ts'
import { COOKIE_LIFE_MS, Cookies } from './cookie.ts'
import { udpOrigin } from './origin.ts'

const plain = { host: '198.51.100.1', port: 40_000 }
const address = udpOrigin(plain)

test('a cookie says when it was issued, for its address, until it is old', async () => {
  const clock = new FakeClock()
  const cookies = new Cookies(clock, seededRandom(1))
  await clock.advance(1234)
  const cookie = cookies.issue(address)
  assert.is(cookie.byteLength, COOKIE_BYTES)
  await clock.advance(COOKIE_LIFE_MS)
  assert.is(cookies.issuedMs(cookie, address), 1234)
  await clock.advance(1)
  assert.is(cookies.issuedMs(cookie, address), undefined)
})

test('a TLS connection has its own, whatever address it comes from', () => {
  const cookies = new Cookies(new FakeClock(), seededRandom(1))
  const first = { transport: 'tls', address: plain, connection: 1 } as const
  const cookie = cookies.issue(first)
  assert.is(cookies.issuedMs(cookie, { ...first, address: { host: '192.0.2.9', port: 1 } }), 0)
  assert.is(cookies.issuedMs(cookie, { ...first, connection: 2 }), undefined)
  assert.is(cookies.issuedMs(cookie, address), undefined)
})

test('another port, another host, another family, another process, another bit: no cookie', () => {
  const clock = new FakeClock()
  const cookies = new Cookies(clock, seededRandom(1))
  const cookie = cookies.issue(address)
  assert.is(cookies.issuedMs(cookie, udpOrigin({ ...plain, port: 40_001 })), undefined)
  assert.is(cookies.issuedMs(cookie, udpOrigin({ ...plain, host: '198.51.100.2' })), undefined)
  assert.is(cookies.issuedMs(cookie, udpOrigin({ ...plain, host: '2001:db8::1' })), undefined)
  assert.is(new Cookies(clock, seededRandom(2)).issuedMs(cookie, address), undefined)
  for (let at = 0; at < COOKIE_BYTES; at++) {
    const changed = cookie.slice()
    changed[at] = (changed[at] ?? 0) ^ 0x80
    assert.is(cookies.issuedMs(changed, address), undefined, `byte ${at}`)
  }
})

test.run()

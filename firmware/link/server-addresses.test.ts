import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { RESOLVE_TIMEOUT_MS, resolveWithSystem, ServerAddresses } from './server-addresses.ts'

const server = { host: 'p2p.example', port: 7440, key: new Uint8Array(32) }
const open = () => new AbortController().signal

test('all addresses of a name, in canonical form', async () => {
  const clock = new FakeClock()
  const addresses = new ServerAddresses(server, clock, {
    resolve: async () => ['192.0.2.1', '2001:DB8::1', '::ffff:192.0.2.2', 'fe80::1%eth0'],
  })
  assert.equal(await addresses.current(open()), [
    { host: '192.0.2.1', port: 7440 },
    { host: '2001:db8::1', port: 7440 },
    { host: '192.0.2.2', port: 7440 },
  ])
  assert.is(clock.pendingTimers, 0)
  assert.is(addresses.name, 'p2p.example:7440')
})

test('a name without an address is an error, until there was one', async () => {
  const clock = new FakeClock()
  let answers: string[] | Error = new Error('ENOTFOUND')
  const addresses = new ServerAddresses(server, clock, {
    resolve: async () => {
      if (answers instanceof Error) throw answers
      return answers
    },
  })
  assert.is(await codeOf(addresses.current(open())), 'SERVER_UNREACHABLE')
  answers = []
  assert.is(await codeOf(addresses.current(open())), 'SERVER_UNREACHABLE')
  answers = ['192.0.2.1']
  const known = await addresses.current(open())
  answers = new Error('EAI_AGAIN')
  assert.equal(await addresses.current(open()), known)
  answers = ['192.0.2.9']
  assert.equal(await addresses.current(open()), [{ host: '192.0.2.9', port: 7440 }])
})

test('a resolver that hangs is waited for once at a time, and not for ever', async () => {
  const clock = new FakeClock()
  let asked = 0
  const addresses = new ServerAddresses(server, clock, {
    resolve: () => {
      asked++
      return new Promise(() => {})
    },
  })
  const results = [codeOf(addresses.current(open())), codeOf(addresses.current(open()))]
  await clock.advance(RESOLVE_TIMEOUT_MS)
  assert.equal(await Promise.all(results), ['SERVER_UNREACHABLE', 'SERVER_UNREACHABLE'])
  const stop = new AbortController()
  const cancelled = codeOf(addresses.current(stop.signal))
  stop.abort()
  assert.is(await cancelled, 'CANCELLED')
  assert.is(await codeOf(addresses.current(AbortSignal.abort())), 'CANCELLED')
  assert.is(asked, 1)
  assert.is(clock.pendingTimers, 0)
})

test('by TLS: three ports above, or what the server said, or before both what was set by hand', async () => {
  const clock = new FakeClock()
  const resolve = async (host: string) => (host === 'p2p.example' ? ['192.0.2.1', '2001:db8::1'] : ['192.0.2.99'])
  const ports = async (addresses: ServerAddresses) => (await addresses.currentTls(open())).map(({ port }) => port)
  const plain = new ServerAddresses(server, clock, { resolve })
  assert.equal(await plain.currentTls(open()), [
    { host: '192.0.2.1', port: 7443 },
    { host: '2001:db8::1', port: 7443 },
  ])
  plain.learnTlsPort(443)
  assert.equal(await ports(plain), [443, 443])
  assert.is((await plain.current(open()))[0]?.port, 7440)

  const otherPort = new ServerAddresses(server, clock, { resolve, tls: { host: 'p2p.example', port: 8443 } })
  otherPort.learnTlsPort(443)
  assert.equal(await ports(otherPort), [8443, 8443])
  const otherHost = new ServerAddresses(server, clock, { resolve, tls: { host: 'tls.example', port: 443 } })
  assert.equal(await otherHost.currentTls(open()), [{ host: '192.0.2.99', port: 443 }])
  otherHost.learnTlsPort(8443)
  assert.equal(
    (await otherHost.currentSecond(open())).map(({ host, port }) => `${host}:${port}`),
    ['192.0.2.1:8443', '2001:db8::1:8443'],
    'its second UDP port is its own, wherever it is reached by TLS',
  )
  const at = { host: '192.0.2.7', port: 7440 }
  assert.equal(await plain.currentTlsAt(at, open()), { host: '192.0.2.7', port: 443 }, 'one of several of that name')
  assert.equal(await otherHost.currentTlsAt(at, open()), { host: '192.0.2.99', port: 443 })

  const highest = new ServerAddresses({ ...server, port: 65_535 }, clock, { resolve })
  assert.equal(await highest.currentTls(open()), [])
})

test('the system resolves literals to themselves and knows localhost', async () => {
  assert.equal(await resolveWithSystem('192.0.2.1'), ['192.0.2.1'])
  assert.equal(await resolveWithSystem('2001:db8::1'), ['2001:db8::1'])
  assert.ok((await resolveWithSystem('localhost')).some((host) => host === '127.0.0.1' || host === '::1'))
})

test.run()

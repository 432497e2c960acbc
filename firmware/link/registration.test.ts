/** Against a server that misbehaves; the real one answers in p2p/server.test.ts. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import type { SignalMessage } from '../wire/signal.ts'
import { encodeAddress } from './address.ts'
import { SIGNAL_KIND } from './datagram-port.ts'
import { FakeNetwork } from './datagram-port-fake.ts'
import { createIdentity } from './identity.ts'
import { packTags, REFRESH_MAX_MS, RETRY_LONGEST_MS, Registration, retryPauseMs, STABLE_MS } from './registration.ts'
import { ServerAddresses } from './server-addresses.ts'
import { readSignalDatagram, SignalPort, signalDatagram } from './signal-port.ts'
import { signAnswer } from './signal-proof.ts'
import type { SignalLine, SignalListener } from './signals.ts'

const SERVER = { host: '203.0.113.1', port: 7440 }
const STORAGE = { host: '198.51.100.9', port: 40_009 }

/** `tls`: there is a second way, too, by lines to the same server. */
function scene({ tls = false } = {}) {
  const clock = new FakeClock()
  const random = seededRandom(5)
  const network = new FakeNetwork(clock, seededRandom(6))
  const server = createIdentity(random.bytes(32))
  const serverPort = network.open(SERVER)
  const requests: SignalMessage[] = []
  const script = { answer: (_: SignalMessage): SignalMessage | undefined => undefined }
  serverPort.listen(SIGNAL_KIND, (datagram, from) => {
    const request = readSignalDatagram(datagram)
    if (request === undefined) return
    requests.push(request)
    const answer = script.answer(request)
    if (answer !== undefined) serverPort.send(signalDatagram(answer), from)
  })
  const port = network.open(STORAGE)
  const hooks = { afterAnswer: () => {} }
  const signals = new SignalPort({
    local: STORAGE,
    send: (message, to) => port.send(message, to),
    listen: (kind, handler) =>
      port.listen(kind, (message, from) => {
        handler(message, from)
        hooks.afterAnswer()
      }),
  })
  const lines: SignalMessage[][] = []
  const dial = async (): Promise<SignalLine> => {
    const sent: SignalMessage[] = []
    lines.push(sent)
    const listeners = new Set<SignalListener>()
    return {
      address: SERVER,
      send: (message) => {
        sent.push(message)
        const answer = script.answer(message)
        if (answer !== undefined) clock.after(1, () => [...listeners].some((listener) => listener(answer, SERVER)))
      },
      listen: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      onClose: () => {},
      close: async () => {},
    }
  }
  const registration = new Registration({
    identity: createIdentity(random.bytes(32)),
    signals,
    server: new ServerAddresses({ ...SERVER, key: server.publicKey }, clock),
    tags: () => [new Uint8Array(16)],
    candidates: () => [],
    dial: tls ? dial : undefined,
    clock,
    random,
  })
  const challenge = (request: SignalMessage): SignalMessage => ({
    t: 'challenge',
    nonce: request.nonce,
    cookie: random.bytes(22),
    key: server.publicKey,
  })
  const confirm = (request: SignalMessage): SignalMessage => {
    const observed = encodeAddress(STORAGE)
    const common = { ttlMs: 75_000, observed, cookie: random.bytes(22) }
    return signAnswer(
      server,
      request.nonce,
      request.t === 'keep' ? { t: 'kept', ...common } : { t: 'registered', part: 0, ...common },
    )
  }
  const answer = (request: SignalMessage) => (request.t === 'register-hello' ? challenge(request) : confirm(request))
  return { clock, network, requests, lines, script, registration, challenge, confirm, answer, hooks }
}

test('a server that challenges for ever is not followed round and round', async () => {
  const { clock, requests, script, registration, challenge } = scene()
  script.answer = challenge
  registration.start()
  await clock.advance(0)
  await clock.advance(500)
  assert.is(requests.length, 6, 'a hello and five registrations')
  assert.is(registration.status().state, 'waiting')
  await registration.close()
  assert.is(clock.pendingTimers, 0)
})

test('a confirmation of another kind than the request counts for nothing', async () => {
  const { clock, script, registration, challenge, confirm } = scene()
  script.answer = (request) =>
    request.t === 'register-hello' ? challenge(request) : confirm({ ...request, t: 'keep' } as SignalMessage)
  registration.start()
  await clock.advance(0)
  await clock.advance(5_000)
  assert.is(registration.status().state, 'contacting')
  await registration.close()
})

test('each refresh carries the cookie of the answer before', async () => {
  const { clock, requests, script, registration, challenge, confirm } = scene()
  script.answer = (request) => (request.t === 'register-hello' ? challenge(request) : confirm(request))
  registration.start()
  await clock.advance(0)
  await clock.advance(4 * REFRESH_MAX_MS)
  const cookies = requests.flatMap((request) =>
    'cookie' in request && request.cookie !== undefined ? [request.cookie.join()] : [],
  )
  assert.ok(cookies.length >= 5)
  assert.is(new Set(cookies).size, cookies.length)
  await registration.close()
})

test('a change while a registration is under way is registered after it', async () => {
  const { clock, requests, script, registration, challenge, confirm } = scene()
  let changes = 0
  script.answer = (request) => {
    if (request.t === 'register' && changes++ === 0) registration.refresh()
    return request.t === 'register-hello' ? challenge(request) : confirm(request)
  }
  registration.start()
  await clock.advance(0)
  await clock.advance(100)
  assert.is(requests.filter(({ t }) => t === 'register').length, 2)
  await registration.close()
})

test('in doubt it asks at once, and registers anew with a server that knows it no more', async () => {
  const { clock, requests, script, registration, challenge, confirm, answer } = scene()
  script.answer = answer
  registration.doubt()
  registration.start()
  await clock.advance(0)
  await clock.advance(1_000)
  requests.length = 0
  registration.doubt()
  await clock.advance(10)
  assert.equal(
    requests.map(({ t }) => t),
    ['keep'],
  )
  // Our router forgot us: the server sees another address, which is not proven.
  script.answer = (request) => (request.t === 'keep' ? challenge(request) : confirm(request))
  registration.doubt()
  await clock.advance(10)
  assert.equal(
    requests.map(({ t }) => t),
    ['keep', 'keep', 'register'],
  )
  assert.is(registration.status().state, 'registered')
  await registration.close()
})

test('in doubt it goes over to TLS within a second, and back to UDP as soon as that is there', async () => {
  const { clock, network, lines, script, registration, answer } = scene({ tls: true })
  const transport = () => {
    const status = registration.status()
    return status.state === 'registered' ? status.transport : status.state
  }
  script.answer = answer
  registration.start()
  await clock.advance(0)
  await clock.advance(1_000)
  assert.is(transport(), 'udp')
  network.blocked = () => true
  registration.doubt()
  await clock.advance(700)
  assert.is(transport(), 'tls')
  await clock.advance(4_000)
  assert.is(transport(), 'tls')
  network.blocked = () => false
  await clock.advance(4_000)
  assert.is(transport(), 'udp')
  assert.is(lines.length, 1)
  await registration.close()
  assert.is(clock.pendingTimers, 0)
})

test('a TLS line that is silent in doubt is replaced at once when it held for long, after a pause otherwise', async () => {
  for (const [heldMs, notBeforeMs, withinMs] of [
    [STABLE_MS, 590, 700],
    [1_000, 1_300, 2_000],
  ] as const) {
    const { clock, network, lines, script, registration, answer } = scene({ tls: true })
    script.answer = answer
    network.blocked = () => true
    registration.start()
    await clock.advance(0)
    await clock.advance(2_100)
    assert.is(lines.length, 1)
    await clock.advance(heldMs)
    script.answer = () => undefined
    registration.doubt()
    await clock.advance(590)
    script.answer = answer
    await clock.advance(notBeforeMs - 590)
    assert.is(lines.length, 1)
    await clock.advance(withinMs - notBeforeMs)
    assert.is(lines.length, 2, `held for ${heldMs} ms`)
    assert.is(registration.status().state, 'registered')
    await registration.close()
  }
})

test('it can be closed at any moment, and leaves no timer', async () => {
  for (const atMs of [0, 1, 2, 3, 4, 100, 5_000, 8_500, REFRESH_MAX_MS + 1]) {
    const { clock, script, registration, challenge, confirm } = scene()
    script.answer = (request) => (request.t === 'register-hello' ? challenge(request) : confirm(request))
    if (atMs > 5) script.answer = () => undefined
    registration.start()
    await clock.advance(0)
    await clock.advance(atMs)
    await registration.close()
    await clock.advance(5)
    assert.is(clock.pendingTimers, 0, `closed after ${atMs} ms`)
    assert.is(registration.status().state, 'stopped')
  }
})

test('it can be closed in the very moment in which it is confirmed', async () => {
  const { clock, script, registration, challenge, confirm, hooks } = scene()
  script.answer = (request) => (request.t === 'register-hello' ? challenge(request) : confirm(request))
  let answers = 0
  let closed: Promise<void> | undefined
  hooks.afterAnswer = () => {
    if (++answers === 2) closed = registration.close()
  }
  registration.start()
  await clock.advance(0)
  await clock.advance(10)
  assert.is(answers, 2)
  assert.is(clock.pendingTimers, 0)
  await closed
})

test('never started is closed at once', async () => {
  await scene().registration.close()
})

test('pauses double up to the longest and differ between devices', () => {
  const random = seededRandom(1)
  const pauses = [1, 2, 3, 4, 5, 6, 20, 1000].map((failures) => retryPauseMs(failures, random))
  assert.ok(
    pauses.every((ms, index) => ms <= RETRY_LONGEST_MS && ms > 0.7 * Math.min(RETRY_LONGEST_MS, 1000 * 2 ** index)),
  )
  assert.not.equal(retryPauseMs(9, seededRandom(1)), retryPauseMs(9, seededRandom(2)))
})

test('tags go in parts of forty, at least one part', () => {
  const tags = (count: number) => Array.from({ length: count }, (_, index) => new Uint8Array(16).fill(index))
  const sizes = (count: number) => packTags(tags(count)).map((part) => part.byteLength / 16)
  assert.equal(sizes(0), [0])
  assert.equal(sizes(40), [40])
  assert.equal(sizes(41), [40, 1])
  assert.equal(sizes(64), [40, 24])
})

test.run()

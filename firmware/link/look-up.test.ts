/** Against a server that lies; the real one answers in p2p/server.test.ts. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import { isHomewardError } from '../wire/errors.ts'
import type { AnswerBody, SignalOf } from '../wire/signal.ts'
import { encodeAddress } from './address.ts'
import { SIGNAL_KIND } from './datagram-port.ts'
import { FakeNetwork } from './datagram-port-fake.ts'
import { createIdentity, type Identity } from './identity.ts'
import { type Located, lookUp } from './look-up.ts'
import { ServerAddresses } from './server-addresses.ts'
import { readSignalDatagram, SignalPort, signalDatagram } from './signal-port.ts'
import { signAnswer, signStatement } from './signal-proof.ts'

const SERVER = { host: '203.0.113.1', port: 7440 }
const OTHER_PORT = 8440
const SEEN = { host: '198.51.100.9', port: 40_009 }

interface Scene {
  readonly server: Identity
  readonly storage: Identity
  readonly stranger: Identity
  readonly found: (signer: Identity, serial?: number) => AnswerBody
}

/** What a camera makes of the answers that `answer` gives to its look-up. */
async function ask(answer: (scene: Scene, request: SignalOf<'look-up'>, port: number) => SignalOf<'signed'>[]) {
  const clock = new FakeClock()
  const random = seededRandom(3)
  const network = new FakeNetwork(clock, seededRandom(4))
  const [server, storage, stranger] = [1, 2, 3].map(() => createIdentity(random.bytes(32))) as [
    Identity,
    Identity,
    Identity,
  ]
  const found = (signer: Identity, serial = 1): AnswerBody => {
    const terms = { cookie: new Uint8Array(22), part: 0, parts: 1, tags: new Uint8Array(16) }
    const signed = signStatement(signer, server.publicKey, { serial, candidates: [SEEN] }, terms)
    return { t: 'found', ...signed, storage: encodeAddress(SEEN), asker: encodeAddress(SEEN) }
  }
  const asked: number[] = []
  for (const port of [SERVER.port, OTHER_PORT]) {
    const serverPort = network.open({ ...SERVER, port })
    serverPort.listen(SIGNAL_KIND, (datagram, from) => {
      const request = readSignalDatagram(datagram)
      if (request?.t !== 'look-up') return
      asked.push(port)
      for (const message of answer({ server, storage, stranger, found }, request, port)) {
        serverPort.send(signalDatagram(message), from)
      }
    })
  }
  const signals = new SignalPort(network.open({ host: '192.168.1.9', port: 7442 }))
  const servers = new ServerAddresses({ ...SERVER, key: server.publicKey }, clock)
  const signal = new AbortController().signal
  const options = { signals, server: servers, storage: storage.publicKey, tag: new Uint8Array(16) }
  let result: Located | undefined
  const work = lookUp({ ...options, clock, random, signal }).then(
    (located) => {
      result = located
    },
    (error) => assert.ok(isHomewardError(error, 'SERVER_UNREACHABLE')),
  )
  for (let step = 0; step < 60; step++) await clock.advance(100)
  await work
  signals.close()
  assert.is(clock.pendingTimers, 0)
  const [overTls] = await servers.currentTls(signal)
  return { result, counters: signals.counters, tlsPort: overTls?.port, asked, key: server.publicKey }
}

test('an honest answer is taken', async () => {
  const { result } = await ask(({ server, storage, found }, { nonce }) => [signAnswer(server, nonce, found(storage))])
  const { at, ...located } = result ?? {}
  assert.equal(located, { candidates: [SEEN], serial: 1, observed: SEEN, self: SEEN, server: SERVER })
  assert.equal([at?.server.host, at?.server.port], [SERVER.host, SERVER.port])
})

test('a device that is registered over TLS has no address to send to, and the server names its TLS port', async () => {
  const { result, tlsPort } = await ask(({ server, storage, found }, { nonce }) => [
    signAnswer(server, nonce, { ...found(storage), storage: new Uint8Array(0), tls: 443 } as AnswerBody),
  ])
  assert.is(result?.observed, undefined)
  assert.equal(result?.self, SEEN)
  assert.is(tlsPort, 443)
})

test('an observed address that is none: not taken', async () => {
  const { result } = await ask(({ server, storage, found }, { nonce }) => [
    signAnswer(server, nonce, { ...found(storage), storage: encodeAddress(SEEN).subarray(1) } as AnswerBody),
  ])
  assert.is(result, undefined)
})

test('the pinned server names another device: not taken', async () => {
  const { result, counters } = await ask(({ server, stranger, found }, { nonce }) => [
    signAnswer(server, nonce, found(stranger)),
  ])
  assert.is(result, undefined)
  assert.ok(counters.unexpected > 0)
})

test('somebody else answers for the server: not taken', async () => {
  const { result } = await ask(({ storage, stranger, found }, { nonce }) => [
    signAnswer(stranger, nonce, found(storage)),
  ])
  assert.is(result, undefined)
})

test('an answer to another request: not taken', async () => {
  const { result } = await ask(({ server, storage, found }) => [signAnswer(server, new Uint8Array(16), found(storage))])
  assert.is(result, undefined)
})

test('another kind of answer: not taken, and the right one after it is', async () => {
  const { result } = await ask(({ server, storage, stranger, found }, { nonce }) => [
    signAnswer(server, nonce, { t: 'refused', reason: 'server-full' }),
    signAnswer(stranger, nonce, found(storage, 7)),
    signAnswer(server, nonce, found(storage, 8)),
  ])
  assert.is(result?.serial, 8)
})

test('a server that names another: asked there, as far as two in a row, and only when the pinned key says so', async () => {
  const elsewhere = (port: number) => ({ t: 'elsewhere', host: SERVER.host, port, tls: 443 }) as const
  const there = await ask(({ server, storage, found }, { nonce }, port) => [
    signAnswer(server, nonce, port === SERVER.port ? elsewhere(OTHER_PORT) : found(storage)),
  ])
  assert.equal(there.result?.server, { host: SERVER.host, port: OTHER_PORT })
  assert.equal(there.result?.at.server, { ...SERVER, port: OTHER_PORT, key: there.key })
  assert.equal(there.asked, [SERVER.port, OTHER_PORT])

  const round = await ask(({ server }, { nonce }, port) => [
    signAnswer(server, nonce, elsewhere(port === SERVER.port ? OTHER_PORT : SERVER.port)),
  ])
  assert.is(round.result, undefined)
  assert.equal(round.asked, [SERVER.port, OTHER_PORT, SERVER.port])

  const lied = await ask(({ stranger, storage, found }, { nonce }, port) => [
    signAnswer(stranger, nonce, port === SERVER.port ? elsewhere(OTHER_PORT) : found(storage)),
  ])
  assert.is(lied.result, undefined)
  assert.not.ok(lied.asked.includes(OTHER_PORT))

  const impostor = await ask(({ server, stranger, storage, found }, { nonce }, port) => [
    port === SERVER.port
      ? signAnswer(server, nonce, elsewhere(OTHER_PORT))
      : signAnswer(stranger, nonce, found(storage)),
  ])
  assert.is(impostor.result, undefined, 'the one that is named must prove the same key')
})

test.run()

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import { isHomewardError } from '../wire/errors.ts'
import { FakeNetwork } from './datagram-port-fake.ts'
import { learnServer, pinnedServer, pinServer } from './server-key.ts'
import { SignalPort } from './signal-port.ts'

const test = suite('server key', { state: '' })

test.before.each(async (context) => {
  context.state = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after.each((context) => rm(context.state, { recursive: true }))

const PLACE = { host: '192.0.2.1', port: 7440 }
const KEY = Uint8Array.from({ length: 32 }, (_, at) => at)

test('a pin holds for its own server only', async ({ state }) => {
  assert.is(await pinnedServer(state, PLACE), undefined)
  await pinServer(state, { ...PLACE, key: KEY })
  assert.equal((await pinnedServer(state, PLACE))?.key, KEY)
  assert.is(await pinnedServer(state, { ...PLACE, port: 1 }), undefined)
})

function scene() {
  const clock = new FakeClock()
  const random = seededRandom(7)
  const network = new FakeNetwork(clock, random)
  const device = network.open({ host: '192.0.2.9', port: 1000 })
  const signals = new SignalPort(device)
  const learn = () => learnServer(PLACE, { signals, clock, random, signal: new AbortController().signal })
  return { clock, random, network, learn }
}

test('the key is learned from the server that was asked, and from no other', async () => {
  const { clock, random, network, learn } = scene()
  const server = new SignalPort(network.open(PLACE))
  const other = new SignalPort(network.open({ host: '192.0.2.66', port: 7440 }))
  server.listen((message, from) => {
    const answer = { t: 'challenge', nonce: message.nonce, cookie: random.bytes(22) } as const
    other.send({ ...answer, key: new Uint8Array(32) }, from)
    server.send({ ...answer, nonce: new Uint8Array(16), key: new Uint8Array(32) }, from)
    server.send({ ...answer, key: KEY }, from)
    return true
  })
  const learned = learn()
  await clock.advance(2000)
  assert.equal((await learned).key, KEY)
})

test('silence is an error that names the server', async () => {
  const { clock, learn } = scene()
  const learned = learn().catch((error: unknown) => error)
  await clock.advance(20_000)
  const error = await learned
  assert.ok(isHomewardError(error, 'SERVER_UNREACHABLE'))
  assert.match(error.message, /192\.0\.2\.1:7440/)
})

test.run()

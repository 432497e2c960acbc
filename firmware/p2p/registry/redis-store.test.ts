/** What servers share in a real Redis: shared, gone, hanging, back and empty. */
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RealClock } from '../../platform/clock-real.ts'
import { codeOf } from '../../wire/error-code-fixture.ts'
import { hasRedis, RedisServer } from './redis-fixture.ts'
import { RedisStore } from './redis-store.ts'
import type { SharingState } from './registry.ts'

const test = suite('registry in Redis')
const run = hasRedis() ? test : test.skip

const clock = new RealClock()
const SERVER_KEY = 'ab'.repeat(32)
const UID = '11'.repeat(32)
const ONE = { host: '192.0.2.1', port: 7440, tls: 7443 }
const TWO = { host: '192.0.2.2', port: 7440, tls: undefined }

async function open(url: string, self: { host: string; port: number; tls: number | undefined }, more = {}) {
  const store = new RedisStore({ url, self, serverKey: SERVER_KEY, ttlMs: 75_000, clock, ...more })
  const states: SharingState[] = []
  const moved: string[] = []
  store.onState((state) => states.push(state))
  store.onMoved((uid) => moved.push(uid))
  await store.start()
  return { store, states, moved }
}

async function until(isSo: () => boolean, what: string, withinMs = 10_000): Promise<void> {
  for (const endMs = performance.now() + withinMs; !isSo(); ) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

run('what one server writes down another one finds, as long as it is so', async () => {
  const redis = await RedisServer.start()
  const [one, two] = [await open(redis.url, ONE), await open(redis.url, TWO)]
  const plain = new Redis(redis.url)
  assert.equal([one.states, two.states], [['up'], ['up']])
  // Two connections each: the second listens, and may be later.
  await until(() => one.store.state === 'up', 'up')
  await new Promise((resolve) => setTimeout(resolve, 200))

  await one.store.claim(UID, ['a', 'b'], [])
  assert.equal(await two.store.find('b'), ONE)
  assert.is(await one.store.find('b'), undefined)
  assert.is(await two.store.find('c'), undefined)
  assert.ok((await plain.pttl('homeward:at:a')) > 70_000)
  assert.is(await two.store.renew(UID, ['a', 'b']), false)
  assert.is(await one.store.renew(UID, ['a', 'b']), true)

  await one.store.claim(UID, ['b'], ['a'])
  assert.is(await two.store.find('a'), undefined)
  await two.store.claim(UID, ['b'], [])
  await until(() => one.moved.length > 0, 'told of the move')
  assert.equal(one.moved, [UID])
  assert.equal((await one.store.find('b'))?.host, TWO.host)
  assert.is(await one.store.renew(UID, ['b']), false)
  // Who does not hold it cannot let go of it.
  await one.store.release(UID, ['b'])
  assert.is(await two.store.renew(UID, ['b']), true)
  await two.store.release(UID, ['b'])
  assert.is(await one.store.find('b'), undefined)

  // Others may write there, too.
  for (const value of ['no JSON', '{}', '{"id":"x","host":"bad host","port":1}', '{"id":"x","host":"h","port":0}']) {
    await plain.set('homeward:at:z', value)
    assert.is(await one.store.find('z'), undefined, value)
  }
  plain.disconnect()
  for (const { store } of [one, two]) await store.close()
  await one.store.close()
  await redis.close()
})

run('registrations end by themselves', async () => {
  const redis = await RedisServer.start()
  const [one, two] = [await open(redis.url, ONE, { ttlMs: 300 }), await open(redis.url, TWO)]
  await one.store.claim(UID, ['a'], [])
  assert.ok(await two.store.find('a'))
  await new Promise((resolve) => setTimeout(resolve, 400))
  assert.is(await two.store.find('a'), undefined)
  assert.is(await two.store.renew(UID, ['a']), true, 'nobody holds it')
  for (const { store } of [one, two]) await store.close()
  await redis.close()
})

run('servers with another key are left alone', async () => {
  const redis = await RedisServer.start()
  const one = await open(redis.url, ONE)
  const other = await open(redis.url, TWO, { serverKey: 'cd'.repeat(32) })
  assert.is(other.store.state, 'foreign')
  assert.is(await codeOf(other.store.find('a')), 'SERVER_UNREACHABLE')
  assert.is(one.store.state, 'up')
  for (const { store } of [one, other]) await store.close()
  await redis.close()
})

run(
  'hanging, going on, gone, and back empty: each is noticed, nothing waits for long, and it works again',
  async () => {
    const redis = await RedisServer.start()
    const { store, states } = await open(redis.url, ONE)
    await store.claim(UID, ['a'], [])

    redis.hang()
    const startMs = performance.now()
    assert.is(await codeOf(store.find('a')), 'SERVER_UNREACHABLE')
    assert.ok(performance.now() - startMs < 2_000, 'the first question waits for its time')
    const againMs = performance.now()
    for (let index = 0; index < 100; index++) assert.is(await codeOf(store.find('a')), 'SERVER_UNREACHABLE')
    assert.ok(performance.now() - againMs < 200, 'and those after it do not')
    assert.is(store.state, 'failing')
    redis.goOn()
    await until(() => store.state === 'up', 'up again')
    assert.is(await store.renew(UID, ['a']), true)

    await redis.stop()
    await until(() => store.state === 'down', 'down')
    assert.is(await codeOf(store.claim(UID, ['a'], [])), 'SERVER_UNREACHABLE')
    await redis.startAgain()
    await until(() => store.state === 'up', 'up after a restart')
    assert.is(await store.renew(UID, ['a']), true, 'nobody holds it in an empty one')
    assert.equal(states.slice(-4), ['failing', 'up', 'down', 'up'])
    await store.close()
    await redis.close()
  },
)

run('a Redis that hangs for so long that the connection is given up', async () => {
  const redis = await RedisServer.start()
  const { store, states } = await open(redis.url, ONE)
  redis.hang()
  await until(() => states.includes('down'), 'the connection is given up', 12_000)
  redis.goOn()
  await until(() => store.state === 'up', 'up again')
  await store.close()
  await redis.close()
})

run('one that is not there: the server starts after a moment all the same', async () => {
  const redis = await RedisServer.start()
  await redis.stop()
  const startMs = performance.now()
  const { store } = await open(redis.url, ONE)
  assert.ok(performance.now() - startMs < 4_000)
  assert.is(store.state, 'down')
  await redis.startAgain()
  await until(() => store.state === 'up', 'up')
  await store.close()
  await redis.close()
})

test.run()

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { toHex } from '../wire/bytes.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { hashToken, TokenKeys } from './pair.ts'
import { randomBytes } from './sodium.ts'
import { TOKEN_TTL_MAX_S, TokenStore } from './tokens.ts'

const test = suite<{ dir: string; clock: FakeClock }>('tokens', { dir: '', clock: new FakeClock() })
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.clock = new FakeClock()
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

const [camera, other] = [randomBytes(32), randomBytes(32)]

const stateOf = (store: TokenStore, token: Uint8Array) => store.find(TokenKeys.of(token).shortTagHex)?.state

test('a window opens, is found by its tag, and closes by the monotonic clock', async ({ dir, clock }) => {
  const store = await TokenStore.open(dir, clock)
  const { token, window } = await store.issue({ ttlS: 60, name: 'Door' })
  assert.is(token.byteLength, 16)
  assert.is(window.tokenHash, toHex(hashToken(token)))
  assert.is(window.expiresUs - window.openedUs, 60_000_000)
  assert.is(stateOf(store, token), 'open')
  clock.setWall(clock.wallUs() + 1e15)
  assert.is(stateOf(store, token), 'open')
  clock.setWall(1)
  await clock.advance(59_999)
  assert.is(stateOf(store, token), 'open')
  await clock.advance(1)
  assert.is(stateOf(store, token), 'expired')
  assert.is(await codeOf(store.claim(window.tokenHash, camera)), 'TOKEN_EXPIRED')
  assert.is(stateOf(store, randomBytes(16)), undefined)
})

test('only a hash is kept, in a file of the owner’s', async ({ dir, clock }) => {
  const store = await TokenStore.open(dir, clock)
  const { token } = await store.issue()
  const path = join(dir, 'tokens.json')
  assert.not.match(await readFile(path, 'latin1'), toHex(token))
  assert.is((await stat(path)).mode & 0o777, 0o600)
})

test('one token, one camera; the same camera as often as it likes, after the expiry too', async ({ dir, clock }) => {
  const store = await TokenStore.open(dir, clock)
  const { token, window } = await store.issue({ ttlS: 60 })
  assert.is(await store.claim(window.tokenHash, camera), 'claimed')
  assert.is(await store.claim(window.tokenHash, camera), 'repeated')
  assert.is(await codeOf(store.claim(window.tokenHash, other)), 'TOKEN_USED')
  await clock.advance(61_000)
  assert.is(await store.claim(window.tokenHash, camera), 'repeated')
  assert.is(await codeOf(store.claim(window.tokenHash, other)), 'TOKEN_USED')
  const restarted = await TokenStore.open(dir, clock)
  assert.is(await restarted.claim(window.tokenHash, camera), 'repeated')
  assert.is(await codeOf(restarted.claim(window.tokenHash, other)), 'TOKEN_USED')
  assert.is(stateOf(restarted, token), 'used')
})

test('two cameras at the same moment: one wins', async ({ dir, clock }) => {
  const store = await TokenStore.open(dir, clock)
  const { window } = await store.issue()
  const results = await Promise.all([
    codeOf(store.claim(window.tokenHash, camera)),
    codeOf(store.claim(window.tokenHash, other)),
  ])
  assert.equal(results, ['no error', 'TOKEN_USED'])
})

test('a restart does not extend a window', async ({ dir, clock }) => {
  const { token } = await (await TokenStore.open(dir, clock)).issue({ ttlS: 60 })
  await clock.advance(40_000)
  const restarted = await TokenStore.open(dir, clock)
  assert.is(stateOf(restarted, token), 'open')
  await clock.advance(19_000)
  assert.is(stateOf(restarted, token), 'open')
  await clock.advance(1_000)
  assert.is(stateOf(restarted, token), 'expired')
  assert.is(stateOf(await TokenStore.open(dir, clock), token), 'expired')
})

test('a restart with a clock that is unset or went back closes all windows', async ({ dir, clock }) => {
  const { token } = await (await TokenStore.open(dir, clock)).issue({ ttlS: 60 })
  const wallUs = clock.wallUs()
  clock.setWall(wallUs - 1_000_000)
  assert.is(stateOf(await TokenStore.open(dir, clock), token), 'expired')
  clock.setWall(wallUs, 'none')
  assert.is(stateOf(await TokenStore.open(dir, clock), token), 'expired')
  clock.setWall(wallUs, 'rtc')
  assert.is(stateOf(await TokenStore.open(dir, clock), token), 'open')
})

test('revoking ends the way back in', async ({ dir, clock }) => {
  const store = await TokenStore.open(dir, clock)
  const [mine, theirs] = [await store.issue(), await store.issue()]
  await store.claim(mine.window.tokenHash, camera)
  await store.claim(theirs.window.tokenHash, other)
  await store.revoke(camera)
  for (const one of [store, await TokenStore.open(dir, clock)]) {
    assert.is(await codeOf(one.claim(mine.window.tokenHash, camera)), 'TOKEN_EXPIRED')
    assert.is(await one.claim(theirs.window.tokenHash, other), 'repeated')
  }
})

test('a claim that cannot be written is not made', async ({ dir, clock }) => {
  const state = join(dir, 'state')
  const store = await TokenStore.open(state, clock)
  const { token, window } = await store.issue()
  await rm(state, { recursive: true })
  await writeFile(state, 'not a folder')
  assert.is(await codeOf(store.claim(window.tokenHash, camera)), 'DISK_FAILED')
  assert.is(stateOf(store, token), 'open')
  await rm(state)
  assert.is(await store.claim(window.tokenHash, other), 'claimed')
})

test('tags stay registered while a code can be used or its answer may be lost', async ({ dir, clock }) => {
  const store = await TokenStore.open(dir, clock)
  let changes = 0
  const stop = store.onChange(() => {
    changes += 1
  })
  const { window } = await store.issue({ ttlS: 60 })
  await store.issue({ ttlS: 10 })
  assert.is(store.liveKeys().length, 2)
  await store.claim(window.tokenHash, camera)
  await clock.advance(10_000)
  assert.is(store.liveKeys().length, 1)
  await clock.advance(50_000)
  assert.is(store.liveKeys().length, 0)
  assert.is(changes, 3)
  stop()
  await store.issue()
  assert.is(changes, 3)
})

test('limits: how long, how many open, how many remembered', async ({ dir, clock }) => {
  const store = await TokenStore.open(dir, clock)
  for (const ttlS of [0, -1, 1.5, TOKEN_TTL_MAX_S + 1, Number.NaN]) {
    assert.is(await codeOf(store.issue({ ttlS })), 'USAGE', `${ttlS}`)
  }
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 32; count++) await store.issue({ ttlS: 10 })
    assert.is(await codeOf(store.issue()), 'USAGE')
    await clock.advance(10_000)
  }
  await store.issue()
  assert.is(store.list().length, 65)
  assert.is(store.list().filter(({ state }) => state === 'open').length, 1)
})

test('a damaged file is an error', async ({ dir, clock }) => {
  const hash = '00'.repeat(32)
  const bodies = [
    '{',
    '{"format":"homeward-tokens-2","windows":[]}',
    '{"format":"homeward-tokens-1"}',
    '{"format":"homeward-tokens-1","windows":[{}]}',
    `{"format":"homeward-tokens-1","windows":[{"tokenHash":"${hash}","openedUs":-1,"expiresUs":5}]}`,
    `{"format":"homeward-tokens-1","windows":[{"tokenHash":"${hash}","openedUs":1,"expiresUs":5,"usedBy":"x"}]}`,
  ]
  for (const body of bodies) {
    await writeFile(join(dir, 'tokens.json'), body)
    assert.is(await codeOf(TokenStore.open(dir, clock)), 'STATE_DAMAGED', body)
  }
})

test.run()

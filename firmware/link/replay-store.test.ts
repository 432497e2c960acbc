import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { isHomewardError } from '../wire/errors.ts'
import { ReplayStore } from './replay-store.ts'
import { randomBytes } from './sodium.ts'

const test = suite<{ dir: string; path: string; clock: FakeClock }>('replay store', {
  dir: '',
  path: '',
  clock: new FakeClock(),
})
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.path = join(context.dir, 'replay.json')
  context.clock = new FakeClock()
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

const peer = randomBytes(32)

/** File writes take real time, which a fake clock does not wait for. */
async function written(path: string): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    if (await stat(path).catch(() => undefined)) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.unreachable(`${path} was never written`)
}

test('what a peer sent is remembered across a clean restart', async ({ dir, clock }) => {
  const store = await ReplayStore.open(dir, clock)
  assert.ok(store.windowFor(peer).accept({ boot: 4, seq: 9 }))
  assert.is(store.windowFor(peer), store.windowFor(peer))
  await store.close()
  await store.close()
  assert.is(clock.pendingTimers, 0)
  const again = await ReplayStore.open(dir, clock)
  assert.equal(again.windowFor(peer).last, { boot: 4, seq: 9 })
  assert.not.ok(again.windowFor(peer).accept({ boot: 4, seq: 9 }))
  assert.ok(again.windowFor(peer).accept({ boot: 4, seq: 10 }))
  await again.close()
})

test('written by itself after a while, and only when something changed', async ({ dir, path, clock }) => {
  const store = await ReplayStore.open(dir, clock)
  await clock.advance(60_000)
  store.windowFor(peer).accept({ boot: 1, seq: 1 })
  assert.is(await stat(path).catch(() => undefined), undefined)
  await clock.advance(60_000)
  await written(path)
  await store.save()
  await rm(path)
  await clock.advance(180_000)
  await store.close()
  assert.is(await stat(path).catch(() => undefined), undefined)
})

test('reset: the peer starts anew', async ({ dir, clock }) => {
  const store = await ReplayStore.open(dir, clock)
  store.windowFor(peer).accept({ boot: 4, seq: 9 })
  store.reset(peer)
  assert.ok(store.windowFor(peer).accept({ boot: 1, seq: 1 }))
  await store.close()
})

test('a damaged file costs the memory, not the start', async ({ dir, path, clock }) => {
  for (const text of ['', '{', '[]', '{"format":"homeward-replay-1","peers":{"zz":[1,2],"x":null}}']) {
    await writeFile(path, text)
    const errors: unknown[] = []
    const store = await ReplayStore.open(dir, clock, (error) => errors.push(error))
    assert.ok(store.windowFor(peer).accept({ boot: 1, seq: 1 }))
    assert.ok(errors.every((error) => isHomewardError(error, 'STATE_DAMAGED')))
    assert.is(errors.length, text.startsWith('{"') ? 0 : 1, text)
    await store.close()
  }
})

test('a write that fails is tried again', async ({ dir, clock }) => {
  const state = join(dir, 'state')
  const store = await ReplayStore.open(state, clock)
  store.windowFor(peer).accept({ boot: 1, seq: 1 })
  await writeFile(state, 'not a folder')
  try {
    await store.save()
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'DISK_FAILED'))
  }
  await rm(state)
  await store.close()
  const again = await ReplayStore.open(state, clock)
  assert.equal(again.windowFor(peer).last, { boot: 1, seq: 1 })
  await again.close()
})

test('close reports a last write that fails, and does not hang on it', async ({ dir, clock }) => {
  const state = join(dir, 'state')
  const errors: unknown[] = []
  const store = await ReplayStore.open(state, clock, (error) => errors.push(error))
  store.windowFor(peer).accept({ boot: 1, seq: 1 })
  await writeFile(state, 'not a folder')
  await store.close()
  assert.is(errors.length, 1)
  assert.is(clock.pendingTimers, 0)
})

test.run()

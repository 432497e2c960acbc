import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { nextBoot } from './boot-count.ts'

const test = suite<{ dir: string; path: string }>('boot count', { dir: '', path: '' })
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.path = join(context.dir, 'boot-count')
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

const clockless = () => new FakeClock(0, 'none')
const at = (seconds: number) => new FakeClock(seconds * 1_000_000)

test('without a clock it counts', async ({ dir, path }) => {
  assert.equal([await nextBoot(dir, clockless()), await nextBoot(dir, clockless())], [1, 2])
  assert.is(await readFile(path, 'utf8'), '2\n')
  assert.is((await stat(path)).mode & 0o777, 0o600)
})

test('with a clock it is never behind it, and still counts', async ({ dir }) => {
  assert.is(await nextBoot(dir, at(1_800_000_000)), 1_800_000_000)
  assert.is(await nextBoot(dir, at(1_800_000_000)), 1_800_000_001)
  assert.is(await nextBoot(dir, at(1_700_000_000)), 1_800_000_002)
  assert.is(await nextBoot(dir, clockless()), 1_800_000_003)
})

test('a device that lost its count is believed again once it has a clock', async ({ dir, path }) => {
  const before = await nextBoot(dir, at(1_800_000_000))
  await rm(path)
  assert.ok((await nextBoot(dir, at(1_800_000_100))) > before)
})

test('a damaged file or an impossible clock keeps nobody from starting', async ({ dir, path }) => {
  for (const text of ['', 'x', '-5', '99999999999', '4294967295', '1.5']) {
    await writeFile(path, text)
    assert.is(await nextBoot(dir, clockless()), 1, text)
  }
  assert.is(await nextBoot(dir, at(2 ** 33)), 2)
  await writeFile(path, '4294967294')
  assert.is(await nextBoot(dir, clockless()), 4294967295)
})

test.run()

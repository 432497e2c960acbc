import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type HomewardError, isHomewardError } from '../wire/errors.ts'
import { createIdentity, IDENTITY_FILE, identitySeed, loadIdentity, readIdentity, replaceIdentity } from './identity.ts'
import { formatUid, shortId } from './uid.ts'

const test = suite<{ dir: string; path: string }>('identity', { dir: '', path: '' })
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.path = join(context.dir, IDENTITY_FILE)
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

test('made at the first start, the same ever after', async ({ dir, path }) => {
  assert.is(await readIdentity(dir), undefined)
  const first = await loadIdentity(dir)
  assert.is(first.uid, formatUid(first.publicKey))
  assert.is(first.secretKey.byteLength, 64)
  assert.equal(await loadIdentity(dir), first)
  assert.is((await stat(path)).mode & 0o777, 0o600)
  assert.equal(await readdir(dir), [IDENTITY_FILE])
})

test('two programs that start at once agree', async ({ dir }) => {
  const all = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(dir)))
  assert.is(new Set(all.map(({ uid }) => uid)).size, 1)
  assert.equal(await readdir(dir), [IDENTITY_FILE])
})

test('a readable file is closed again', async ({ dir, path }) => {
  const first = await loadIdentity(dir)
  await chmod(path, 0o644)
  assert.is((await loadIdentity(dir)).uid, first.uid)
  assert.is((await stat(path)).mode & 0o777, 0o600)
})

test('a damaged file is an error that leaves it alone, never a new key', async ({ dir, path }) => {
  await loadIdentity(dir)
  const good = await readFile(path, 'utf8')
  const other = createIdentity()
  const damaged = [
    '',
    good.slice(0, 40),
    'null',
    '[]',
    good.replace('homeward-identity-1', 'homeward-identity-2'),
    good.replace(/"seed": "../, '"seed": "zz'),
    good.replace(/"seed": "../, '"seed": "'),
    good.replace(/"uid": "[^"]*"/, `"uid": "${other.uid}"`),
  ]
  for (const text of damaged) {
    await writeFile(path, text)
    try {
      await loadIdentity(dir)
      assert.unreachable(text)
    } catch (error) {
      assert.ok(isHomewardError(error, 'STATE_DAMAGED'), text)
      assert.match((error as HomewardError).message, path)
      assert.ok((error as HomewardError).hint)
    }
    assert.is(await readFile(path, 'utf8'), text)
  }
})

test('a changed digit of the seed is damage, not another device', async ({ dir, path }) => {
  await loadIdentity(dir)
  const good = await readFile(path, 'utf8')
  const at = good.indexOf('"seed": "') + 9
  await writeFile(path, good.slice(0, at) + (good[at] === '0' ? '1' : '0') + good.slice(at + 1))
  try {
    await loadIdentity(dir)
    assert.unreachable()
  } catch (error) {
    assert.match((error as HomewardError).message, /do not belong together/)
  }
})

test('a seed rebuilds its identity', () => {
  const one = createIdentity()
  assert.equal(createIdentity(identitySeed(one)), one)
})

test('replacing keeps the old file', async ({ dir, path }) => {
  const first = await loadIdentity(dir)
  const second = createIdentity()
  await replaceIdentity(dir, second)
  assert.is((await loadIdentity(dir)).uid, second.uid)
  const kept = `${IDENTITY_FILE}.${shortId(first.publicKey)}`
  assert.equal((await readdir(dir)).sort(), [IDENTITY_FILE, kept])
  assert.match(await readFile(join(dir, kept), 'utf8'), first.uid)
  await writeFile(path, 'rubbish')
  await replaceIdentity(dir, second)
  assert.is(await readFile(`${path}.damaged`, 'utf8'), 'rubbish')
  assert.is((await stat(`${path}.damaged`)).mode & 0o777, 0o600)
})

test.run()

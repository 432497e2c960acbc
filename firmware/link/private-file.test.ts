import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { createPrivate, readPrivate, writePrivate } from './private-file.ts'

const test = suite<{ dir: string }>('private files', { dir: '' })
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

const modeOf = async (path: string) => (await stat(path)).mode & 0o777

test('written whole, for the owner only, with nothing left beside it', async ({ dir }) => {
  const path = join(dir, 'new', 'folder', 'secret')
  await writePrivate(path, 'one')
  await writePrivate(path, 'two')
  assert.is(await readPrivate(path), 'two')
  assert.is(await modeOf(path), 0o600)
  assert.equal(await readdir(join(dir, 'new', 'folder')), ['secret'])
  assert.is(await modeOf(join(dir, 'new')), 0o700)
})

test('nothing there', async ({ dir }) => {
  assert.is(await readPrivate(join(dir, 'nothing')), undefined)
  assert.is(await readPrivate(join(dir, 'no', 'folder')), undefined)
})

test('create does not replace', async ({ dir }) => {
  const path = join(dir, 'secret')
  assert.is(await createPrivate(path, 'first'), true)
  assert.is(await createPrivate(path, 'second'), false)
  assert.is(await readFile(path, 'utf8'), 'first')
  assert.is(await modeOf(path), 0o600)
  assert.equal(await readdir(dir), ['secret'])
})

test('a mode that lets others read is repaired', async ({ dir }) => {
  const path = join(dir, 'secret')
  await writeFile(path, 'x')
  await chmod(path, 0o664)
  assert.is(await readPrivate(path), 'x')
  assert.is(await modeOf(path), 0o600)
})

test('what cannot be written says so, and the old file stays', async ({ dir }) => {
  const path = join(dir, 'secret')
  await mkdir(path)
  for (const work of [
    () => writePrivate(path, 'x'),
    () => writePrivate(join(dir, 'a-file', 'x'), 'x'),
    () => readPrivate(path),
  ]) {
    await writeFile(join(dir, 'a-file'), '')
    try {
      await work()
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'DISK_FAILED'), String(error))
    }
  }
  assert.equal((await readdir(dir)).sort(), ['a-file', 'secret'])
})

test.run()

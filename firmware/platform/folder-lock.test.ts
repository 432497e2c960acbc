import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { tryLockFolder } from './folder-lock.ts'

const test = suite('folder lock', { folder: '' })

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after.each((context) => rm(context.folder, { recursive: true }))

test('one holder at a time, by whatever path, for each purpose', async ({ folder }) => {
  const release = await tryLockFolder(folder, 'test')
  assert.type(release, 'function')
  await symlink(folder, `${folder}.link`)
  assert.is(await tryLockFolder(`${folder}.link`, 'test'), undefined)
  await rm(`${folder}.link`)
  const other = await tryLockFolder(folder, 'other')
  assert.type(other, 'function')
  await other?.()
  await mkdir(join(folder, 'below'))
  await (await tryLockFolder(join(folder, 'below'), 'test'))?.()
  await release?.()
  await (await tryLockFolder(folder, 'test'))?.()
})

test('a killed program does not keep it', async ({ folder }) => {
  const script = `
    import { tryLockFolder } from ${JSON.stringify(new URL('./folder-lock.ts', import.meta.url).href)}
    await tryLockFolder(${JSON.stringify(folder)}, 'test')
    process.stdout.write('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', script])
  await once(child.stdout, 'data')
  assert.is(await tryLockFolder(folder, 'test'), undefined)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const release = await tryLockFolder(folder, 'test')
  assert.type(release, 'function')
  await release?.()
})

test('a missing folder is an error', async ({ folder }) => {
  try {
    await tryLockFolder(join(folder, 'nowhere'), 'test')
    assert.unreachable()
  } catch (error) {
    assert.match(String(error), /ENOENT/)
  }
})

test.run()

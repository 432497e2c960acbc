import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { systemCode } from '../wire/errors.ts'
import { makeFolders } from './folders.ts'

const test = suite('folders', { folder: '' })

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after.each((context) => rm(context.folder, { recursive: true }))

async function outcomeOf(path: string): Promise<string | undefined> {
  try {
    await makeFolders(path)
    return 'made'
  } catch (error) {
    return systemCode(error)
  }
}

test('makes what is missing, with the mode, and is content with what is there', async ({ folder }) => {
  const deep = join(folder, 'a', 'b', 'c')
  await Promise.all([makeFolders(deep, 0o700), makeFolders(deep, 0o700)])
  for (const path of [deep, join(folder, 'a')]) assert.is((await stat(path)).mode & 0o777, 0o700)
  assert.is(await outcomeOf(deep), 'made')
})

test('refuses at once where no folder can be', async ({ folder }) => {
  const file = join(folder, 'file')
  await writeFile(file, '')
  assert.is(await outcomeOf(file), 'EEXIST')
  assert.is(await outcomeOf(join(file, 'below')), 'ENOTDIR')
  assert.is(await outcomeOf('/proc/homeward/below'), 'ENOENT')
})

test.run()

import { link, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { systemCode } from '../wire/errors.ts'
import type { Disk } from './disk.ts'
import { FakeDisk } from './disk-fake.ts'
import { RealDisk } from './disk-real.ts'

async function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => systemCode(error) ?? String(error),
  )
}

/** What both disks must do alike; `root` is an empty folder. */
async function contract(disk: Disk, root: string): Promise<void> {
  const path = join(root, 'f')
  assert.is(await code(disk.open(path, 'read')), 'ENOENT')
  assert.is(await code(disk.open(join(root, 'none/f'), 'write')), 'ENOENT')
  assert.is(await disk.stat(path), undefined)
  assert.is(await disk.stat(join(path, 'below')), undefined)

  const file = await disk.open(path, 'create')
  assert.is(await code(disk.open(path, 'create')), 'EEXIST')
  await file.write([new Uint8Array([1, 2]), new Uint8Array(0), new Uint8Array([3])], 2)
  await file.write([], 0)
  const into = new Uint8Array(8).fill(9)
  assert.is(await file.read(into, 0), 5)
  assert.equal([...into], [0, 0, 1, 2, 3, 9, 9, 9])
  assert.is(await file.read(into, 5), 0)
  await file.truncate(4)
  assert.is(await file.size(), 4)
  await file.datasync()
  await file.close()
  await file.close()
  assert.is(await code(file.read(into, 0)), 'EBADF')

  const reader = await disk.open(path, 'read')
  assert.is(await code(reader.write([new Uint8Array(1)], 0)), 'EBADF')
  await reader.close()
  const kept = await disk.open(path, 'write')
  assert.is(await kept.size(), 4, 'write keeps the contents')
  await kept.close()

  await disk.makeDir(join(root, 'x/y'))
  await disk.makeDir(join(root, 'x/y'))
  await disk.rename(path, join(root, 'x/g'))
  await disk.syncDir(root)
  await disk.syncDir(join(root, 'x'))
  assert.equal(
    (await disk.list(join(root, 'x'))).map(
      ({ name, kind, bytes }) => `${name} ${kind} ${kind === 'file' ? bytes : ''}`,
    ),
    ['g file 4', 'y folder '],
  )
  const [entry, parent] = [await disk.stat(join(root, 'x/g')), await disk.stat(root)]
  assert.is(entry?.device, parent?.device)
  await disk.remove(join(root, 'x/g'))
  assert.is(await code(disk.remove(join(root, 'x/g'))), 'ENOENT')
  assert.is(await code(disk.remove(join(root, 'x'))), 'ENOTEMPTY')
  await disk.remove(join(root, 'x/y'))
  await disk.remove(join(root, 'x'))
  assert.is(await disk.stat(join(root, 'x')), undefined)
  assert.is(await code(disk.list(join(root, 'z'))), 'ENOENT')
  const space = await disk.space(root)
  assert.ok(space.totalBytes >= space.freeBytes && space.freeBytes > 0)
}

test('the real and the fake disk do the same', async () => {
  const fake = new FakeDisk()
  await fake.makeDir('/root')
  await contract(fake, '/root')
  const root = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    await contract(new RealDisk(), root)
  } finally {
    await rm(root, { recursive: true })
  }
})

test('more parts than one writev takes', async () => {
  const root = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    const disk = new RealDisk()
    const file = await disk.open(join(root, 'f'), 'create')
    const parts = Array.from({ length: 3000 }, (_, index) => new Uint8Array([index & 255, index >> 8]))
    await file.write(parts, 0)
    const into = new Uint8Array(6000)
    assert.is(await file.read(into, 0), 6000)
    assert.ok(Buffer.concat(parts).equals(into))
    await file.close()
  } finally {
    await rm(root, { recursive: true })
  }
})

test('links are followed; a link to nothing is left out of a listing', async () => {
  const root = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    const disk = new RealDisk()
    const file = await disk.open(join(root, 'f'), 'create')
    await file.write([new Uint8Array(7)], 0)
    await file.close()
    await link(join(root, 'f'), join(root, 'hard'))
    await symlink(join(root, 'f'), join(root, 'soft'))
    await symlink(join(root, 'nowhere'), join(root, 'dangling'))
    assert.equal(
      (await disk.list(root)).map(({ name, bytes }) => `${name} ${bytes}`),
      ['f 7', 'hard 7', 'soft 7'],
    )
  } finally {
    await rm(root, { recursive: true })
  }
})

test.run()

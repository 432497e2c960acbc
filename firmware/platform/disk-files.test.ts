import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { FakeDisk } from './disk-fake.ts'
import { makeDurableDir, readWhole, writeAtomic } from './disk-files.ts'
import { RealDisk } from './disk-real.ts'
import { seededRandom } from './random.ts'

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString())
const bytes = (value: string) => new Uint8Array(Buffer.from(value))

test('readWhole: missing, empty, whole, too long', async () => {
  const disk = new FakeDisk()
  assert.is(await readWhole(disk, '/f', 10), undefined)
  await writeAtomic(disk, '/f', bytes(''))
  assert.is(text(await readWhole(disk, '/f', 10)), '')
  await writeAtomic(disk, '/f', bytes('0123456789'))
  assert.is(text(await readWhole(disk, '/f', 10)), '0123456789')
  await writeAtomic(disk, '/f', bytes('0123456789a'))
  try {
    await readWhole(disk, '/f', 10)
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'DISK_FAILED'))
  }
})

test('writeAtomic syncs the data, takes the name, syncs the folder, in this order', async () => {
  const disk = new FakeDisk()
  await disk.makeDir('/d')
  disk.calls.length = 0
  await writeAtomic(disk, '/d/f', bytes('x'))
  assert.equal(
    disk.calls.map((call) => `${call.operation} ${call.path}`),
    [
      'open /d/f.tmp',
      'truncate /d/f.tmp',
      'write /d/f.tmp',
      'datasync /d/f.tmp',
      'close /d/f.tmp',
      'rename /d/f.tmp',
      'syncDir /d',
    ],
  )
})

test('writeAtomic: a crash at any call leaves the old content or the new, and the new once it resolved', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = new FakeDisk()
    await makeDurableDir(disk, '/d')
    await writeAtomic(disk, '/d/f', bytes('old'))
    const forks: FakeDisk[] = []
    disk.watch(() => forks.push(disk.fork()))
    await writeAtomic(disk, '/d/f', bytes('new and longer'))
    for (const fork of forks) {
      fork.crash(seededRandom(seed))
      assert.ok(['old', 'new and longer'].includes(text(await readWhole(fork, '/d/f', 100)) ?? ''), `seed ${seed}`)
    }
    disk.crash(seededRandom(seed))
    assert.is(text(await readWhole(disk, '/d/f', 100)), 'new and longer', `seed ${seed}`)
  }
})

test('makeDurableDir: every new folder survives a crash', async () => {
  const disk = new FakeDisk()
  await makeDurableDir(disk, '/a')
  await makeDurableDir(disk, '/a/b/c')
  disk.crash(seededRandom(1), 'nothing')
  assert.is((await disk.stat('/a/b/c'))?.kind, 'folder')
  disk.calls.length = 0
  await makeDurableDir(disk, '/a/b/c')
  assert.is(
    disk.calls.some((call) => call.operation === 'syncDir'),
    false,
  )
})

test('all of it on the real disk', async () => {
  const root = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    const disk = new RealDisk()
    const folder = join(root, 'a/b')
    await makeDurableDir(disk, folder)
    await writeAtomic(disk, join(folder, 'f'), bytes('one'))
    await writeAtomic(disk, join(folder, 'f'), bytes('2'))
    assert.is(text(await readWhole(disk, join(folder, 'f'), 10)), '2')
    assert.is(await readWhole(disk, join(folder, 'g'), 10), undefined)
    assert.equal(
      (await disk.list(folder)).map((entry) => entry.name),
      ['f'],
    )
  } finally {
    await rm(root, { recursive: true })
  }
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { systemCode } from '../wire/errors.ts'
import { sleep } from './clock.ts'
import { FakeClock } from './clock-fake.ts'
import type { DiskFile } from './disk.ts'
import { FakeDisk } from './disk-fake.ts'
import { CRASH_MODES } from './disk-fake-nodes.ts'
import { readWhole } from './disk-files.ts'
import { seededRandom } from './random.ts'

const filled = (value: number, bytes: number) => new Uint8Array(bytes).fill(value)

async function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => systemCode(error) ?? String(error),
  )
}

/** /d/f with `bytes` bytes of `value`, everything synced. */
async function diskWith(value: number, bytes: number): Promise<{ disk: FakeDisk; file: DiskFile }> {
  const disk = new FakeDisk()
  await disk.makeDir('/d')
  await disk.syncDir('/')
  const file = await disk.open('/d/f', 'create')
  await file.write([filled(value, bytes)], 0)
  await file.datasync()
  await disk.syncDir('/d')
  return { disk, file }
}

const contents = async (disk: FakeDisk, path = '/d/f') => (await readWhole(disk, path, 1e9)) ?? new Uint8Array(0)

test('what was synced survives every crash', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const { disk } = await diskWith(7, 10_000)
    disk.crash(seededRandom(seed))
    assert.equal(await contents(disk), filled(7, 10_000), `seed ${seed}`)
  }
})

test('an overwrite that was not synced is kept, lost or torn at 512 bytes', async () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 60; seed++) {
    const { disk, file } = await diskWith(1, 8192)
    await file.write([filled(2, 4096)], 2048)
    await file.write([filled(3, 4096)], 2048)
    disk.crash(seededRandom(seed))
    const after = await contents(disk)
    assert.is(after.byteLength, 8192)
    assert.ok(after.subarray(0, 2048).every((byte) => byte === 1))
    assert.ok(after.subarray(6144).every((byte) => byte === 1))
    const sectors = Array.from({ length: 8 }, (_, index) => after.subarray(2048 + index * 512, 2560 + index * 512))
    for (const sector of sectors) assert.is(new Set(sector).size, 1, `a sector is never torn, seed ${seed}`)
    seen.add(sectors.map((sector) => sector[0]).join(''))
  }
  assert.ok(seen.has('11111111') && seen.has('33333333'), 'lost and kept')
  assert.ok(
    [...seen].some((state) => /1/.test(state) && /2/.test(state) && /3/.test(state)),
    'torn and reordered',
  )
})

test('an append that was not synced may leave zeros, or a shorter file', async () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const { disk, file } = await diskWith(1, 512)
    await file.write([filled(2, 1024)], 512)
    disk.crash(seededRandom(seed))
    const after = await contents(disk)
    seen.add(Array.from({ length: after.byteLength / 512 }, (_, index) => after[index * 512]).join(''))
  }
  assert.equal([...seen].sort(), ['1', '100', '102', '120', '122'])
})

test('what a crash keeps, by its mode: what came first, all but a sector, zeros', async () => {
  const seen = new Map<string, Set<string>>()
  for (const mode of CRASH_MODES) {
    for (let seed = 0; seed < 60; seed++) {
      const { disk, file } = await diskWith(1, 512)
      await file.write([filled(2, 1536)], 512)
      disk.crash(seededRandom(seed), mode)
      const after = await contents(disk)
      const sectors = Array.from({ length: after.byteLength / 512 }, (_, index) => after[index * 512]).join('')
      seen.set(mode, (seen.get(mode) ?? new Set()).add(sectors))
    }
  }
  const of = (mode: string) => [...(seen.get(mode) ?? [])].sort()
  assert.equal(of('nothing'), ['1'])
  assert.equal(of('everything'), ['1222'])
  assert.equal(of('zeros'), ['1000'])
  assert.equal(of('front'), ['1000', '1200', '1220', '1222'])
  assert.equal(of('hole'), ['1022', '1202', '1220', '1222'])
  assert.ok(of('mixed').includes('1') && of('mixed').includes('1002') && of('mixed').length > 6, of('mixed').join())
})

test('a datasync makes durable what was written before it, not what is written while it is under way', async () => {
  const { disk, file } = await diskWith(1, 512)
  const stuck = disk.arm({ on: 'datasync', hang: true })
  await file.write([filled(2, 512)], 0)
  const syncing = file.datasync()
  await file.write([filled(3, 512)], 0)
  stuck.release()
  await syncing
  disk.crash(seededRandom(1), 'nothing')
  assert.equal(await contents(disk), filled(2, 512))
})

test('after EIO on datasync the pages are clean and lost, though still read: a later sync saves nothing', async () => {
  const { disk, file } = await diskWith(1, 512)
  await file.write([filled(2, 512)], 0)
  disk.arm({ on: 'datasync', code: 'EIO' })
  assert.is(await code(file.datasync()), 'EIO')
  await file.datasync()
  assert.equal(await contents(disk), filled(2, 512))
  disk.crash(seededRandom(1), 'everything')
  assert.equal(await contents(disk), filled(1, 512))
})

test('entries of a folder that was not synced may vanish, or come back', async () => {
  const { disk } = await diskWith(1, 512)
  const fresh = await disk.open('/d/fresh', 'create')
  await fresh.write([filled(1, 512)], 0)
  await fresh.datasync()
  await disk.remove('/d/f')
  disk.crash(seededRandom(1), 'nothing')
  assert.equal(
    (await disk.list('/d')).map((entry) => entry.name),
    ['f'],
  )
})

test('a rename is whole or not at all; the name never leads to nothing', async () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 40; seed++) {
    const { disk } = await diskWith(1, 512)
    const next = await disk.open('/d/f.tmp', 'create')
    await next.write([filled(2, 512)], 0)
    await next.datasync()
    await disk.rename('/d/f.tmp', '/d/f')
    disk.crash(seededRandom(seed))
    const names = (await disk.list('/d')).map((entry) => entry.name).join()
    seen.add(`${names} ${(await contents(disk))[0]}`)
  }
  assert.equal([...seen].sort(), ['f 1', 'f 2', 'f,f.tmp 1'])
})

test('a truncated tail never shows again', async () => {
  const { disk, file } = await diskWith(9, 6000)
  await file.truncate(100)
  await file.truncate(6000)
  const expected = filled(0, 6000)
  expected.fill(9, 0, 100)
  assert.equal(await contents(disk), expected)
  await file.datasync()
  disk.crash(seededRandom(3))
  assert.equal(await contents(disk), expected)
})

test('handles of before a crash or an absence are dead', async () => {
  const { disk, file } = await diskWith(1, 512)
  disk.crash(seededRandom(1))
  assert.is(await code(file.read(new Uint8Array(1), 0)), 'EIO')
  const again = await disk.open('/d/f', 'write')
  disk.disappear()
  assert.is(await code(again.write([filled(1, 1)], 0)), 'EIO')
  assert.is(await code(disk.open('/d/f', 'read')), 'ENOENT')
  disk.comeBack(seededRandom(1))
  assert.is(await code(again.datasync()), 'EIO')
  assert.equal(await contents(disk), filled(1, 512))
})

test('a disk that is unmounted leaves an empty folder of another device; a dead one answers nothing', async () => {
  const { disk, file } = await diskWith(1, 512)
  disk.disappear('unmounted', '/d')
  assert.is(await code(file.datasync()), 'EIO')
  assert.equal(await disk.list('/d'), [])
  assert.is.not((await disk.stat('/d'))?.device, 1)
  await disk.open('/d/stray', 'create')
  disk.comeBack(seededRandom(1))
  assert.equal(
    (await disk.list('/d')).map(({ name, device }) => `${name} ${device}`),
    ['f 1'],
  )
  disk.disappear('dead')
  for (const call of [() => disk.stat('/d'), () => disk.list('/d'), () => disk.open('/d/f', 'read')]) {
    assert.is(await code(call()), 'EIO')
  }
  disk.comeBack(seededRandom(1))
  assert.equal(await contents(disk), filled(1, 512))
})

test('a slow call comes back when its time has passed', async () => {
  const { disk, file } = await diskWith(1, 512)
  const clock = new FakeClock()
  disk.arm({ on: 'datasync', wait: () => sleep(clock, 900) })
  let done = false
  const syncing = file.datasync().then(() => {
    done = true
  })
  await clock.advance(899)
  assert.is(done, false)
  await clock.advance(1)
  await syncing
})

test('armed faults strike the calls they name, as often as they say', async () => {
  const { disk, file } = await diskWith(1, 1024)
  const fault = disk.arm({ on: ['write', 'truncate'], path: '/d', code: 'EIO', skip: 1, times: 2 })
  assert.is(await code(file.write([filled(2, 1)], 0)), 'no error')
  assert.is(await code(file.write([filled(2, 1)], 0)), 'EIO')
  assert.is(await code(file.truncate(5)), 'EIO')
  assert.is(await code(file.truncate(600)), 'no error')
  assert.is(fault.hits, 2)
})

test('a short write leaves its first part', async () => {
  const { disk, file } = await diskWith(1, 1024)
  disk.arm({ on: 'write', code: 'ENOSPC', shortBytes: 512 })
  assert.is(await code(file.write([filled(2, 1024)], 0)), 'ENOSPC')
  const after = await contents(disk)
  assert.equal([after[0], after[511], after[512]], [2, 2, 1])
})

test('a disk has a capacity; holes and overwrites take none of it', async () => {
  const disk = new FakeDisk({ capacityBytes: 16 * 4096 })
  const file = await disk.open('/f', 'create')
  await file.truncate(1e9)
  assert.is((await disk.space('/')).freeBytes, 16 * 4096)
  await file.write([filled(1, 15 * 4096)], 0)
  assert.is(await code(file.write([filled(1, 8192)], 1e6 * 4096)), 'ENOSPC')
  await file.write([filled(2, 15 * 4096)], 0)
  assert.is((await disk.space('/')).freeBytes, 4096)
  await file.close()
  await disk.remove('/f')
  assert.is((await disk.space('/')).freeBytes, 16 * 4096)
})

test('a read-only disk refuses every change and still reads', async () => {
  const { disk, file } = await diskWith(1, 512)
  disk.readOnly = true
  assert.is(await code(file.write([filled(2, 1)], 0)), 'EROFS')
  assert.is(await code(disk.open('/d/g', 'write')), 'EROFS')
  assert.is(await code(disk.rename('/d/f', '/d/g')), 'EROFS')
  assert.equal(await contents(disk), filled(1, 512))
})

test('rot turns a bit over on the medium too', async () => {
  const { disk } = await diskWith(1, 512)
  disk.rot('/d/f', 100, 2)
  disk.crash(seededRandom(1))
  assert.is((await contents(disk))[100], 3)
})

test('a fork and its origin go their own ways', async () => {
  const { disk, file } = await diskWith(1, 512)
  await file.write([filled(2, 512)], 0)
  const fork = disk.fork()
  await file.write([filled(3, 512)], 0)
  await disk.remove('/d/f')
  assert.equal(await contents(fork), filled(2, 512))
  fork.crash(seededRandom(1), 'nothing')
  assert.equal(await contents(fork), filled(1, 512))
  assert.equal(fork.calls.map((call) => call.operation).slice(0, 2), ['stat', 'open'])
})

test('a watcher sees the effect in the cache before the sync', async () => {
  const { disk, file } = await diskWith(1, 512)
  await file.write([filled(2, 512)], 0)
  const forks: FakeDisk[] = []
  const stop = disk.watch(() => forks.push(disk.fork()))
  await file.datasync()
  stop()
  await file.datasync()
  assert.is(forks.length, 1)
  const fork = forks[0] ?? disk
  fork.crash(seededRandom(1), 'nothing')
  assert.equal(await contents(fork), filled(1, 512))
  disk.crash(seededRandom(1), 'nothing')
  assert.equal(await contents(disk), filled(2, 512))
})

test('the log keeps the order of the calls', async () => {
  const { disk } = await diskWith(1, 512)
  assert.equal(
    disk.calls.map((call) => `${call.operation} ${call.path}`),
    ['makeDir /d', 'syncDir /', 'open /d/f', 'write /d/f', 'datasync /d/f', 'syncDir /d'],
  )
})

test.run()

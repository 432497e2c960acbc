/** The disk and the index fail: nothing is answered for that is not there, nothing is lost that was, and it goes on. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { seededRandom } from '../../platform/random.ts'
import { type ErrorCode, isHomewardError, isRetryable } from '../../wire/errors.ts'
import {
  CAMERA,
  footage,
  headerOf,
  INIT,
  LOG,
  makeRig,
  mediaAt,
  type Rig,
  ROOT,
  SECOND,
  T0,
} from './archive-fixture.ts'
import { FakeIndexHome } from './index-store-fake.ts'

const FIRST = 'Door/2026-03-14/10/00-00.000Z.00000000000000a1-0.mp4'

async function named(options = {}): Promise<Rig> {
  const rig = await makeRig(options)
  await rig.archive.nameCamera(CAMERA, 'Door')
  return rig
}

async function refused(stored: Promise<unknown>, code: ErrorCode): Promise<void> {
  const [result] = await Promise.allSettled([stored])
  assert.is(result?.status, 'rejected', `expected ${code}`)
  const reason = result?.status === 'rejected' ? result.reason : undefined
  assert.ok(isHomewardError(reason, code), `${reason} is not ${code}`)
  assert.ok(isRetryable(reason))
}

/** Everything that was answered for is there, whole, and nothing else is. */
async function sound({ archive, disk }: Rig, fragments: number): Promise<void> {
  const { fragments: found, damaged, missing, unindexed } = await archive.verify({ deep: true })
  assert.equal({ damaged, missing, unindexed }, { damaged: [], missing: [], unindexed: [] })
  assert.is(found, fragments)
  assert.is((await footage(disk)).length, archive.files(CAMERA, T0, T0 + 9999 * SECOND).length)
}

for (const [operation, code] of [
  ['write', 'EIO'],
  ['datasync', 'EIO'],
  ['write', 'ENOSPC'],
] as const) {
  const expected = code === 'ENOSPC' ? 'DISK_FULL' : 'DISK_FAILED'

  test(`${code} on ${operation} of a new file: refused, removed, and stored the next time`, async () => {
    const rig = await named()
    rig.disk.arm({ on: operation, path: 'Door', code })
    await refused(rig.store({ seq: 0 }), expected)
    assert.equal(await footage(rig.disk), [])
    assert.equal(rig.archive.durable(CAMERA, LOG, 0, 9), [])
    assert.is(await rig.store({ seq: 0 }), 'stored')
    await sound(rig, 1)
    await rig.archive.close()
    assert.equal(rig.home.store.range('open', {}), [])
  })

  test(`${code} on ${operation} of a file in use: cut at the last commit, and a new file goes on`, async () => {
    const rig = await named()
    await rig.storeAll(0, 2)
    rig.disk.arm({ on: operation, path: 'Door', code })
    await refused(rig.store({ seq: 3 }), expected)
    assert.equal(rig.archive.durable(CAMERA, LOG, 0, 9), [[0, 2]])
    assert.is(await rig.store({ seq: 3 }), 'stored')
    await sound(rig, 4)
    const files = rig.archive
      .files(CAMERA, T0, T0 + 99 * SECOND)
      .map(({ row }) => [row.firstSeq, row.lastSeq, row.state])
    assert.equal(files, [
      [0, 2, 'closed'],
      [3, 3, 'open'],
    ])
    await rig.archive.close()
    assert.equal(rig.home.store.range('open', {}), [])
  })
}

test('a file that fails does not take down another in the same commit', async () => {
  const rig = await named()
  rig.disk.arm({ on: 'datasync', path: '-0.mp4', code: 'EIO' })
  const results = await Promise.allSettled([rig.store({ seq: 0 }), rig.store({ seq: 50 })])
  assert.equal(
    results.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  )
  await sound(rig, 1)
  await rig.archive.close()
})

test('a file that can neither be synced nor cut is put right by the next start', async () => {
  const rig = await named()
  await rig.storeAll(0, 2)
  rig.disk.arm({ on: 'datasync', path: 'Door', code: 'EIO' })
  rig.disk.arm({ on: 'truncate', path: 'Door', code: 'EIO' })
  await refused(rig.store({ seq: 3 }), 'DISK_FAILED')
  assert.is(await rig.store({ seq: 3 }), 'stored')
  await rig.archive.close()
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  assert.is(again.archive.recovery.files, 1)
  await sound(again, 4)
  await again.archive.close()
})

test('a new file that could be neither written nor removed does not block its fragment', async () => {
  const rig = await named()
  rig.disk.arm({ on: 'datasync', path: 'Door', code: 'EIO' })
  rig.disk.arm({ on: 'remove', path: 'Door', code: 'EIO' })
  await refused(rig.store({ seq: 0 }), 'DISK_FAILED')
  assert.equal(await footage(rig.disk), [FIRST])
  assert.is(await rig.store({ seq: 0 }), 'stored')
  assert.equal(await footage(rig.disk), [FIRST])
  await sound(rig, 1)
  await rig.archive.close()
})

for (const folder of ['Door/2026-03-14/10', 'Door', '']) {
  test(`a new file counts only when the folder "${folder}" is synced`, async () => {
    const rig = await named()
    rig.disk.arm({ on: 'syncDir', path: `${ROOT}${folder === '' ? '' : '/'}${folder}`, code: 'EIO' })
    await refused(rig.store({ seq: 0 }), 'DISK_FAILED')
    assert.equal(rig.archive.durable(CAMERA, LOG, 0, 9), [])
    assert.is(await rig.store({ seq: 0 }), 'stored')
    await sound(rig, 1)
    await rig.archive.close()
  })
}

test('an index that fails takes down the batch, and the files go on from the last commit', async () => {
  const rig = await named()
  await rig.storeAll(0, 2)
  rig.home.store.failure = Object.assign(new Error('EIO: commit'), { code: 'EIO' })
  await refused(rig.store({ seq: 3 }), 'DISK_FAILED')
  await refused(rig.store({ seq: 50 }), 'DISK_FAILED')
  assert.equal(rig.archive.durable(CAMERA, LOG, 0, 99), [[0, 2]])
  rig.home.store.failure = undefined
  await Promise.all([rig.store({ seq: 3 }), rig.store({ seq: 50 })])
  assert.equal(rig.archive.durable(CAMERA, LOG, 0, 99), [
    [0, 3],
    [50, 50],
  ])
  await sound(rig, 5)
  await rig.archive.close()
})

test('an index that fails only after the files were written leaves no trace of them', async () => {
  const rig = await named()
  await rig.storeAll(0, 2)
  const fail = rig.disk.watch(({ operation }) => {
    if (operation === 'datasync') rig.home.store.failure = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
  })
  await Promise.all([refused(rig.store({ seq: 3 }), 'DISK_FULL'), refused(rig.store({ seq: 50 }), 'DISK_FULL')])
  fail()
  rig.home.store.failure = undefined
  await Promise.all([rig.store({ seq: 3 }), rig.store({ seq: 50 })])
  await sound(rig, 5)
  await rig.archive.close()
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  await sound(again, 5)
  await again.archive.close()
})

test('less in the place of what was taken back leaves nothing of it behind', async () => {
  const rig = await named()
  await rig.storeAll(0, 2)
  rig.home.store.failure = new Error('no index')
  await refused(rig.storeAll(3, 9), 'DISK_FAILED')
  rig.home.store.failure = undefined
  await rig.store({ seq: 3 })
  await rig.archive.close()
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  await sound(again, 4)
  await again.archive.close()
})

test('a commit that nobody knows the outcome of: nothing is touched until the next start, which finds it or not', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const rig = await named({ home: new FakeIndexHome(undefined, seededRandom(seed)) })
    await rig.storeAll(0, 2)
    rig.home.store.doubtfulFailure = Object.assign(new Error('EIO: commit'), { code: 'EIO' })
    await refused(Promise.all([rig.store({ seq: 3 }), rig.store({ seq: 4 }), rig.store({ seq: 5 })]), 'DISK_FAILED')
    assert.ok(rig.archive.doubtful)
    // Less, and other bytes, in the place of what may be committed.
    await refused(rig.store({ seq: 3 }, { init: INIT, fragment: mediaAt(3, 99) }), 'DISK_FAILED')
    await rig.archive.close()
    const again = await makeRig({ disk: rig.disk, home: rig.home })
    await again.storeAll(3, 5)
    await sound(again, 6)
    await again.archive.close()
  }
})

test('entries that reached the journal but not the index are not forgotten', async () => {
  const rig = await named()
  const watch = rig.disk.watch(({ operation, path }) => {
    if (operation === 'datasync' && path.includes('journal')) rig.home.store.failure = new Error('no index')
  })
  await refused(rig.archive.gap(CAMERA, headerOf({ seq: 5, span: 3, kind: 'gap' }), 'ring-full'), 'DISK_FAILED')
  watch()
  rig.home.store.failure = undefined
  assert.equal(rig.archive.durable(CAMERA, LOG, 0, 9), [])
  await rig.store({ seq: 0 })
  assert.equal(rig.archive.durable(CAMERA, LOG, 0, 9), [
    [0, 0],
    [5, 7],
  ])
  await rig.archive.close()
})

test('a journal that cannot be synced refuses the entry and is tried again', async () => {
  const rig = await named()
  rig.disk.arm({ on: 'datasync', path: 'journal', code: 'EIO' })
  const gap = () => rig.archive.gap(CAMERA, headerOf({ seq: 5, span: 3, kind: 'gap' }), 'ring-full')
  await refused(gap(), 'DISK_FAILED')
  assert.equal(rig.archive.durable(CAMERA, LOG, 0, 9), [])
  await gap()
  assert.equal(rig.archive.durable(CAMERA, LOG, 0, 9), [[5, 7]])
  await rig.archive.close()
})

test('a disk without room, read-only, gone or replaced is told apart, and comes back', async () => {
  const disk = new FakeDisk({ capacityBytes: 64 * 1024 * 1024 })
  const rig = await named({ disk, minFreeBytes: 1024 * 1024 })
  await rig.store({ seq: 0 })
  disk.capacityBytes = 1024 * 1024
  await refused(rig.store({ seq: 1 }), 'DISK_FULL')
  // What says that footage is lost needs little room, and may use the reserve.
  await rig.archive.gap(CAMERA, headerOf({ seq: 90, span: 3, kind: 'gap' }), 'ring-full')
  disk.capacityBytes = 64 * 1024 * 1024

  disk.readOnly = true
  await refused(rig.store({ seq: 1 }), 'DISK_READ_ONLY')
  disk.readOnly = false

  disk.device = 2
  await refused(rig.store({ seq: 1 }), 'DISK_MISSING')
  disk.device = 1

  assert.is(await rig.store({ seq: 1 }), 'stored')
  await sound(rig, 2)
  await rig.archive.close()

  const other = await named()
  other.disk.disappear()
  await refused(other.store({ seq: 0 }), 'DISK_MISSING')
  await other.archive.close()
})

test('a disk that was full in the middle of a batch keeps what it answered for', async () => {
  const disk = new FakeDisk({ capacityBytes: 200 * 1024 })
  const rig = await named({ disk })
  const results: string[] = []
  for (let seq = 0; seq < 400; seq++) {
    const [result] = await Promise.allSettled([rig.store({ seq })])
    if (result?.status === 'fulfilled') results.push(result.value)
    else assert.ok(isHomewardError(result?.reason, 'DISK_FULL'), String(result?.reason))
  }
  assert.ok(results.length > 50 && results.length < 400, `${results.length} stored`)
  disk.capacityBytes = 1024 ** 3
  await sound(rig, results.length)
  await rig.archive.close()
})

test.run()

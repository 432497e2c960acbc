import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { FakeDisk } from '../../platform/disk-fake.ts'
import { randomBelow, seededRandom } from '../../platform/random.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { encodeRecordHeader } from '../../wire/record.ts'
import {
  bytesOf,
  CAMERA,
  cameraKey,
  footage,
  headerOf,
  INIT,
  LOG,
  LOG2,
  makeRig,
  mediaAt,
  type Rig,
  ROOT,
  SECOND,
  T0,
  writeBytes,
} from './archive-fixture.ts'
import { FakeIndexHome } from './index-store-fake.ts'
import { LmdbHome } from './lmdb-store.ts'
import { JOURNAL_PATH } from './names.ts'
import { reindexArchive } from './reindex.ts'

const SEED = 4711

/** Everything an archive can hold, by two cameras. */
async function fill(rig: Rig): Promise<void> {
  const { archive, store, storeAll } = rig
  const other = cameraKey(9)
  await archive.nameCamera(CAMERA, 'Door')
  await archive.nameCamera(other, 'Garden')
  await storeAll(590, 612)
  await storeAll(0, 4)
  for (let seq = 0; seq < 5; seq++) await store({ seq, camera: other, log: LOG2 })
  await store({ seq: 700, clock: 'none', wallUs: 0 })
  await store({ seq: 701, clock: 'rtc' })
  await archive.gap(CAMERA, headerOf({ seq: 10, span: 90, kind: 'gap', durationUs: 90 * SECOND }), 'ring-full', 'note')
  await archive.gap(CAMERA, headerOf({ seq: 800, span: 2, kind: 'gap', clock: 'none', wallUs: 0 }), 'card-failed')
  await store({ seq: 3 }, { init: INIT, fragment: mediaAt(3, 77) })
  const record = new Uint8Array([...encodeRecordHeader(headerOf({ seq: 900 })), 5, 6])
  await archive.quarantine(CAMERA, record, 'forged')
  await archive.quarantine(CAMERA, new Uint8Array(8), 'noise')
  await archive.nameCamera(other, 'Backyard')
  await store({ seq: 6, camera: other, log: LOG2 })
  const [oldest] = archive.files(CAMERA, T0, T0 + SECOND)
  if (oldest !== undefined) await archive.expire(oldest, 'old')
}

/** The dump once all files are closed. */
async function closedDump(rig: Rig): Promise<string[]> {
  await rig.archive.close()
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  const dump = again.archive.dumpIndex()
  await again.archive.close()
  return dump
}

const settings = ({ disk, clock }: Rig, index: FakeIndexHome | LmdbHome) => ({ disk, clock, root: ROOT, index })

test('an index rebuilt from files and journal is the same row for row', async () => {
  const rig = await makeRig()
  await fill(rig)
  const before = await closedDump(rig)
  const tables = new Set(before.map((row) => row.split(' ')[0]))
  assert.equal([...tables], ['fragments', 'files', 'ranges', 'ledger', 'totals', 'cameras', 'meta', 'expired'])
  const home = new FakeIndexHome()
  const report = await reindexArchive(settings(rig, home))
  assert.equal(report.problems, [])
  assert.is(report.fragments, before.filter((row) => row.startsWith('fragments')).length)
  const again = await makeRig({ disk: rig.disk, home })
  assert.equal(again.archive.dumpIndex(), before)
  await again.archive.close()
})

test('the same with LMDB, in the place of a lost one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    const index = new LmdbHome(join(folder, 'index'))
    const rig = await makeRig({ index })
    await fill(rig)
    await rig.archive.close()
    const closed = await makeRig({ disk: rig.disk, index })
    const before = closed.archive.dumpIndex()
    await closed.archive.close()
    rmSync(join(folder, 'index'), { recursive: true })
    const [lost] = await Promise.allSettled([makeRig({ disk: rig.disk, index })])
    assert.ok(lost?.status === 'rejected' && isHomewardError(lost.reason, 'INDEX_DAMAGED'))
    await reindexArchive(settings(rig, index))
    const again = await makeRig({ disk: rig.disk, index })
    assert.equal(again.archive.dumpIndex(), before)
    await again.archive.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('an open archive rebuilds its index, and what is stored meanwhile waits and is kept', async () => {
  const rig = await makeRig()
  await fill(rig)
  const before = rig.archive.dumpIndex().filter((row) => !/^(files|open) /.test(row))
  const progress: number[] = []
  const rebuilt = rig.archive.reindex({ onProgress: ({ fragments }) => progress.push(fragments) })
  const stored = rig.store({ seq: 613 })
  const report = await rebuilt
  assert.is(report.fragments, before.filter((row) => row.startsWith('fragments')).length)
  assert.is(progress.at(-1), report.fragments)
  assert.is(await stored, 'stored')
  assert.is(await rig.store({ seq: 600 }), 'duplicate')
  const { fragments, damaged, missing, unindexed } = await rig.archive.verify({ deep: true })
  assert.equal([fragments, damaged, missing, unindexed], [report.fragments + 1, [], [], []])
  await rig.archive.close()
})

test('a rebuild that is aborted leaves the old index in place', async () => {
  const rig = await makeRig()
  await fill(rig)
  const controller = new AbortController()
  const rebuilt = rig.archive.reindex({ signal: controller.signal, onProgress: () => controller.abort() })
  const [result] = await Promise.allSettled([rebuilt])
  assert.ok(result?.status === 'rejected' && isHomewardError(result.reason, 'CANCELLED'))
  assert.is(rig.home.next, undefined)
  assert.is(await rig.store({ seq: 613 }), 'stored')
  await rig.archive.close()
})

test('an archive in use is not rebuilt from outside', async () => {
  const rig = await makeRig()
  const [result] = await Promise.allSettled([reindexArchive(settings(rig, rig.home))])
  assert.ok(result?.status === 'rejected' && isHomewardError(result.reason, 'AGENT_RUNNING'))
  await rig.archive.close()
})

test('a file that was never closed is cut behind its last sound fragment when the index is rebuilt', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 5)
  const [path = ''] = await footage(rig.disk)
  const bytes = await bytesOf(rig.disk, path)
  const disk = rig.disk.fork()
  const zeros = new Uint8Array(bytes.byteLength + 3000)
  zeros.set(bytes.slice(0, bytes.byteLength - 200))
  await writeBytes(disk, path, zeros)
  const home = new FakeIndexHome()
  const report = await reindexArchive(settings({ ...rig, disk }, home))
  assert.is(report.fragments, 5)
  assert.equal([...new Set(report.problems.map((problem) => problem.path))], [path])
  const again = await makeRig({ disk, home })
  const found = await again.archive.verify({ deep: true })
  assert.equal([found.fragments, found.damaged, found.missing, found.unindexed], [5, [], [], []])
  assert.equal(again.archive.durable(CAMERA, LOG, 0, 9), [[0, 4]])
  await again.archive.close()
})

test('a rebuild passes over what it cannot read and says so', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 5)
  await rig.store({ seq: 20 })
  const [file] = rig.archive.files(CAMERA, T0, T0 + SECOND)
  const [, second] = file === undefined ? [] : rig.archive.fragmentsOf(file)
  await rig.archive.close()
  const [first = '', other = ''] = await footage(rig.disk)
  // The checksum of the second fragment's box no longer fits; the ones behind it are found by their type.
  rig.disk.rot(`${ROOT}/${first}`, (second?.row.offset ?? 0) + 40)
  await writeBytes(rig.disk, other, new Uint8Array(500))
  await writeBytes(rig.disk, 'camera-07070707/notes.mp4', new Uint8Array([1, 2, 3]))
  const report = await reindexArchive(settings(rig, new FakeIndexHome()))
  assert.is(report.fragments, 5)
  assert.equal(report.problems.map(({ path }) => path).sort(), [first, other, 'camera-07070707/notes.mp4'].sort())
})

test('a torn tail of the journal is cut, a damaged line in its middle costs only itself', async () => {
  const rig = await makeRig()
  for (let seq = 0; seq < 50; seq += 10) {
    await rig.archive.gap(CAMERA, headerOf({ seq, span: 3, kind: 'gap' }), 'ring-full')
  }
  await rig.archive.close()
  const journal = await bytesOf(rig.disk, JOURNAL_PATH)
  const lines = Buffer.from(journal).toString().split('\n')
  const third = lines.slice(0, 3).join('\n').length + 20
  rig.disk.rot(`${ROOT}/${JOURNAL_PATH}`, third)
  const torn = await bytesOf(rig.disk, JOURNAL_PATH)
  await writeBytes(rig.disk, JOURNAL_PATH, new Uint8Array([...torn, ...torn.slice(0, 70)]))
  const home = new FakeIndexHome()
  const report = await reindexArchive(settings(rig, home))
  assert.equal([report.journalEntries, report.journalDamaged], [lines.length - 2, 1])
  const again = await makeRig({ disk: rig.disk, home })
  assert.is((await bytesOf(rig.disk, JOURNAL_PATH)).byteLength, torn.byteLength)
  assert.is(again.archive.durable(CAMERA, LOG, 0, 99).length, 4)
  await again.archive.close()
})

test('verify names the fragment in which a bit turned over, wherever it is', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 5)
  const [file] = rig.archive.files(CAMERA, T0, T0 + SECOND)
  const rows = file === undefined ? [] : rig.archive.fragmentsOf(file)
  await rig.archive.close()
  const [path = ''] = await footage(rig.disk)
  const random = seededRandom(SEED)
  for (let count = 0; count < 40; count++) {
    const { seq, row } = rows[randomBelow(random, rows.length)] ?? { seq: 0, row: undefined }
    const at = (row?.offset ?? 0) + randomBelow(random, row?.bytes ?? 1)
    const disk = rig.disk.fork()
    disk.rot(`${ROOT}/${path}`, at, 1 << randomBelow(random, 8))
    const again = await makeRig({ disk, home: new FakeIndexHome(rig.home.store.fork()) })
    const { damaged } = await again.archive.verify({ deep: true })
    assert.equal(
      damaged.map((finding) => [finding.path, finding.first, finding.last]),
      [[path, seq, seq]],
      `bit at ${at} of fragment ${seq}, seed ${SEED}`,
    )
    const header = at < (row?.offset ?? 0) + (row?.headerBytes ?? 0)
    const shallow = await again.archive.verify({ deep: false })
    if (header) assert.is(shallow.damaged.length, 1, `shallow, bit at ${at}`)
    await again.archive.close()
  }
})

test('verify finds a damaged init segment and bytes behind the end', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 2)
  await rig.archive.close()
  const [path = ''] = await footage(rig.disk)
  const bytes = await bytesOf(rig.disk, path)
  for (const [what, spoil] of [
    ['init', (disk: FakeDisk) => disk.rot(`${ROOT}/${path}`, 60)],
    ['tail', (disk: FakeDisk) => writeBytes(disk, path, new Uint8Array([...bytes, 1, 2, 3, 4, 5, 6, 7, 8, 9]))],
  ] as const) {
    const disk = rig.disk.fork()
    await spoil(disk)
    const again = await makeRig({ disk, home: new FakeIndexHome(rig.home.store.fork()) })
    const { damaged } = await again.archive.verify({ deep: true })
    assert.ok(damaged.length > 0, what)
    await again.archive.close()
  }
})

test('verify tells missing files, unknown files and numbers that are settled without a trace', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 2)
  await rig.store({ seq: 20 })
  await rig.store({ seq: 40 })
  await rig.archive.close()
  const [first = '', second = '', third = ''] = await footage(rig.disk)
  await rig.disk.remove(`${ROOT}/${first}`)
  await writeBytes(rig.disk, `${second}.copy.mp4`, await bytesOf(rig.disk, second))
  const files = rig.home.store.range('files', {})
  const fragments = rig.home.store.range('fragments', {})
  await rig.home.store.commit([
    { table: 'files', key: files[2]?.key ?? INIT, value: undefined },
    { table: 'fragments', key: fragments[4]?.key ?? INIT, value: undefined },
  ])
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  const { missing, unindexed, damaged } = await again.archive.verify({ deep: false })
  assert.equal(
    missing.map((finding) => [finding.path, finding.first, finding.last]),
    [
      [first, 0, 2],
      ['', 40, 40],
    ],
  )
  assert.equal(
    unindexed.map((finding) => [finding.path, finding.log, finding.first]),
    [
      [`${second}.copy.mp4`, LOG, 20],
      [third, LOG, 40],
    ],
  )
  assert.equal(damaged, [])
  await again.archive.close()
})

test('verify tells another fragment in the place of the one that was stored', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 2)
  await rig.archive.close()
  const other = await makeRig()
  await other.store({ seq: 0 })
  await other.store({ seq: 1 }, { init: INIT, fragment: mediaAt(1, 200) })
  await other.store({ seq: 2 })
  await other.archive.close()
  const [path = ''] = await footage(rig.disk)
  await writeBytes(rig.disk, path, await bytesOf(other.disk, path))
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  const { damaged } = await again.archive.verify({ deep: false })
  assert.equal(
    damaged.map(({ first, last }) => [first, last]),
    [[1, 1]],
  )
  await again.archive.close()
})

test('a rebuild deletes what had expired, and enters no footage of it', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 4)
  await rig.store({ seq: 20 })
  const [file] = rig.archive.files(CAMERA, T0, T0 + SECOND)
  if (file === undefined) throw new Error('no file')
  rig.disk.arm({ on: 'remove', path: 'mp4', code: 'EIO' })
  await rig.archive.expire(file, 'old')
  const before = await closedDump(rig)
  assert.is((await footage(rig.disk)).length, 2)
  const home = new FakeIndexHome()
  await reindexArchive(settings(rig, home))
  assert.is((await footage(rig.disk)).length, 1)
  const again = await makeRig({ disk: rig.disk, home })
  assert.equal(again.archive.dumpIndex(), before)
  await again.archive.close()
})

test('verify can be limited to a camera and aborted, and does not mind what is stored meanwhile', async () => {
  const rig = await makeRig()
  await fill(rig)
  const one = await rig.archive.verify({ deep: true, camera: cameraKey(9) })
  assert.equal([one.fragments, one.unindexed, one.missing], [6, [], []])
  const controller = new AbortController()
  const aborted = rig.archive.verify({ deep: true, signal: controller.signal, onProgress: () => controller.abort() })
  const [result] = await Promise.allSettled([aborted])
  assert.ok(result?.status === 'rejected' && isHomewardError(result.reason, 'CANCELLED'))
  const verifying = rig.archive.verify({ deep: true })
  await rig.storeAll(613, 630)
  await rig.store({ seq: 2000 })
  const { damaged, missing, unindexed } = await verifying
  assert.equal([damaged, missing, unindexed], [[], [], []])
  await rig.archive.close()
})

test.run()

/** Deletion on a disk in memory, with the real archive: who gives, what stays, and what a power cut in between leaves. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { seededRandom } from '../../platform/random.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { openArchive } from '../archive/archive.ts'
import { cameraKey, footage, headerOf, INIT, mediaAt, ROOT, SECOND, T0 } from '../archive/archive-fixture.ts'
import { FakeIndexHome } from '../archive/index-store-fake.ts'
import { reindexArchive } from '../archive/reindex.ts'
import { initRoot } from '../archive/root.ts'
import { ArchiveSlot } from '../archive-slot.ts'
import { Retention, type RetentionOptions } from './retention.ts'

const DAY = 86_400 * SECOND
const MIB = 1024 * 1024
const WINDOW_SEQS = 10_000

interface Home {
  readonly disk: FakeDisk
  readonly index: FakeIndexHome
  readonly clock: FakeClock
  readonly slot: ArchiveSlot
  readonly retention: Retention
  readonly alarms: (string | undefined)[]
  readonly troubles: unknown[]
  /** One file with `fragments` fragments, in a window of its own, received now; closed when another is begun. */
  file(camera: number, window: number, fragments?: number): Promise<void>
  files(camera: number): number[]
  /** One more round. */
  round(): Promise<void>
  close(): Promise<void>
}

async function open(
  options: Partial<RetentionOptions> & { disk?: FakeDisk; index?: FakeIndexHome; clock?: FakeClock } = {},
): Promise<Home> {
  const { disk = new FakeDisk({ capacityBytes: 64 * MIB }), index = new FakeIndexHome() } = options
  // After what the tests store was captured.
  const clock = options.clock ?? new FakeClock(T0 + DAY)
  if ((await disk.stat(`${ROOT}/homeward.json`)) === undefined) await initRoot(disk, ROOT, seededRandom(1), T0)
  const alarms: (string | undefined)[] = []
  const troubles: unknown[] = []
  const minFreeBytes = options.minFreeBytes ?? MIB
  const slot = await ArchiveSlot.start({
    open: () => openArchive({ disk, clock, root: ROOT, index, minFreeBytes, commitDelayMs: 0 }),
    clock,
    onReleased: () => {},
    onReopened: () => {},
    onFull: () => retention.poke(),
  })
  const retention: Retention = new Retention({
    ...{ slot, disk, clock, root: ROOT, minFreeBytes, roomLeavesUs: 0 },
    defaults: { days: null, bytes: null },
    onAlarm: (problem) => alarms.push(problem?.message),
    onTrouble: (error) => troubles.push(error),
    ...options,
  })
  await retention.start()
  return {
    ...{ disk, index, clock, slot, retention, alarms, troubles },
    async file(camera, window, fragments = 4) {
      for (let at = 0; at < fragments; at++) {
        const seq = window * WINDOW_SEQS + at
        const plan = { seq, camera: cameraKey(camera), wallUs: T0 + window * 600 * SECOND + at * SECOND }
        const payload = { init: INIT, fragment: mediaAt(seq) }
        const header = { ...headerOf(plan), monoUs: window * 600 * SECOND + at * SECOND }
        await slot.store(cameraKey(camera), header, payload, clock.wallUs())
      }
    },
    files: (camera) =>
      slot.archive
        .filesAfter(cameraKey(camera), undefined, 1000)
        .map(({ row }) => Math.floor(row.firstSeq / WINDOW_SEQS)),
    async round() {
      await clock.advance(10_000)
      for (let turn = 0; turn < 40; turn++) await clock.advance(0)
    },
    async close() {
      await retention.close()
      await slot.close()
    },
  }
}

/** Closes what is open, as an idle file is after a while. */
async function closeFiles(home: Home): Promise<void> {
  await home.clock.advance(20 * 60_000)
}

test('footage goes by its days, oldest first, and the ledger says so', async () => {
  const home = await open()
  await home.retention.setLimits(cameraKey(1), { days: 2, bytes: null })
  for (let window = 0; window < 3; window++) {
    await home.file(1, window)
    await home.clock.advance(86_400_000)
  }
  // Received 3, 2 and 1 days ago; each was closed by its successor or for being idle.
  await home.round()
  assert.equal(home.files(1), [2])
  const { ledger } = home.slot.archive.timeline(cameraKey(1), T0, T0 + DAY)
  assert.equal(
    ledger.map(({ kind, first, last, reason }) => [kind, first, last, reason]),
    [0, 1].map((window) => ['expired', window * WINDOW_SEQS, window * WINDOW_SEQS + 3, 'older than 2 days']),
  )
  const { damaged, missing, unindexed } = await home.slot.archive.verify({ deep: true })
  assert.equal([damaged, missing, unindexed], [[], [], []])
  await home.close()
})

test('a camera above its bytes gives, the others do not; the file being written stays', async () => {
  const home = await open()
  for (let window = 0; window < 6; window++) for (const camera of [1, 2]) await home.file(camera, window, 20)
  await closeFiles(home)
  await home.file(1, 6, 1)
  const { bytes = 0 } = home.slot.archive.totals()[0] ?? {}
  await home.retention.setLimits(cameraKey(1), { days: null, bytes: bytes / 2.2 })
  await home.round()
  assert.equal(
    [home.files(1), home.files(2)],
    [
      [4, 5, 6],
      [0, 1, 2, 3, 4, 5],
    ],
  )
  await home.retention.setLimits(cameraKey(1), { days: null, bytes: 1 })
  await home.round()
  assert.equal(home.files(1), [6], 'the open file')
  await home.close()
})

test('when the disk needs room, the camera most over its share gives first', async () => {
  const home = await open({ disk: new FakeDisk({ capacityBytes: 8 * MIB }) })
  for (let window = 0; window < 12; window++) await home.file(1, window, 40)
  for (let window = 0; window < 3; window++) await home.file(2, window, 40)
  await closeFiles(home)
  assert.is(home.files(1).length, 12)
  home.disk.capacityBytes = 8 * MIB - (await home.disk.space(ROOT)).freeBytes + MIB + MIB / 8 - 60_000
  await home.round()
  assert.equal(home.files(2), [0, 1, 2])
  assert.ok(home.files(1).length < 12 && home.files(1).length > 6, `${home.files(1)}`)
  assert.is(home.files(1).at(-1), 11, 'the oldest went')
  assert.ok((await home.disk.space(ROOT)).freeBytes >= MIB)
  assert.equal(home.alarms, [])
  await home.close()
})

test('a locked span stays; when nothing else is left there is one alarm, and unlocking ends it', async () => {
  const home = await open({ disk: new FakeDisk({ capacityBytes: 8 * MIB }) })
  for (let window = 0; window < 4; window++) await home.file(1, window, 40)
  await closeFiles(home)
  const lock = await home.retention.lock(cameraKey(1), T0 + 610 * SECOND, T0 + 2 * 600 * SECOND, 'the parcel')
  await home.retention.lock(cameraKey(1), T0 + 3 * 600 * SECOND, T0 + 4 * 600 * SECOND)
  const full = home.disk.capacityBytes - (await home.disk.space(ROOT)).freeBytes + MIB / 2
  home.disk.capacityBytes = full
  for (let count = 0; count < 5; count++) await home.round()
  assert.equal(home.files(1), [1, 3])
  assert.is(home.alarms.length, 1)
  assert.match(home.alarms[0] ?? '', /no room for footage.*all of it is locked/)
  const refused = await home.file(1, 9, 1).catch((error: unknown) => error)
  assert.ok(isHomewardError(refused, 'DISK_FULL'), 'no ACK')
  assert.is((await home.retention.unlock('the parcel')).id, lock.id)
  await home.round()
  assert.equal(home.files(1), [3])
  assert.ok(isHomewardError(await home.retention.unlock('nothing').catch((error: unknown) => error), 'LOCK_UNKNOWN'))
  home.disk.capacityBytes += 8 * MIB
  await home.round()
  assert.is(home.alarms.at(-1), undefined)
  await home.file(1, 9, 1)
  await home.close()
})

test('locks and limits are back after a rebuild of the index', async () => {
  const home = await open()
  await home.file(1, 0)
  await home.retention.lock(cameraKey(1), T0, T0 + SECOND, 'kept')
  const gone = await home.retention.lock(cameraKey(1), T0, T0 + 2 * SECOND, 'gone')
  await home.retention.unlock(gone.id)
  await home.retention.setLimits(cameraKey(1), { days: 30, bytes: 5 })
  await home.retention.setLimits(cameraKey(1), { days: 30, bytes: null })
  const { disk, clock } = home
  await home.close()
  const index = new FakeIndexHome()
  await reindexArchive({ disk, clock, root: ROOT, index })
  const again = await open({ disk, clock, index })
  assert.equal(
    again.retention.locks().map(({ name, fromUs, toUs }) => [name, fromUs, toUs]),
    [['kept', T0, T0 + SECOND]],
  )
  assert.equal(again.retention.limits(cameraKey(1)), { days: 30, bytes: null })
  await again.close()
})

test('a disk that something else filled to the last byte: the reserve is given up, and footage goes', async () => {
  const home = await open({ disk: new FakeDisk({ capacityBytes: 64 * MIB }) })
  assert.ok((await home.disk.stat(`${ROOT}/.homeward/reserve`)) !== undefined, 'there is a reserve')
  for (let window = 0; window < 8; window++) await home.file(1, window, 40)
  await closeFiles(home)
  home.disk.capacityBytes -= (await home.disk.space(ROOT)).freeBytes
  const full = home.disk.arm({ on: 'write', path: 'journal', code: 'ENOSPC', times: 1 })
  await home.round()
  assert.is(full.hits, 1)
  assert.is(await home.disk.stat(`${ROOT}/.homeward/reserve`), undefined, 'given up')
  assert.ok(home.files(1).length < 8, `${home.files(1)}`)
  home.disk.capacityBytes += 16 * MIB
  for (let count = 0; count < 3; count++) await home.round()
  assert.ok((await home.disk.stat(`${ROOT}/.homeward/reserve`)) !== undefined, 'made again')
  await home.file(1, 20)
  await home.close()
})

test('a disk that makes no room however much is deleted is not emptied', async () => {
  const home = await open({ disk: new FakeDisk({ capacityBytes: 64 * MIB }) })
  for (let window = 0; window < 300; window++) await home.file(1, window, 1)
  await closeFiles(home)
  // A snapshot keeps what is deleted.
  const space = home.disk.space.bind(home.disk)
  home.disk.space = async (path) => ({ ...(await space(path)), freeBytes: 1000 })
  for (let count = 0; count < 20; count++) await home.round()
  assert.ok(home.files(1).length > 100, `${home.files(1).length} are left`)
  assert.match(home.alarms[0] ?? '', /deleting footage makes no room/)
  await home.close()
})

test('a file that cannot be deleted stops the deleting, and goes when it can', async () => {
  const home = await open({ disk: new FakeDisk({ capacityBytes: 8 * MIB }) })
  for (let window = 0; window < 6; window++) await home.file(1, window, 20)
  await closeFiles(home)
  await home.retention.setLimits(cameraKey(1), { days: null, bytes: 1 })
  const stuck = home.disk.arm({ on: 'remove', path: '.mp4', code: 'EIO', times: Number.POSITIVE_INFINITY })
  for (let count = 0; count < 4; count++) await home.round()
  assert.equal(home.files(1), [1, 2, 3, 4, 5], 'one, and no more')
  assert.ok(isHomewardError(home.troubles.at(-1), 'DISK_FAILED') && (await home.retention.status()).trouble)
  stuck.release()
  await home.round()
  await home.round()
  assert.equal([home.files(1), await footage(home.disk)], [[], []])
  await home.close()
})

test('a power cut at every call of a deletion: the ledger knows what is gone, and what is not gone is whole', async () => {
  const home = await open()
  for (let window = 0; window < 3; window++) await home.file(1, window)
  await closeFiles(home)
  const disks: { disk: FakeDisk; index: FakeIndexHome }[] = []
  const stop = home.disk.watch(() => {
    disks.push({ disk: home.disk.fork(), index: new FakeIndexHome(home.index.store.fork()) })
  })
  await home.retention.setLimits(cameraKey(1), { days: null, bytes: 1 })
  await home.round()
  stop()
  assert.equal(home.files(1), [])
  assert.ok(disks.length > 10, `${disks.length} cuts`)
  for (const [at, { disk, index }] of disks.entries()) {
    disk.crash(seededRandom(at))
    const { clock } = home
    const archive = await openArchive({ disk, clock, root: ROOT, index, minFreeBytes: 0, commitDelayMs: 0 })
    const { damaged, missing, unindexed, gaps } = await archive.verify({ deep: true })
    assert.equal({ damaged, missing, unindexed }, { damaged: [], missing: [], unindexed: [] }, `cut ${at}`)
    const kept = archive.filesAfter(cameraKey(1), undefined, 9).length
    assert.is(kept + gaps.length, 3, `cut ${at}: every file is there or in the ledger`)
    await archive.close()
  }
  await home.close()
})

test.run()

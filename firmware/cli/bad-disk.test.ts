// time-out: 240 s
/**
 * A storage disk that is full, read-only or gone: nothing is acknowledged, the camera keeps everything and says why, and all
 * of it arrives once the disk is well again, without anybody restarting anything.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  assertAlarm,
  assertKept,
  assertRecovers,
  MIN_FREE,
  mountTest,
  SOURCE,
  shown,
  startAll,
  state,
} from './bad-disk-fixture.ts'
import { assertRefused, homeward } from './command-fixture.ts'
import { cannotBreak, cannotMount } from './mount-fixture.ts'
import type { CameraStatus, TestHome } from './test-home.ts'

const trouble = await cannotMount()
const breakTrouble = trouble ?? (await cannotBreak())

const alarmed = (code: string) => (status: CameraStatus) => status.alarm?.code === code
const unalarmed = ({ alarm }: CameraStatus) => alarm === undefined
const storageLog = (home: TestHome) => readFile(home.program('storage').log, 'utf8')
const span = ['--camera', 'camera', '--from', '2026-01-01', '--to', '2099-01-01']

const runStorage = (home: TestHome) => [
  ...['storage', 'run', '--root', home.disk, '--listen', '127.0.0.1:0'],
  ...state(home, 'storage'),
]

mountTest('a full storage disk', trouble, async (home, mounts) => {
  const disk = await mounts.tmpfs(home.disk, '10m')
  await startAll(home)
  await home.until('camera', 'alarmed', alarmed('DISK_FULL'), 60_000)
  await assertKept(home)
  await assertAlarm(home, /no room for \d+ bytes/)
  await disk.resize('7m')
  assertRefused(
    await homeward(['storage', 'export', ...span, '--out', join(home.disk, 'export.mp4'), ...state(home, 'storage')]),
    1,
    /export\.mp4 could not be written: there is no room for it\. Nothing of it was left behind/,
  )
  assert.equal(
    (await readdir(home.disk)).filter((name) => name.startsWith('export')),
    [],
  )
  await disk.resize('200m')
  await assertRecovers(home, unalarmed)
  assert.not.match(await shown(home, 'storage'), /Alarm/)
  assert.is((await storageLog(home)).split('nothing is acknowledged').length, 2, 'told once')
})

mountTest('a storage disk that goes read-only, is checked and mounted again', breakTrouble, async (home, mounts) => {
  const disk = await mounts.ext4(home.disk, join(home.folder, 'disk.img'), 200 * 2 ** 20)
  await startAll(home)
  await disk.breakDisk()
  await home.until('camera', 'alarmed', alarmed('DISK_READ_ONLY'), 60_000)
  await assertKept(home)
  await assertAlarm(home, /the storage disk is read-only/)
  assert.match(await shown(home, 'storage'), /look at `dmesg`, check the disk, mount it again\.\n/)
  assertRefused(await homeward(['storage', 'verify', ...state(home, 'storage')]), 1, /read-only|no folder|is empty/)
  await disk.unmount()
  // Over an attempt to open it again, which comes after 5 s.
  await assertKept(home, 12)
  assert.equal(await readdir(home.disk), [], 'the empty mount point is left alone')
  await disk.mountRepaired()
  await assertRecovers(home, unalarmed)
  assert.match(await storageLog(home), /"the disk is back"/)
})

mountTest('a storage disk that is taken away and given back', trouble, async (home, mounts) => {
  const disk = await mounts.removable(home.disk, '200m')
  await startAll(home)
  await disk.takeAway()
  await home.until('camera', 'alarmed', alarmed('DISK_MISSING'), 60_000)
  await assertKept(home, 12)
  await assertAlarm(home, /is empty|is on another file system than before/)
  assert.equal(await readdir(home.disk), [], 'the empty mount point is left alone')
  await disk.mountAgain()
  await assertRecovers(home, unalarmed)
  assert.match(await storageLog(home), /"the disk is back"/)
})

mountTest('a root that is not mounted, or mounted read-only, at the start', trouble, async (home, mounts) => {
  const disk = await mounts.removable(home.disk, '50m')
  await home.startServer()
  await (await home.startStorage(MIN_FREE)).stop()
  await disk.unmount()
  assertRefused(
    await homeward(runStorage(home)),
    1,
    /disk is empty: no archive was made there, or its disk is not mounted\. Connect and mount the storage disk/,
  )
  assert.equal(await readdir(home.disk), [], 'the empty mount point is left alone')
  await disk.mountAgain()
  await disk.store.remount('ro')
  assertRefused(await homeward(runStorage(home)), 1, /the storage disk is read-only\. .*mount it again/)
  assertRefused(
    await homeward(['storage', 'reindex', '--root', home.disk, ...state(home, 'storage')]),
    1,
    /the storage disk is read-only/,
  )
  await disk.store.remount('rw')
  await home.startStorage(MIN_FREE)
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await assertRecovers(home, ({ seq }) => seq.acked > 2)
})

mountTest('exports to a disk that is read-only or full', trouble, async (home, mounts) => {
  const other = await mounts.tmpfs(join(home.folder, 'other'), '1m')
  await startAll(home)
  await other.remount('ro')
  const args = ['storage', 'export', ...span, '--out', join(other.folder, 'x.mp4'), ...state(home, 'storage')]
  assertRefused(
    await homeward(args),
    2,
    /the storage agent may not write in .*other \(EROFS\)\. The agent writes the file, not this command/,
  )
  await other.remount('rw')
  assertRefused(await homeward(args), 1, /x\.mp4 could not be written: there is no room for it/)
  assert.equal(await readdir(other.folder), [])
  const before = await home.status('camera')
  await home.until('camera', 'not minding', ({ seq }) => seq.acked > before.seq.acked + 2)
})

mountTest('a state folder on a read-only disk', trouble, async (home, mounts) => {
  const small = await mounts.tmpfs(join(home.folder, 'small'), '1m')
  await small.remount('ro')
  const p2p = ['p2p', '--listen', '127.0.0.1:0', '--state']
  assertRefused(
    await homeward([...p2p, join(small.folder, 'state')]),
    2,
    /the state folder .* cannot be used \(EROFS\)\. Choose another one/,
  )
  assertRefused(await homeward([...p2p, small.folder]), 2, /cannot be used \(EROFS\)/)
})

test.run()

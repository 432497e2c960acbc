/** Which roots are taken and which are refused; the lock; the journal at a start. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { RealDisk } from '../../platform/disk-real.ts'
import { seededRandom } from '../../platform/random.ts'
import { type ErrorCode, isHomewardError } from '../../wire/errors.ts'
import { openArchive } from './archive.ts'
import { CAMERA, headerOf, LOG, makeRig, ROOT, writeBytes } from './archive-fixture.ts'
import { FakeIndexHome } from './index-store-fake.ts'
import { acquireLock } from './lock.ts'
import { JOURNAL_PATH, LOCK_PATH, MARKER_PATH } from './names.ts'
import { checkRoot, initRoot } from './root.ts'

async function fails(promise: Promise<unknown>, code: ErrorCode, what = ''): Promise<void> {
  const [result] = await Promise.allSettled([promise])
  const reason = result?.status === 'rejected' ? result.reason : undefined
  assert.ok(isHomewardError(reason, code), `${what}: ${reason} is not ${code}`)
  assert.ok((reason.hint ?? '') !== '', `${what}: no hint`)
}

test('a root is made only of a new or empty folder', async () => {
  const disk = new FakeDisk()
  const made = await initRoot(disk, '/new/root', seededRandom(1), 5)
  assert.match(made.diskId, /^[0-9a-f]{32}$/)
  assert.equal(await checkRoot(disk, '/new/root'), made)
  await fails(initRoot(disk, '/new/root', seededRandom(2), 5), 'DISK_WRONG', 'again')
  await disk.makeDir('/fresh/lost+found')
  await initRoot(disk, '/fresh', seededRandom(3), 5)
  await disk.makeDir('/other/photos')
  await fails(initRoot(disk, '/other', seededRandom(4), 5), 'DISK_WRONG', 'not empty')
  disk.readOnly = true
  await fails(initRoot(disk, '/late', seededRandom(4), 5), 'DISK_READ_ONLY')
})

test('the marker survives a power cut right after it was made', async () => {
  const disk = new FakeDisk()
  const { diskId } = await initRoot(disk, '/new/root', seededRandom(1), 5)
  disk.crash(seededRandom(9), 'nothing')
  assert.is((await checkRoot(disk, '/new/root')).diskId, diskId)
})

test('a missing, empty, foreign or exchanged disk is refused', async () => {
  const disk = new FakeDisk()
  const open = (root: string, diskId?: string) =>
    openArchive({
      disk,
      clock: new FakeClock(),
      root,
      index: new FakeIndexHome(),
      ...(diskId === undefined ? {} : { diskId }),
    })
  await fails(open('/none'), 'DISK_MISSING')
  await disk.makeDir('/mountpoint')
  await fails(open('/mountpoint'), 'DISK_MISSING')
  await disk.makeDir('/photos/2026')
  await fails(open('/photos'), 'DISK_WRONG')
  const { diskId } = await initRoot(disk, ROOT, seededRandom(1), 5)
  await fails(open(ROOT, '0'.repeat(32)), 'DISK_WRONG')
  await (await open(ROOT, diskId)).close()
  for (const marker of ['', '{', '[]', '{"format":"other"}', '{"format":"homeward-archive","version":9}']) {
    await writeBytes(disk, MARKER_PATH, new Uint8Array(Buffer.from(marker)))
    await fails(open(ROOT), 'DISK_WRONG', marker)
  }
})

test('an index of another disk, or an empty one where there was footage, is not believed', async () => {
  const rig = await makeRig()
  await rig.store({ seq: 0 })
  await rig.archive.close()
  await fails(makeRig({ disk: rig.disk, home: new FakeIndexHome() }), 'INDEX_DAMAGED', 'empty')
  const other = new FakeDisk()
  await initRoot(other, ROOT, seededRandom(77), 5)
  await fails(makeRig({ disk: other, home: rig.home }), 'INDEX_DAMAGED', 'foreign')
})

test('a start that fails leaves no lock behind', async () => {
  const rig = await makeRig()
  await rig.store({ seq: 0 })
  await rig.archive.close()
  await fails(makeRig({ disk: rig.disk, home: new FakeIndexHome() }), 'INDEX_DAMAGED')
  await (await makeRig({ disk: rig.disk, home: rig.home })).archive.close()
})

test('a lock of a process that is gone, of an earlier boot, or torn, is taken over', async () => {
  const disk = new FakeDisk()
  await initRoot(disk, ROOT, seededRandom(1), 5)
  const path = `${ROOT}/${LOCK_PATH}`
  const gone = spawnSync('true').pid
  const owners = [
    { pid: gone, started: '1', boot: 'x', token: 'a' },
    { pid: 1, started: '1', boot: 'an earlier boot', token: 'a' },
    { pid: process.pid, started: '1', boot: 'x', token: 'a' },
  ]
  for (const owner of [...owners.map((one) => JSON.stringify(one)), '', '{"pid":']) {
    await writeBytes(disk, LOCK_PATH, new Uint8Array(Buffer.from(owner)))
    await (await acquireLock(disk, path)).release()
    assert.is(await disk.stat(path), undefined)
  }
  const lock = await acquireLock(disk, path)
  await fails(acquireLock(disk, path), 'AGENT_RUNNING')
  await lock.release()
  await lock.release()
})

test('a lock of another process that runs is respected', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    const path = join(folder, 'lock')
    const disk = new RealDisk()
    const lock = await acquireLock(disk, path)
    const script = `
      import { acquireLock } from '${new URL('./lock.ts', import.meta.url).pathname}'
      import { RealDisk } from '${new URL('../../platform/disk-real.ts', import.meta.url).pathname}'
      acquireLock(new RealDisk(), ${JSON.stringify(path)}).then(() => process.exit(0), (error) => {
        process.stdout.write(error.code)
        process.exit(1)
      })`
    mkdirSync(join(folder, 'other'))
    const file = join(folder, 'other', 'take.mts')
    writeFileSync(file, script)
    const run = () => spawnSync(process.execPath, ['--import', 'tsx', file], { encoding: 'utf8', cwd: process.cwd() })
    assert.is(run().stdout, 'AGENT_RUNNING')
    await lock.release()
    assert.is(run().status, 0)
    // It ended without releasing: the lock is free.
    await (await acquireLock(disk, path)).release()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what reached the journal but not the index is entered at the next start', async () => {
  const rig = await makeRig()
  await rig.archive.nameCamera(CAMERA, 'Door')
  const before = rig.home.store.fork()
  await rig.archive.gap(CAMERA, headerOf({ seq: 5, span: 3, kind: 'gap' }), 'ring-full')
  await rig.archive.close()
  const journal = await rig.disk.stat(`${ROOT}/${JOURNAL_PATH}`)
  const again = await makeRig({ disk: rig.disk, home: new FakeIndexHome(before) })
  assert.equal(again.archive.durable(CAMERA, LOG, 0, 99), [[5, 7]])
  assert.is((await rig.disk.stat(`${ROOT}/${JOURNAL_PATH}`))?.bytes, journal?.bytes)
  await again.archive.close()
})

test.run()

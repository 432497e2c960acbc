// time-out: 180 s
/**
 * A storage disk that is full, read-only or gone: nothing is acknowledged, the camera keeps everything and says why, and all
 * of it arrives once the disk is well again, without anybody restarting anything. And the same for the camera's card.
 */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { initRing } from '../camera/ring/marker.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { answerOf, assertRefused, CommandRun, homeward } from './command-fixture.ts'
import { cannotBreak, cannotMount, Mount } from './mount-fixture.ts'
import { type CameraStatus, TestHome } from './test-home.ts'

/** 1 MiB a second in fragments of a second. */
const SOURCE = 'fake:fps=10,gop=5,size=128x64,bitrate=8000000'

interface Context {
  home: TestHome
  mounts: Mount[]
}

const test = suite<Context>('bad disk', { home: undefined as unknown as TestHome, mounts: [] })
const probe = await TestHome.create()
const trouble = await cannotMount(join(probe.folder, 'probe'))
await probe.close()

test.before.each(async (context) => {
  context.home = await TestHome.create()
  context.mounts = []
})
test.after.each(async ({ home, mounts }) => {
  // What is mounted in the folder goes before the folder does.
  home.keep()
  await home.close()
  for (const mount of mounts) await mount.close()
  await rm(home.folder, { recursive: true, force: true })
})

function check(name: string, why: string | undefined, run: (context: Context) => Promise<void>): void {
  if (why === undefined) test(name, run)
  else {
    process.stdout.write(`skipped: ${name}: ${why}\n`)
    test.skip(name, () => {})
  }
}

const state = (home: TestHome, name: string) => ['--state', join(home.folder, name)]
const alarmed = (code: string) => (status: CameraStatus) => status.alarm?.code === code

async function startAll(home: TestHome): Promise<void> {
  await home.startServer()
  await home.startStorage(['--min-free', '4MB'])
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await home.until('camera', 'storing', ({ seq }) => seq.acked > 2)
}

/** Until the alarm is off and everything has arrived; nothing may be missing. */
async function assertRecovers(home: TestHome): Promise<void> {
  await home.until('camera', 'well again', ({ alarm, seq }) => alarm === undefined && seq.acked > 0, 90_000)
  const { seq } = await home.drain('camera', 60_000)
  assert.equal([seq.lost, seq.acked], [0, seq.captured])
  const { damaged, missing, unindexed, gaps } = await home.verify()
  assert.equal([damaged, missing, unindexed, gaps], [[], [], [], []])
}

async function shown(home: TestHome, who: 'camera' | 'storage'): Promise<string> {
  const { status, stdout } = await homeward([who, 'status', ...state(home, who)])
  assert.is(status, 0)
  return stdout
}

check('a full storage disk', trouble, async ({ home, mounts }) => {
  const disk = await Mount.tmpfs(home.disk, '10m')
  mounts.push(disk)
  await startAll(home)
  await home.until('camera', 'alarmed', alarmed('DISK_FULL'), 60_000)
  const full = await home.status('camera')
  await home.until('camera', 'filming on', ({ seq }) => seq.captured > full.seq.captured + 4)
  const now = await home.status('camera')
  assert.equal([now.seq.acked, now.seq.lost], [full.seq.acked, 0], 'nothing is acknowledged, nothing is lost')
  assert.match(
    await shown(home, 'camera'),
    /\nAlarm {5}the storage device keeps nothing right now: no room for \d+ bytes/,
  )
  assert.match(
    await shown(home, 'storage'),
    /\nAlarm {5}nothing is acknowledged, the cameras keep it: no room for .*until there is room\.\n/,
  )
  const out = join(home.disk, 'export.mp4')
  const span = ['--camera', 'camera', '--from', '2026-01-01', '--to', '2099-01-01', '--out', out]
  await disk.resize('7m')
  assertRefused(
    await homeward(['storage', 'export', ...span, ...state(home, 'storage')]),
    1,
    /export\.mp4 could not be written: there is no room for it\. Nothing of it was left behind/,
  )
  assert.equal(
    (await readdir(home.disk)).filter((name) => name.startsWith('export')),
    [],
  )
  await disk.resize('200m')
  await assertRecovers(home)
  const log = await readFile(home.program('storage').log, 'utf8')
  assert.is(log.split('nothing is acknowledged').length, 2, 'told once')
})

check(
  'a storage disk that goes read-only, is checked and mounted again',
  trouble ?? (await cannotBreak()),
  async ({ home, mounts }) => {
    const disk = await Mount.ext4(home.disk, join(home.folder, 'disk.img'), 200 * 2 ** 20)
    mounts.push(disk)
    await startAll(home)
    await disk.breakDisk()
    await home.until('camera', 'alarmed', alarmed('DISK_READ_ONLY'), 60_000)
    assert.match(
      await shown(home, 'camera'),
      /\nAlarm {5}the storage device keeps nothing right now: .*the storage disk is read-only\n/,
    )
    assert.match(
      await shown(home, 'storage'),
      /\nAlarm {5}nothing is acknowledged.*read-only\. .*look at `dmesg`, check the disk, mount it again\.\n/,
    )
    const verify = await homeward(['storage', 'verify', ...state(home, 'storage')])
    assertRefused(verify, 1, /read-only|no folder|is empty/)
    await disk.unmount()
    await new Promise((resolve) => setTimeout(resolve, 6_000))
    assert.equal(await readdir(home.disk), [], 'the empty mount point is left alone')
    await disk.check()
    await disk.mountAgain()
    await assertRecovers(home)
    const log = await readFile(home.program('storage').log, 'utf8')
    assert.match(log, /"the disk is back"/)
  },
)

check('a root on a disk that is mounted read-only', trouble, async ({ home, mounts }) => {
  const disk = await Mount.tmpfs(home.disk, '50m')
  mounts.push(disk)
  await home.startServer()
  await (await home.startStorage(['--min-free', '4MB'])).stop()
  await disk.remount('ro')
  const run = ['storage', 'run', '--root', home.disk, '--listen', '127.0.0.1:0', ...state(home, 'storage')]
  assertRefused(await homeward(run), 1, /the storage disk is read-only\. .*mount it again/)
  assertRefused(
    await homeward(['storage', 'reindex', '--root', home.disk, ...state(home, 'storage')]),
    1,
    /the storage disk is read-only/,
  )
  await disk.remount('rw')
  await (await home.startStorage(['--min-free', '4MB'])).stop()
})

check('exports to a disk that is read-only', trouble, async ({ home, mounts }) => {
  const other = await Mount.tmpfs(join(home.folder, 'other'), '1m')
  mounts.push(other)
  await startAll(home)
  await other.remount('ro')
  const span = ['--camera', 'camera', '--from', '2026-01-01', '--to', '2099-01-01']
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

check('a card that is not mounted, at the first start and later', trouble, async ({ home, mounts }) => {
  const ring = home.ring('camera')
  const card = await Mount.tmpfs(ring, '300m')
  mounts.push(card)
  await startAll(home)
  await home.program('camera').stop()
  await card.unmount()
  const run = ['camera', 'run', '--ring', ring, '--source', SOURCE, '--listen', '127.0.0.1:0']
  assertRefused(
    await homeward([...run, ...state(home, 'new')]),
    1,
    /is not marked as a ring\. Is the card mounted there\?/,
  )
  // A camera that knows its card goes on without it. (The fixture would mark the folder.)
  assert.equal(await readdir(ring), [])
  await answerOf(['storage', 'cameras', ...state(home, 'storage')])
  const camera = new CommandRun([...run, ...state(home, 'camera')])
  await camera.printed('recording to memory, not to the card')
  const status = () => answerOf<CameraStatus>(['camera', 'status', ...state(home, 'camera')])
  for (const until = Date.now() + 20_000; Date.now() < until && (await status()).seq.acked < 3; );
  const before = await status()
  assert.equal([before.ring.card, before.seq.lost], ['gone', 0])
  assert.match(
    await shown(home, 'camera'),
    /\nCard {6}is not there: recording to memory;.*\n {10}.* is not marked as a ring\. Is the card mounted/,
  )
  assert.equal(await readdir(ring), [], 'the empty mount point is left alone')
  mounts.push(await Mount.tmpfs(ring, '300m'))
  await initRing(new RealDisk(), ring, { capacityBytes: 2 ** 28 })
  await camera.printed('the card is in use again')
  assert.is((await status()).ring.card, 'ok')
  assert.equal([(await camera.end('SIGTERM')).status], [0])
})

check('a state folder on a full or read-only disk', trouble, async ({ home, mounts }) => {
  const small = await Mount.tmpfs(join(home.folder, 'small'), '1m')
  mounts.push(small)
  await small.remount('ro')
  const folder = join(small.folder, 'state')
  assertRefused(
    await homeward(['p2p', '--listen', '127.0.0.1:0', '--state', folder]),
    2,
    /the state folder .* cannot be used \(EROFS\)\. Choose another one/,
  )
  assertRefused(
    await homeward(['p2p', '--listen', '127.0.0.1:0', '--state', small.folder]),
    2,
    /cannot be used \(EROFS\)/,
  )
  assertRefused(
    await homeward(['camera', 'ring', 'init', join(small.folder, 'card')]),
    2,
    /cannot be made a ring \(EROFS\)/,
  )
})

test.run()

/** What could not be dated when it was due, for the disk failed, the power went or the clock was wrong, is dated later. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../../platform/random.ts'
import type { CameraMoment, WaitingSpan } from '../../wire/session.ts'
import {
  BOOT,
  CAMERA,
  headerOf,
  INIT,
  LOG,
  LOG2,
  makeRig,
  mediaAt,
  type Plan,
  type Rig,
  ROOT,
  SECOND,
  T0,
} from './archive-fixture.ts'
import type { IndexedFile } from './index.ts'
import { FakeIndexHome } from './index-store-fake.ts'
import { RETRY_US } from './redating.ts'
import { reindexArchive } from './reindex.ts'

const BOOT2 = 'b007000000000002'
/** UTC at the monotonic zero of the fixture's boot. */
const ZERO = T0 - 5 * SECOND
const UNDATED = { clock: 'none', wallUs: 0 } as const
const DAY = 86_400 * SECOND

/** What the camera says `atUs` after T0, while the storage device's clock is `behindUs` behind. */
function say({ archive }: Rig, atUs: number, behindUs = 0, more: Partial<CameraMoment> = {}): Promise<void> {
  const monoUs = T0 + atUs - ZERO
  const heard = { wallUs: T0 + atUs - behindUs - 2000, monoUs: monoUs - 1000 }
  const moment: CameraMoment = { boot: BOOT, monoUs, wallUs: 0, clock: 'none', heard, backlog: [], ...more }
  return archive.moment(CAMERA, moment, T0 + atUs - behindUs + 1000)
}

function startsOf({ archive }: Rig): number[] {
  const files = [...archive.undatedFiles(CAMERA), ...archive.files(CAMERA, 0, T0 * 2)]
  return files.map(({ row }) => (row.dated ? (row.startUs - T0) / SECOND : -1))
}

function isUndoneNoted({ archive }: Rig): boolean {
  return archive.remembered('dating') !== undefined
}

for (const on of ['rename', 'datasync'] as const) {
  test(`a disk that fails at a ${on} while footage is dated: it is tried again when a camera is heard`, async () => {
    const rig = await makeRig()
    await rig.store({ seq: 0, ...UNDATED })
    await rig.store({ seq: 700, monoUs: 705 * SECOND, ...UNDATED })
    const fault = rig.disk.arm({
      on,
      code: 'EIO',
      times: Number.POSITIVE_INFINITY,
      ...(on === 'datasync' && { path: 'journal' }),
    })
    await say(rig, 3600 * SECOND).catch(() => undefined)
    await rig.archive.settledDates()
    assert.ok(fault.hits > 0)
    fault.release()
    assert.equal(startsOf(rig), [-1, -1])
    assert.ok(isUndoneNoted(rig))
    await say(rig, 3601 * SECOND)
    assert.equal(startsOf(rig), [-1, -1], 'not at once: it looks through all there is')
    await rig.clock.advance(RETRY_US / 1000)
    await say(rig, 3631 * SECOND)
    await rig.archive.settledDates()
    assert.equal(startsOf(rig), [0, 700])
    assert.not.ok(isUndoneNoted(rig))
    await rig.archive.close()
    const again = await makeRig({ disk: rig.disk, home: rig.home })
    assert.ok(
      again.archive.dumpIndex().some((row) => row.startsWith('boots') && row.includes('"session"')),
      'the boot is kept',
    )
    await again.archive.close()
  })
}

test('what a power cut left without a date, or with a wrong one, has the right one after the next start', async () => {
  const rig = await makeRig()
  await say(rig, 0)
  await rig.store({ seq: 0 })
  await rig.store({ seq: 700, wallUs: T0 + 700 * SECOND, monoUs: 705 * SECOND })
  await rig.store({ seq: 0, log: LOG2, run: 1, monoUs: 1400 * SECOND, wallUs: T0 + 1395 * SECOND })
  // The step of the clock is believed, and nothing can be renamed.
  const fault = rig.disk.arm({ on: 'rename', code: 'EIO', times: Number.POSITIVE_INFINITY })
  for (const at of [2000, 2010, 2080]) await say(rig, at * SECOND, DAY)
  await rig.archive.settledDates()
  assert.equal(startsOf(rig), [0, 700, 1395])
  const disk = rig.disk.fork()
  const home = rig.home.fork()
  fault.release()
  await rig.archive.close()
  disk.crash(seededRandom(1))
  const again = await makeRig({ disk, home })
  await again.archive.settledDates()
  assert.equal(
    startsOf(again),
    [0, 700, 1395].map((at) => at - 86_400),
  )
  assert.not.ok(isUndoneNoted(again))
  await again.archive.close()
})

test('a file that the disk did not let be put right is dated once it is', async () => {
  const rig = await makeRig()
  await say(rig, 0)
  await rig.store({ seq: 0 })
  const fault = rig.disk.arm({ on: ['datasync', 'truncate'], path: LOG, code: 'EIO', times: Number.POSITIVE_INFINITY })
  await rig.store({ seq: 1 }).catch(() => undefined)
  assert.ok(fault.hits > 1)
  for (const at of [2000, 2010, 2080]) await say(rig, at * SECOND, DAY)
  await rig.archive.settledDates()
  fault.release()
  assert.equal(startsOf(rig), [0])
  await rig.archive.close()
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  await again.archive.settledDates()
  assert.equal(startsOf(again), [-86_400])
  await again.archive.close()
})

test('footage of an earlier boot that seemed to come from the future is dated once the clock is set forward', async () => {
  const rig = await makeRig()
  const { archive, clock } = rig
  const behindUs = 3600 * SECOND
  const waiting: WaitingSpan = {
    ...{ log: LOG2, boot: BOOT2, first: 0, last: 9, clock: 'none' },
    ...{ fromMonoUs: 0, toMonoUs: 0, fromWallUs: 0, toWallUs: 0 },
  }
  const store = (plan: Plan, receivedUs: number) =>
    archive.store(CAMERA, headerOf(plan), { init: INIT, fragment: mediaAt(plan.seq) }, receivedUs)
  const earlier = { log: LOG2, boot: BOOT2 }
  clock.setWall(T0 + 600 * SECOND - behindUs)
  await say(rig, 600 * SECOND, behindUs, { backlog: [waiting] })
  // Ten minutes before its receipt, which the storage device takes for fifty minutes after it; one has no claim of its own.
  await store({ ...earlier, seq: 0 }, T0 + 600 * SECOND - behindUs)
  await store({ ...earlier, seq: 1, ...UNDATED, run: 1, monoUs: 6 * SECOND }, T0 + 600 * SECOND - behindUs)
  // Another one is a day ahead: that was no footage of a moment ago at any time.
  const ahead = { log: 'c3c3c3c3c3c3c3c3', boot: 'b007000000000003', wallUs: T0 + DAY }
  await store({ ...ahead, seq: 0 }, T0 + 600 * SECOND - behindUs)
  await archive.settledDates()
  assert.equal(startsOf(rig), [-1, -1, -1])
  await clock.advance(2 * 3600_000)
  await say(rig, 7800 * SECOND, behindUs)
  await archive.settledDates()
  assert.equal(startsOf(rig), [-1, -1, -1], 'that time passes makes no claim better')
  clock.setWall(clock.wallUs() + behindUs)
  await say(rig, 7801 * SECOND)
  await archive.settledDates()
  assert.equal(startsOf(rig), [-1, 0, 1])
  await archive.close()
})

test('since when a camera was off is told once the clock of the boot before is known, also in a rebuilt index', async () => {
  const rig = await makeRig()
  const { archive, disk, clock } = rig
  const off = headerOf({ seq: 0, kind: 'gap', log: LOG2, durationUs: 0 })
  await archive.gap(CAMERA, off, 'camera-off', '', { boot: BOOT2, monoUs: 100 * SECOND, wallUs: 0, clock: 'none' })
  const outages = () => archive.ledgerCounts()[0]?.outages['camera-off']
  assert.equal(outages(), { count: 0, durationUs: 0 })
  // Footage of that boot, from when it had learned the time: it was off for 20 minutes, less the 10 s of its last footage.
  await rig.store({ seq: 0, boot: BOOT2, monoUs: 90 * SECOND, wallUs: T0 - 1210 * SECOND })
  await archive.settledDates()
  assert.equal(outages(), { count: 1, durationUs: 1200 * SECOND })
  const [span] = archive.timeline(CAMERA, T0 - 3600 * SECOND, T0 + 3600 * SECOND).ledger
  assert.equal([span?.fromUs, span?.toUs], [T0 - 1200 * SECOND, T0])
  await archive.close()
  const home = new FakeIndexHome()
  await reindexArchive({ disk, clock, root: ROOT, minFreeBytes: 0, commitDelayMs: 0, index: home })
  const again = await makeRig({ disk, home })
  assert.equal(again.archive.dumpIndex(), archive.dumpIndex())
  await again.archive.close()
})

test('a file that has its new name, but not yet in the index, is neither missing nor unknown', async () => {
  const rig = await makeRig()
  for (let seq = 0; seq < 3; seq++) await rig.store({ seq, run: seq, ...UNDATED })
  await rig.archive.expire(rig.archive.undatedFiles(CAMERA)[0] as IndexedFile, 'old')
  let release = () => {}
  const renamed = new Promise<void>((resolve) => {
    const unwatch = rig.disk.watch(({ operation }) => {
      if (operation !== 'rename') return
      unwatch()
      const fault = rig.disk.arm({ on: 'syncDir', hang: true, times: Number.POSITIVE_INFINITY })
      release = () => fault.release()
      resolve()
    })
  })
  const dated = say(rig, 3600 * SECOND)
  await renamed
  const verified = rig.archive.verify({ deep: true })
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  release()
  const { damaged, missing, unindexed, accounts } = await verified
  assert.equal([damaged, missing, unindexed], [[], [], []])
  assert.equal(accounts[0]?.counts, { stored: 2, expired: 1 })
  await dated
  await rig.archive.close()
})

test.run()

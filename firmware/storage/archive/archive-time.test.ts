/** Footage from before the clock was known, clocks that step, and boots that never knew the time: on the archive itself. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { FakeDisk } from '../../platform/disk-fake.ts'
import { randomBelow, seededRandom } from '../../platform/random.ts'
import type { CameraMoment, WaitingSpan } from '../../wire/session.ts'
import {
  BOOT,
  bytesOf,
  CAMERA,
  footage,
  headerOf,
  LOG,
  LOG2,
  makeRig,
  type Plan,
  type Rig,
  ROOT,
  SECOND,
  T0,
} from './archive-fixture.ts'
import type { IndexedFile } from './index.ts'
import { FakeIndexHome } from './index-store-fake.ts'
import { reindexArchive } from './reindex.ts'

const BOOT2 = 'b007000000000002'
const BOOT3 = 'b007000000000003'
/** UTC at the monotonic zero of the fixture's boot. */
const ZERO = T0 - 5 * SECOND
const UNDATED = { clock: 'none', wallUs: 0 } as const
const SEED = Number(process.env.HOMEWARD_SEED ?? Math.trunc(Math.random() * 2 ** 31))
/** A soak asks for thousands. */
const ROUNDS = Number(process.env.HOMEWARD_ROUNDS ?? 12)

/** What the camera says `atUs` after T0, its message having been under way for a millisecond. */
function moment(atUs: number, boot = BOOT, zeroUs = ZERO, more: Partial<CameraMoment> = {}): [CameraMoment, number] {
  const monoUs = T0 + atUs - zeroUs
  const heard = { wallUs: T0 + atUs - 2000, monoUs: monoUs - 1000 }
  return [{ boot, monoUs, wallUs: 0, clock: 'none', heard, ...more }, T0 + atUs + 1000]
}

function waiting(log: string, boot: string): WaitingSpan {
  const times = { fromMonoUs: 0, toMonoUs: 0, fromWallUs: 0, toWallUs: 0 }
  return { log, boot, first: 0, last: 9, ...times, clock: 'none' }
}

function spans({ archive }: Rig, toUs = T0 + 86_400 * SECOND): [number, number][] {
  return archive.timeline(CAMERA, T0 - 86_400 * SECOND, toUs).stored.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])
}

/** Everything that was stored is there and exact, and a rebuilt index is the same, row for row. */
async function checkSound({ archive, disk, clock }: Rig, fragments: number, what = ''): Promise<void> {
  await archive.settledDates()
  const report = await archive.verify({ deep: true })
  assert.equal([report.damaged, report.missing, report.unindexed], [[], [], []], what)
  assert.is(report.fragments, fragments, what)
  await archive.close()
  const rows = archive.dumpIndex()
  const home = new FakeIndexHome()
  const settings = { disk, clock, root: ROOT, minFreeBytes: 0, commitDelayMs: 0, index: home }
  assert.equal((await reindexArchive(settings)).problems, [], what)
  const again = await makeRig({ disk, home })
  assert.equal(again.archive.dumpIndex(), rows, what)
  await again.archive.close()
}

function filesOf({ archive }: Rig): IndexedFile[] {
  return [...archive.undatedFiles(CAMERA), ...archive.files(CAMERA, 0, T0 * 2)]
}

/** Bytes of one of its fragments change, and it comes once more; `late`: when it was given up already. */
async function spoilAndHeal(rig: Rig, { id }: IndexedFile, plans: readonly Plan[], late: boolean): Promise<void> {
  await rig.archive.settledDates()
  const file = rig.archive.file(id)
  const [fragment] = file === undefined ? [] : rig.archive.fragmentsOf(file)
  if (file === undefined || fragment === undefined) return
  const { log, seq, row } = fragment
  const bytes = await bytesOf(rig.disk, file.row.path)
  const at = row.offset + row.bytes - 1
  bytes[at] = (bytes[at] ?? 0) ^ 1
  const spoilt = await rig.disk.open(`${ROOT}/${file.row.path}`, 'write')
  await spoilt.write([bytes.subarray(at, at + 1)], at)
  await spoilt.datasync()
  await spoilt.close()
  await rig.archive.noteDamaged(CAMERA, log, seq, 'its SHA-256 differs')
  if (late) await rig.archive.giveUpDamaged(CAMERA, log, seq)
  await storeAgain(rig, plans, log, seq)
}

async function removeAndHeal(rig: Rig, { id }: IndexedFile, plans: readonly Plan[]): Promise<void> {
  await rig.archive.settledDates()
  const file = rig.archive.file(id)
  if (file === undefined || file.row.state === 'open') return
  await rig.disk.remove(`${ROOT}/${file.row.path}`)
  await rig.archive.noteGone(file)
  for (let seq = file.row.firstSeq; seq <= file.row.lastSeq; seq++) await storeAgain(rig, plans, id.log, seq)
}

async function storeAgain({ store }: Rig, plans: readonly Plan[], log: string, seq: number): Promise<void> {
  const plan = plans.find((one) => one.log === log && one.seq === seq)
  if (plan !== undefined) assert.is(await store(plan), 'stored', `${log}-${seq}, seed ${SEED}`)
}

test('footage from before the clock was known gets its date with the first session, and its name', async () => {
  const rig = await makeRig()
  const { archive, disk, store } = rig
  await archive.nameCamera(CAMERA, 'Door')
  for (let seq = 0; seq < 3; seq++) await store({ seq, ...UNDATED })
  assert.equal(await footage(disk), [`Door/undated/${BOOT}/00000-00-05.000.${LOG}-0.mp4`])
  await archive.moment(CAMERA, ...moment(60 * SECOND))
  assert.equal(await footage(disk), [`Door/2026-03-14/10/00-00.000Z.${LOG}-0.mp4`])
  assert.equal(await disk.stat(`${ROOT}/Door/undated`), undefined)
  for (let seq = 3; seq < 5; seq++) await store({ seq, ...UNDATED })
  assert.equal(archive.undatedFiles(CAMERA), [])
  assert.equal(spans(rig), [[0, 4]], 'what came before and what came after is one piece')
  await checkSound(rig, 5)
})

test('a gap, and an expiry, of a time before the clock was known are dated too', async () => {
  const rig = await makeRig()
  const { archive } = rig
  await archive.gap(CAMERA, headerOf({ seq: 0, span: 4, kind: 'gap', ...UNDATED, durationUs: 4 * SECOND }), 'ring-full')
  await rig.store({ seq: 4, ...UNDATED })
  await rig.store({ seq: 5, ...UNDATED, run: 1 })
  const [file] = archive.undatedFiles(CAMERA)
  if (file !== undefined) await archive.expire(file, 'old')
  assert.equal(archive.timeline(CAMERA, T0 - SECOND, T0 + 60 * SECOND).ledger, [])
  await archive.moment(CAMERA, ...moment(60 * SECOND))
  assert.equal(
    archive.timeline(CAMERA, T0 - SECOND, T0 + 60 * SECOND).ledger.map(({ kind, first, last }) => [kind, first, last]),
    [
      ['gap', 0, 3],
      ['expired', 4, 4],
    ],
  )
  await checkSound(rig, 1)
})

test('footage that knows the time dates what its boot recorded before, without any session', async () => {
  const rig = await makeRig()
  for (let seq = 0; seq < 3; seq++) await rig.store({ seq, ...UNDATED })
  await rig.store({ seq: 3 })
  await rig.archive.settledDates()
  assert.equal(rig.archive.undatedFiles(CAMERA), [])
  assert.is(rig.archive.firstFile(CAMERA)?.row.startUs, T0)
  await rig.archive.close()
  // Live footage came before the backlog, and a restart in between.
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  await again.store({ seq: 10, log: LOG2, boot: BOOT2, monoUs: 100 * SECOND, wallUs: T0 + 500 * SECOND })
  await again.archive.close()
  const later = await makeRig({ disk: rig.disk, home: rig.home })
  await later.store({ seq: 0, log: LOG2, boot: BOOT2, monoUs: 50 * SECOND, ...UNDATED })
  assert.equal(later.archive.undatedFiles(CAMERA), [])
  assert.is(later.archive.files(CAMERA, T0 + 450 * SECOND, T0 + 451 * SECOND)[0]?.row.startUs, T0 + 450 * SECOND)
  await checkSound(later, 6)
})

test('a boot that saw neither a clock nor a session stays undated, with bounds from the boots around it', async () => {
  const rig = await makeRig()
  const { archive, disk, store } = rig
  await archive.nameCamera(CAMERA, 'Door')
  await archive.moment(CAMERA, ...moment(10 * SECOND, BOOT, ZERO, { backlog: [] }))
  await store({ seq: 0 })
  // An hour later the camera is back, after another start that nobody saw.
  const zero3 = T0 + 3500 * SECOND
  const backlog = [waiting(LOG2, BOOT2), waiting('00000000000000c3', BOOT3)]
  await archive.moment(CAMERA, ...moment(3600 * SECOND, BOOT3, zero3, { backlog }))
  await store({ seq: 0, log: LOG2, boot: BOOT2, ...UNDATED })
  await store({ seq: 0, log: 'c3c3c3c3c3c3c3c3', boot: BOOT3, monoUs: 10 * SECOND, ...UNDATED })
  assert.match((await footage(disk)).join(), /Door\/undated\/b007000000000002\//)
  const { undated } = archive.timeline(CAMERA, T0, T0 + 7200 * SECOND)
  const [span, onCard] = undated
  assert.equal([onCard?.state, onCard?.boot], ['onCard', BOOT2])
  assert.equal([undated.length - 1, span?.log, span?.firstSeq, span?.boot], [1, LOG2, 0, BOOT2])
  assert.is(span?.fromUs, T0 + 10 * SECOND + 1000, 'not before the camera was last heard of')
  assert.ok(Math.abs((span?.toUs ?? 0) - zero3) < 10_000, 'not after its next start')
  assert.equal(archive.timeline(CAMERA, T0 + 3550 * SECOND, T0 + 7200 * SECOND).undated, [])
  await checkSound(rig, 3)
})

test('a claim outside of what is possible is not believed: after its receipt, before the boot before', async () => {
  const rig = await makeRig()
  const { archive, clock, store } = rig
  clock.setWall(T0 + 3600 * SECOND)
  await archive.moment(CAMERA, ...moment(10 * SECOND, BOOT, ZERO, { backlog: [] }))
  const backlog = [waiting(LOG2, BOOT2), waiting('00000000000000c3', BOOT3)]
  await archive.moment(CAMERA, ...moment(3600 * SECOND, BOOT3, T0 + 3500 * SECOND, { backlog }))
  const header = (wallUs: number) => headerOf({ seq: 0, boot: BOOT2, log: LOG2, wallUs })
  for (const [seq, wallUs] of [T0 + 86_400 * SECOND, T0 - 86_400 * SECOND].entries()) {
    await archive.gap(CAMERA, { ...header(wallUs), kind: 'gap', seq }, 'ring-full')
  }
  await store({ seq: 5, boot: BOOT2, log: LOG2, wallUs: T0 - 86_400 * SECOND })
  await store({ seq: 6, boot: BOOT2, log: LOG2, wallUs: T0 + 100 * SECOND, monoUs: 20 * SECOND })
  await archive.settledDates()
  assert.equal(
    archive.files(CAMERA, 0, T0 * 2).map(({ row }) => [row.firstSeq, row.lastSeq]),
    [
      [5, 5],
      [6, 6],
    ],
    'what can be dates the rest of its boot',
  )
  await checkSound(rig, 2)
})

test('a storage device without a clock files by what cameras say, and dates the rest once it knows', async () => {
  const rig = await makeRig()
  const { archive, clock, store } = rig
  clock.setWall(5 * SECOND, 'none')
  await archive.moment(CAMERA, { boot: BOOT, monoUs: 20 * SECOND, wallUs: 0, clock: 'none' }, 5 * SECOND)
  await store({ seq: 0, ...UNDATED })
  await store({ seq: 0, log: LOG2, boot: BOOT2 })
  assert.is(archive.undatedFiles(CAMERA).length, 1)
  assert.is(archive.files(CAMERA, T0, T0 + SECOND).length, 1)
  clock.setWall(T0 + 3600 * SECOND, 'synchronised')
  await archive.moment(CAMERA, ...moment(3600 * SECOND))
  assert.equal(archive.undatedFiles(CAMERA), [])
  await checkSound(rig, 2)
})

test('the storage clock leaps and comes back: nothing moves; it is set for good: all of the boot follows', async () => {
  const rig = await makeRig()
  const { archive, store } = rig
  const day = 86_400 * SECOND
  const say = (atUs: number, zeroUs: number) => archive.moment(CAMERA, ...moment(atUs, BOOT, zeroUs))
  await say(0, ZERO)
  await store({ seq: 0 })
  await say(10 * SECOND + day, ZERO + day)
  await store({ seq: 1, wallUs: T0 + SECOND })
  await say(11 * SECOND, ZERO)
  assert.equal(spans(rig), [[0, 1]])
  for (let at = 20; at <= 90; at += 10) await say(at * SECOND - day, ZERO - day)
  await archive.settledDates()
  assert.equal(spans(rig), [[0, 1]], 'all of it, as one piece')
  assert.is(archive.firstFile(CAMERA)?.row.startUs, T0 - day)
  await store({ seq: 2, ...UNDATED })
  assert.equal(spans(rig), [[0, 2]], 'what comes next goes on from there')
  await checkSound(rig, 3)
})

test('footage that was dated away and back again is where it was, also in a rebuilt index', async () => {
  const rig = await makeRig()
  const { archive, store } = rig
  const day = 86_400 * SECOND
  await store({ seq: 0 })
  for (const at of [0, 20, 90]) await archive.moment(CAMERA, ...moment(day + at * SECOND, BOOT, ZERO + day))
  assert.is(archive.firstFile(CAMERA)?.row.startUs, T0 + day)
  for (const at of [100, 120, 190]) await archive.moment(CAMERA, ...moment(at * SECOND, BOOT, ZERO))
  assert.is(archive.firstFile(CAMERA)?.row.startUs, T0)
  await checkSound(rig, 1)
})

test('cut at every call to the disk while footage is dated, nothing is lost, doubled or hidden', async () => {
  const rig = await makeRig()
  for (let seq = 0; seq < 2; seq++) await rig.store({ seq, ...UNDATED })
  await rig.store({ seq: 700, monoUs: 705 * SECOND, ...UNDATED })
  await rig.archive.gap(CAMERA, headerOf({ seq: 2, span: 2, kind: 'gap', ...UNDATED }), 'ring-full')
  const cuts: { disk: FakeDisk; home: FakeIndexHome }[] = []
  const cut = () => cuts.push({ disk: rig.disk.fork(), home: new FakeIndexHome(rig.home.store.fork()) })
  rig.disk.watch(cut)
  rig.home.store.onCommitted = cut
  await rig.archive.moment(CAMERA, ...moment(3600 * SECOND))
  await rig.archive.close()
  assert.ok(cuts.length > 20, `${cuts.length} cuts`)
  for (const [index, { disk, home }] of cuts.entries()) {
    const what = `cut ${index}, seed ${SEED}`
    disk.crash(seededRandom(SEED + index))
    const after = await makeRig({ disk, home })
    await after.archive.moment(CAMERA, ...moment(3601 * SECOND))
    await after.archive.settledDates()
    assert.equal(after.archive.undatedFiles(CAMERA), [], what)
    assert.equal(
      after.archive.files(CAMERA, 0, T0 * 2).map(({ row }) => [row.firstSeq, row.lastSeq]),
      [
        [0, 1],
        [700, 700],
      ],
      what,
    )
    assert.is((await footage(disk)).length, 2, what)
    await checkSound(after, 3, what)
  }
})

test(`whatever the clocks do, every fragment is there once, in the order of its boot, seed ${SEED}`, async () => {
  const random = seededRandom(SEED)
  const pick = <T>(list: readonly T[]): T => list[randomBelow(random, list.length)] as T
  const what = (round: number) => `round ${round}, seed ${SEED}`
  for (let round = 0; round < ROUNDS; round++) {
    const rig = await makeRig()
    const plans: Plan[] = [BOOT, BOOT2, BOOT3].flatMap((boot, number) =>
      Array.from({ length: 12 }, (_, seq): Plan => {
        const trueUs = T0 + (number * 3600 + seq) * SECOND
        const wallUs = pick([trueUs, trueUs, trueUs, trueUs + 40 * SECOND, 7 * SECOND, T0 * 1.5])
        const clock = pick(['none', 'synchronised'] as const)
        return { seq, boot, log: `00000000000000${number}a`, monoUs: (9 + seq) * SECOND, wallUs, clock }
      }),
    )
    const busy: Promise<unknown>[] = []
    for (let left = [...plans]; left.length > 0; ) {
      const [plan] = left.splice(randomBelow(random, left.length), 1)
      if (plan !== undefined) assert.is(await rig.store(plan), 'stored', what(round))
      const file = pick(filesOf(rig))
      const fate = randomBelow(random, 40)
      // Not waited for: the clocks go on meanwhile.
      if (fate === 0) busy.push(rig.archive.expire(file, 'old'))
      if (fate === 1) busy.push(rig.archive.lock(CAMERA, T0, T0 + 3600 * SECOND, ''))
      // What expires meanwhile would not be taken again.
      if (fate === 2 || fate === 3) await Promise.all(busy)
      if (fate === 2) await spoilAndHeal(rig, file, plans, pick([true, false]))
      if (fate === 3) await removeAndHeal(rig, file, plans)
      if (randomBelow(random, 6) === 0) {
        const number = randomBelow(random, 3)
        const shiftUs = pick([0, 0, 0, 86_400 * SECOND])
        const zero = T0 + (number * 3600 - 9) * SECOND + shiftUs
        const atUs = (20_000 + 30 * (plans.length - left.length)) * SECOND + shiftUs
        const boot = [BOOT, BOOT2, BOOT3][number] ?? BOOT
        const backlog = [waiting('00000000000000ff', BOOT), waiting('00000000000000fe', BOOT2)].slice(0, number)
        await rig.archive.moment(CAMERA, ...moment(atUs, boot, zero, { backlog }))
      }
    }
    await Promise.all(busy)
    await rig.archive.settledDates()
    for (const [number, boot] of [BOOT, BOOT2, BOOT3].entries()) {
      const log = `00000000000000${number}a`
      assert.equal(rig.archive.durable(CAMERA, log, 0, 99), [[0, 11]], what(round))
      const dated = rig.archive.files(CAMERA, 0, T0 * 2).filter(({ row }) => row.boot === boot)
      const rows = dated.flatMap((file) => rig.archive.fragmentsOf(file))
      const byTime = [...rows].sort((a, b) => a.row.startUs - b.row.startUs).map(({ seq }) => seq)
      const session = rig.archive
        .dumpIndex()
        .some((row) => row.startsWith('boots') && row.includes(boot) && row.includes('"session"'))
      if (session)
        assert.equal(
          byTime,
          [...byTime].sort((a, b) => a - b),
          `${boot} in ${what(round)}`,
        )
    }
    const [account] = (await rig.archive.verify({ deep: false })).accounts
    await checkSound(rig, plans.length - (account?.counts.expired ?? 0), what(round))
  }
})

test.run()

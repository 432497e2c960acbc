import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openArchive } from './archive.ts'
import { BOOT, CAMERA, cameraKey, headerOf, LOG, LOG2, makeRig, ROOT, SECOND, T0 } from './archive-fixture.ts'
import { ArchiveIndex } from './index.ts'
import { IndexBatch } from './index-batch.ts'
import { LmdbHome } from './lmdb-store.ts'
import { reindexArchive } from './reindex.ts'
import type { FileRow, LedgerRow } from './rows.ts'
import { buildTimeline, type CardSpan, type TimelineSpan } from './timeline.ts'

const SEED = Number(process.env.HOMEWARD_SEED ?? Math.trunc(Math.random() * 2 ** 31))

function shown(spans: readonly TimelineSpan[]): [string, number, number][] {
  return spans.map(({ state, reason, fromUs, toUs }) => [
    reason === '' || state === 'cameraOff' ? state : `${state} ${reason}`,
    (fromUs - T0) / SECOND,
    (toUs - T0) / SECOND,
  ])
}

test('one state at a time: stored, lost, expired, on the card, camera off', async () => {
  const { archive, store, storeAll } = await makeRig()
  await storeAll(0, 9)
  const gap = (seq: number, span: number, reason: string) =>
    archive.gap(CAMERA, headerOf({ seq, span, kind: 'gap', durationUs: span * SECOND }), reason)
  await gap(10, 5, 'ring-full')
  await store({ seq: 15, run: 1 })
  await archive.gap(CAMERA, headerOf({ seq: 60, kind: 'gap' }), 'camera-off', '', {
    ...headerOf({ seq: 40 }),
    clock: 'synchronised',
  })
  await store({ seq: 70, log: LOG2 })
  const [old] = archive.files(CAMERA, T0 + 70 * SECOND, T0 + 71 * SECOND)
  if (old !== undefined) await archive.expire(old, 'older than 30 days')
  const times = { fromMonoUs: 13 * SECOND, toMonoUs: 35 * SECOND, clock: 'synchronised' } as const
  const waiting = { log: LOG, boot: BOOT, first: 8, last: 29, fromWallUs: T0 + 8 * SECOND, toWallUs: T0 + 30 * SECOND }
  const moment = { boot: BOOT, monoUs: 100 * SECOND, wallUs: 0, clock: 'none' } as const
  await archive.moment(CAMERA, { ...moment, backlog: [{ ...waiting, ...times }] }, T0 + 95 * SECOND)
  const { spans } = archive.timeline(CAMERA, T0 - 60 * SECOND, T0 + 3600 * SECOND)
  assert.equal(shown(spans), [
    ['stored', 0, 10],
    ['lost ring-full', 10, 15],
    ['stored', 15, 16],
    ['onCard', 16, 30],
    ['cameraOff', 40, 60],
    ['expired older than 30 days', 70, 71],
  ])
  assert.equal(shown(archive.timeline(CAMERA, T0 + 5 * SECOND, T0 + 12 * SECOND).spans), [
    ['stored', 5, 10],
    ['lost ring-full', 10, 12],
  ])
  const { accounts } = await archive.verify({ deep: false })
  const counts = { stored: 11, expired: 1, 'ring-full': 5, 'camera-off': 1, 'on-card': 14 }
  assert.equal(
    accounts.map((account) => ({ ...account.counts })),
    [counts],
  )
  assert.equal(archive.ledgerCounts()[0]?.outages['camera-off'], { count: 1, durationUs: 20 * SECOND })
  await archive.close()
})

test('footage that came after its gap is not counted as lost, nor what was healed; what is damaged for good is', async () => {
  const { archive, store } = await makeRig()
  await archive.gap(CAMERA, headerOf({ seq: 0, span: 10, kind: 'gap' }), 'ring-full')
  const lost = () => ({ ...archive.ledgerCounts()[0]?.lost })
  assert.equal(lost(), { 'ring-full': 10 })
  for (const seq of [2, 3, 7]) await store({ seq })
  assert.equal(lost(), { 'ring-full': 7 })
  await archive.noteDamaged(CAMERA, LOG, 3, 'its SHA-256 differs')
  await archive.giveUpDamaged(CAMERA, LOG, 3)
  assert.equal(lost(), { 'damaged-on-disk': 1, 'ring-full': 7 })
  const counts = async () => ({ ...(await archive.verify({ deep: false })).accounts[0]?.counts })
  assert.equal(await counts(), { stored: 2, 'damaged-on-disk': 1, 'ring-full': 7 })
  assert.is(await store({ seq: 3 }), 'stored')
  assert.equal(lost(), { 'ring-full': 7 })
  assert.equal(await counts(), { stored: 3, 'ring-full': 7 })
  await archive.close()
})

test(`spans never overlap, and cover all that is known, seed ${SEED}`, () => {
  const span = fc
    .tuple(fc.nat(100), fc.integer({ min: 1, max: 30 }))
    .map(([from, long]) => [from, from + long] as const)
  const row = ([startUs, endUs]: readonly [number, number], reason: string): LedgerRow => {
    const what = { kind: 'gap', log: LOG, first: 0, last: 0, note: '', path: '', atUs: 0 } as const
    return { ...what, dated: true, boot: '', startUs, endUs, reason }
  }
  const card = ([fromUs, toUs]: readonly [number, number]): CardSpan => ({
    fromUs,
    toUs,
    log: LOG,
    firstSeq: 0,
    lastSeq: 0,
  })
  const reason = fc.constantFrom('ring-full', 'camera-off', 'encoder-down')
  const parts = fc.tuple(
    fc.array(fc.tuple(span, reason)),
    fc.array(span),
    fc.nat(60),
    fc.integer({ min: 61, max: 140 }),
  )
  const run = ([entered, waiting, fromUs, toUs]: [
    [readonly [number, number], string][],
    (readonly [number, number])[],
    number,
    number,
  ]) => {
    const ledger = entered.map(([times, why]) => row(times, why))
    const { spans } = buildTimeline({ files: [], ledger, onCard: waiting.map(card), undated: [] }, fromUs, toUs)
    const known = [...entered.map(([times]) => times), ...waiting]
    for (let at = fromUs; at < toUs; at++) {
      const covering = spans.filter((one) => one.fromUs <= at && at < one.toUs)
      assert.is(covering.length, known.some(([from, to]) => from <= at && at < to) ? 1 : 0, `at ${at}`)
      if (waiting.some(([from, to]) => from <= at && at < to)) assert.not.equal(covering[0]?.state, 'cameraOff')
    }
  }
  fc.assert(fc.property(parts, run), { seed: SEED, numRuns: 300 })
})

test('a day of one camera takes no longer than 50 ms, with 64 of them in the index', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  const { archive, disk, clock, store } = await makeRig()
  await store({ seq: 0 })
  const [sample] = archive.files(CAMERA, T0, T0 + SECOND)
  if (sample === undefined) throw new Error('nothing stored')
  await archive.close()
  const home = new LmdbHome(join(folder, 'index'))
  const settings = { disk, clock, root: ROOT, minFreeBytes: 0, index: home }
  await reindexArchive(settings)
  const index = new ArchiveIndex(await home.open())
  for (let number = 0; number < 64; number++) await index.commit(dayOf(index, cameraKey(number), sample.row))
  await index.close()
  const busy = await openArchive(settings)
  // The processor's time: others may be busy on it.
  const before = process.cpuUsage()
  for (let number = 0; number < 64; number++) {
    const { spans } = busy.timeline(cameraKey(number), T0, T0 + 86_400 * SECOND)
    assert.ok(spans.length > 400, `${spans.length} spans`)
  }
  const { user, system } = process.cpuUsage(before)
  const eachMs = (user + system) / 1000 / 64
  await busy.close()
  await rm(folder, { recursive: true })
  process.stdout.write(`a day of one of 64 cameras: ${eachMs.toFixed(1)} ms `)
  assert.ok(eachMs <= 50, `${eachMs} ms`)
})

/** A file every 5 minutes, live and backlog by turns, and a gap in front of each. */
function dayOf(index: ArchiveIndex, camera: Uint8Array, sample: FileRow) {
  const batch = new IndexBatch(index)
  for (let number = 0; number < 288; number++) {
    const startUs = T0 + number * 300 * SECOND
    const [firstSeq, lastSeq] = [number * 300 + 10, number * 300 + 299]
    const times = { startUs, endUs: startUs + 290 * SECOND, firstSeq, lastSeq, run: number, fragments: 290 }
    batch.putFile({ camera, startUs, log: LOG, firstSeq }, { ...sample, ...times })
    const gap = { kind: 'gap', log: LOG, first: firstSeq - 10, last: firstSeq - 1, dated: true, boot: BOOT } as const
    const why = { reason: 'ring-full', note: '', path: '', atUs: T0 }
    batch.putLedger(camera, { ...gap, ...why, startUs: startUs - 10 * SECOND, endUs: startUs }, '')
  }
  return batch.changes()
}

test.run()

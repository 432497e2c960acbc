import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../../wire/errors.ts'
import { openArchive } from './archive.ts'
import {
  bytesOf,
  CAMERA,
  cameraKey,
  filesBelow,
  footage,
  headerOf,
  INIT,
  LOG,
  LOG2,
  makeRig,
  mediaAt,
  OTHER_INIT,
  ROOT,
  SECOND,
  T0,
} from './archive-fixture.ts'

const FIRST = 'Door/2026-03-14/10/00-00.000Z.00000000000000a1-0.mp4'

test('a fragment is answered for after file, folders and index are on the disk, in this order', async () => {
  const { archive, events, store } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  events.length = 0
  await store({ seq: 0 }).then(() => events.push('answered'))
  assert.equal(events, [
    'index open',
    'makeDir Door/2026-03-14/10',
    `open ${FIRST}`,
    `write ${FIRST}`,
    `datasync ${FIRST}`,
    'syncDir /disk',
    'syncDir Door',
    'syncDir Door/2026-03-14',
    'syncDir Door/2026-03-14/10',
    'index files fragments ranges totals',
    'answered',
  ])
  events.length = 0
  await store({ seq: 1 }).then(() => events.push('answered'))
  assert.equal(events, [`write ${FIRST}`, `datasync ${FIRST}`, 'index files fragments ranges totals', 'answered'])
  await archive.close()
})

for (const operation of ['write', 'datasync', 'syncDir'] as const) {
  test(`nothing is answered for while a ${operation} is under way`, async () => {
    const { archive, disk, store } = await makeRig()
    await archive.nameCamera(CAMERA, 'Door')
    const hang = disk.arm({ on: operation, path: 'Door', hang: true })
    let answered = false
    const stored = store({ seq: 0 }).then(() => {
      answered = true
    })
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.is(hang.hits, 1)
    assert.is(answered, false)
    assert.equal(archive.durable(CAMERA, LOG, 0, 9), [])
    hang.release()
    await stored
    assert.equal(archive.durable(CAMERA, LOG, 0, 9), [[0, 0]])
    await archive.close()
  })
}

test('what gathers while a commit is under way goes into the next one together', async () => {
  const { archive, disk, events, store, storeAll } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  await store({ seq: 0 })
  const hang = disk.arm({ on: 'datasync', path: 'Door', hang: true })
  const first = store({ seq: 1 })
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  events.length = 0
  const rest = storeAll(2, 9)
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  hang.release()
  await Promise.all([first, rest])
  assert.is(events.filter((event) => event.startsWith('datasync')).length, 2)
  assert.is(events.filter((event) => event.startsWith('index')).length, 2)
  assert.equal(archive.durable(CAMERA, LOG, 0, 99), [[0, 9]])
  await archive.close()
})

test('with a delay, a first fragment waits for others', async () => {
  const { archive, clock, events, store } = await makeRig({ commitDelayMs: 20 })
  const naming = archive.nameCamera(CAMERA, 'Door')
  await clock.advance(20)
  await naming
  events.length = 0
  const first = store({ seq: 0 })
  await clock.advance(10)
  const second = store({ seq: 1 })
  assert.equal(events, [])
  await clock.advance(10)
  await Promise.all([first, second])
  assert.is(events.filter((event) => event.startsWith('datasync')).length, 1)
  // The end does not wait.
  await archive.close()
  assert.is(clock.pendingTimers, 0)
})

test('the same fragment again is a duplicate, also while the first one is under way', async () => {
  const { archive, store } = await makeRig()
  const results = await Promise.all([store({ seq: 0 }), store({ seq: 0 }), store({ seq: 0 })])
  assert.equal(results.sort(), ['duplicate', 'duplicate', 'stored'])
  assert.is(await store({ seq: 0 }), 'duplicate')
  assert.is(archive.totals()[0]?.fragments, 1)
  await archive.close()
})

test('a duplicate of a fragment whose storing fails is stored itself', async () => {
  const { archive, disk, store } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  disk.arm({ on: 'datasync', path: 'Door', code: 'EIO' })
  const [first, second] = await Promise.allSettled([store({ seq: 0 }), store({ seq: 0 })])
  assert.is(first?.status, 'rejected')
  assert.equal(second, { status: 'fulfilled', value: 'stored' })
  await archive.close()
})

test('other content under the same name is kept apart, entered, and changes nothing', async () => {
  const { archive, disk, store } = await makeRig()
  await store({ seq: 4 })
  const before = archive.dumpIndex().filter((row) => row.startsWith('fragments'))
  const other = { init: INIT, fragment: mediaAt(4, 99) }
  assert.is(await store({ seq: 4 }, other), 'conflict')
  assert.is(await store({ seq: 4 }, other), 'conflict')
  assert.is(await store({ seq: 4 }), 'duplicate')
  assert.equal(
    archive.dumpIndex().filter((row) => row.startsWith('fragments')),
    before,
  )
  const kept = (await filesBelow(disk, 'quarantine')).map((path) => path.replace(/-[0-9a-f]{8}\./, '-HASH.'))
  const stem = 'quarantine/camera-07070707/00000000000000a1-4-HASH'
  assert.equal(kept, [`${stem}.json`, `${stem}.mp4`])
  const { gaps } = await archive.verify({ deep: true })
  assert.equal(
    gaps.map(({ kind, first, last }) => [kind, first, last]),
    [['conflict', 4, 4]],
  )
  await archive.close()
})

test('live and backlog get files of their own, each with consecutive numbers', async () => {
  const { archive, store } = await makeRig()
  for (let step = 0; step < 4; step++) {
    await store({ seq: 100 + step })
    await store({ seq: step })
  }
  const files = archive.files(CAMERA, T0, T0 + 600 * SECOND).map(({ row }) => [row.firstSeq, row.lastSeq])
  assert.equal(files, [
    [0, 3],
    [100, 103],
  ])
  await archive.close()
})

test('another run, init segment, log or window and a hole begin a new file, a step of the camera clock does not', async () => {
  const { archive, store } = await makeRig({ openFilesPerCamera: 9 })
  const step = { wallUs: T0 + 30 * SECOND }
  await store({ seq: 0 })
  await store({ seq: 1, run: 1 })
  await store({ seq: 2, run: 1 }, { init: OTHER_INIT, fragment: mediaAt(2) })
  await store({ seq: 3, log: LOG2 })
  await store({ seq: 4, log: LOG2, ...step })
  await store({ seq: 6, log: LOG2 })
  await store({ seq: 7, log: LOG2, wallUs: T0 + 600 * SECOND, monoUs: 605 * SECOND })
  const { unindexed, damaged } = await archive.verify({ deep: true })
  assert.equal([unindexed, damaged], [[], []])
  assert.equal(
    archive.files(CAMERA, T0, T0 + 1200 * SECOND).map(({ row }) => row.fragments),
    [1, 1, 1, 2, 1, 1],
  )
  await archive.close()
})

test('a file whose window is over is closed with its mfra, and not more files stay open than allowed', async () => {
  const { archive, disk, store } = await makeRig({ openFilesPerCamera: 2 })
  await store({ seq: 0 })
  await store({ seq: 1, wallUs: T0 + 600 * SECOND, monoUs: 605 * SECOND })
  await store({ seq: 50 })
  await store({ seq: 70 })
  const states = archive.files(CAMERA, T0, T0 + 1200 * SECOND).map(({ row }) => [row.firstSeq, row.state])
  assert.equal(states, [
    [0, 'closed'],
    [50, 'open'],
    [70, 'open'],
    [1, 'closed'],
  ])
  const [first = '', second = ''] = await footage(disk)
  const endings = await Promise.all([first, second].map(async (path) => (await bytesOf(disk, path)).slice(-12, -8)))
  assert.is(Buffer.from(endings[0] ?? []).toString(), 'mfro')
  assert.is.not(Buffer.from(endings[1] ?? []).toString(), 'mfro')
  await archive.close()
})

test('a camera that is off leaves no file open for long', async () => {
  const { archive, clock, store } = await makeRig({ idleCloseMs: 300_000 })
  await store({ seq: 0 })
  await clock.advance(200_000)
  assert.is(archive.files(CAMERA, T0, T0 + SECOND)[0]?.row.state, 'open')
  await clock.advance(200_000)
  assert.is(archive.files(CAMERA, T0, T0 + SECOND)[0]?.row.state, 'closed')
  assert.is(clock.pendingTimers, 0)
  await archive.close()
})

test('footage of a boot without a clock is filed by boot', async () => {
  const { archive, disk, store } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  await store({ seq: 0, clock: 'none', wallUs: 0, monoUs: 3723.004 * SECOND })
  await store({ seq: 1, clock: 'none', wallUs: 0, monoUs: 3724 * SECOND })
  assert.equal(await footage(disk), [`Door/undated/b007000000000001/00001-02-03.004.${LOG}-0.mp4`])
  assert.equal(
    archive.undatedFiles(CAMERA).map(({ row }) => [row.startUs, row.endUs, row.fragments]),
    [[3723.004 * SECOND, 3725 * SECOND, 2]],
  )
  assert.equal(archive.files(CAMERA, 0, T0 * 2), [])
  await archive.close()
})

test('a clock that steps back neither overwrites nor reorders', async () => {
  const { archive, disk, store } = await makeRig()
  for (let seq = 0; seq < 3; seq++) await store({ seq })
  for (let seq = 3; seq < 6; seq++) await store({ seq, wallUs: T0 + (seq - 3) * SECOND })
  assert.is((await footage(disk)).length, 1, 'the monotonic clock of the boot tells better')
  assert.equal(
    archive.timeline(CAMERA, T0, T0 + 60 * SECOND).stored.map((span) => [span.firstSeq, span.lastSeq, span.toUs]),
    [[0, 5, T0 + 6 * SECOND]],
  )
  await archive.close()
})

test('a file of the same name that the index does not know is never written over', async () => {
  const { archive, disk, store } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  await disk.makeDir(`${ROOT}/Door/2026-03-14/10`)
  const other = await disk.open(`${ROOT}/${FIRST}`, 'create')
  await other.write([new Uint8Array([1, 2, 3])], 0)
  await store({ seq: 0 })
  assert.equal(await bytesOf(disk, FIRST), new Uint8Array([1, 2, 3]))
  assert.equal(
    archive.files(CAMERA, T0, T0 + SECOND).map(({ row }) => row.path),
    [FIRST.replace('.mp4', '~2.mp4')],
  )
  await archive.close()
})

test('cameras get folders by their names, each its own, and keep them', async () => {
  const rig = await makeRig()
  const [one, two, three] = [cameraKey(1), cameraKey(2), cameraKey(3)]
  const names = await Promise.all([one, two, three].map((camera) => rig.archive.nameCamera(camera, 'Front: Door ')))
  assert.equal(names, ['Front Door', 'Front Door 02020202', 'Front Door 03030303'])
  assert.is(await rig.archive.nameCamera(two, 'front door'), 'front door 02020202')
  await rig.archive.close()
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  assert.is(await again.archive.nameCamera(one, 'Front: Door '), 'Front Door')
  assert.is(await again.archive.nameCamera(cameraKey(4), 'FRONT DOOR 02020202'), 'FRONT DOOR 02020202 04040404')
  await again.archive.close()
})

test('the timeline joins what follows on and tells why the rest is not there', async () => {
  const { archive, store, storeAll } = await makeRig()
  await storeAll(590, 609)
  await archive.gap(CAMERA, headerOf({ seq: 610, span: 5, kind: 'gap', durationUs: 5 * SECOND }), 'ring-full')
  await store({ seq: 615 })
  const { stored, ledger } = archive.timeline(CAMERA, T0 + 595 * SECOND, T0 + 900 * SECOND)
  assert.equal(
    stored.map((span) => [span.fromUs - T0, span.toUs - T0, span.firstSeq, span.lastSeq]),
    [
      [595 * SECOND, 610 * SECOND, 590, 609],
      [615 * SECOND, 616 * SECOND, 615, 615],
    ],
  )
  assert.equal(
    ledger.map((span) => [span.kind, span.fromUs - T0, span.toUs - T0, span.first, span.last, span.reason]),
    [['gap', 610 * SECOND, 615 * SECOND, 610, 614, 'ring-full']],
  )
  assert.equal(archive.durable(CAMERA, LOG, 0, 999), [[590, 615]])
  await archive.close()
})

test('a long gap is found from any moment inside it', async () => {
  const { archive } = await makeRig()
  const day = 86_400 * SECOND
  await archive.gap(CAMERA, headerOf({ seq: 0, span: 9, kind: 'gap', durationUs: 3 * day }), 'ring-full')
  await archive.gap(CAMERA, headerOf({ seq: 20, span: 9, kind: 'gap', durationUs: SECOND }), 'ring-full')
  assert.is(archive.timeline(CAMERA, T0 + 2 * day, T0 + 2 * day + SECOND).ledger.length, 1)
  assert.is(archive.timeline(CAMERA, T0 + 4 * day, T0 + 4 * day + SECOND).ledger.length, 0)
  await archive.close()
})

test('totals say what each camera has', async () => {
  const { archive, store } = await makeRig()
  await store({ seq: 0 })
  await store({ seq: 9 })
  const [totals] = archive.totals()
  const rows = archive.files(CAMERA, T0, T0 + 99 * SECOND).flatMap((file) => archive.fragmentsOf(file))
  assert.is(totals?.fragments, 2)
  assert.is(
    totals?.bytes,
    rows.reduce((sum, { row }) => sum + row.bytes, 0),
  )
  assert.equal([totals?.firstUs, totals?.lastUs], [T0, T0 + 10 * SECOND])
  assert.is(totals?.lastReceivedUs, T0 + 3600 * SECOND + 9)
  await archive.close()
})

test('a payload that is not one fragment of its init segment is refused and leaves nothing', async () => {
  const { archive, disk, store } = await makeRig()
  const malformed = (error: unknown) => isHomewardError(error, 'MEDIA_MALFORMED')
  for (const payload of [
    { init: INIT, fragment: mediaAt(0).slice(0, -1) },
    { init: INIT.slice(0, -1), fragment: mediaAt(0) },
    { init: INIT, fragment: new Uint8Array(0) },
  ]) {
    const [result] = await Promise.allSettled([store({ seq: 0 }, payload)])
    assert.ok(result?.status === 'rejected' && malformed(result.reason))
  }
  assert.equal(await footage(disk), [])
  assert.equal(archive.durable(CAMERA, LOG, 0, 0), [])
  await archive.close()
})

test('one archive at a time has the root, and a closed one takes nothing more', async () => {
  const { archive, disk, home, clock, store } = await makeRig()
  const open = () => openArchive({ disk, clock, root: ROOT, index: home, minFreeBytes: 0 })
  const [second] = await Promise.allSettled([open()])
  assert.ok(second?.status === 'rejected' && isHomewardError(second.reason, 'AGENT_RUNNING'))
  await Promise.all([archive.close(), archive.close()])
  const [late] = await Promise.allSettled([store({ seq: 0 })])
  assert.ok(late?.status === 'rejected' && isHomewardError(late.reason, 'DISK_FAILED'))
  await (await open()).close()
})

test('closing stores what was handed over before', async () => {
  const { archive, disk, home, storeAll } = await makeRig()
  const stored = storeAll(0, 5)
  await Promise.resolve()
  await Promise.resolve()
  await archive.close()
  const results = await Promise.allSettled([stored])
  const again = await makeRig({ disk, home })
  const durable = again.archive.durable(CAMERA, LOG, 0, 9)
  assert.equal(durable, results[0]?.status === 'fulfilled' ? [[0, 5]] : [])
  assert.is(again.archive.recovery.files, 0)
  await again.archive.close()
})

test.run()

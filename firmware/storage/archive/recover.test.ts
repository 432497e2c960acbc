/** Starts after files were cut, torn, filled with zeros or lost, and after power cuts at every moment. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { probe } from '../../media/sample-streams.ts'
import type { FakeDisk } from '../../platform/disk-fake.ts'
import { randomBelow, seededRandom } from '../../platform/random.ts'
import {
  bytesOf,
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
  writeBytes,
} from './archive-fixture.ts'
import { FakeIndexHome, type FakeIndexStore } from './index-store-fake.ts'
import { JOURNAL_PATH } from './names.ts'

const SEED = 20260314

/**
 * A file with three committed fragments and three that were written, but not committed: the bytes, the index as it was
 * then, and where each entry ends.
 */
async function torn(): Promise<{
  disk: FakeDisk
  store: FakeIndexStore
  path: string
  bytes: Uint8Array
  ends: number[]
}> {
  const rig = await makeRig()
  await rig.storeAll(0, 2)
  const store = rig.home.store.fork()
  await rig.storeAll(3, 5)
  const [path = ''] = await footage(rig.disk)
  const bytes = await bytesOf(rig.disk, path)
  const [file] = rig.archive.files(CAMERA, T0, T0 + 60 * SECOND)
  const rows = file === undefined ? [] : rig.archive.fragmentsOf(file)
  return { disk: rig.disk.fork(), store, path, bytes, ends: rows.map(({ row }) => row.offset + row.bytes) }
}

async function restart(disk: FakeDisk, store: FakeIndexStore): Promise<Rig> {
  return makeRig({ disk, home: new FakeIndexHome(store.fork()) })
}

/** Fragments up to `last` are there, whole and in the index; the file is closed and has an mfra; nothing else is there. */
async function checkKept(rig: Rig, last: number, what: string): Promise<void> {
  assert.equal(rig.archive.durable(CAMERA, LOG, 0, 99), [[0, last]], what)
  const { fragments, damaged, missing, unindexed } = await rig.archive.verify({ deep: true })
  assert.equal({ damaged, missing, unindexed }, { damaged: [], missing: [], unindexed: [] }, what)
  assert.is(fragments, last + 1, what)
  const [path = ''] = await footage(rig.disk)
  const bytes = await bytesOf(rig.disk, path)
  assert.is(Buffer.from(bytes.slice(-12, -8)).toString(), 'mfro', what)
  assert.equal(rig.home.store.range('open', {}), [], what)
}

test('a file cut anywhere behind the last commit keeps what verifies and loses the rest', async () => {
  const { disk, store, path, bytes, ends } = await torn()
  const committed = ends[2] ?? 0
  const random = seededRandom(SEED)
  const cuts = ends.slice(2).flatMap((end) => [end - 1, end, end + 1, end + 24, end + 260])
  for (let count = 0; count < 20; count++) cuts.push(committed + randomBelow(random, bytes.byteLength - committed))
  for (const cut of cuts.filter((at) => at >= committed && at <= bytes.byteLength)) {
    const fork = disk.fork()
    await writeBytes(fork, path, bytes.slice(0, cut))
    const rig = await restart(fork, store)
    const last = ends.filter((end) => end <= cut).length - 1
    await checkKept(rig, last, `cut at ${cut}, seed ${SEED}`)
    const cutBytes = cut - (ends[last] ?? 0)
    assert.equal(
      rig.archive.recovery.notes.map(({ type, bytes: gone }) => [type, gone]),
      cutBytes > 0 ? [['cut', cutBytes]] : [],
    )
    assert.is(await rig.store({ seq: last + 1 }), 'stored')
    await rig.archive.close()
  }
})

test('a tail of zeros behind any byte is never taken for footage', async () => {
  const { disk, store, path, bytes, ends } = await torn()
  const random = seededRandom(SEED)
  const starts = ends.slice(2, -1).flatMap((end) => [end, end + 300, end + 420, end + 700])
  for (let count = 0; count < 10; count++) {
    starts.push((ends[2] ?? 0) + randomBelow(random, bytes.byteLength - (ends[2] ?? 0)))
  }
  for (const start of starts) {
    const fork = disk.fork()
    await writeBytes(
      fork,
      path,
      new Uint8Array(bytes.byteLength + 4096).fill(0).map((_, at) => (at < start ? (bytes[at] ?? 0) : 0)),
    )
    const rig = await restart(fork, store)
    await checkKept(rig, ends.filter((end) => end <= start).length - 1, `zeros from ${start}, seed ${SEED}`)
    await rig.archive.close()
  }
})

test('a bit that turned over behind the last commit costs its fragment and those behind it', async () => {
  const { disk, store, path, ends } = await torn()
  const random = seededRandom(SEED)
  for (let count = 0; count < 30; count++) {
    const at = (ends[2] ?? 0) + randomBelow(random, (ends[5] ?? 0) - (ends[2] ?? 0))
    const fork = disk.fork()
    fork.rot(`${ROOT}/${path}`, at, 1 << randomBelow(random, 8))
    const rig = await restart(fork, store)
    await checkKept(rig, ends.filter((end) => end <= at).length - 1, `bit at ${at}, seed ${SEED}`)
    await rig.archive.close()
  }
})

test('a fragment that does not follow the one before is not taken, sound as it may be', async () => {
  const { disk, store, path, bytes, ends } = await torn()
  const [third = 0, fourth = 0] = [ends[2], ends[3]]
  await writeBytes(disk, path, new Uint8Array([...bytes.slice(0, third), ...bytes.slice(fourth)]))
  const rig = await restart(disk, store)
  await checkKept(rig, 2, 'a hole')
  await rig.archive.close()
})

test('a new file cut anywhere keeps what verifies, or goes', async () => {
  const rig = await makeRig()
  await rig.archive.nameCamera(CAMERA, 'Door')
  let before: FakeIndexStore | undefined
  rig.home.store.onCommitted = () => {
    before ??= rig.home.store.fork()
  }
  await rig.storeAll(0, 1)
  assert.ok(before)
  const [path = ''] = await footage(rig.disk)
  const bytes = await bytesOf(rig.disk, path)
  const [file] = rig.archive.files(CAMERA, T0, T0 + 60 * SECOND)
  const ends = (file === undefined ? [] : rig.archive.fragmentsOf(file)).map(({ row }) => row.offset + row.bytes)
  const init = INIT.byteLength
  for (const cut of [
    0,
    1,
    7,
    init - 1,
    init,
    init + 1,
    init + 50,
    (ends[0] ?? 0) - 1,
    ends[0] ?? 0,
    bytes.byteLength,
  ]) {
    const fork = rig.disk.fork()
    await writeBytes(fork, path, bytes.slice(0, cut))
    const again = await restart(fork, before)
    const last = ends.filter((end) => end <= cut).length - 1
    if (last < 0)
      assert.equal([await footage(fork), again.archive.durable(CAMERA, LOG, 0, 9)], [[], []], `cut at ${cut}`)
    else await checkKept(again, last, `cut at ${cut}`)
    assert.is(await again.store({ seq: last + 1 }), 'stored')
    await again.archive.close()
  }
})

test('a file that was named but never made is forgotten', async () => {
  const rig = await makeRig()
  let before: FakeIndexStore | undefined
  rig.home.store.onCommitted = (changes) => {
    if (changes.some(({ table }) => table === 'open')) before ??= rig.home.store.fork()
  }
  const disk = rig.disk.fork()
  await rig.store({ seq: 0 })
  assert.ok(before)
  const again = await restart(disk, before)
  assert.equal(again.archive.recovery.notes, [])
  assert.equal(again.home.store.range('open', {}), [])
  await again.archive.close()
})

test('a fragment that was stored elsewhere meanwhile is not stored twice', async () => {
  const { disk, store, path, bytes } = await torn()
  const rig = await restart(disk, store)
  await rig.storeAll(3, 5)
  await rig.archive.close()
  // The old file is as it was, and open again.
  await writeBytes(rig.disk, path, bytes)
  const [open] = store.range('open', {})
  if (open === undefined) throw new Error('no open file')
  await rig.home.store.commit([{ table: 'open', ...open }])
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  const { fragments, damaged, unindexed } = await again.archive.verify({ deep: true })
  assert.equal([fragments, damaged, unindexed], [6, [], []])
  await again.archive.close()
})

test('one bad file never blocks the start: it is set aside and said', async () => {
  const { disk, store, path, bytes } = await torn()
  const cases: [string, (fork: FakeDisk) => Promise<void>][] = [
    ['shorter than committed', (fork) => writeBytes(fork, path, bytes.slice(0, 900))],
    ['gone', (fork) => fork.remove(`${ROOT}/${path}`)],
    ['no init segment', (fork) => writeBytes(fork, path, new Uint8Array(bytes.byteLength))],
    ['cannot be read', async (fork) => void fork.arm({ on: 'read', path, code: 'EIO', times: 99 })],
  ]
  for (const [what, spoil] of cases) {
    const fork = disk.fork()
    await spoil(fork)
    const rig = await restart(fork, store)
    assert.equal(
      rig.archive.recovery.notes.map((note) => [note.type, note.path]),
      [['doubtful', path]],
      what,
    )
    assert.is(rig.archive.files(CAMERA, T0, T0 + SECOND)[0]?.row.state, 'doubtful', what)
    const journal = Buffer.from(await bytesOf(fork, JOURNAL_PATH)).toString()
    assert.match(journal, '"type":"doubtful"', what)
    assert.is(await rig.store({ seq: 90 }), 'stored', what)
    const { damaged, missing } = await rig.archive.verify({ deep: true })
    assert.ok(damaged.length + missing.length > 0, what)
    await rig.archive.close()
    const again = await makeRig({ disk: fork, home: rig.home })
    assert.equal(again.archive.recovery.notes, [], what)
    await again.archive.close()
  }
})

test('a read-only disk is said at the start, not blamed on its files', async () => {
  const { disk, store } = await torn()
  disk.readOnly = true
  const [result] = await Promise.allSettled([restart(disk, store)])
  assert.is(result?.status === 'rejected' && result.reason.code, 'DISK_READ_ONLY')
})

test('a power cut at any moment loses nothing that was answered for', async () => {
  for (let round = 0; round < 25; round++) {
    const seed = SEED + round
    const random = seededRandom(seed)
    const rig = await makeRig()
    const answered = new Set<number>()
    // The power goes after so many calls of the disk.
    let left = 8 + randomBelow(random, 60)
    let cut: { disk: FakeDisk; store: FakeIndexStore; answered: number[] } | undefined
    rig.disk.watch(() => {
      if (--left === 0) cut = { disk: rig.disk.fork(), store: rig.home.store.fork(), answered: [...answered] }
    })
    let next = 0
    while (next < 40) {
      const count = 1 + randomBelow(random, 4)
      const some = Array.from({ length: count }, (_, index) => next + index)
      // Jumps make new files, and gaps go through the journal.
      next += count + (randomBelow(random, 4) === 0 ? 3 : 0)
      await Promise.all(some.map((seq) => rig.store({ seq }).then(() => answered.add(seq))))
      if (randomBelow(random, 5) === 0) {
        await rig.archive.gap(CAMERA, headerOf({ seq: next, span: 2, kind: 'gap' }), 'ring-full')
        answered.add(next)
        next += 2
      }
    }
    if (cut === undefined) cut = { disk: rig.disk.fork(), store: rig.home.store.fork(), answered: [...answered] }
    await rig.archive.close()
    cut.disk.crash(random)
    const again = await restart(cut.disk, cut.store)
    const what = `seed ${seed}`
    for (const seq of cut.answered) {
      assert.equal(again.archive.durable(CAMERA, LOG, seq, seq), [[seq, seq]], `${what}: ${seq}`)
    }
    const { damaged, missing, unindexed } = await again.archive.verify({ deep: true })
    assert.equal({ damaged, missing, unindexed }, { damaged: [], missing: [], unindexed: [] }, what)
    // Whatever was not answered for can be sent again.
    for (let seq = 0; seq < 10; seq++) {
      const again0 = await again.store({ seq }, { init: INIT, fragment: mediaAt(seq) })
      assert.is.not(again0, 'conflict', what)
    }
    await again.archive.close()
  }
})

test('a recovered file plays', async () => {
  const { disk, store, path, bytes, ends } = await torn()
  await writeBytes(disk, path, bytes.slice(0, (ends[4] ?? 0) - 3))
  const rig = await restart(disk, store)
  const { packets, complaints } = probe(await bytesOf(rig.disk, path), [])
  assert.is(packets.length, 4 * 4)
  assert.is(complaints.includes('moov'), false)
  await rig.archive.close()
})

test.run()

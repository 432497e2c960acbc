import { basename } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { type ErrorCode, isHomewardError } from '../../wire/errors.ts'
import { decodeGap } from '../../wire/gap.ts'
import { decodeRecordHeader } from '../../wire/record.ts'
import type { Ring } from './ring.ts'
import {
  contentsOf,
  DIR,
  describeRecord,
  fragmentAt,
  KIB,
  openFake,
  prepareCard,
  readAll,
  SLAB_BYTES,
} from './ring-fixture.ts'
import { FakeSealer, unsealFake } from './sealer-fake.ts'
import { slabNumber } from './slabs.ts'

async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(isHomewardError(error, code), `expected ${code}, got ${error}`)
}

async function append(ring: Ring, first: number, last: number, bytes?: number): Promise<string> {
  let results = ''
  for (let at = first; at <= last; at++) results += (await ring.append(fragmentAt(at, bytes))) === 'kept' ? 'k' : 'g'
  return results
}

/** Fragments of 40 KiB that fit the 256 KiB of a slab that are for fragments. */
const PER_SLAB = 5

async function cardWith(slabs?: number): Promise<FakeDisk> {
  const disk = new FakeDisk()
  await prepareCard(disk, slabs)
  return disk
}

test('what is appended is found, in order, and reads back exactly', async () => {
  const ring = await openFake(await cardWith(), { recentBytes: 0 })
  assert.is(await append(ring, 0, 11), 'k'.repeat(12))
  assert.equal(
    [...(await readAll(ring)).values()],
    Array.from({ length: 12 }, (_, at) => fragmentAt(at).fragment.toString()),
  )
  assert.equal(
    ring.logs().map(({ log, first, last, unacked }) => ({ log, first, last, unacked })),
    [{ log: ring.log, first: 0, last: 11, unacked: [[0, 11]] }],
  )
  const ref = ring.next(ring.log, 3)
  assert.is(ref?.seq, 3)
  const header = decodeRecordHeader(
    await ring.read(ref ?? { log: '', seq: 0, span: 1, kind: 'gap', bytes: 0, monoUs: 0 }),
  )
  const { runStart, monoUs, boot } = fragmentAt(3).meta
  assert.equal([header.seq, header.span, header.monoUs, header.boot, header.runStart], [3, 1, monoUs, boot, runStart])
  await ring.close()
})

test('a fragment counts only after write and datasync, in this order; the mark before a slab is taken', async () => {
  const disk = await cardWith(2)
  const ring = await openFake(disk)
  disk.calls.length = 0
  await append(ring, 0, PER_SLAB - 1)
  ring.ack(ring.log, [[0, PER_SLAB - 1]])
  await append(ring, PER_SLAB, PER_SLAB + 1)
  const log = disk.calls.flatMap(({ operation, path }) => {
    return operation === 'write' || operation === 'datasync' ? [`${operation} ${path.slice(DIR.length + 1)}`] : []
  })
  const slab0 = ['write slab-0000.hwr', 'datasync slab-0000.hwr']
  assert.equal(log.slice(0, 10), Array(PER_SLAB).fill(slab0).flat())
  assert.equal(log.slice(-6, -4), ['write acks', 'datasync acks'])
  assert.equal(log.slice(-4, -2), log.slice(-2))
  assert.match(log.at(-1) ?? '', /^datasync slab-/)
  await ring.close()
})

test('nothing is visible before the sync; what comes meanwhile shares the next one', async () => {
  const disk = await cardWith()
  const ring = await openFake(disk)
  const stuck = disk.arm({ on: 'datasync', path: 'slab', hang: true })
  const first = ring.append(fragmentAt(0))
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(stuck.hits, 1)
  const others = [1, 2, 3].map((at) => ring.append(fragmentAt(at, KIB)))
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(ring.next(ring.log, 0), undefined)
  disk.calls.length = 0
  stuck.release()
  assert.equal(await Promise.all([first, ...others]), ['kept', 'kept', 'kept', 'kept'])
  assert.is(disk.calls.filter(({ operation }) => operation === 'write').length, 3)
  assert.is(disk.calls.filter(({ operation }) => operation === 'datasync').length, 1)
  assert.is(ring.unacked(ring.log).length, 4)
  await ring.close()
})

test('live sending reads nothing back from the card; memory is bounded', async () => {
  const disk = await cardWith()
  const ring = await openFake(disk, { recentBytes: 100 * KIB })
  await append(ring, 0, 3)
  disk.calls.length = 0
  const reads = async (seq: number) => {
    const ref = ring.next(ring.log, seq)
    if (ref !== undefined) await ring.read(ref)
    return disk.calls.splice(0).filter(({ operation }) => operation === 'read').length
  }
  assert.equal([await reads(3), await reads(2), await reads(1)], [0, 0, 1])
  await ring.close()
})

test('ACKed fragments are not sent again, after a restart either; a slab of them is taken again', async () => {
  const disk = await cardWith(2)
  const ring = await openFake(disk)
  await append(ring, 0, 7)
  ring.ack(ring.log, [
    [0, 2],
    [4, 5],
  ])
  assert.equal(await contentsOf(ring), ['3:3', '6:6', '7:7'])
  assert.is(ring.next(ring.log, 0)?.seq, 3)
  assert.is(ring.next(ring.log, 4)?.seq, 6)
  assert.is(ring.next(ring.log, 8), undefined)
  await ring.close()

  const again = await openFake(disk)
  assert.equal(await contentsOf(again, ring.log), ['3:3', '6:6', '7:7'])
  assert.equal(again.damage(), [])
  again.ack(ring.log, [[0, 7]])
  assert.equal(again.logs(), [])
  // Two more in the slab in use, five in the other one.
  assert.is(await append(again, 0, 9), 'kkkkkkkggg')
  await again.close()
})

test('the mark is written a while after an ACK, and on close', async () => {
  const disk = await cardWith()
  const clock = new FakeClock()
  const ring = await openFake(disk, { clock, markIntervalMs: 5000 })
  await append(ring, 0, 2)
  disk.calls.length = 0
  const marks = () => disk.calls.filter(({ operation, path }) => operation === 'write' && path.endsWith('acks')).length
  ring.ack(ring.log, [[0, 0]])
  ring.ack(ring.log, [[1, 1]])
  await clock.advance(4999)
  assert.is(marks(), 0)
  await clock.advance(1)
  assert.is(marks(), 1)
  await clock.advance(60_000)
  assert.is(marks(), 1)
  ring.ack(ring.log, [[2, 2]])
  await ring.close()
  assert.is(marks(), 2)
  assert.is(clock.pendingTimers, 0)
})

test('a full ring keeps what it has, counts what it misses to the fragment, and takes again when a slab is free', async () => {
  const disk = await cardWith(2)
  const ring = await openFake(disk, { recentBytes: 0 })
  const fits = 2 * PER_SLAB
  assert.is(await append(ring, 0, fits + 6), 'k'.repeat(fits) + 'g'.repeat(7))
  assert.is(ring.stats().full, true)
  const kept = Array.from({ length: fits }, (_, at) => `${at}:${at}`)
  // Written at spans of 1, 2 and 4: the last state that was worth a write.
  assert.equal(await contentsOf(ring), [...kept, `${fits}-${fits + 3}:ring-full`])

  // Part of a slab is not enough, and the newest slab alone would do.
  ring.ack(ring.log, [[0, PER_SLAB - 2]])
  assert.is(await append(ring, fits + 7, fits + 7), 'g')
  ring.ack(ring.log, [[PER_SLAB - 1, PER_SLAB - 1]])
  assert.is(await append(ring, fits + 8, fits + 9), 'kk')
  assert.is(ring.stats().full, false)
  assert.equal(await contentsOf(ring), [
    ...kept.slice(PER_SLAB),
    `${fits}-${fits + 7}:ring-full`,
    `${fits + 8}:${fits + 8}`,
    `${fits + 9}:${fits + 9}`,
  ])
  await ring.close()
  const again = await openFake(disk)
  assert.is((await contentsOf(again, ring.log)).includes(`${fits}-${fits + 7}:ring-full`), true)
  assert.equal(again.damage(), [])
  await again.close()
})

test('of a gap that grows, a synced state is on the card at every moment, however many fragments are missed at once', async () => {
  const disk = await cardWith(1)
  const ring = await openFake(disk, { recentBytes: 0 })
  await append(ring, 0, PER_SLAB - 1)
  const before = disk.calls.length
  await Promise.all(Array.from({ length: 32 }, (_, at) => ring.append(fragmentAt(PER_SLAB + at))))
  const calls = disk.calls
    .slice(before)
    .filter(
      ({ operation, path }) =>
        slabNumber(basename(path)) !== undefined && (operation === 'write' || operation === 'datasync'),
    )
    .map(({ operation }) => operation)
  const states = calls.filter((operation) => operation === 'write').length
  assert.ok(states >= 5, `${states} states of the gap`)
  for (const [at, operation] of calls.entries()) {
    assert.ok(operation !== 'write' || calls[at + 1] !== 'write', `two states without a sync between them: ${calls}`)
  }
  await ring.close()
})

test('a full ring that is closed has the gap exact; the gap has its times', async () => {
  const disk = await cardWith(1)
  const ring = await openFake(disk)
  await append(ring, 0, PER_SLAB + 6)
  await ring.close()
  const again = await openFake(disk)
  const gap = again.next(ring.log, PER_SLAB)
  assert.equal([gap?.kind, gap?.seq, gap?.span], ['gap', PER_SLAB, 7])
  if (gap === undefined) return
  const record = await again.read(gap)
  const { monoUs, wallUs, durationUs } = decodeRecordHeader(record)
  const [start, end] = [fragmentAt(PER_SLAB).meta, fragmentAt(PER_SLAB + 6).meta]
  assert.equal([monoUs, wallUs, durationUs], [start.monoUs, start.wallUs, 7e6])
  assert.equal(decodeGap(unsealFake(record)), {
    reason: 'ring-full',
    endMonoUs: end.monoUs + 1e6,
    endWallUs: end.wallUs + 1e6,
  })
  await again.close()
})

test('a ring of one slab works: full, all ACKed, taken again', async () => {
  const disk = await cardWith(1)
  const ring = await openFake(disk)
  for (let round = 0; round < 4; round++) {
    const first = round * (PER_SLAB + 1)
    assert.is(await append(ring, first, first + PER_SLAB), `${'k'.repeat(PER_SLAB)}g`)
    ring.ack(ring.log, [[0, first + PER_SLAB]])
  }
  await ring.close()
})

test('a gap for a reason consumes its numbers and is an ordinary record', async () => {
  const disk = await cardWith()
  const clock = new FakeClock()
  const ring = await openFake(disk, { clock })
  await append(ring, 0, 1)
  await ring.addGap(3, 'encoder-down')
  await ring.addGap(1, 'camera-off', { run: 4, monoUs: 7, wallUs: 0, clock: 'none', durationUs: 9 })
  await append(ring, 2, 2)
  assert.equal(await contentsOf(ring), ['0:0', '1:1', '2-4:encoder-down', '5:camera-off', '6:2'])
  const off = ring.next(ring.log, 5)
  assert.is(off?.monoUs, 7)
  if (off !== undefined)
    assert.equal(decodeGap(unsealFake(await ring.read(off))), { reason: 'camera-off', endMonoUs: 16 })
  await ring.close()
})

test('a fragment longer than a slab is a gap', async () => {
  const ring = await openFake(await cardWith())
  assert.is(await ring.append(fragmentAt(0, 300 * KIB)), 'gap')
  assert.is(await ring.append(fragmentAt(1, 17 * 1024 * KIB)), 'gap')
  assert.is(await ring.append(fragmentAt(2)), 'kept')
  assert.equal(await contentsOf(ring), ['0:too-long', '1:too-long', '2:2'])
  await ring.close()
})

test('a card that does not keep up costs fragments, not memory', async () => {
  const disk = await cardWith()
  const ring = await openFake(disk, { maxWaitingBytes: 100 * KIB })
  const stuck = disk.arm({ on: 'datasync', path: 'slab', hang: true })
  const results = [ring.append(fragmentAt(0))]
  await new Promise((resolve) => setImmediate(resolve))
  for (let at = 1; at <= 8; at++) results.push(ring.append(fragmentAt(at)))
  stuck.release()
  assert.equal((await Promise.all(results)).map((result) => result[0]).join(''), 'kkkgggggg')
  assert.is(await ring.append(fragmentAt(9)), 'kept')
  assert.equal(await contentsOf(ring), ['0:0', '1:1', '2:2', '3-8:too-slow', '9:9'])
  await ring.close()
})

test('two openings are two logs', async () => {
  const disk = await cardWith()
  const one = await openFake(disk)
  await append(one, 0, 2)
  await one.close()
  const two = await openFake(disk)
  await append(two, 10, 11)
  assert.is.not(one.log, two.log)
  assert.equal(
    two.logs().map(({ log, unacked }) => ({ log, unacked })),
    [
      { log: one.log, unacked: [[0, 2]] },
      { log: two.log, unacked: [[0, 1]] },
    ],
  )
  assert.equal(
    [await contentsOf(two, one.log), await contentsOf(two)],
    [
      ['0:0', '1:1', '2:2'],
      ['0:10', '1:11'],
    ],
  )
  await two.close()
  await rejects(openFake(disk, { sealer: new FakeSealer({ log: one.log }) }), 'INTERNAL')
})

test('ACKed footage can still be found for healing, until it is overwritten', async () => {
  const disk = await cardWith(3)
  const ring = await openFake(disk, { recentBytes: 0 })
  await append(ring, 0, 11)
  ring.ack(ring.log, [[0, 11]])
  await append(ring, 12, 15)
  const found = await ring.find(ring.log, 7)
  assert.ok(found)
  if (found !== undefined) assert.is(describeRecord(await ring.read(found)).content, fragmentAt(7).fragment.toString())
  await ring.close()
  const again = await openFake(disk, { recentBytes: 0 })
  const later = await again.find(ring.log, 8)
  assert.ok(later)
  if (later !== undefined) assert.is(describeRecord(await again.read(later)).content, fragmentAt(8).fragment.toString())
  disk.rot(`${DIR}/slab-0001.hwr`, 3 * 44 * KIB + 9000)
  if (later !== undefined) await rejects(again.read(later), 'RECORD_DAMAGED')
  await append(again, 0, 19)
  assert.is(await again.find(ring.log, 1), undefined)
  if (later !== undefined) await rejects(again.read(later), 'RECORD_DAMAGED')
  assert.equal(again.damage(), [])
  await again.close()
})

test('footage for another storage device is named, and given up only when told', async () => {
  const disk = await cardWith()
  const [old, next] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const before = await openFake(disk, { sealer: new FakeSealer({ recipient: old }) })
  await append(before, 0, 4)
  before.ack(before.log, [[1, 2]])
  await before.close()
  const ring = await openFake(disk, { sealer: new FakeSealer({ recipient: next }) })
  await append(ring, 0, 1)
  assert.equal(
    ring.logs().map(({ recipient }) => recipient[0]),
    [1, 2],
  )
  assert.equal(
    (await ring.discard(next)).map(({ log, recipient, first, last }) => [log, recipient[0], first, last]),
    [
      [before.log, 1, 0, 0],
      [before.log, 1, 3, 4],
    ],
  )
  assert.equal(
    ring.logs().map(({ log }) => log),
    [ring.log],
  )
  disk.crash({ bytes: (count) => new Uint8Array(count) }, 'nothing')
  const again = await openFake(disk)
  assert.equal(
    again.logs().map(({ log }) => log),
    [ring.log],
  )
  await again.close()
})

test('listeners hear of what is kept and what is ACKed, until they stop', async () => {
  const ring = await openFake(await cardWith())
  let heard = 0
  const stop = ring.onChange(() => heard++)
  await append(ring, 0, 0)
  assert.is(heard, 1)
  ring.ack(ring.log, [[0, 0]])
  assert.is(heard, 2)
  ring.ack(ring.log, [[0, 0]])
  ring.ack('ffffffffffffffff', [[0, 9]])
  ring.ack(ring.log, [[5, 9]])
  assert.is(heard, 2)
  stop()
  await append(ring, 1, 1)
  assert.is(heard, 2)
  await ring.close()
})

test('the statistics say what the card holds', async () => {
  const clock = new FakeClock()
  const ring = await openFake(await cardWith(4), { clock })
  await clock.advance(1000)
  await append(ring, 0, 0)
  await append(ring, 1, 6)
  await clock.advance(5000)
  const stats = ring.stats()
  assert.is(stats.capacityBytes, 4 * SLAB_BYTES)
  assert.is(stats.usedBytes, SLAB_BYTES + 2 * 44 * KIB + 64 * KIB)
  assert.is(stats.capturedBytes, 7 * (40 * KIB + 12))
  assert.is(stats.unackedBytes, 7 * (312 + 4 + 12 + 40 * KIB + 16))
  assert.is(stats.oldestUnackedAgeMs, 6000)
  assert.equal([stats.full, stats.card], [false, 'ok'])
  ring.ack(ring.log, [[0, 5]])
  assert.is(ring.stats().usedBytes, 2 * 44 * KIB + 64 * KIB)
  assert.is(ring.stats().unackedBytes, 312 + 4 + 12 + 40 * KIB + 16)
  assert.is(ring.stats().oldestUnackedAgeMs, 0)
  ring.ack(ring.log, [[0, 6]])
  assert.is(ring.stats().unackedBytes, 0)
  await ring.close()
})

test('after close nothing is taken', async () => {
  const ring = await openFake(await cardWith())
  const last = ring.append(fragmentAt(0))
  await Promise.all([ring.close(), ring.close()])
  assert.is(await last, 'kept')
  await rejects(ring.append(fragmentAt(1)), 'CANCELLED')
  await rejects(ring.addGap(1, 'encoder-down'), 'CANCELLED')
})

test('the key of the log is forgotten with the ring, not before its last gap is sealed', async () => {
  const disk = await cardWith(1)
  const sealer = new FakeSealer()
  const ring = await openFake(disk, { sealer })
  for (let at = 0; at < 9; at++) await ring.append(fragmentAt(at))
  assert.ok(ring.stats().full)
  assert.not.ok(sealer.closed)
  await ring.close()
  assert.ok(sealer.closed)
  const again = await openFake(disk)
  assert.is((await contentsOf(again, ring.log)).at(-1), '5-8:ring-full')
  await again.close()
})

test('a ring that does not open forgets the key, too', async () => {
  const sealer = new FakeSealer()
  await rejects(openFake(new FakeDisk(), { sealer }), 'RING_UNMARKED')
  assert.ok(sealer.closed)
})

test.run()

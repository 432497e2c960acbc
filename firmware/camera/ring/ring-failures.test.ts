/** Damage on the card, cards that fail, and cards that are not ours. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { readWhole } from '../../platform/disk-files.ts'
import { RealDisk } from '../../platform/disk-real.ts'
import { seededRandom } from '../../platform/random.ts'
import { type ErrorCode, isHomewardError } from '../../wire/errors.ts'
import { encodeGap } from '../../wire/gap.ts'
import { decodeCardHeader, encodeCardRecord } from './card-record.ts'
import { lockFolder } from './lock.ts'
import { initRing } from './marker.ts'
import type { Ring } from './ring.ts'
import { CAMERA, contentsOf, DIR, fragmentAt, KIB, openFake, prepareCard, SLAB_BYTES } from './ring-fixture.ts'
import { FakeSealer } from './sealer-fake.ts'

const PER_SLAB = 5
/** Blocks that a fragment of 40 KiB takes. */
const RECORD_BYTES = 44 * KIB
const SLAB_0 = `${DIR}/slab-0000.hwr`

async function rejects(promise: Promise<unknown>, code: ErrorCode, pattern = /./): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(isHomewardError(error, code), `expected ${code}, got ${error}`)
  if (isHomewardError(error)) assert.match(`${error.message} ${error.hint}`, pattern)
}

async function filled(fragments: number, slabs?: number): Promise<{ disk: FakeDisk; log: string }> {
  const disk = new FakeDisk()
  await prepareCard(disk, slabs)
  const ring = await openFake(disk)
  for (let at = 0; at < fragments; at++) await ring.append(fragmentAt(at))
  await ring.close()
  return { disk, log: ring.log }
}

/** Puts a gap record in the place of a fragment in the first slab, as somebody might who had the card in their hands. */
async function forgeGap(disk: FakeDisk, seq: number, span: number): Promise<void> {
  const file = await disk.open(SLAB_0, 'write')
  const offset = seq * RECORD_BYTES
  const bytes = new Uint8Array(RECORD_BYTES)
  await file.read(bytes, offset)
  const card = decodeCardHeader(bytes)
  if (card === undefined || card.header.seq !== seq) throw new Error(`record ${seq} is not at ${offset}`)
  const sealer = new FakeSealer({ log: card.header.log })
  const record = sealer.seal({ ...card.header, kind: 'gap', span }, [encodeGap({ reason: 'ring-full' })])
  await file.write(encodeCardRecord(record, card.epoch), offset)
  await file.close()
}

const names = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => `${first + at}:${first + at}`)

async function read(ring: Ring, log: string, seq: number): Promise<Uint8Array> {
  const ref = await ring.find(log, seq)
  if (ref === undefined) throw new Error(`no record covers ${log}/${seq}`)
  return ring.read(ref)
}

test('a damaged header loses one fragment; the rest is found behind it', async () => {
  for (const [bad, newest] of [
    [0, false],
    [2, false],
    [7, true],
  ] as const) {
    const { disk, log } = await filled(9)
    disk.rot(`${DIR}/slab-000${newest ? 1 : 0}.hwr`, (newest ? bad - PER_SLAB : bad) * RECORD_BYTES + 50)
    const ring = await openFake(disk)
    assert.equal(await contentsOf(ring, log), [...names(0, bad - 1), ...names(bad + 1, 8)], `header ${bad}`)
    assert.equal(ring.damage(), [{ log, first: bad, last: bad }])
    ring.ack(log, [[bad, bad]])
    assert.equal(ring.damage(), [])
    await ring.close()
    const again = await openFake(disk)
    assert.equal(again.damage(), [])
    await again.close()
  }
})

test('a damaged payload is found on opening in the newest slab, on reading in the others', async () => {
  const { disk, log } = await filled(9)
  disk.rot(`${DIR}/slab-0001.hwr`, RECORD_BYTES + 9000)
  disk.rot(SLAB_0, 3 * RECORD_BYTES + 9000)
  const ring = await openFake(disk)
  assert.equal(ring.damage(), [{ log, first: 6, last: 6 }])
  await rejects(read(ring, log, 3), 'RECORD_DAMAGED')
  assert.equal(ring.damage(), [
    { log, first: 3, last: 3 },
    { log, first: 6, last: 6 },
  ])
  assert.equal(await contentsOf(ring, log), [...names(0, 2), ...names(4, 5), ...names(7, 8)])
  assert.is(ring.next(log, 3)?.seq, 4)
  await ring.close()
})

test('damage in the log that is being written becomes a gap record in its place', async () => {
  const disk = new FakeDisk()
  await prepareCard(disk)
  const ring = await openFake(disk, { recentBytes: 0 })
  for (let at = 0; at < 7; at++) await ring.append(fragmentAt(at))
  disk.rot(SLAB_0, 2 * RECORD_BYTES + 9000)
  const bad = await ring.find(ring.log, 2)
  assert.ok(bad)
  if (bad !== undefined) await Promise.all([1, 2, 3].map(() => rejects(ring.read(bad), 'RECORD_DAMAGED')))
  const expected = [...names(0, 1), '2:damaged-on-card', ...names(3, 6)]
  assert.equal(await contentsOf(ring), expected)
  assert.equal(ring.damage(), [])
  await ring.close()
  const again = await openFake(disk)
  assert.equal(await contentsOf(again, ring.log), expected)
  assert.equal(again.damage(), [])
  await again.close()
})

test('when the ring is full, damage is named instead', async () => {
  const disk = new FakeDisk()
  await prepareCard(disk, 1)
  const ring = await openFake(disk, { recentBytes: 0 })
  for (let at = 0; at < PER_SLAB + 2; at++) await ring.append(fragmentAt(at))
  disk.rot(SLAB_0, RECORD_BYTES + 9000)
  await rejects(read(ring, ring.log, 1), 'RECORD_DAMAGED')
  assert.equal(ring.damage(), [{ log: ring.log, first: 1, last: 1 }])
  assert.is(ring.next(ring.log, 1)?.seq, 2)
  await ring.close()
})

test('damaged safe footage is nobody’s loss', async () => {
  const { disk, log } = await filled(9)
  const ring = await openFake(disk)
  ring.ack(log, [[0, 8]])
  disk.rot(SLAB_0, RECORD_BYTES + 9000)
  await rejects(read(ring, log, 1), 'RECORD_DAMAGED')
  assert.equal(ring.damage(), [])
  await ring.close()
})

test('a gap that covers other records is not believed: they are sent, and only its own number is lost', async () => {
  for (const { first, span, lost } of [
    { first: 2, span: 1, lost: false },
    { first: 2, span: 2, lost: true },
    { first: 2, span: 7, lost: true },
  ]) {
    const { disk, log } = await filled(9)
    await forgeGap(disk, first, span)
    const ring = await openFake(disk)
    const others = [...names(0, first - 1), ...names(first + 1, 8)]
    const gap = lost ? [] : [`${first}:ring-full`]
    assert.equal(await contentsOf(ring, log), others.toSpliced(first, 0, ...gap), `a gap of ${span}`)
    assert.equal(ring.damage(), lost ? [{ log, first, last: first }] : [])
    const bytes = ring.unacked(log).reduce((sum, record) => sum + record.bytes, 0)
    assert.is(ring.stats().unackedBytes, bytes)
    ring.ack(log, [[0, 8]])
    assert.equal([ring.stats().unackedBytes, ring.damage()], [0, []])
    await ring.close()
  }
})

test('a whole slab that is gone is missed, up to what the mark knows', async () => {
  const { disk, log } = await filled(13)
  await disk.remove(`${DIR}/slab-0001.hwr`)
  const middle = await openFake(disk)
  assert.equal(middle.damage(), [{ log, first: 5, last: 9 }])
  await middle.close()

  const end = await filled(13)
  await end.disk.remove(`${DIR}/slab-0002.hwr`)
  const ring = await openFake(end.disk)
  assert.equal(ring.damage(), [{ log: end.log, first: 10, last: 12 }])
  await ring.close()
})

test('losses stay known until they are ACKed, also when their slabs are long overwritten', async () => {
  const { disk, log } = await filled(9, 2)
  disk.rot(SLAB_0, 2 * RECORD_BYTES + 50)
  const ring = await openFake(disk)
  ring.ack(log, [
    [0, 1],
    [3, 8],
  ])
  for (let at = 0; at < 30; at++) {
    await ring.append(fragmentAt(at))
    ring.ack(ring.log, [[0, at]])
  }
  assert.equal(ring.damage(), [{ log, first: 2, last: 2 }])
  await ring.close()
  const again = await openFake(disk)
  assert.equal(again.damage(), [{ log, first: 2, last: 2 }])
  again.ack(log, [[2, 2]])
  await again.close()
  const third = await openFake(disk)
  assert.equal(third.damage(), [])
  await third.close()
})

test('a lost or damaged mark only causes footage to be sent again', async () => {
  for (const what of ['removed', 'one slot', 'both slots', 'cut'] as const) {
    const { disk, log } = await filled(13, 3)
    const ring = await openFake(disk)
    ring.ack(log, [[0, 6]])
    for (let at = 0; at < 6; at++) await ring.append(fragmentAt(at))
    await ring.close()
    if (what === 'removed') await disk.remove(`${DIR}/acks`)
    if (what === 'one slot') disk.rot(`${DIR}/acks`, 40)
    if (what === 'both slots') for (const at of [40, 64 * KIB + 40]) disk.rot(`${DIR}/acks`, at)
    if (what === 'cut') await (await disk.open(`${DIR}/acks`, 'write')).truncate(100)
    const again = await openFake(disk)
    const found = await contentsOf(again, log)
    assert.equal(found.slice(-6), names(7, 12), what)
    assert.ok(
      names(0, 12).every((name) => found.includes(name) || Number(name.split(':')[0]) <= 6),
      what,
    )
    assert.equal(await contentsOf(again, ring.log), names(0, 5), what)
    assert.equal(
      again.damage().filter(({ last }) => last > 6),
      [],
      what,
    )
    await again.append(fragmentAt(0))
    again.ack(log, [[0, 12]])
    again.ack(ring.log, [[0, 5]])
    await again.close()
    const third = await openFake(disk)
    assert.equal(
      third.logs().map(({ log: name }) => name),
      [again.log],
      what,
    )
    await third.close()
  }
})

test('records of an earlier use of a slab never come back', async () => {
  // The second use writes less than the first; then its first header is lost, or the mark, or both.
  for (const lost of ['nothing', 'header', 'mark', 'both'] as const) {
    const { disk, log } = await filled(2 * PER_SLAB, 2)
    const ring = await openFake(disk)
    ring.ack(log, [[0, 2 * PER_SLAB - 1]])
    for (let at = 0; at < 3; at++) await ring.append(fragmentAt(at, 38 * KIB))
    await ring.close()
    if (lost === 'header' || lost === 'both') disk.rot(SLAB_0, 60)
    if (lost === 'mark' || lost === 'both') await disk.remove(`${DIR}/acks`)
    const again = await openFake(disk)
    const old = (await contentsOf(again, log)).filter((name) => Number(name.split(':')[0]) < PER_SLAB)
    assert.equal(old, [], lost)
    const first = lost === 'header' || lost === 'both' ? 1 : 0
    assert.equal(await contentsOf(again, ring.log), names(first, 2), lost)
    await again.close()
  }
})

test('a card that cannot read a block: found around it on opening, a loss on reading', async () => {
  const { disk, log } = await filled(9)
  disk.arm({ on: 'read', path: 'slab-0000', code: 'EIO', skip: 2, times: 1 })
  const ring = await openFake(disk)
  assert.equal(await contentsOf(ring, log), names(0, 8))
  disk.arm({ on: 'read', path: 'slab-0000', code: 'EIO', times: 1 })
  await rejects(read(ring, log, 1), 'RECORD_DAMAGED')
  assert.equal(ring.damage(), [{ log, first: 1, last: 1 }])
  assert.is(ring.stats().card, 'ok')
  await ring.close()
})

test('a card that neither reads nor writes has failed, and nothing counts as lost', async () => {
  const { disk, log } = await filled(9)
  const ring = await openFake(disk)
  disk.arm({ on: ['read', 'write'], code: 'EIO', times: Infinity })
  await rejects(read(ring, log, 1), 'RING_FAILED')
  assert.equal(ring.damage(), [])
  assert.is(ring.stats().card, 'failed')
  await rejects(ring.append(fragmentAt(0)), 'RING_FAILED')
  await ring.close()
})

test('an error on write or sync rejects the fragment and all later ones; what was kept stays readable', async () => {
  for (const on of ['write', 'datasync'] as const) {
    const disk = new FakeDisk()
    await prepareCard(disk)
    const ring = await openFake(disk, { recentBytes: 0 })
    let heard = 0
    ring.onChange(() => heard++)
    await ring.append(fragmentAt(0))
    disk.arm({ on, path: 'slab', code: 'EIO' })
    await rejects(ring.append(fragmentAt(1)), 'RING_FAILED', /EIO/)
    await rejects(ring.append(fragmentAt(2)), 'RING_FAILED')
    await rejects(ring.addGap(1, 'encoder-down'), 'RING_FAILED')
    assert.equal(await contentsOf(ring), ['0:0'])
    await ring.close()
    const again = await openFake(disk)
    assert.is((await contentsOf(again, ring.log))[0], '0:0')
    assert.is(await again.append(fragmentAt(3)), 'kept')
    await again.close()
  }
})

test('a card that becomes read-only: append rejects, its footage can still be sent, also after a restart', async () => {
  const { disk, log } = await filled(9)
  const ring = await openFake(disk)
  disk.readOnly = true
  await rejects(ring.append(fragmentAt(0)), 'RING_FAILED', /EROFS/)
  assert.is(ring.stats().card, 'read-only')
  assert.equal(await contentsOf(ring, log), names(0, 8))
  ring.ack(log, [[0, 3]])
  assert.is(ring.next(log, 0)?.seq, 4)
  await ring.close()
  const again = await openFake(disk)
  assert.equal(await contentsOf(again, log), names(0, 8))
  await rejects(again.append(fragmentAt(0)), 'RING_FAILED')
  await again.close()
})

test('a card that is pulled and put back', async () => {
  const { disk, log } = await filled(4)
  const ring = await openFake(disk, { recentBytes: 0 })
  await ring.append(fragmentAt(0))
  disk.disappear()
  await rejects(ring.append(fragmentAt(1)), 'RING_FAILED')
  await rejects(read(ring, log, 1), 'RING_FAILED')
  await rejects(openFake(disk), 'RING_UNMARKED')
  await ring.close()
  disk.comeBack(seededRandom(1))
  const again = await openFake(disk)
  assert.equal(await contentsOf(again, log), names(0, 3))
  assert.equal(await contentsOf(again, ring.log), ['0:0'])
  await again.close()
})

test('a card that hangs is a failed card after a while', async () => {
  const clock = new FakeClock()
  const disk = new FakeDisk()
  await prepareCard(disk)
  const ring = await openFake(disk, { clock, stallMs: 3000 })
  const stuck = disk.arm({ on: 'datasync', path: 'slab', hang: true })
  const pending = ring.append(fragmentAt(0))
  const waiting = ring.append(fragmentAt(1))
  const settled = Promise.allSettled([pending, waiting])
  await clock.advance(2999)
  assert.is(ring.stats().card, 'ok')
  await clock.advance(1)
  await rejects(pending, 'RING_FAILED', /3000 ms/)
  await rejects(waiting, 'RING_FAILED')
  await settled
  await ring.close()
  stuck.release()
  assert.is(clock.pendingTimers, 0)
})

test('no space on the card is a full ring, not a failed one; it takes again when there is', async () => {
  const disk = new FakeDisk({ capacityBytes: 2 * SLAB_BYTES + 300 * KIB })
  await prepareCard(disk, 10)
  const ring = await openFake(disk)
  const results: string[] = []
  for (let at = 0; at < 14; at++) results.push((await ring.append(fragmentAt(at)))[0] ?? '')
  assert.is(results.join(''), `${'k'.repeat(10)}gggg`)
  assert.equal([ring.stats().card, ring.stats().full], ['ok', true])
  disk.capacityBytes += SLAB_BYTES
  assert.is(await ring.append(fragmentAt(14)), 'kept')
  assert.equal(await contentsOf(ring), [...names(0, 9), '10-13:ring-full', '14:14'])
  await ring.close()
})

test('space that others took within a slab: the fragment goes elsewhere, whole, or is a gap', async () => {
  for (const shortBytes of [0, 500, 8192, 20_000]) {
    const disk = new FakeDisk()
    await prepareCard(disk, 4)
    const ring = await openFake(disk)
    await ring.append(fragmentAt(0))
    disk.arm({ on: 'write', path: 'slab-0000', code: 'ENOSPC', shortBytes })
    assert.is(await ring.append(fragmentAt(1)), 'kept')
    await ring.append(fragmentAt(2))
    disk.arm({ on: 'write', path: 'slab-0001', code: 'ENOSPC', shortBytes })
    disk.arm({ on: 'write', path: 'slab-0002', code: 'ENOSPC', skip: 1, shortBytes })
    assert.is(await ring.append(fragmentAt(3)), 'gap')
    assert.is(await ring.append(fragmentAt(4)), 'kept')
    const expected = [...names(0, 2), '3:ring-full', '4:4']
    assert.equal(await contentsOf(ring), expected, `${shortBytes}`)
    await ring.close()
    const again = await openFake(disk, { recentBytes: 0 })
    assert.equal(await contentsOf(again, ring.log), expected, `${shortBytes}`)
    assert.equal(again.damage(), [])
    await again.close()
  }
})

test('no room for a single slab', async () => {
  const disk = new FakeDisk({ capacityBytes: 200 * KIB })
  await prepareCard(disk)
  await rejects(openFake(disk), 'DISK_FULL', /larger card/)
})

test('a folder that is not marked is never written to', async () => {
  const disk = new FakeDisk()
  await disk.makeDir(DIR)
  await rejects(openFake(disk), 'RING_UNMARKED', /homeward camera ring init \/card\/ring/)
  await rejects(openFake(disk, { dir: '/nowhere' }), 'RING_UNMARKED')
  assert.equal(await disk.list(DIR), [])
})

test('a card of another camera is refused and not written to, by its marker or by its records', async () => {
  const { disk } = await filled(7)
  const other = { publicKey: new Uint8Array(32).fill(0xcb), uid: 'CAMERA-B' }
  const sealer = new FakeSealer({ camera: other.publicKey })
  disk.calls.length = 0
  await rejects(openFake(disk, { camera: other, sealer }), 'RING_FOREIGN', /CAMERA-A/)

  const marker = await readWhole(disk, `${DIR}/ring.json`, 9999)
  const text = Buffer.from(marker ?? [])
    .toString()
    .replace(/,\s*"owner": "CAMERA-A"/, '')
  const file = await disk.open(`${DIR}/ring.json`, 'write')
  await file.truncate(0)
  await file.write([Buffer.from(text)], 0)
  await file.close()
  disk.calls.length = 0
  await rejects(openFake(disk, { camera: other, sealer }), 'RING_FOREIGN', /another camera/)
  const changes = ['write', 'truncate', 'rename', 'remove', 'datasync', 'makeDir']
  assert.equal(
    disk.calls.filter(({ operation }) => changes.includes(operation)),
    [],
  )
  const ours = await openFake(disk)
  assert.is(ours.logs().length, 1)
  await ours.close()
})

test('one agent at a time', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    const disk = new RealDisk()
    await initRing(disk, dir, { slabBytes: SLAB_BYTES, anySlabBytes: true, capacityBytes: 2 * SLAB_BYTES })
    const open = () => openFake(new FakeDisk(), { disk, dir, lock: lockFolder })
    const ring = await open()
    await rejects(open(), 'AGENT_RUNNING')
    await rejects(openFake(new FakeDisk(), { disk, dir: `${dir}/.`, lock: lockFolder }), 'AGENT_RUNNING')
    await ring.append(fragmentAt(0))
    await ring.close()
    await rejects(
      openFake(new FakeDisk(), { disk, dir, lock: lockFolder, camera: { ...CAMERA, uid: 'B' } }),
      'RING_FOREIGN',
    )
    const again = await open()
    assert.equal(await contentsOf(again, ring.log), ['0:0'])
    await again.close()
  } finally {
    await rm(dir, { recursive: true })
  }
})

test.run()

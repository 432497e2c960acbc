import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { MemoryRing } from './memory-ring.ts'
import { BOOT, contentsOf, describeRecord, fragmentAt, KIB } from './ring-fixture.ts'
import { FakeSealer } from './sealer-fake.ts'

function memoryRing(capacityBytes = 1024 * KIB, recipient = 7): MemoryRing {
  const sealer = new FakeSealer({ recipient: new Uint8Array(32).fill(recipient) })
  return new MemoryRing({ sealer, boot: BOOT, clock: new FakeClock(), capacityBytes })
}

async function append(ring: MemoryRing, first: number, last: number, bytes = 40 * KIB): Promise<string> {
  let results = ''
  for (let at = first; at <= last; at++) results += (await ring.append(fragmentAt(at, bytes)))[0]
  return results
}

test('what is appended reads back, until it is ACKed', async () => {
  const ring = memoryRing()
  await append(ring, 0, 3)
  const ref = ring.next(ring.log, 2)
  assert.ok(ref)
  if (ref === undefined) return
  assert.is(describeRecord(await ring.read(ref)).content, fragmentAt(2).fragment.toString())
  ring.ack(ring.log, [[1, 2]])
  assert.equal(await contentsOf(ring), ['0:0', '3:3'])
  assert.equal(ring.logs()[0]?.unacked, [
    [0, 0],
    [3, 3],
  ])
  const error = await ring.read(ref).catch((reason: unknown) => reason)
  assert.ok(isHomewardError(error, 'RECORD_DAMAGED'))
  ring.ack(ring.log, [[0, 3]])
  assert.equal([ring.logs(), ring.stats().unackedBytes], [[], 0])
})

test('memory is bounded; what finds no room is one gap, exact to the fragment', async () => {
  const ring = memoryRing(410 * KIB)
  assert.is(await append(ring, 0, 16), 'kkkkkkkkkkggggggg')
  assert.is(ring.stats().full, true)
  assert.ok(ring.stats().usedBytes < 412 * KIB)
  assert.equal((await contentsOf(ring)).slice(9), ['9:9', '10-13:card-gone'])
  ring.ack(ring.log, [[0, 0]])
  assert.is(await append(ring, 17, 17), 'g', 'an eighth must be free')
  ring.ack(ring.log, [[1, 1]])
  assert.is(await append(ring, 18, 19), 'kk')
  assert.equal((await contentsOf(ring)).slice(7), ['9:9', '10-17:card-gone', '18:18', '19:19'])
  assert.is(ring.stats().full, false)
})

test('the end of a gap is told though nothing is appended any more', async () => {
  const ring = memoryRing(42 * KIB)
  assert.is(await append(ring, 0, 7), 'kggggggg')
  assert.equal(await contentsOf(ring), ['0:0', '1-4:card-gone'])
  ring.ack(ring.log, [[0, 4]])
  assert.equal(await contentsOf(ring), ['1-7:card-gone'])
  ring.ack(ring.log, [[1, 7]])
  assert.equal(ring.logs(), [])
})

test('a part of the gap that was ACKed does not hide the rest', async () => {
  const ring = memoryRing(42 * KIB)
  await append(ring, 0, 4)
  ring.ack(ring.log, [[1, 4]])
  await append(ring, 5, 8)
  assert.equal(await contentsOf(ring), ['0:0', '1-8:card-gone'])
  assert.is(ring.next(ring.log, 1)?.span, 8)
})

test('gaps for a reason, and fragments too long', async () => {
  const ring = memoryRing(64 * 1024 * KIB)
  await ring.addGap(2, 'encoder-down')
  assert.is(await append(ring, 0, 0, 17 * 1024 * KIB), 'g')
  assert.equal(await contentsOf(ring), ['0-1:encoder-down', '2:too-long'])
})

test('discard gives up what is for another storage device', async () => {
  const ring = memoryRing(1024 * KIB, 1)
  await append(ring, 0, 2)
  assert.equal(await ring.discard(new Uint8Array(32).fill(1)), [])
  assert.equal(
    (await ring.discard(new Uint8Array(32).fill(2))).map(({ first, last }) => [first, last]),
    [[0, 2]],
  )
  assert.equal(ring.logs(), [])
})

test('the key of the log is forgotten with the ring', async () => {
  const sealer = new FakeSealer()
  const ring = new MemoryRing({ sealer, boot: BOOT, clock: new FakeClock(), capacityBytes: 1024 * KIB })
  await append(ring, 0, 0)
  assert.not.ok(sealer.closed)
  await ring.close()
  assert.ok(sealer.closed)
})

test('listeners hear; a closed ring takes nothing', async () => {
  const ring = memoryRing()
  let heard = 0
  ring.onChange(() => heard++)
  await append(ring, 0, 0)
  ring.ack(ring.log, [[0, 0]])
  assert.is(heard, 2)
  await ring.close()
  const error = await ring.append(fragmentAt(1)).catch((reason: unknown) => reason)
  assert.ok(isHomewardError(error, 'CANCELLED'))
})

test.run()

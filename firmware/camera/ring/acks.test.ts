import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addRange, type Range } from '../../wire/ranges.ts'
import { type AckMark, decodeMark, encodeMark, readMark, SLOT_BYTES } from './acks.ts'

const recipient = new Uint8Array(32).fill(3)

function mark(counter: number, changes: Partial<AckMark> = {}): AckMark {
  return { counter, epoch: 9, complete: true, slabs: new Map(), logs: [], ...changes }
}

function slots(...marks: (AckMark | undefined)[]): Uint8Array {
  const bytes = new Uint8Array(2 * SLOT_BYTES)
  for (const [at, slot] of marks.entries()) if (slot !== undefined) bytes.set(encodeMark(slot), at * SLOT_BYTES)
  return bytes
}

const ranges = fc
  .array(fc.tuple(fc.nat(1e6), fc.nat(100)))
  .map((list) => list.reduce((all: Range[], [first, more]) => addRange(all, first, first + more), []))
const logs = fc.array(
  fc.record(
    {
      log: fc.stringMatching(/^[0-9a-f]{16}$/),
      recipient: fc.constant(recipient),
      end: fc.maxSafeNat(),
      acked: ranges,
    },
    { noNullPrototype: true },
  ),
)
const slabs = fc
  .uniqueArray(fc.tuple(fc.nat(500), fc.integer({ min: 1, max: 0xffffffff })), { selector: ([number]) => number })
  .map((list) => new Map(list.sort((a, b) => a[0] - b[0])))

test('every mark comes back as it was', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), slabs, logs, (counter, epoch, table, list) => {
      const value: AckMark = { counter, epoch, complete: true, slabs: table, logs: list }
      const slot = new Uint8Array(SLOT_BYTES)
      slot.set(encodeMark(value))
      assert.equal(decodeMark(slot), value)
    }),
  )
})

test('any byte changed spoils a slot', () => {
  const bytes = encodeMark(
    mark(5, { slabs: new Map([[2, 7]]), logs: [{ log: 'aa'.repeat(8), recipient, end: 3, acked: [[0, 2]] }] }),
  )
  for (let at = 0; at < bytes.byteLength; at++) {
    const damaged = bytes.slice()
    damaged[at] = (damaged[at] ?? 0) ^ 0x40
    assert.is(decodeMark(damaged), undefined, `byte ${at}`)
  }
  assert.is(decodeMark(bytes.subarray(0, -1)), undefined)
})

test('the newer slot counts; the older one when the newer is damaged', () => {
  assert.is(readMark(slots(mark(4), mark(5))).mark?.counter, 5)
  assert.is(readMark(slots(mark(6), mark(5))).mark?.counter, 6)
  const torn = slots(mark(6), mark(5))
  torn[30] = 1
  assert.equal([readMark(torn).mark?.counter, readMark(torn).trusted], [5, false])
})

test('a mark is trusted only while both slots are whole or blank, and nothing was left out', () => {
  assert.is(readMark(slots(undefined, mark(1))).trusted, true)
  assert.is(readMark(slots(mark(2), mark(1))).trusted, true)
  assert.is(readMark(slots(mark(2, { complete: false }), mark(1))).trusted, false)
  assert.equal(readMark(slots()), { mark: undefined, trusted: false })
  assert.equal(readMark(new Uint8Array(0)), { mark: undefined, trusted: false })
  assert.is(readMark(slots(mark(2), mark(1)).subarray(0, SLOT_BYTES)).trusted, false)
})

test('what is too much for a slot is cut, and says so: long ranges and young logs stay', () => {
  const many = Array.from({ length: 6000 }, (_, at): Range => [at * 10, at * 10 + (at === 3000 ? 8 : at % 3)])
  const list = [{ log: 'aa'.repeat(8), recipient, end: 1e6, acked: many }]
  const table = new Map(Array.from({ length: 1000 }, (_, at) => [at, at + 1]))
  const cut = encodeMark(mark(1, { logs: list, slabs: table }))
  assert.ok(cut.byteLength <= SLOT_BYTES)
  const read = decodeMark(cut)
  assert.equal([read?.complete, read?.slabs.size], [false, 1000])
  const acked = read?.logs[0]?.acked ?? []
  assert.ok(acked.some(([first, last]) => first === 30_000 && last === 30_008))
  assert.ok(acked.every(([first, last]) => many.some((range) => range[0] === first && range[1] === last)))

  const crowd = Array.from({ length: 3000 }, (_, at) => {
    return { log: at.toString(16).padStart(16, '0'), recipient, end: 2, acked: [[0, 1]] as Range[] }
  })
  const young = decodeMark(encodeMark(mark(1, { logs: crowd, slabs: table })))
  assert.equal([young?.complete, young?.slabs.size], [false, 0])
  assert.is(young?.logs.at(-1)?.log, crowd.at(-1)?.log)
})

test.run()

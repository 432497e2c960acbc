import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RecordKind } from '../../wire/record.ts'
import { type Entry, LogIndex } from './log-index.ts'

const LOG = '00000000000000aa'

function entry(seq: number, kind: RecordKind = 'fragment', span = 1, slab = 0): Entry {
  return {
    log: LOG,
    seq,
    span,
    kind,
    bytes: 100,
    run: 0,
    monoUs: 0,
    wallUs: 0,
    clock: 'none',
    durationUs: 0,
    slab,
    offset: 0,
  }
}

function indexOf(...entries: Entry[]): LogIndex {
  const index = new LogIndex(LOG, new Uint8Array(32))
  for (const one of entries) index.put(one)
  return index
}

test('next walks what is not safe; a range that is partly safe comes whole', () => {
  const index = indexOf(entry(0), entry(1), entry(2, 'gap', 4), entry(6), entry(9))
  index.ack(1, 3)
  const walk: number[] = []
  for (let at = index.next(0); at !== undefined; at = index.next(at.seq + at.span)) walk.push(at.seq)
  assert.equal(walk, [0, 2, 6, 9])
  assert.is(index.next(4)?.seq, 2)
  assert.is(index.next(10), undefined)
  assert.equal(index.unackedRanges(), [
    [0, 0],
    [4, 9],
  ])
})

test('next and ack agree with the plainest model', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(60), fc.nat(5)))
  fc.assert(
    fc.property(steps, (list) => {
      const index = new LogIndex(LOG, new Uint8Array(32))
      const safe = new Set<number>()
      let end = 0
      for (const [add, at, more] of list) {
        if (add) {
          index.put(more === 0 ? entry(end) : entry(end, 'gap', more))
          end += Math.max(1, more)
        } else {
          index.ack(at, at + more)
          for (let seq = at; seq <= Math.min(at + more, end - 1); seq++) safe.add(seq)
        }
      }
      for (let from = 0; from <= end; from++) {
        const expected = Array.from({ length: end - from }, (_, step) => from + step).find((seq) => !safe.has(seq))
        const found = index.next(from)
        const covers =
          found !== undefined && expected !== undefined && found.seq <= expected && expected < found.seq + found.span
        assert.ok(expected === undefined ? found === undefined : covers, `from ${from}`)
      }
    }),
  )
})

test('ack tells which records became safe as a whole, once', () => {
  const index = indexOf(entry(0), entry(1, 'gap', 3), entry(4))
  const seqs = (first: number, last: number) => index.ack(first, last).map(({ seq }) => seq)
  assert.equal(seqs(0, 1), [0])
  assert.equal(seqs(0, 2), [])
  assert.equal(seqs(3, 99), [1, 4])
  assert.equal(seqs(0, 99), [])
  assert.equal(index.acked, [[0, 4]])
})

test('a later record of the same number: a gap replaces a fragment and a shorter gap, a copy its first', () => {
  const cases: [Entry, Entry, boolean][] = [
    [entry(5), entry(5, 'gap'), true],
    [entry(5, 'gap', 2), entry(5, 'gap', 4), true],
    [entry(5, 'gap', 4), entry(5, 'gap', 4), true],
    [entry(5, 'gap', 4), entry(5, 'gap', 2), false],
    [entry(5), entry(5), true],
    [entry(5, 'gap'), entry(5), false],
  ]
  for (const [first, later, replaced] of cases) {
    const index = indexOf(first)
    assert.is(index.put(later), replaced ? first : later)
    assert.is(index.find(5), replaced ? later : first)
  }
})

test('a gap that covers the number of another record is false, one that ends before it is not', () => {
  const falseOnes = (...entries: Entry[]) =>
    indexOf(...entries)
      .falseGaps()
      .map(({ seq }) => seq)
  assert.equal(falseOnes(entry(0, 'gap', 2), entry(2), entry(3, 'gap', 9)), [])
  assert.equal(falseOnes(entry(0, 'gap', 3), entry(2), entry(3)), [0])
  assert.equal(falseOnes(entry(0, 'gap', 9), entry(2, 'gap', 2), entry(3), entry(4)), [0, 2])
})

test('holes are what is neither there nor safe', () => {
  const index = new LogIndex(LOG, new Uint8Array(32))
  index.restore(20, [[3, 5]])
  for (const one of [entry(6), entry(8, 'gap', 3), entry(14)]) index.put(one)
  index.findHoles(0)
  assert.equal(index.damage(), [
    [0, 2],
    [7, 7],
    [11, 13],
    [15, 19],
  ])
  index.ack(0, 12)
  assert.equal(index.damage(), [
    [13, 13],
    [15, 19],
  ])
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { planNextSlab, type SlabLimits, type SlabUse, slabName, slabNumber, surplusSlabs } from './slabs.ts'

const limits: SlabLimits = { slabBytes: 100, maxSlabs: 3, freeBytes: 1000, keepFreeBytes: 50 }
const slab = (number: number, epoch: number, unacked: number): SlabUse => ({ number, epoch, unacked })

test('a new slab while there is room, then the oldest free one, then none', () => {
  const cases: [string, SlabUse[], Partial<SlabLimits>, unknown][] = [
    ['none yet', [], {}, { kind: 'create', number: 0 }],
    ['all in use', [slab(0, 1, 2), slab(1, 2, 1)], {}, { kind: 'create', number: 2 }],
    ['a number between is unused', [slab(0, 1, 2), slab(2, 2, 1)], {}, { kind: 'create', number: 1 }],
    ['one is free, and there is room', [slab(0, 1, 2), slab(1, 2, 0)], {}, { kind: 'create', number: 2 }],
    ['one is free', [slab(0, 1, 2), slab(1, 2, 0)], { maxSlabs: 2 }, { kind: 'reuse', number: 1 }],
    ['the oldest of two', [slab(0, 9, 0), slab(1, 2, 0)], { maxSlabs: 2 }, { kind: 'reuse', number: 1 }],
    ['as many as allowed', [slab(0, 1, 1), slab(1, 2, 1), slab(2, 3, 1)], {}, { kind: 'full' }],
    ['no space for another', [slab(0, 1, 1)], { freeBytes: 149 }, { kind: 'full' }],
    ['just enough space', [slab(0, 1, 1)], { freeBytes: 150 }, { kind: 'create', number: 1 }],
    ['a free one needs no space', [slab(0, 1, 0)], { freeBytes: 0 }, { kind: 'reuse', number: 0 }],
  ]
  for (const [what, slabs, changes, expected] of cases) {
    assert.equal(planNextSlab(slabs, { ...limits, ...changes }), expected, what)
  }
})

test('a lowered limit gives up free slabs, oldest first, never the one in use or one with footage', () => {
  const slabs = [slab(0, 1, 1), slab(1, 2, 0), slab(2, 3, 0), slab(3, 4, 0), slab(4, 5, 0)]
  assert.equal(surplusSlabs(slabs, 4, 9), [])
  assert.equal(surplusSlabs(slabs, 4, 3), [1, 2])
  assert.equal(surplusSlabs(slabs, 1, 1), [2, 3, 4])
})

test('names of files', () => {
  assert.is(slabName(0), 'slab-0000.hwr')
  assert.is(slabName(12345), 'slab-12345.hwr')
  for (const number of [0, 7, 9999, 10_000, 123_456]) assert.is(slabNumber(slabName(number)), number)
  for (const name of ['slab-1.hwr', 'slab-0000.hwr.tmp', 'slab-00x0.hwr', 'ring.json'])
    assert.is(slabNumber(name), undefined)
})

test.run()

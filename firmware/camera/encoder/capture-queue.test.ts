import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CaptureQueue } from './capture-queue.ts'
import type { CapturedFragment, CaptureGap } from './captured.ts'

function fragment(monoUs: number, bytes = 1000, durationUs = 1_000_000): CapturedFragment {
  return {
    init: { bytes: new Uint8Array(1), tracks: [] },
    fragment: { bytes: new Uint8Array(bytes), keyFrame: true, durationUs, tracks: [] },
    run: 0,
    runStart: false,
    monoUs,
    wallUs: monoUs + 5,
    clock: 'rtc',
    durationUs,
  }
}

function gap(monoUs: number, fields: Partial<CaptureGap> = {}): CaptureGap {
  const times = { monoUs, wallUs: monoUs + 5, clock: 'rtc', durationUs: 1_000_000 } as const
  return { run: 0, reason: 'card-stalled', span: 1, detail: 'first', ...times, ...fields }
}

const LIMITS = { maxBytes: 2500, maxMs: 3000 }

test('bytes and footage are bounded, but one fragment always fits', () => {
  const queue = new CaptureQueue(LIMITS)
  assert.is(queue.isFullFor(fragment(0, 9999)), false)
  queue.push(fragment(0))
  assert.is(queue.isFullFor(fragment(0, 1500)), false)
  assert.is(queue.isFullFor(fragment(0, 1501)), true)
  assert.is(queue.isFullFor(fragment(0, 1, 2_000_000)), false)
  assert.is(queue.isFullFor(fragment(0, 1, 2_000_001)), true)
  queue.push(fragment(1))
  assert.equal([queue.bytes, queue.durationUs, queue.fragments], [2000, 2_000_000, 2])
  queue.taken()
  queue.taken()
  assert.equal([queue.bytes, queue.durationUs, queue.fragments], [0, 0, 0])
})

test('gaps that follow each other become one, unless reason or run differ', () => {
  const queue = new CaptureQueue(LIMITS)
  queue.push(fragment(0))
  queue.pushGap(gap(1_000_000))
  queue.pushGap(gap(2_000_000, { detail: 'second' }))
  queue.pushGap(gap(3_000_000, { reason: 'encoder-damaged' }))
  queue.pushGap(gap(4_000_000, { reason: 'encoder-damaged', run: 1 }))
  queue.taken()
  const seen: unknown[] = []
  for (let item = queue.first(); item !== undefined; item = queue.first()) {
    if (item.kind === 'gap') seen.push([item.gap.span, item.gap.monoUs, item.gap.durationUs, item.gap.run])
    queue.taken()
  }
  assert.equal(seen, [
    [2, 1_000_000, 2_000_000, 0],
    [1, 3_000_000, 1_000_000, 0],
    [1, 4_000_000, 1_000_000, 1],
  ])
})

test('a gap that the sink may be taking is not widened', () => {
  const queue = new CaptureQueue(LIMITS)
  queue.pushGap(gap(0))
  queue.pushGap(gap(1_000_000))
  assert.equal(queue.first(), { kind: 'gap', gap: gap(0) })
  queue.taken()
  assert.equal(queue.first(), { kind: 'gap', gap: gap(1_000_000) })
})

test('gaps of ever changing reason do not pile up', () => {
  const queue = new CaptureQueue(LIMITS)
  let lost = 0
  for (let at = 0; at < 1000; at++) {
    queue.pushGap(gap(at, { reason: at % 2 === 0 ? 'card-stalled' : 'encoder-damaged' }))
  }
  let items = 0
  for (let item = queue.first(); item !== undefined; item = queue.first()) {
    if (item.kind === 'gap') lost += item.gap.span
    items += 1
    queue.taken()
  }
  assert.is(lost, 1000)
  assert.is(items, 64)
})

test('a fragment that the sink refused becomes a gap, joined with the one behind it', () => {
  const queue = new CaptureQueue(LIMITS)
  queue.push(fragment(7))
  queue.refused('card-failed', 'EIO')
  assert.equal(queue.first(), { kind: 'gap', gap: gap(7, { reason: 'card-failed', detail: 'EIO' }) })
  assert.equal([queue.bytes, queue.durationUs, queue.fragments], [0, 0, 0])
  queue.refused('card-failed', 'again')
  assert.equal(queue.first(), { kind: 'gap', gap: gap(7, { reason: 'card-failed', detail: 'EIO' }) })
  queue.taken()

  queue.push(fragment(0))
  queue.pushGap(gap(1_000_000))
  queue.push(fragment(2_000_000))
  queue.refused('card-failed', 'EIO')
  const first = queue.first()
  assert.ok(first?.kind === 'gap')
  assert.equal([first.gap.span, first.gap.durationUs, first.gap.reason], [2, 2_000_000, 'card-failed'])
  queue.taken()
  assert.is(queue.first()?.kind, 'fragment')
})

test.run()

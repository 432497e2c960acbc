import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { GapSlots, type Missed, OpenGap } from './open-gap.ts'

const missed = (seq: number, span = 1, clock: Missed['clock'] = 'rtc'): Missed => {
  return {
    seq,
    span,
    run: 2,
    boot: 'b007b007b007b007',
    monoUs: seq * 10,
    wallUs: clock === 'none' ? 0 : seq * 10 + 5,
    clock,
    durationUs: 10,
  }
}

test('a growing gap is worth a write at 1, 2, 4, 8, … fragments', () => {
  const gap = new OpenGap('ring-full', missed(100))
  const written: number[] = []
  for (let at = 0; at < 40; at++) {
    if (at > 0) gap.extend(missed(100 + at))
    if (!gap.due) continue
    gap.written()
    written.push(gap.record().meta.span)
  }
  assert.equal(written, [1, 2, 4, 8, 16, 32])
  assert.is(gap.unwritten, true)
})

test('a record of a gap spans its fragments and its time', () => {
  const gap = new OpenGap('too-slow', missed(7))
  gap.extend(missed(8, 3))
  const { meta, payload } = gap.record()
  assert.equal([meta.kind, meta.seq, meta.span, meta.monoUs, meta.durationUs], ['gap', 7, 4, 70, 20])
  assert.equal(payload, { reason: 'too-slow', endMonoUs: 90, endWallUs: 95 })
})

test('a gap whose end is not dated says so', () => {
  const gap = new OpenGap('ring-full', missed(7))
  gap.extend(missed(8, 1, 'none'))
  assert.equal(gap.record().payload, { reason: 'ring-full', endMonoUs: 90 })
})

test('gaps join, under the reason of the first or a new one', () => {
  const gap = new OpenGap('encoder-down', missed(3, 2))
  const full = gap.because('ring-full')
  full.absorb(new OpenGap('too-slow', missed(5, 4)))
  const { seq, span } = full.record().meta
  assert.equal([gap.record().meta.span, full.reason, seq, span], [2, 'ring-full', 3, 6])
})

test('states of a gap take two blocks by turns, so that the one before is never written over', () => {
  const slots = new GapSlots([10, 20, 30])
  assert.equal([slots.next(), slots.next(), slots.next(), slots.next()], [10, 20, 10, 20])
  const single = new GapSlots([10])
  assert.equal([single.next(), single.next(), single.next()], [10, undefined, undefined])
  assert.is(new GapSlots([]).next(), undefined)
})

test.run()

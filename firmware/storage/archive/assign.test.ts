import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { assign, breakBetween, FILE_MAX_BYTES, type Incoming, tailAfter, tailOfFirst } from './assign.ts'

const T0 = Date.UTC(2026, 2, 14, 10) * 1000
const SECOND = 1_000_000

function incoming(seq: number, changes: Partial<Incoming> = {}): Incoming {
  return {
    log: '00000000000000a1',
    seq,
    run: 0,
    boot: 'b007000000000001',
    monoUs: seq * SECOND,
    wallUs: T0 + seq * SECOND,
    clock: 'synchronised',
    initHash: 'aa',
    tracks: [{ id: 1, decodeTime: 500 + seq * 1000, durationTicks: 1000, samples: 10 }],
    entryBytes: 5000,
    ...changes,
  }
}

const BASES = [
  { track: 1, ticks: 500 },
  { track: 2, ticks: 4000 },
]
const tail = tailAfter(tailOfFirst(incoming(0), BASES, 6000), incoming(1), 11_000)

test('what follows directly goes on', () => {
  assert.is(breakBetween(tail, incoming(2)), undefined)
})

test('every rule breaks a file, and only when it is broken', () => {
  const two = 2 * SECOND
  const cases: [string | undefined, Partial<Incoming>][] = [
    ['log', { log: '00000000000000b2' }],
    ['number', { seq: 3 }],
    ['number', { seq: 1 }],
    ['run', { run: 1 }],
    ['init', { initHash: 'bb' }],
    ['clock', { boot: 'b007000000000002' }],
    ['clock', { clock: 'none' }],
    ['clock', { wallUs: T0 + two + 1_000_001 }],
    [undefined, { wallUs: T0 + two + 1_000_000 }],
    ['clock', { wallUs: T0 + two - 1_000_001 }],
    ['clock', { monoUs: SECOND - 1, wallUs: T0 + SECOND }],
    [undefined, { clock: 'rtc' }],
    ['window', { wallUs: T0 + 600 * SECOND, monoUs: 600 * SECOND }],
    [undefined, { wallUs: T0 + 600 * SECOND - 1, monoUs: 600 * SECOND - 1 }],
    ['decode time', { tracks: [{ id: 1, decodeTime: 2449, durationTicks: 1000, samples: 10 }] }],
    [undefined, { tracks: [{ id: 1, decodeTime: 2450, durationTicks: 1000, samples: 10 }] }],
    ['decode time', { tracks: [{ id: 2, decodeTime: 3999, durationTicks: 1000, samples: 10 }] }],
    [undefined, { tracks: [{ id: 2, decodeTime: 4000, durationTicks: 1000, samples: 10 }] }],
    ['size', { entryBytes: FILE_MAX_BYTES - 11_000 + 1 }],
    [undefined, { entryBytes: FILE_MAX_BYTES - 11_000 }],
  ]
  for (const [expected, changes] of cases) {
    assert.is(breakBetween(tail, incoming(2, changes)), expected, JSON.stringify(changes))
  }
})

test('undated footage is cut by uptime and never by wall time', () => {
  const first = incoming(0, { clock: 'none', wallUs: 0 })
  const undated = tailOfFirst(first, BASES, 6000)
  assert.is(breakBetween(undated, incoming(1, { clock: 'none', wallUs: 0 })), undefined)
  assert.is(breakBetween(undated, incoming(1, { clock: 'none', wallUs: 0, monoUs: 600 * SECOND })), 'window')
  assert.is(breakBetween(undated, incoming(1)), 'clock')
})

test('the one that follows takes it; those whose successor went elsewhere are finished, others stay', () => {
  const live = { name: 'live', tail }
  const backlog = { name: 'backlog', tail: { ...tail, nextSeq: 700 } }
  const otherLog = { name: 'other', tail: { ...tail, log: '00000000000000b2' } }
  const open = [live, backlog, otherLog]
  assert.equal(assign(open, incoming(2)), { file: live, finished: [] })
  assert.equal(assign(open, incoming(2, { run: 1 })), { file: undefined, finished: [live] })
  assert.equal(assign(open, incoming(3)), { file: undefined, finished: [] })
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from './address.ts'
import {
  type Attempt,
  addCandidates,
  answerProbe,
  bestAnswered,
  type Candidate,
  type DirectCandidate,
  endLookUp,
  failed,
  isExhausted,
  LOOK_UP_LIMIT_MS,
  newAttempt,
  nextDueMs,
  OPEN_DIRECT_LIMIT_MS,
  OPEN_DIRECT_ROUND_TRIPS,
  OPEN_RELAY_LIMIT_MS,
  PROBE_GIVE_UP_MS,
  PROBE_SCHEDULE_MS,
  PUNCH_SCHEDULE_MS,
  RELAY_TLS_AFTER_MS,
  RELAY_UDP_AFTER_MS,
  rttOf,
  setTrial,
  TRIALS_MAX,
  type TrialState,
  takeDue,
  trialOf,
} from './attempt.ts'
import type { ChannelPath } from './channel.ts'
import { PATHS } from './path-rank.ts'

const A: Address = { host: '192.168.1.2', port: 7441 }
const B: Address = { host: '198.51.100.7', port: 7441 }
const lan: DirectCandidate = { path: 'lan', source: 'known', address: A }
const hole: DirectCandidate = { path: 'punched', source: 'observed', address: B }
const relays: Candidate[] = [
  { path: 'relay-udp', source: 'server' },
  { path: 'relay-tls', source: 'server' },
]

const names = ({ trials }: Attempt) => trials.map(({ state }) => state.name)

/** Goes from one due time to the next until `untilMs`, and tells what was due when. */
function play(attempt: Attempt, current: ChannelPath | undefined, untilMs: number): [Attempt, string[]] {
  const log: string[] = []
  let at = attempt
  for (let dueMs = nextDueMs(at, current); dueMs <= untilMs; dueMs = nextDueMs(at, current)) {
    const due = takeDue(at, current, dueMs)
    const sinceMs = Math.round(dueMs - attempt.startedMs)
    for (const index of due.probes) log.push(`${sinceMs} probe ${index}`)
    for (const index of due.relays) log.push(`${sinceMs} relay ${index}`)
    for (const opening of due.late) log.push(`${sinceMs} late ${opening}`)
    if (due.punch) log.push(`${sinceMs} punch`)
    at = due.attempt
    // The machine opens a relay whose head start is over.
    for (const index of due.relays) at = setTrial(at, index, { name: 'opening', opening: index, sinceMs: dueMs })
    assert.ok(nextDueMs(at, current) > dueMs, `what is due at ${dueMs} counts as done`)
  }
  return [at, log]
}

test('every address on its schedule, then each relay, and requests to punch meanwhile', () => {
  const startMs = 70
  const [after, log] = play(newAttempt(1, [lan, ...relays], true, startMs), undefined, startMs + PROBE_GIVE_UP_MS)
  assert.equal(
    log.filter((line) => line.endsWith('probe 0')),
    PROBE_SCHEDULE_MS.map((ms) => `${ms} probe 0`),
  )
  assert.equal(
    log.filter((line) => line.endsWith('punch')),
    PUNCH_SCHEDULE_MS.map((ms) => `${ms} punch`),
  )
  assert.equal(
    log.filter((line) => line.includes('relay')),
    [`${RELAY_UDP_AFTER_MS} relay 1`, `${RELAY_TLS_AFTER_MS} relay 2`],
  )
  assert.equal(names(after), ['silent', 'opening', 'opening'])
})

test('nobody is asked to punch, nor looked up, without a server', () => {
  const attempt = newAttempt(1, [lan], false, 0)
  assert.equal(attempt.lookUp, { name: 'none' })
  const [after, log] = play(attempt, undefined, 60_000)
  assert.is(log.filter((line) => line.endsWith('punch')).length, 0)
  assert.ok(isExhausted(after))
  assert.is(nextDueMs(after, undefined), Number.POSITIVE_INFINITY)
})

test('whatever the clock’s fractions, each send is made once', () => {
  for (let count = 0; count < 500; count++) {
    // Microseconds as a clock gives them soon after the start: their sums with a schedule round up or down.
    const startMs = (7 + count * 7_919) / 1000
    const [, log] = play(newAttempt(1, [lan], true, startMs), undefined, startMs + 20_000)
    assert.is(log.length, PROBE_SCHEDULE_MS.length + PUNCH_SCHEDULE_MS.length, `started at ${startMs}`)
  }
})

test('what was missed during a hold-up is made up for by one send', () => {
  const due = takeDue(newAttempt(1, [lan], true, 0), undefined, 900)
  assert.equal([due.probes, due.punch], [[0], true])
  assert.is(nextDueMs(due.attempt, undefined), 1000)
})

test('paths that are not better than the one in use are left when their time comes', () => {
  const candidates = [lan, hole, ...relays]
  const expected: Record<ChannelPath, [string[], string[]]> = {
    lan: [['left', 'left', 'left', 'left'], []],
    punched: [['silent', 'left', 'left', 'left'], []],
    'relay-udp': [['silent', 'silent', 'left', 'left'], ['punch']],
    'relay-tls': [
      ['silent', 'silent', 'opening', 'left'],
      ['punch', 'relay 2'],
    ],
  }
  for (const current of PATHS) {
    const [after, log] = play(newAttempt(1, candidates, true, 0), current, PROBE_GIVE_UP_MS)
    const [states, rest] = expected[current]
    assert.equal(names(after), states, current)
    const others = log.filter((line) => !line.includes('probe')).map((line) => line.slice(line.indexOf(' ') + 1))
    assert.equal([...new Set(others)], rest, current)
  }
})

test('an opening that takes too long has failed: a relay gets more time', () => {
  const limits: [Candidate, number][] = [
    [lan, OPEN_DIRECT_LIMIT_MS],
    [hole, OPEN_DIRECT_LIMIT_MS],
    ...relays.map((relay): [Candidate, number] => [relay, OPEN_RELAY_LIMIT_MS]),
  ]
  for (const [candidate, limitMs] of limits) {
    const opening: TrialState = { name: 'opening', opening: 7, sinceMs: 100, rttMs: 3 }
    const attempt = setTrial(newAttempt(1, [candidate], false, 0), 0, opening)
    assert.is(nextDueMs(attempt, undefined), 100 + limitMs, candidate.path)
    assert.equal(takeDue(attempt, undefined, 99 + limitMs).late, [])
    const due = takeDue(attempt, undefined, 100 + limitMs)
    assert.equal(due.late, [7])
    assert.equal(due.attempt.trials[0]?.state, { name: 'failed', why: 'no answer', rttMs: 3 })
  }
})

test('an opening on a slow line gets as much longer as its probes took, up to what a relay gets', () => {
  for (const [rttMs, limitMs] of [
    [500, 500 * OPEN_DIRECT_ROUND_TRIPS],
    [2_000, OPEN_RELAY_LIMIT_MS],
  ] as const) {
    const opening: TrialState = { name: 'opening', opening: 7, sinceMs: 100, rttMs }
    assert.is(nextDueMs(setTrial(newAttempt(1, [lan], false, 0), 0, opening), undefined), 100 + limitMs)
  }
})

test('a look-up that does not end is over after its limit', () => {
  const attempt = newAttempt(1, [], true, 5)
  assert.is(isExhausted(attempt), false)
  const [after] = play(attempt, undefined, 5 + LOOK_UP_LIMIT_MS)
  assert.equal(after.lookUp, { name: 'failed', tookMs: LOOK_UP_LIMIT_MS, code: 'TIMED_OUT', hint: undefined })
  assert.ok(isExhausted(after))
  assert.is(endLookUp(after, 9_999, { name: 'answered', addresses: 1 }), after, 'a late answer is not taken')
  assert.equal(endLookUp(attempt, 25, { name: 'answered', addresses: 1 }).lookUp, {
    ...{ name: 'answered', tookMs: 20, addresses: 1 },
  })
})

test('an address is tried once, as the better of what it is thought to be', () => {
  const asHole: DirectCandidate = { path: 'punched', source: 'heard', address: A }
  for (const [first, second] of [
    [lan, asHole],
    [asHole, lan],
  ] as const) {
    const attempt = addCandidates(newAttempt(1, [first], false, 0), [second], 10)
    assert.is(attempt.trials.length, 1)
    const heard = { name: 'waiting', probes: 0, heard: true } as const
    const state: TrialState = first === asHole ? heard : { name: 'waiting', probes: 0 }
    assert.equal(attempt.trials[0], { ...lan, startedMs: 0, state })
    const silent = addCandidates(setTrial(attempt, 0, { name: 'silent' }), [asHole], 10)
    assert.equal(silent.trials[0], { ...lan, startedMs: 10, state: heard })
    // What is being opened is being opened as what it was.
    const states: TrialState[] = [
      { name: 'opening', opening: 1, sinceMs: 1 },
      { name: 'opened', opening: 1, tookMs: 1 },
      { name: 'failed', why: 'reset' },
      { name: 'refused', code: 'INTERNAL' },
      { name: 'left' },
    ]
    for (const state of states) {
      const held = setTrial(newAttempt(1, [first], false, 0), 0, state)
      assert.equal(addCandidates(held, [second], 10).trials, held.trials, state.name)
    }
  }
})

test('a list from outside is cut', () => {
  const many = Array.from({ length: 300 }, (_, at): Candidate => ({ ...lan, address: { ...A, port: at + 1 } }))
  const attempt = newAttempt(1, relays, true, 0)
  assert.is(addCandidates(attempt, many, 0).trials.length, TRIALS_MAX)
})

test('of what answered, the best path counts, then the shorter way', () => {
  const at = (address: Address, path: 'lan' | 'punched'): DirectCandidate => ({ path, source: 'known', address })
  const addresses = [1, 2, 3, 4].map((port) => ({ ...A, port }))
  const [one, two, three, four] = addresses
  if (!one || !two || !three || !four) throw new Error('four addresses')
  let attempt = newAttempt(1, [at(one, 'punched'), at(two, 'lan'), at(three, 'lan'), at(four, 'lan')], false, 0)
  assert.is(bestAnswered(attempt), undefined)
  const rtts = [1, 9, 4, 4]
  const best = [0, 1, 2, 2]
  for (const [index, rttMs] of rtts.entries()) {
    attempt = answerProbe(attempt, index, rttMs) ?? attempt
    assert.is(bestAnswered(attempt), best[index])
  }
  assert.is(answerProbe(attempt, 0, 5), undefined, 'once')
  assert.is(answerProbe(attempt, 9, 5), undefined, 'nobody')
  const silent = setTrial(attempt, 0, { name: 'silent' })
  assert.equal(answerProbe(silent, 0, 5)?.trials[0]?.state, { name: 'answered', rttMs: 5 }, 'late is not too late')
})

test('an attempt is exhausted when nothing is left that could come of it', () => {
  const open: TrialState[] = [
    { name: 'waiting', probes: 3 },
    { name: 'held' },
    { name: 'answered', rttMs: 1 },
    { name: 'opening', opening: 1, sinceMs: 0 },
  ]
  const over: TrialState[] = [
    { name: 'silent' },
    { name: 'opened', opening: 1, tookMs: 1 },
    { name: 'failed', why: 'silent' },
    { name: 'refused', code: 'INTERNAL' },
    { name: 'left' },
  ]
  const attempt = newAttempt(1, [lan], false, 0)
  for (const state of open) assert.is(isExhausted(setTrial(attempt, 0, state)), false, state.name)
  for (const state of over) assert.is(isExhausted(setTrial(attempt, 0, state)), true, state.name)
})

test('an opening is found by its number, and keeps the round trip of its probe', () => {
  const opening: TrialState = { name: 'opening', opening: 5, sinceMs: 0, rttMs: 2 }
  const attempt = setTrial(newAttempt(1, [lan, hole], false, 0), 1, opening)
  assert.is(trialOf(attempt, 5), 1)
  assert.is(trialOf(attempt, 4), -1)
  assert.equal(failed(opening, 'reset'), { name: 'failed', why: 'reset', rttMs: 2 })
  assert.equal(rttOf({ name: 'held' }), {})
  assert.is(setTrial(attempt, 9, opening), attempt)
})

test.run()

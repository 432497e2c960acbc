import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  OPEN_DIRECT_LIMIT_MS,
  PROBE_GIVE_UP_MS,
  PROBE_SCHEDULE_MS,
  RELAY_TLS_AFTER_MS,
  RELAY_UDP_AFTER_MS,
  TRIALS_MAX,
} from './attempt.ts'
import { nextWakeMs } from './connect.ts'
import { A, B, C, P, Q, Run } from './connect-fixture.ts'
import {
  ENROL_RETRY_LONGEST_MS,
  FLAPPING_FAILURES_MAX,
  type LinkEvent,
  RETRY_FIRST_MS,
  RETRY_LONGEST_MS,
  SEARCH_AFTER_MS,
  SEARCH_AGAIN_MS,
  SEARCH_SOON_MS,
  STABLE_MS,
  UPGRADE_AFTER_MS,
} from './link-state.ts'
import type { NatKind } from './nat.ts'
import { CACHED_ADDRESSES_MAX } from './pairing.ts'
import { SEARCH_LIMIT_MS } from './port-search.ts'

/** A fresh machine in each state, everything about it known, at a moment when no timer is due. */
const STATES: Record<string, () => Run> = {
  idle: () => new Run(),
  enrolling: () => new Run({ enrolled: false }).start().pass(1),
  'enrolling, resting': () => new Run({ enrolled: false, server: false }).start().pass(PROBE_GIVE_UP_MS + 1),
  walking: () => new Run().start().pass(1),
  'walking, a relay opening': () => new Run().start().pass(RELAY_UDP_AFTER_MS + 1),
  'walking, an address opening': () => new Run().start().answer(A).pass(1),
  'connected on lan': () => new Run().start().answer(A).opened(A).pass(1),
  'connected on relay, an upgrade under way': () =>
    onRelay()
      .pass(UPGRADE_AFTER_MS[0] + 1)
      .answer(A),
  'connected on relay, searching for a port': () => searching().pass(1),
  lost: () => new Run({ server: false }).start().pass(PROBE_GIVE_UP_MS + 1),
}

function onRelay(): Run {
  return new Run().start().pass(RELAY_UDP_AFTER_MS).opened('relay-udp')
}

/** Behind a symmetric NAT, the storage device behind another kind. */
function searching(): Run {
  return onRelay().nats('symmetric', 'cone').lookedUp([], P).pass(SEARCH_AFTER_MS)
}

/** One event of every type, about what is under way just now. */
const EVENTS: Record<
  LinkEvent['type'] | 'heard again' | 'heard at a socket' | 'channel-closed in use',
  (run: Run) => LinkEvent
> = {
  started: () => ({ type: 'started' }),
  stopped: () => ({ type: 'stopped' }),
  wake: () => ({ type: 'wake' }),
  timer: () => ({ type: 'timer' }),
  'looked-up': ({ attempt }) => ({
    type: 'looked-up',
    attempt,
    candidates: [{ path: 'lan', source: 'looked-up', address: C }],
  }),
  'look-up-failed': ({ attempt }) => ({ type: 'look-up-failed', attempt, code: 'SERVER_UNREACHABLE', hint: undefined }),
  'probe-answered': (run) => ({ type: 'probe-answered', attempt: run.attempt, candidate: run.index(B), rttMs: 5 }),
  heard: () => ({ type: 'heard', from: P }),
  'heard again': () => ({ type: 'heard', from: B }),
  'heard at a socket': () => ({ type: 'heard', from: P, via: 3 }),
  'nat-seen': () => ({ type: 'nat-seen', side: 'storage', nat: 'unknown' }),
  'search-refused': ({ attempt }) => ({ type: 'search-refused', attempt }),
  enrolled: ({ attempt }) => ({ type: 'enrolled', attempt, name: 'Door', from: B }),
  opened: ({ opening }) => ({ type: 'opened', opening }),
  refused: ({ opening }) => ({ type: 'refused', opening, code: 'FRAME_VERSION' }),
  'channel-closed': ({ opening }) => ({ type: 'channel-closed', opening, reason: 'reset' }),
  'channel-closed in use': ({ inUse }) => ({ type: 'channel-closed', opening: inUse, reason: 'reset' }),
}

const IGNORED = 'ignored'
const NATS: readonly NatKind[] = ['none', 'cone', 'symmetric', 'unknown']

/** state → event → the state after it and what is done. */
const TABLE: Record<string, Record<keyof typeof EVENTS, string>> = {
  idle: {
    started: 'walking: stop-look-up look-up probe probe punch',
    stopped: 'idle:',
    wake: IGNORED,
    timer: IGNORED,
    'looked-up': IGNORED,
    'look-up-failed': IGNORED,
    'probe-answered': IGNORED,
    heard: IGNORED,
    'heard again': IGNORED,
    'heard at a socket': IGNORED,
    'nat-seen': 'idle:',
    'search-refused': IGNORED,
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
    'channel-closed in use': IGNORED,
  },
  enrolling: {
    started: IGNORED,
    stopped: 'idle: stop-look-up',
    wake: 'enrolling: stop-look-up look-up enrol-by-server enrol probe enrol probe',
    timer: 'enrolling:',
    'looked-up': 'enrolling: enrol probe',
    'look-up-failed': 'enrolling:',
    'probe-answered': 'walking: enrolled stop-look-up look-up probe probe punch',
    heard: IGNORED,
    'heard again': IGNORED,
    'heard at a socket': IGNORED,
    'nat-seen': 'enrolling:',
    'search-refused': IGNORED,
    enrolled: 'walking: enrolled stop-look-up look-up probe probe punch',
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
    'channel-closed in use': IGNORED,
  },
  'enrolling, resting': {
    started: IGNORED,
    stopped: 'idle: stop-look-up',
    wake: 'enrolling: stop-look-up enrol probe enrol probe',
    timer: IGNORED,
    'looked-up': IGNORED,
    'look-up-failed': IGNORED,
    'probe-answered': 'walking: enrolled stop-look-up probe probe',
    heard: IGNORED,
    'heard again': IGNORED,
    'heard at a socket': IGNORED,
    'nat-seen': 'enrolling:',
    'search-refused': IGNORED,
    enrolled: 'walking: enrolled stop-look-up probe probe',
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
    'channel-closed in use': IGNORED,
  },
  walking: {
    started: IGNORED,
    stopped: 'idle: stop-look-up',
    wake: 'walking: stop-look-up look-up probe probe punch',
    timer: 'walking:',
    'looked-up': 'walking: probe',
    'look-up-failed': 'walking:',
    'probe-answered': 'walking: open',
    heard: 'walking: probe',
    'heard again': 'walking: probe',
    'heard at a socket': IGNORED,
    'nat-seen': 'walking:',
    'search-refused': IGNORED,
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
    'channel-closed in use': IGNORED,
  },
  'walking, a relay opening': {
    started: IGNORED,
    stopped: 'idle: stop-look-up drop',
    wake: 'walking: drop stop-look-up look-up probe probe punch',
    timer: 'walking:',
    'looked-up': 'walking: probe',
    'look-up-failed': 'walking:',
    'probe-answered': 'walking: open',
    heard: 'walking: probe',
    'heard again': 'walking: probe',
    'heard at a socket': IGNORED,
    'nat-seen': 'walking:',
    'search-refused': IGNORED,
    enrolled: IGNORED,
    opened: 'connected: use',
    refused: 'walking: drop',
    'channel-closed': 'walking: drop',
    'channel-closed in use': IGNORED,
  },
  'walking, an address opening': {
    started: IGNORED,
    stopped: 'idle: stop-look-up drop',
    wake: 'walking: drop stop-look-up look-up probe probe punch',
    timer: 'walking:',
    'looked-up': 'walking: probe',
    'look-up-failed': 'walking:',
    'probe-answered': 'walking:',
    heard: 'walking: probe',
    'heard again': 'walking: probe',
    'heard at a socket': IGNORED,
    'nat-seen': 'walking:',
    'search-refused': IGNORED,
    enrolled: IGNORED,
    opened: 'connected: use stop-look-up remember',
    refused: 'walking: drop',
    'channel-closed': 'walking: drop',
    'channel-closed in use': IGNORED,
  },
  'connected on lan': {
    started: IGNORED,
    stopped: 'idle: stop-look-up drop',
    wake: IGNORED,
    timer: 'connected:',
    'looked-up': 'connected:',
    'look-up-failed': 'connected:',
    'probe-answered': 'connected:',
    heard: 'connected:',
    'heard again': 'connected:',
    'heard at a socket': IGNORED,
    'nat-seen': 'connected:',
    'search-refused': IGNORED,
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': 'lost: drop stop-look-up',
    'channel-closed in use': 'lost: drop stop-look-up',
  },
  'connected on relay, an upgrade under way': {
    started: IGNORED,
    stopped: 'idle: stop-look-up drop drop',
    wake: 'connected: drop stop-look-up look-up probe probe punch',
    timer: 'connected:',
    'looked-up': 'connected: probe',
    'look-up-failed': 'connected:',
    'probe-answered': 'connected:',
    heard: 'connected: probe',
    'heard again': 'connected: probe',
    'heard at a socket': IGNORED,
    'nat-seen': 'connected:',
    'search-refused': IGNORED,
    enrolled: IGNORED,
    opened: 'connected: use drop stop-look-up remember',
    refused: 'connected: drop',
    'channel-closed': 'connected: drop',
    'channel-closed in use': 'lost: drop stop-look-up drop',
  },
  'connected on relay, searching for a port': {
    started: IGNORED,
    stopped: 'idle: stop-look-up stop-search drop',
    wake: 'connected: stop-search stop-look-up look-up probe probe punch',
    timer: 'connected:',
    'looked-up': IGNORED,
    'look-up-failed': IGNORED,
    'probe-answered': 'connected: open',
    heard: 'connected: probe',
    'heard again': 'connected: probe',
    'heard at a socket': 'connected: probe',
    'nat-seen': 'connected:',
    'search-refused': 'connected: stop-search',
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': 'lost: drop stop-look-up stop-search',
    'channel-closed in use': 'lost: drop stop-look-up stop-search',
  },
  lost: {
    started: IGNORED,
    stopped: 'idle: stop-look-up',
    wake: 'walking: stop-look-up probe probe',
    timer: IGNORED,
    'looked-up': IGNORED,
    'look-up-failed': IGNORED,
    'probe-answered': 'walking: open',
    heard: 'walking: probe',
    'heard again': 'walking: probe',
    'heard at a socket': IGNORED,
    'nat-seen': 'lost:',
    'search-refused': IGNORED,
    enrolled: IGNORED,
    opened: IGNORED,
    refused: IGNORED,
    'channel-closed': IGNORED,
    'channel-closed in use': IGNORED,
  },
}

for (const [name, make] of Object.entries(STATES)) {
  test(`${name}: every event`, () => {
    assert.ok(name.startsWith(make().state.name))
    const outcomes: Record<string, string> = {}
    for (const [type, event] of Object.entries(EVENTS)) {
      const run = make()
      const before = run.machine
      run.send(event(run))
      const isIgnored = run.machine === before && run.actions.length === 0
      const after = `${run.state.name}: ${run.actions.map((action) => action.type).join(' ')}`
      outcomes[type] = isIgnored ? IGNORED : after.trimEnd()
    }
    assert.equal(outcomes, TABLE[name])
  })

  test(`${name}: what belongs to an earlier attempt or opening is ignored`, () => {
    for (const event of Object.values(EVENTS)) {
      const run = make()
      const made = event(run)
      if (!('attempt' in made) && !('opening' in made)) continue
      const before = run.machine
      run.send({ ...made, ...('attempt' in made ? { attempt: made.attempt - 1 } : { opening: -5 }) })
      assert.is(run.machine, before, made.type)
      assert.equal(run.actions, [], made.type)
    }
  })
}

test('known addresses are probed at once and on schedule, each as long as a relay may take', () => {
  const run = new Run({ known: [A] }).start()
  const startMs = run.nowMs
  const sentMs = [run.nowMs]
  assert.equal(run.sends, ['probe 192.168.1.2'])
  for (let wake = nextWakeMs(run.machine); wake !== undefined; wake = nextWakeMs(run.machine)) {
    if (wake >= startMs + PROBE_GIVE_UP_MS) break
    if (run.timer(wake).sends.some((send) => send.startsWith('probe'))) sentMs.push(run.nowMs)
  }
  assert.equal(
    sentMs.map((ms) => ms - startMs),
    [...PROBE_SCHEDULE_MS],
  )
  run
    .closed('relay-udp')
    .closed('relay-tls')
    .timer(startMs + PROBE_GIVE_UP_MS)
  assert.is(run.state.name, 'walking', 'the server may still name another address')
  run.lookUpFails()
  assert.is(run.state.name, 'lost')
})

test('each path has its head start over those behind it', () => {
  const run = new Run({ known: [A] }).start()
  assert.equal(run.sends, ['probe 192.168.1.2'])
  assert.ok(run.actions.some(({ type }) => type === 'punch'))
  run.lookedUp([], P)
  assert.equal(run.sends, ['probe 198.51.100.7'])
  assert.is(run.pass(RELAY_UDP_AFTER_MS - 1).log.filter(({ type }) => type === 'open').length, 0)
  assert.ok(run.pass(1).sends.includes('open relay-udp'))
  assert.is(run.pass(RELAY_TLS_AFTER_MS - RELAY_UDP_AFTER_MS - 1).log.filter(({ type }) => type === 'open').length, 1)
  assert.ok(run.pass(1).sends.includes('open relay-tls'))
  // An address that answers is opened without waiting for the relays.
  assert.equal(run.answer(P).sends, ['open punched 198.51.100.7'])
  assert.equal(run.answer(A).sends, ['open lan 192.168.1.2'], 'nor does a LAN wait for a hole')
})

test('every better path that opens takes over from the one in use', () => {
  const run = new Run({ known: [A] }).start().lookedUp([], P).pass(RELAY_TLS_AFTER_MS)
  const openings = new Map([['relay-tls' as const, run.openingAt('relay-tls')]])
  run.opened('relay-tls')
  assert.equal(run.actions, [{ type: 'use', opening: openings.get('relay-tls') }])
  const relay = run.openingAt('relay-udp')
  run.opened('relay-udp')
  assert.equal(run.actions, [
    { type: 'use', opening: relay },
    { type: 'drop', opening: openings.get('relay-tls') },
  ])
  run.answer(P)
  const hole = run.openingAt(P)
  run.opened(P)
  assert.equal(run.actions, [
    { type: 'use', opening: hole },
    { type: 'drop', opening: relay },
  ])
  run.answer(A)
  const lan = run.openingAt(A)
  run.opened(A)
  assert.equal(run.actions, [
    { type: 'use', opening: lan },
    { type: 'drop', opening: hole },
    { type: 'stop-look-up' },
    { type: 'remember', address: A },
  ])
  assert.is(run.path, 'lan')
  assert.equal(run.pass(600_000).sends, [], 'nothing is better')
  assert.is(nextWakeMs(run.machine), undefined)
})

test('what opens first leaves the openings that lead to nothing better', () => {
  const run = new Run().start().lookedUp([], P).pass(RELAY_TLS_AFTER_MS).answer(P)
  const [udp, tls] = [run.openingAt('relay-udp'), run.openingAt('relay-tls')]
  run.opened(P)
  assert.equal(
    run.actions.filter(({ type }) => type === 'drop'),
    [
      { type: 'drop', opening: udp },
      { type: 'drop', opening: tls },
    ],
  )
  assert.is(run.trial('relay-udp').state.name, 'left')
  const before = run.machine
  run.send({ type: 'opened', opening: udp })
  assert.is(run.machine, before, 'and when such a one opens after all, nobody takes it')
})

test('a relay that is still held when a better path opens is never opened', () => {
  const run = new Run().start().lookedUp([], P).answer(P).opened(P).pass(RELAY_TLS_AFTER_MS)
  assert.is(run.log.filter(({ type }) => type === 'open').length, 1)
  assert.equal([run.trial('relay-udp').state.name, run.trial('relay-tls').state.name], ['left', 'left'])
})

test('while on a relay better paths are tried again, soon at first, then more and more rarely', () => {
  const run = onRelay()
  const startMs = run.nowMs
  const begun: number[] = []
  while (begun.length < 7) {
    run.timer(nextWakeMs(run.machine) ?? Number.NaN)
    if (run.actions.some(({ type }) => type === 'look-up')) begun.push(run.nowMs - startMs)
    assert.is(run.path, 'relay-udp')
  }
  const [first, second, third, rest] = UPGRADE_AFTER_MS
  assert.equal(
    begun.map((ms, index) => ms - (begun[index - 1] ?? 0)),
    [first, second, third, rest, rest, rest, rest],
  )
  assert.is(run.log.filter(({ type }) => type === 'open').length, 1, 'the relay in use is not opened again')
})

test('a channel through a hole is upgraded to a LAN, and asks nobody to punch for it', () => {
  const run = new Run({ known: [] }).start().lookedUp([], P).answer(P).opened(P)
  run.log.length = 0
  run.pass(UPGRADE_AFTER_MS[0]).lookedUp([C], P)
  assert.equal(run.sends, ['probe 172.16.0.2'])
  run.answer(C)
  assert.equal(run.sends, ['open lan 172.16.0.2'])
  run.opened(C)
  assert.is(run.path, 'lan')
  assert.is(run.log.filter(({ type }) => type === 'punch').length, 0)
})

test('a wake on anything but a LAN tries better paths at once, and soon again', () => {
  const run = onRelay().pass(UPGRADE_AFTER_MS[0] + UPGRADE_AFTER_MS[1] + 100)
  run.send({ type: 'wake' })
  assert.ok(run.actions.some(({ type }) => type === 'look-up'))
  assert.is(run.state.name === 'connected' && run.state.upgradeMs, run.nowMs + UPGRADE_AFTER_MS[0])
  assert.equal(run.answer(A).sends, ['open lan 192.168.1.2'])
})

test('an upgrade that comes to nothing leaves the path in use alone', () => {
  const run = onRelay().pass(UPGRADE_AFTER_MS[0]).answer(A)
  assert.is(run.closed(A).path, 'relay-udp')
  run.answer(B).send({ type: 'refused', opening: run.openingAt(B), code: 'FRAME_VERSION' })
  run.lookUpFails().pass(PROBE_GIVE_UP_MS)
  assert.is(run.path, 'relay-udp')
  assert.is(run.log.filter((action) => action.type === 'drop' && action.opening === run.inUse).length, 0)
})

test('the end of the channel in use ends the upgrade with it', () => {
  for (const stableMs of [0, STABLE_MS]) {
    const run = onRelay().pass(stableMs)
    if (stableMs === 0) run.send({ type: 'wake' })
    run.answer(A)
    const [upgrade, used] = [run.openingAt(A), run.inUse]
    run.send({ type: 'channel-closed', opening: used, reason: 'reset' })
    const drops = run.actions.flatMap((action) => (action.type === 'drop' ? [action.opening] : []))
    assert.equal(drops.sort(), [upgrade, used].sort(), 'each once')
    assert.is(run.state.name, stableMs === 0 ? 'lost' : 'walking')
    // Nothing waits for the opening that was dropped: a late answer is opened at once.
    if (run.state.name === 'lost') assert.equal(run.answer(B).sends.at(-1), 'open lan 10.0.0.2')
  }
})

test('the storage device’s own punch tells where it is', () => {
  const run = new Run({ known: [] }).start().lookedUp([], P)
  assert.equal(run.heard(Q).sends, ['probe 198.51.100.7'])
  assert.equal(run.trial(Q).path, 'punched')
  const before = run.machine
  assert.is(run.heard(Q).machine, before, 'once')
  run.answer(Q)
  assert.equal(run.sends, ['open punched 198.51.100.7'])
})

test('an address that is probed already and is heard of is probed anew, once: its side of the way is open now', () => {
  const run = new Run({ known: [] }).start().pass(120).lookedUp([], P).pass(30).heard(P)
  assert.equal(run.sends, ['probe 198.51.100.7'])
  const sentMs: number[] = []
  for (const startMs = run.nowMs; sentMs.length < 3; ) {
    run.timer(nextWakeMs(run.machine) ?? Number.NaN)
    if (run.sends.includes('probe 198.51.100.7')) sentMs.push(run.nowMs - startMs)
  }
  assert.equal(sentMs, PROBE_SCHEDULE_MS.slice(1, 4))
  const before = run.machine
  assert.is(run.heard(P).machine, before)
})

test('what punches from a private address is in this LAN, also before the server has named it', () => {
  const run = new Run({ known: [] }).start().heard(C)
  assert.is(run.trial(C).path, 'lan')
  run.answer(C)
  assert.equal(run.sends, ['open lan 172.16.0.2'])
})

test('an address that the server announces is a LAN’s, though it punched before', () => {
  const global = { host: '2001:db8::2', port: 7441 }
  const run = new Run({ known: [] }).start().heard(global)
  assert.is(run.trial(global).path, 'punched')
  assert.is(run.lookedUp([global]).trial(global).path, 'lan')
  assert.equal(run.answer(global).sends, ['open lan 2001:db8::2'])
})

test('a silent address that is heard of is tried again', () => {
  const run = new Run({ known: [A] }).start().pass(PROBE_GIVE_UP_MS)
  assert.is(run.trial(A).state.name, 'silent')
  assert.equal(run.heard(A).sends, ['probe 192.168.1.2'])
  assert.is(run.trial(A).path, 'lan')
})

test('punches do not shorten the pause after a path that does not last', () => {
  const run = new Run({ known: [] }).start().lookedUp([], P).answer(P).opened(P)
  run.send({ type: 'channel-closed', opening: run.inUse, reason: 'reset' })
  assert.is(run.state.name, 'lost')
  const before = run.machine
  assert.is(run.heard(P).machine, before)
  // From somewhere new it may be worth a try.
  assert.equal(run.heard(Q).sends.includes('probe 198.51.100.7'), true)
  assert.is(run.state.name, 'walking')
  assert.is(run.log.filter(({ type }) => type === 'look-up').length, 1, 'within the same attempt')
})

test('probes that were missed while the process was held up are not sent in a burst', () => {
  const run = new Run({ known: [A], server: false }).start()
  run.nowMs += 1000
  run.send({ type: 'timer' })
  assert.equal(run.sends, ['probe 192.168.1.2'])
  assert.is(nextWakeMs(run.machine), 1000 + 1500)
})

test('addresses from the server are probed as they arrive, known ones only once', () => {
  const run = new Run().start().pass(30)
  run.lookedUp([C, A])
  assert.equal(run.sends, ['probe 172.16.0.2'])
  run.pass(20)
  assert.equal(run.sends, ['probe 192.168.1.2', 'probe 10.0.0.2'])
})

test('a known address that was given up is tried again when the server names it', () => {
  const run = new Run({ known: [A] }).start().pass(PROBE_GIVE_UP_MS + 100)
  run.lookedUp([A])
  assert.equal(run.sends, ['probe 192.168.1.2'])
})

test('a long list from the server makes no burst', () => {
  const run = new Run().start()
  run.lookedUp(Array.from({ length: 200 }, (_, at) => ({ host: `10.1.1.${at}`, port: 1 })))
  assert.is(run.sends.length, TRIALS_MAX - 4)
})

test('however often it moves, addresses met before leave room for those that the server names', () => {
  const run = new Run({ known: [], enrolled: false, server: false })
  for (let at = 1; at <= 40; at++) {
    run.start().send({ type: 'enrolled', attempt: run.attempt, name: '', from: { host: `10.1.1.${at}`, port: 1 } })
    run.machine = { ...run.machine, config: { ...run.machine.config, enrolled: false } }
    run.send({ type: 'stopped' })
  }
  assert.is(run.machine.config.known.length, CACHED_ADDRESSES_MAX)
  assert.equal(run.machine.config.known[0], { host: '10.1.1.40', port: 1 })
  assert.ok(CACHED_ADDRESSES_MAX <= TRIALS_MAX / 2)
})

test('an opening that takes too long gives way to the next that answered, then the walk goes on', () => {
  const run = new Run({ known: [A, B, C], server: false }).start().answer(A)
  const first = run.opening
  run.answer(B, 9).answer(C, 4)
  assert.equal(run.sends, [], 'one at a time')
  const startMs = run.nowMs
  run.pass(OPEN_DIRECT_LIMIT_MS - 1)
  assert.is(run.opening, first)
  run.pass(1)
  assert.is(run.nowMs, startMs + OPEN_DIRECT_LIMIT_MS)
  assert.equal(
    run.actions.map(({ type }) => type),
    ['drop', 'open'],
  )
  assert.equal(run.sends, ['open lan 172.16.0.2'], 'the one with the shorter round trip')
  run.send({ type: 'refused', opening: run.opening, code: 'FRAME_VERSION' })
  assert.equal(run.sends, ['open lan 10.0.0.2'])
  run.closed(B)
  assert.is(run.state.name, 'lost')
})

test('one that refused is not opened again by its late answers', () => {
  const run = new Run({ known: [A], server: false }).start().answer(A)
  run.send({ type: 'refused', opening: run.opening, code: 'FRAME_VERSION' })
  assert.is(run.state.name, 'lost')
  const before = run.machine
  run.answer(A)
  assert.is(run.machine, before)
})

test('an address that answers when all was given up is opened at once', () => {
  const run = new Run({ known: [A], server: false }).start().pass(PROBE_GIVE_UP_MS)
  assert.is(run.state.name, 'lost')
  assert.equal(run.answer(A).sends, ['open lan 192.168.1.2'])
})

test('pauses double from half a second to half a minute, within their jitter', () => {
  for (const [chance, factor] of [
    [0, 0.5],
    [0.999999, 1],
  ] as const) {
    const run = new Run({ known: [], server: false })
    const pauses: number[] = []
    run.send({ type: 'started' }, chance)
    for (let count = 0; count < 10; count++) {
      if (run.state.name !== 'lost') throw new Error(run.state.name)
      pauses.push(run.state.retryMs - run.nowMs)
      run.nowMs = run.state.retryMs
      run.send({ type: 'timer' }, chance)
    }
    const expected = Array.from({ length: 10 }, (_, at) => Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** at))
    assert.equal(
      pauses,
      expected.map((ms) => ms * factor),
    )
  }
})

test('a channel that lasted is replaced at once, one that did not after a short pause', () => {
  const run = new Run().start().answer(A).opened(A)
  run.nowMs += STABLE_MS
  run.send({ type: 'channel-closed', opening: run.inUse, reason: 'silent' })
  assert.is(run.state.name, 'walking')
  assert.equal(run.sends, ['probe 192.168.1.2', 'probe 10.0.0.2'])
  const longestMs = RETRY_FIRST_MS * 2 ** FLAPPING_FAILURES_MAX
  for (let count = 0; count < 10; count++) {
    run.answer(A).opened(A)
    run.nowMs += STABLE_MS - 1
    run.send({ type: 'channel-closed', opening: run.inUse, reason: 'reset' })
    if (run.state.name !== 'lost') throw new Error(run.state.name)
    assert.ok(run.state.retryMs - run.nowMs <= longestMs, `pause ${run.state.retryMs - run.nowMs}`)
    run.nowMs = run.state.retryMs
    run.send({ type: 'timer' })
  }
})

test('a channel that fell silent is replaced at once, however short it lasted: the silence was pause enough', () => {
  const run = new Run().start()
  for (let count = 0; count < 10; count++) {
    run.answer(A).opened(A)
    run.nowMs += STABLE_MS - 1
    run.send({ type: 'channel-closed', opening: run.inUse, reason: 'silent' })
    assert.is(run.state.name, 'walking')
    assert.ok(run.sends.includes('probe 192.168.1.2'))
  }
})

test('the address that carried the channel is probed first from then on', () => {
  const run = new Run().start().answer(B)
  const opening = run.openingAt(B)
  run.opened(B)
  assert.equal(run.actions, [{ type: 'use', opening }, { type: 'stop-look-up' }, { type: 'remember', address: B }])
  assert.equal(run.machine.config.known, [B, A])
})

test('only an address in a LAN is remembered: a hole is gone the next time', () => {
  const run = new Run().start().lookedUp([], P).answer(P).opened(P)
  assert.equal(run.machine.config.known, [A, B])
  assert.is(run.log.filter(({ type }) => type === 'remember').length, 0)
})

test('enrolling goes on in rounds, by the token’s tag and the pair’s in turn, at most 5 s apart', () => {
  const run = new Run({ enrolled: false, known: [A] }).start()
  assert.equal(run.sends, ['enrol 192.168.1.2', 'probe 192.168.1.2'])
  for (let count = 0; count < 8; count++) {
    run.lookUpFails().pass(PROBE_GIVE_UP_MS)
    if (run.state.name !== 'enrolling' || run.state.restUntilMs === undefined) throw new Error('expected a rest')
    assert.ok(run.state.restUntilMs - run.nowMs <= ENROL_RETRY_LONGEST_MS)
    run.pass(run.state.restUntilMs - run.nowMs)
  }
  const asked = run.log.flatMap((action) => (action.type === 'look-up' ? [action.by] : []))
  assert.equal(asked, ['token', 'pair', 'token', 'pair', 'token', 'pair', 'token', 'pair', 'token'])
})

test('the token also goes through the server, which relays nothing for a stranger', () => {
  const run = new Run({ enrolled: false, known: [] }).start().pass(1000)
  const types = run.log.map(({ type }) => type)
  assert.is(types.filter((type) => type === 'enrol-by-server').length, 3)
  assert.is(types.filter((type) => type === 'open' || type === 'punch').length, 0)
})

test('whoever is enrolled walks from then on, first to where it was enrolled', () => {
  const run = new Run({ enrolled: false, known: [A] }).start()
  run.send({ type: 'enrolled', attempt: run.attempt, name: 'Door', from: B })
  assert.equal(run.actions[0], { type: 'enrolled', name: 'Door' })
  assert.equal(run.sends, ['probe 10.0.0.2', 'probe 192.168.1.2'])
  run.send({ type: 'stopped' }).start()
  assert.is(run.state.name, 'walking', 'also when it is started again')
})

test('an enrolment that the server carried tells no address', () => {
  const run = new Run({ enrolled: false, known: [A] }).start()
  run.send({ type: 'enrolled', attempt: run.attempt, name: 'Door', from: undefined })
  assert.is(run.state.name, 'walking')
  assert.equal(run.machine.config.known, [A])
})

test('a look-up that never ends does not hold up the attempt', () => {
  const run = new Run({ known: [] }).start().pass(1000).closed('relay-udp').closed('relay-tls')
  assert.is(run.state.name, 'walking')
  assert.is(run.pass(7_000).state.name, 'lost')
})

test('of two NATs of which just one is symmetric a port is searched for, when bytes flow already', () => {
  for (const [camera, storage, role] of [
    ['symmetric', 'cone', 'listen'],
    ['symmetric', 'none', 'listen'],
    ['cone', 'symmetric', 'spray'],
    ['none', 'symmetric', 'spray'],
  ] as const) {
    const run = new Run({ known: [] }).start().nats(camera, storage).lookedUp([], P).pass(RELAY_UDP_AFTER_MS)
    run.pass(SEARCH_AFTER_MS)
    assert.is(run.searches.length, 0, 'no channel yet')
    run.opened('relay-udp').pass(SEARCH_AFTER_MS - 1)
    assert.is(run.searches.length, 0, 'the first fragment goes first')
    run.pass(1)
    assert.equal(run.searches, [{ type: 'search', attempt: run.attempt, role, to: P }])
    assert.is(run.path, 'relay-udp')
  }
})

test('no search without need: other NATs, an unknown one, an address nobody knows, a path as good, a better one at hand', () => {
  for (const camera of NATS) {
    for (const storage of NATS) {
      const isOne = (camera === 'symmetric') !== (storage === 'symmetric')
      if (isOne && camera !== 'unknown' && storage !== 'unknown') continue
      const run = onRelay().nats(camera, storage).lookedUp([], P).pass(PROBE_GIVE_UP_MS)
      assert.is(run.searches.length, 0, `${camera} and ${storage}`)
    }
  }
  assert.is(onRelay().nats('symmetric', 'cone').lookedUp([C]).pass(4_000).searches.length, 0)
  const punched = new Run({ known: [] }).start().nats('symmetric', 'cone').lookedUp([], P).answer(P).opened(P)
  assert.is(punched.pass(4_000).searches.length, 0)
  const opening = onRelay().nats('symmetric', 'cone').lookedUp([], P).answer(P).pass(SEARCH_AFTER_MS)
  assert.is(opening.searches.length, 0)
  assert.is(opening.closed(P).searches.length, 1, 'but at once when it comes to nothing')
})

test('the NATs may become known later than all else', () => {
  const run = onRelay()
    .lookedUp([], P)
    .pass(SEARCH_AFTER_MS + 500)
    .nats('symmetric', 'cone')
  assert.is(run.searches.length, 1)
})

test('what is heard at a socket is probed and opened from there, and ends the search', () => {
  const run = searching().send({ type: 'heard', from: P, via: 3 })
  assert.equal(run.actions, [{ type: 'probe', attempt: run.attempt, candidate: run.trials.length - 1, to: P, via: 3 }])
  const before = run.machine
  assert.is(run.send({ type: 'heard', from: P, via: 3 }).machine, before, 'once')
  run.send({ type: 'heard', from: P, via: 4 })
  run.send({ type: 'probe-answered', attempt: run.attempt, candidate: run.trials.length - 2, rttMs: 3 })
  const { opening } = run
  const way = { path: 'punched', to: P, via: 3 } as const
  assert.equal(run.actions, [{ type: 'open', opening, way }])
  run.send({ type: 'opened', opening })
  assert.is(run.path, 'punched')
  assert.equal(
    run.actions.map(({ type }) => type),
    ['use', 'drop', 'stop-search'],
  )
  assert.is(run.trials.at(-1)?.state.name, 'left', 'the other socket is closed')
  assert.match(run.status.lastAttempt?.why ?? '', /a port of a symmetric NAT, found by a search/)
  assert.equal(run.status.lastAttempt?.nat, { camera: 'symmetric', storage: 'cone' })
  assert.is(run.status.lastAttempt?.search.result, 'found')
})

test('a sprayed port that answers is probed as any address', () => {
  const run = onRelay().nats('cone', 'symmetric').lookedUp([], P).pass(SEARCH_AFTER_MS)
  const elsewhere = { ...P, host: '198.51.100.99' }
  assert.is(run.heard(elsewhere).trial(elsewhere).source, 'heard')
  assert.is(run.heard(Q).trial(Q).source, 'searched')
  const startedMs = run.nowMs
  run.pass(40).answer(Q).opened(Q)
  assert.is(run.path, 'punched')
  assert.equal(run.status.lastAttempt?.search, { result: 'found', tookMs: run.nowMs - startedMs })
})

test('a search is over in time, and begins again rarely', () => {
  const run = searching()
  const startMs = run.nowMs
  assert.is(run.pass(SEARCH_LIMIT_MS - 1).status.lastAttempt?.search.result, 'running')
  assert.is(run.attempt, searching().attempt, 'an upgrade would end it')
  assert.is(run.pass(1).actions[0]?.type, 'stop-search')
  assert.equal(run.status.lastAttempt?.search, { result: 'failed', tookMs: SEARCH_LIMIT_MS })
  const begun: number[] = []
  while (begun.length < 4) {
    run.timer(nextWakeMs(run.machine) ?? Number.NaN)
    if (run.actions.some(({ type }) => type === 'look-up')) run.lookedUp([], P)
    if (run.actions.some(({ type }) => type === 'search')) begun.push(run.nowMs - startMs)
  }
  const gaps = begun.map((ms, index) => ms - (begun[index - 1] ?? 0))
  const [first, rest] = SEARCH_AGAIN_MS
  for (const [index, gap] of gaps.entries()) assert.ok(gap >= (index === 0 ? first : rest), `${gaps}`)
  assert.ok((gaps[0] ?? 0) < 80_000, `${gaps}`)
})

test('at once when an interface changes', () => {
  const run = searching().pass(SEARCH_LIMIT_MS)
  run.send({ type: 'wake' }).lookedUp([], P).pass(SEARCH_AFTER_MS)
  assert.is(run.searches.length, 2)
})

test('a storage device that searches for another camera is asked again soon', () => {
  const run = searching()
  const begunMs = run.nowMs
  run.send({ type: 'search-refused', attempt: run.attempt })
  assert.is(run.status.lastAttempt?.search.result, 'refused')
  while (run.searches.length < 2) {
    run.timer(nextWakeMs(run.machine) ?? Number.NaN)
    if (run.actions.some(({ type }) => type === 'look-up')) run.lookedUp([], P)
  }
  assert.ok(run.nowMs - begunMs >= SEARCH_SOON_MS && run.nowMs - begunMs < 20_000, `${run.nowMs - begunMs}`)
  assert.is(run.machine.search.failures, 1, 'and the first time did not count')
})

test('a relay that breaks again and again makes no more searches', () => {
  const run = searching()
  for (let count = 0; count < 5; count++) {
    run.send({ type: 'channel-closed', opening: run.inUse, reason: 'silent' })
    assert.ok(run.actions.some(({ type }) => type === 'stop-search') || count > 0)
    run
      .lookedUp([], P)
      .pass(RELAY_UDP_AFTER_MS)
      .opened('relay-udp')
      .pass(SEARCH_AFTER_MS * 2)
  }
  assert.is(run.searches.length, 1)
})

test.run()

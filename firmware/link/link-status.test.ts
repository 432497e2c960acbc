import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PROBE_GIVE_UP_MS } from './attempt.ts'
import { A, B, C, P, Run } from './connect-fixture.ts'
import type { ConnectConfig, LinkEvent } from './link-state.ts'
import { ENROL_DOUBT_MS } from './link-status.ts'

/** Started, with A alone to try and no server, unless told otherwise. */
function started(config: Partial<ConnectConfig> = {}): Run {
  return new Run({ known: [A], server: false, ...config }).start()
}

/** Until the first attempt has come to nothing; the pause after it has not begun to pass. */
function given(run: Run): Run {
  while (run.state.name !== 'lost') run.pass(1)
  return run
}

test('idle says nothing more', () => {
  assert.equal(started().send({ type: 'stopped' }).status, { state: 'idle' })
})

test('each way to have no path has its own words', () => {
  const failed = { type: 'look-up-failed', code: 'SERVER_UNREACHABLE', hint: 'Is the server up?' } as const
  const lost: [string, Run, string, string, RegExp][] = [
    ['nothing to try', given(started({ known: [] })), 'STORAGE_UNREACHABLE', 'no address to try', /holds none/],
    ['one silent', given(started()), 'STORAGE_UNREACHABLE', 'no answer from 192.168.1.2:7441', /firewall/],
    ['two silent', given(started({ known: [A, B] })), 'STORAGE_UNREACHABLE', 'no answer from 2 addresses', /is on/],
    [
      'no server',
      withServer(failed),
      'STORAGE_UNREACHABLE',
      'did not say where it is (SERVER_UNREACHABLE)',
      /server up/,
    ],
    ['named in vain', withServer('answer'), 'STORAGE_UNREACHABLE', 'though the P2P server knows', /firewall/],
    [
      'only relays, in vain',
      withServer(failed, []),
      'STORAGE_UNREACHABLE',
      'no address to try, and the P2P server did not say',
      /server up/,
    ],
    ['refused', refused(), 'FRAME_VERSION', 'refused a channel (FRAME_VERSION)', /version/],
    ['refused at a relay', refusedAtRelay(), 'FRAME_VERSION', 'at relay over UDP refused', /version/],
    ['no channel', given(started().answer(A)), 'STORAGE_UNREACHABLE', 'but no channel came of it', /VPN/],
    ['short-lived', shortLived(), 'CHANNEL_LOST', 'ended soon after it was opened (reset)', /log/],
  ]
  for (const [what, { status, state, nowMs }, code, message, hint] of lost) {
    assert.is(status.state, 'lost', what)
    assert.is(status.problem?.code, code, what)
    assert.ok(status.problem?.message.includes(message), `${what}: ${status.problem?.message}`)
    assert.match(status.problem?.hint ?? '', hint, what)
    assert.is(status.lastAttempt?.why, status.problem?.message, what)
    assert.is(status.retryInMs, state.name === 'lost' ? state.retryMs - nowMs : -1, what)
    assert.ok((status.retryInMs ?? 0) > 0, what)
  }
})

/** The relays do not open. */
function withServer(how: 'answer' | Omit<Extract<LinkEvent, { type: 'look-up-failed' }>, 'attempt'>, known = [A]): Run {
  const run = started({ server: true, known })
  if (how === 'answer') run.lookedUp([B])
  else run.send({ ...how, attempt: run.attempt })
  run.pass(1000).closed('relay-udp').closed('relay-tls')
  return given(run)
}

function refused(): Run {
  const run = started().answer(A)
  return run.send({ type: 'refused', opening: run.opening, code: 'FRAME_VERSION' })
}

function refusedAtRelay(): Run {
  const run = started({ known: [], server: true }).lookUpFails().pass(1000)
  run.send({ type: 'refused', opening: run.openingAt('relay-udp'), code: 'FRAME_VERSION' })
  return run.closed('relay-tls')
}

function shortLived(): Run {
  return started().answer(A).opened(A).closed(A)
}

test('connected says which way and why', () => {
  const run = started({ known: [A, B] }).pass(3)
  run.answer(A, 1.234)
  run.nowMs += 9
  run.opened(A)
  run.nowMs += 5000
  assert.equal(run.status, {
    state: 'connected',
    path: 'lan',
    forMs: 5000,
    lastAttempt: {
      agoMs: 5012,
      candidates: [
        { address: '192.168.1.2:7441', path: 'lan', source: 'known', result: 'opened', rttMs: 1.23, tookMs: 12 },
        { address: '10.0.0.2:7441', path: 'lan', source: 'known', result: 'waiting' },
      ],
      lookUp: { result: 'none' },
      nat: { camera: 'unknown', storage: 'unknown' },
      search: { result: 'none' },
      why: '192.168.1.2:7441 (lan, known from before), round trip 1.2 ms, open after 12 ms',
    },
  })
})

test('connected over a relay says what became of everything better, also of later attempts', () => {
  const run = started({ server: true, known: [A, B] })
    .lookedUp([C], P)
    .pass(150)
  run.answer(B).closed(B)
  run.opened('relay-udp').pass(PROBE_GIVE_UP_MS - 200)
  const { state, path, lastAttempt } = run.status
  assert.equal([state, path], ['connected', 'relay-udp'])
  assert.is(
    lastAttempt?.why,
    'relay over UDP (relay-udp, at the P2P server), open after 150 ms; nothing better: 192.168.1.2:7441 (lan) waiting, ' +
      '10.0.0.2:7441 (lan) failed, reset, 172.16.0.2:7441 (lan) waiting, 198.51.100.7:40001 (punched) waiting',
  )
  assert.equal(lastAttempt?.candidates[0], {
    ...{ path: 'relay-udp', source: 'server', result: 'opened', tookMs: 150 },
  })
  assert.equal(lastAttempt?.candidates[3], {
    ...{ address: '10.0.0.2:7441', path: 'lan', source: 'known', result: 'failed', rttMs: 2, detail: 'reset' },
  })
  run.pass(60_000)
  assert.match(
    run.status.lastAttempt?.why ?? '',
    /^relay over UDP .* nothing better: 192\.168\.1\.2:7441 \(lan\) silent/,
  )
  assert.ok((run.status.lastAttempt?.agoMs ?? 0) < 60_000, 'the latest attempt')
  assert.ok((run.status.forMs ?? 0) > 60_000, 'the same channel')
})

test('a walk says what it waits for', () => {
  const blind = started({ known: [], server: true })
  assert.is(blind.status.lastAttempt?.why, 'no address is known yet')
  assert.equal(blind.status.lastAttempt?.lookUp, { result: 'waiting' })
  assert.is(blind.lookedUp([B]).status.lastAttempt?.why, 'waiting for an answer from 10.0.0.2:7441')
  assert.is(blind.lookedUp([C]).heard(P).status.lastAttempt?.why, 'waiting for an answer from 2 addresses')
  assert.equal(blind.status.lastAttempt?.lookUp, { result: 'answered', tookMs: 0, addresses: 1 })
  assert.is(blind.pass(200).status.lastAttempt?.why, 'opening a channel: relay over UDP (relay-udp)')
})

test('an enrolment that is not answered is doubted only after a while', () => {
  const run = started({ enrolled: false }).pass(ENROL_DOUBT_MS - 1)
  assert.is(run.status.state, 'enrolling')
  assert.is(run.status.problem, undefined)
  run.pass(1)
  assert.match(run.status.problem?.hint ?? '', /expired .* off/)
  assert.not.match(run.status.problem?.hint ?? '', /^No address/)
  const blind = started({ enrolled: false, known: [] }).pass(ENROL_DOUBT_MS)
  assert.match(blind.status.problem?.hint ?? '', /^No address/)
})

test.run()

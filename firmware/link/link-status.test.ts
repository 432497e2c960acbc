import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { initialMachine, nextWakeMs, reduce } from './connect.ts'
import type { ConnectConfig, LinkEvent, Machine } from './link-state.ts'
import { ENROL_DOUBT_MS, statusOf } from './link-status.ts'

const A = { host: '192.168.1.2', port: 7441 }
const B = { host: '10.0.0.2', port: 7441 }

class Run {
  machine: Machine
  nowMs = 0

  constructor(config: Partial<ConnectConfig> = {}) {
    this.machine = initialMachine({ known: [A], enrolled: true, server: false, ...config })
    this.send({ type: 'started' })
  }

  get status() {
    return statusOf(this.machine, this.nowMs)
  }

  get attempt(): number {
    const { state } = this.machine
    return 'attempt' in state ? state.attempt.number : -1
  }

  get opening(): number {
    const { state } = this.machine
    return 'opening' in state ? state.opening : -1
  }

  send(event: LinkEvent): this {
    this.machine = reduce(this.machine, event, { nowMs: this.nowMs, chance: 0 }).machine
    return this
  }

  answer(): this {
    return this.send({ type: 'probe-answered', attempt: this.attempt, candidate: 0, rttMs: 1.234 })
  }

  /** Until there is no path, or `ms` have passed. */
  wait(ms = 20_000): this {
    const untilMs = this.nowMs + ms
    while (this.machine.state.name !== 'lost') {
      const wake = nextWakeMs(this.machine)
      if (wake === undefined || wake > untilMs) break
      this.nowMs = wake
      this.send({ type: 'timer' })
    }
    if (this.machine.state.name !== 'lost') this.nowMs = untilMs
    return this
  }
}

test('idle says nothing more', () => {
  assert.equal(new Run().send({ type: 'stopped' }).status, { state: 'idle' })
})

test('each way to have no path has its own words', () => {
  const failed = { type: 'look-up-failed', code: 'SERVER_UNREACHABLE', hint: 'Is the server up?' } as const
  const lost: [string, Run, string, string, RegExp][] = [
    ['nothing to try', new Run({ known: [] }).wait(), 'STORAGE_UNREACHABLE', 'no address to try', /holds none/],
    ['one silent', new Run().wait(), 'STORAGE_UNREACHABLE', 'no answer from 192.168.1.2:7441', /firewall/],
    ['two silent', new Run({ known: [A, B] }).wait(), 'STORAGE_UNREACHABLE', 'no answer from 2 addresses', /is on/],
    [
      'no server',
      withServer(failed),
      'STORAGE_UNREACHABLE',
      'did not say where it is (SERVER_UNREACHABLE)',
      /server up/,
    ],
    ['named in vain', withServer('answer'), 'STORAGE_UNREACHABLE', 'though the P2P server knows', /firewall/],
    ['refused', refused(), 'FRAME_VERSION', 'refused a channel (FRAME_VERSION)', /version/],
    ['no channel', new Run().answer().wait(), 'STORAGE_UNREACHABLE', 'but no channel came of it', /VPN/],
    ['short-lived', shortLived(), 'CHANNEL_LOST', 'ended soon after it was opened (reset)', /log/],
  ]
  for (const [what, { status }, code, message, hint] of lost) {
    assert.is(status.state, 'lost', what)
    assert.is(status.problem?.code, code, what)
    assert.ok(status.problem?.message.includes(message), `${what}: ${status.problem?.message}`)
    assert.match(status.problem?.hint ?? '', hint, what)
    assert.is(status.lastAttempt?.why, status.problem?.message, what)
    assert.is(status.retryInMs, 250, what)
  }
})

function withServer(how: 'answer' | Omit<Extract<LinkEvent, { type: 'look-up-failed' }>, 'attempt'>): Run {
  const run = new Run({ server: true })
  const candidates = [{ path: 'lan', source: 'looked-up', address: B }] as const
  return run
    .send(how === 'answer' ? { type: 'looked-up', attempt: run.attempt, candidates } : { ...how, attempt: run.attempt })
    .wait()
}

function refused(): Run {
  const run = new Run().answer()
  return run.send({ type: 'refused', opening: run.opening, code: 'FRAME_VERSION' })
}

function shortLived(): Run {
  const run = new Run().answer()
  run.send({ type: 'opened', opening: run.opening })
  return run.send({ type: 'channel-closed', opening: run.opening, reason: 'reset' })
}

test('connected says which way and why', () => {
  const run = new Run({ known: [A, B] }).answer()
  run.send({ type: 'opened', opening: run.opening })
  run.nowMs += 5000
  assert.equal(run.status, {
    state: 'connected',
    path: 'lan',
    forMs: 5000,
    lastAttempt: {
      agoMs: 5000,
      candidates: [
        { address: '192.168.1.2:7441', path: 'lan', source: 'known', result: 'opened', rttMs: 1.23 },
        { address: '10.0.0.2:7441', path: 'lan', source: 'known', result: 'waiting' },
      ],
      lookUp: { result: 'none' },
      why: '192.168.1.2:7441 (lan, known from before) answered first of 2, in 1.2 ms',
    },
  })
})

test('an enrolment that is not answered is doubted only after a while', () => {
  const run = new Run({ enrolled: false }).wait(ENROL_DOUBT_MS - 1)
  assert.is(run.status.state, 'enrolling')
  assert.is(run.status.problem, undefined)
  run.wait(1)
  assert.match(run.status.problem?.hint ?? '', /expired .* off/)
  const blind = new Run({ enrolled: false, known: [] }).wait(ENROL_DOUBT_MS)
  assert.match(blind.status.problem?.hint ?? '', /^No address/)
})

test.run()

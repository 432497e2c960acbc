import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ACK_WITHIN_MS, CAPTURE_WITHIN_MS, CameraHealth, type CameraView, cameraLed } from './health.ts'

type Filming = NonNullable<CameraView['filming']>

const WELL: Filming = {
  capture: 'running',
  captured: 10,
  connected: true,
  acked: 10,
  owed: 0,
  alarm: false,
  cardTrouble: false,
}

const view = (change: Partial<Filming> = {}): CameraView => ({ filming: { ...WELL, ...change }, problem: false })

/** What it says of a view that does not change for so long. */
function after(ms: number, still: CameraView): string | undefined {
  const health = new CameraHealth()
  health.stuck(view({ captured: 9, acked: 9 }), 1_000)
  health.stuck(still, 2_000)
  return health.stuck(still, 2_000 + ms)
}

test('an encoder that delivers nothing', () => {
  assert.is(after(CAPTURE_WITHIN_MS - 1, view()), undefined)
  assert.match(after(CAPTURE_WITHIN_MS, view()) ?? '', /encoder has delivered nothing for 90 s/)
  assert.match(after(CAPTURE_WITHIN_MS, view({ capture: 'starting' })) ?? '', /encoder/)
})

test('reasons not to capture', () => {
  for (const capture of ['waiting', 'ended', 'closed'] as const)
    assert.is(after(ACK_WITHIN_MS * 10, view({ capture })), undefined)
  assert.is(after(ACK_WITHIN_MS * 10, { filming: undefined, problem: true }), undefined)
  assert.is(after(ACK_WITHIN_MS * 10, { filming: undefined, problem: false }), undefined)
})

test('connected, owing, and nothing acknowledged', () => {
  const owing = { owed: 5, capture: 'ended' } as const
  assert.is(after(ACK_WITHIN_MS - 1, view(owing)), undefined)
  assert.match(after(ACK_WITHIN_MS, view(owing)) ?? '', /nothing was acknowledged for 300 s/)
})

test('a lost network, a full disk far away, nothing owed: never a reason for the watchdog', () => {
  const long = ACK_WITHIN_MS * 100
  const owing = { owed: 5, capture: 'ended' } as const
  assert.is(after(long, view({ ...owing, connected: false })), undefined)
  assert.is(after(long, view({ ...owing, alarm: true })), undefined)
  assert.is(after(long, view({ ...owing, owed: 0 })), undefined)
})

test('progress starts the time anew', () => {
  const health = new CameraHealth()
  for (let second = 0; second < 1000; second++) {
    const captured = Math.floor(second / 80)
    assert.is(health.stuck(view({ captured, acked: captured, owed: 1 }), second * 1000), undefined)
  }
})

const LEDS: [string, CameraView, string][] = [
  ['all is well', view(), 'online'],
  ['not connected', view({ connected: false }), 'connecting'],
  ['the encoder starts', view({ capture: 'starting' }), 'connecting'],
  ['the encoder failed', view({ capture: 'waiting' }), 'error'],
  ['the card fails', view({ cardTrouble: true }), 'error'],
  ['the storage device keeps nothing', view({ alarm: true }), 'error'],
  ['not set up', { filming: undefined, problem: false }, 'not-set-up'],
  ['it cannot film', { filming: undefined, problem: true }, 'error'],
]

for (const [name, seen, pattern] of LEDS) test(`LED: ${name}`, () => assert.is(cameraLed(seen, false), pattern))

test('LED: dark while all is well, by choice', () => {
  assert.equal([cameraLed(view(), true), cameraLed(view({ alarm: true }), true)], ['dark', 'error'])
})

test.run()

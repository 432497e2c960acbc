import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { describeStatus } from '../../firmware/cli/camera-text.ts'
import { readStatus } from './seen.ts'

const status = (more: object) =>
  describeStatus({
    ...{ provisioned: true, uid: 'C', name: 'Porch', storage: 'S', state: 'connected', path: 'lan', lastAttempt: null },
    seq: { captured: 12, acked: 9, lost: 2 },
    ring: { card: 'ok', capacityBytes: 1e9, unackedBytes: 0, oldestUnackedAgeMs: 0, full: false, waitingForOthers: 0 },
    encoder: { state: 'running', restarts: 0 },
    ...more,
  }).split('\n')

test('what the console says of a camera is read as it is meant', () => {
  const seen = { captured: 12, acked: 9, lost: 2, path: 'lan', cardInUse: true, oldestS: 0 }
  assert.equal(readStatus(status({})), seen)
  const ring = { card: 'gone', capacityBytes: 0, unackedBytes: 5000, oldestUnackedAgeMs: 125_000, full: false }
  assert.equal(readStatus(status({ state: 'lost', path: null, ring: { ...ring, waitingForOthers: 0 } })), {
    ...seen,
    path: undefined,
    cardInUse: false,
    oldestS: 125,
  })
  assert.is(readStatus(describeStatus({ provisioned: false, uid: 'C' }).split('\n')), undefined)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { describeRings, describeStatus } from './camera-text.ts'

const filming = {
  provisioned: true,
  uid: 'AAAAAAA-BBBBBBB',
  name: 'Door',
  storage: 'CCCCCCC-DDDDDDD',
  state: 'connected',
  path: 'lan',
  seq: { captured: 10, acked: 9, lost: 0 },
  ring: {
    card: 'ok',
    capacityBytes: 2 ** 30,
    unackedBytes: 0,
    oldestUnackedAgeMs: 0,
    full: false,
    waitingForOthers: 0,
  },
  encoder: { state: 'running', restarts: 0 },
}

test('all is well', () => {
  assert.equal(describeStatus(filming).split('\n'), [
    'Camera    Door (AAAAAAA-BBBBBBB)',
    'Storage   CCCCCCC-DDDDDDD',
    'Link      connected, path lan',
    'Footage   10 fragments captured, 9 ACKed, 0 lost since the start',
    'Card      in use; room for 1.0 GiB, nothing waits',
    'Encoder   running, 0 restarts',
  ])
})

test('what was tried, what came of it, and what the NATs do', () => {
  const lastAttempt = {
    candidates: [
      { path: 'relay-udp', result: 'left' },
      { address: '192.168.1.10:7441', path: 'lan', result: 'silent' },
      { address: '203.0.113.30:7441', path: 'punched', result: 'failed', rttMs: 2.5, detail: 'no answer' },
      { address: '203.0.113.30:51234', path: 'punched', result: 'opened', rttMs: 1.5, tookMs: 2040 },
    ],
    nat: { camera: 'cone', storage: 'symmetric' },
    search: { result: 'found', tookMs: 940 },
    why: 'it was found',
  }
  const text = describeStatus({ ...filming, path: 'punched', lastAttempt }).split('\n')
  const told = [
    '            relay (relay-udp): left',
    '            192.168.1.10:7441 (lan): silent',
    '            203.0.113.30:7441 (punched): failed, no answer, round trip 2.5 ms',
    '            203.0.113.30:51234 (punched): opened, round trip 1.5 ms, open after 2040 ms',
    '            search for a port: found after 940 ms',
    '          NAT of the camera: keeps one address for all (cone); of the storage device: another port for each destination (symmetric)',
  ]
  assert.equal(text.slice(2, 10), ['Link      connected, path punched', '          it was found', ...told])
  const problem = { message: 'it was found', hint: 'Look.' }
  const lost = describeStatus({ ...filming, path: null, state: 'lost', problem, lastAttempt }).split('\n')
  assert.equal(lost.slice(3, 10), ['          it was found. Look.', ...told], 'once')
  const search = { result: 'none' }
  const nat = { camera: 'unknown', storage: 'none' }
  assert.match(
    describeStatus({ ...filming, lastAttempt: { ...lastAttempt, candidates: [], search, nat } }),
    /found\n {10}NAT of the camera: not known; of the storage device: none\nFootage/,
  )
})

test('each trouble is said where it belongs', () => {
  const text = describeStatus({
    ...filming,
    path: null,
    state: 'lost',
    retryInMs: 4000,
    problem: { message: 'no answer', hint: 'Look at the storage device.' },
    alarm: { code: 'DISK_FULL', text: 'no room' },
    ring: {
      ...filming.ring,
      ...{ card: 'gone', problem: 'No card.', unackedBytes: 3 * 2 ** 20, oldestUnackedAgeMs: 61_000, full: true },
      waitingForOthers: 7,
    },
    encoder: { state: 'waiting', restarts: 1, lastError: { message: 'it is not there', hint: 'Plug it in.' } },
  })
  assert.equal(text.split('\n').slice(2), [
    'Alarm     the storage device keeps nothing right now: no room',
    'Link      not connected, next try in 4 s',
    '          no answer. Look at the storage device.',
    'Footage   10 fragments captured, 9 ACKed, 0 lost since the start',
    'Card      is not there: recording to memory, FULL; room for 1.0 GiB, 3.0 MiB wait, the oldest for 1 min 1 s',
    '          No card.',
    '          7 fragments wait for another storage device; give them up with: homeward camera setup CODE --discard',
    'Encoder   waiting, 1 restart',
    '          it is not there. Plug it in.',
  ])
})

test('not set up, and set up without filming', () => {
  assert.match(
    describeStatus({ provisioned: false, uid: 'U', state: 'not-set-up', encoder: null }),
    /^Camera U\nNot set up: make a code/,
  )
  const problem = { message: 'no ring', hint: 'Make one.' }
  const text = describeStatus({ ...filming, encoder: null, state: 'not-filming', problem })
  assert.match(text, /\nFilming {3}no: no ring\. Make one\.$/)
})

test('what is on the card', () => {
  const card = {
    ...{ log: '00', card: 'ok', capacityBytes: 2 ** 30, usedBytes: 2 ** 26, unackedBytes: 2 ** 20, full: false },
    logs: [
      {
        log: '11',
        recipient: 'CCCCCCC-DDDDDDD',
        unacked: [
          [1, 4],
          [7, 7],
        ],
      },
    ],
    damage: [{ log: '22', first: 3, last: 5 }],
  }
  assert.equal(describeRings([card]).split('\n'), [
    'Card (log 00): room for 1.0 GiB, 64.0 MiB in use, 1.0 MiB wait',
    '  log 11 for CCCCCCC: 1 to 4, 7 wait',
    '  log 22: 3 to 5 are damaged',
  ])
  assert.match(describeRings([]), /^No ring is open/)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HomewardError } from '../../wire/errors.ts'
import { TRIAL_AFTER_MS } from './disk-alarm.ts'
import { INTERNAL_FAILURES_MAX } from './keeper.ts'
import { KIB, Rig } from './rig-fake.ts'
import { READ_AGAIN_MS } from './sender.ts'
import { FakeOpener } from './sink-fake.ts'

const OLD = 'aaaaaaaaaaaaaaaa'

for (const code of [
  'DISK_FULL',
  'DISK_READ_ONLY',
  'DISK_MISSING',
  'DISK_FAILED',
  'DISK_WRONG',
  'INDEX_DAMAGED',
] as const) {
  test(`${code}: no acknowledgement, one alarm, everything later`, async () => {
    const rig = new Rig()
    for (let at = 0; at < 12; at++) rig.ring.append(30 * KIB)
    rig.sink.fault = (action) => (action === 'durable' ? undefined : new HomewardError(code, 'the disk'))
    rig.connect()
    await rig.run(300)
    assert.is(rig.peerAlarm?.code, code)
    assert.is(rig.diskAlarm, code)
    assert.is(rig.waiting(), 12)
    assert.equal([rig.traced('ack'), rig.traced('alarm').length], [[], 1])
    assert.ok(rig.sink.attempts <= 7, `${rig.sink.attempts} attempts on a disk in trouble`)
    rig.ring.append(30 * KIB)

    const attempts = rig.sink.attempts
    const pieces = rig.traced('piece').length
    await rig.clock.advance(TRIAL_AFTER_MS)
    await rig.run(50)
    assert.is(rig.sink.attempts, attempts + 1, 'one record is tried')
    assert.is(rig.traced('piece').length, pieces + 1, 'one record is sent')
    assert.is(rig.peerAlarm?.code, code)

    rig.sink.fault = () => undefined
    await rig.clock.advance(2 * TRIAL_AFTER_MS)
    await rig.run(500)
    assert.is(rig.peerAlarm, undefined)
    assert.is(rig.diskAlarm, undefined)
    assert.is(rig.waiting(), 0)
    assert.is(rig.sink.stored.length, 13)
    assert.is(rig.sink.duplicates, 0)
    assert.equal(
      rig.problems.filter(({ side }) => side === 'camera'),
      [],
    )
  })
}

test('trials grow rarer, and one that only repeats what is known is followed by another', async () => {
  const rig = new Rig()
  for (let at = 0; at < 3; at++) rig.ring.append(30 * KIB)
  const full = new HomewardError('DISK_FULL', 'full')
  rig.sink.fault = (action) => (action === 'durable' ? undefined : full)
  rig.connect()
  await rig.run(100)
  const before = rig.sink.attempts
  await rig.clock.advance(62_000)
  await rig.run(50)
  assert.is(rig.sink.attempts, before + 3, 'after 5, 15 and 35 s')
  rig.sink.hold(rig.ring.log, 0, 1)
  rig.sink.fault = () => undefined
  await rig.clock.advance(40_000)
  await rig.run(200)
  assert.is(rig.sink.duplicates, 2)
  assert.is(rig.waiting(), 0)
  assert.is(rig.peerAlarm, undefined)
})

test('an alarm while a large record has its grant does not keep the grant', async () => {
  const rig = new Rig()
  rig.ring.append(300 * KIB)
  rig.ring.append(300 * KIB)
  rig.sink.fault = (action) => (action === 'durable' ? undefined : new HomewardError('DISK_FULL', 'full'))
  rig.connect()
  await rig.run(300)
  assert.is(rig.peerAlarm?.code, 'DISK_FULL')
  const other = new Rig({ clock: rig.clock, budget: rig.budget, cameraKey: new Uint8Array(32).fill(7) })
  other.ring.append(390 * KIB)
  other.connect()
  await rig.run(300)
  assert.is(other.waiting(), 0)
  rig.sink.fault = () => undefined
  await rig.clock.advance(TRIAL_AFTER_MS)
  await rig.run(300)
  assert.is(rig.waiting(), 0)
})

test('records that are no good are quarantined, acknowledged as such, and block nothing', async () => {
  const rig = new Rig()
  const { ring } = rig
  const body = new Uint8Array(100)
  const ones = (length: number) => new Uint8Array(length).fill(1)
  ring.append(1000)
  ring.put('fragment', 1, 1, body, OLD, undefined, { signature: ones(64) })
  ring.put('gap', 2, 50, body, OLD, undefined, { signature: ones(64) })
  ring.put('fragment', 60, 1, body, OLD, undefined, { nonce: ones(24) })
  ring.put('fragment', 61, 1, body, OLD, undefined, { camera: ones(32) })
  ring.put('fragment', 62, 1, body.slice().fill(0xee), OLD)
  ring.put('gap', 63, 9, body, OLD)
  const { log } = ring.put('fragment', 80, 1, body, OLD)
  ring.record(log, 80).fill(0)
  ring.append(1000)
  rig.connect()
  await rig.run(200)
  assert.equal(rig.sink.stored.map(({ seq }) => seq).sort(), [0, 1])
  assert.equal(
    rig.sink.quarantined.map(({ code, name }) => `${code} ${name?.first}-${name?.last}`).sort(),
    [
      'MEDIA_MALFORMED 62-62',
      'RECORD_DAMAGED 60-60',
      'RECORD_FORGED 1-1',
      'RECORD_FORGED 2-2',
      'RECORD_FORGED 61-61',
      'RECORD_MALFORMED 63-71',
      'RECORD_MALFORMED undefined-undefined',
    ],
    'a forged header settles its own first number only',
  )
  assert.equal(
    rig.acks
      .filter(({ kind }) => kind === 'quarantined')
      .flatMap(({ ranges }) => ranges)
      .sort(([a], [b]) => a - b),
    [
      [1, 1],
      [2, 51],
      [60, 60],
      [61, 61],
      [62, 62],
      [63, 71],
      [80, 80],
    ],
  )
  const left = ring.logs().flatMap(({ log: name, unacked }) => unacked.map(([a, b]) => `${name[0]} ${a}-${b}`))
  assert.equal(left, ['a 0-0', 'a 52-59', 'a 72-79'], 'numbers that never were a record')
  assert.equal(rig.quarantined.length, 7)
  assert.is(rig.peerAlarm, undefined)
})

test('an opener that is too trusting does not file a record under the wrong camera', async () => {
  const opener = new FakeOpener()
  const rig = new Rig({ opener: { open: (record) => opener.open(record, new Uint8Array(32).fill(3)) } })
  rig.ring.put('fragment', 0, 1, new Uint8Array(9), OLD, undefined, { camera: new Uint8Array(32).fill(3) })
  rig.connect()
  await rig.run(50)
  assert.equal(rig.sink.stored, [])
  assert.equal(rig.quarantined, ['RECORD_FORGED'])
})

test('a quarantine that cannot be written keeps the record on the camera', async () => {
  const rig = new Rig()
  rig.ring.put('fragment', 0, 1, new Uint8Array(100), rig.ring.log, undefined, {
    signature: new Uint8Array(64).fill(1),
  })
  rig.sink.fault = (action) => (action === 'quarantine' ? new HomewardError('DISK_FULL', 'full') : undefined)
  rig.connect()
  await rig.run(100)
  assert.is(rig.waiting(), 1)
  assert.is(rig.peerAlarm?.code, 'DISK_FULL')
  rig.sink.fault = () => undefined
  await rig.clock.advance(TRIAL_AFTER_MS)
  await rig.run(100)
  assert.is(rig.waiting(), 0)
  assert.is(rig.peerAlarm, undefined)
})

test('a record that the program cannot store is quarantined after a few attempts; a disk error never is', async () => {
  const rig = new Rig()
  for (let at = 0; at < 3; at++) rig.ring.append(1000)
  rig.sink.fault = (action, header) =>
    action === 'store' && header?.seq === 0 ? new TypeError('cannot read properties of undefined') : undefined
  rig.connect()
  for (let trial = 0; trial < INTERNAL_FAILURES_MAX; trial++) {
    await rig.run(100)
    await rig.clock.advance(TRIAL_AFTER_MS * 2 ** trial)
  }
  await rig.run(100)
  assert.is(rig.waiting(), 0)
  assert.equal(
    rig.sink.quarantined.map(({ code, name }) => [code, name?.first]),
    [['INTERNAL', 0]],
  )

  const raw = new Rig()
  raw.ring.append(1000)
  raw.sink.fault = (action) =>
    action === 'durable' ? undefined : Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  raw.connect()
  await raw.run(100)
  for (let trial = 0; trial < 6; trial++) {
    await raw.clock.advance(60_000)
    await raw.run(20)
  }
  assert.is(raw.waiting(), 1)
  assert.equal(raw.sink.quarantined, [])
  assert.is(raw.peerAlarm?.code, 'DISK_FAILED')
})

test('the same name with other content is stored apart and acknowledged', async () => {
  const rig = new Rig()
  rig.ring.append(1000)
  rig.connect()
  await rig.run(50)
  rig.ring.forgetAcks()
  rig.ring.put('fragment', 0, 1, new Uint8Array(77).fill(3))
  rig.sink.durable = async () => []
  rig.connect()
  await rig.run(100)
  assert.is(rig.sink.conflicts, 1)
  assert.equal(
    rig.kept.map(({ outcome }) => outcome),
    ['stored', 'conflict'],
  )
  assert.is(rig.waiting(), 0)
  assert.is(rig.peerAlarm, undefined)
})

test('a record that cannot be read is passed over, and sent when it can', async () => {
  const rig = new Rig()
  for (let at = 0; at < 5; at++) rig.ring.append(1000)
  rig.ring.readFault = ({ seq }) => (seq === 1 ? new HomewardError('RING_FAILED', 'EIO') : undefined)
  rig.connect()
  await rig.run(100)
  assert.equal(
    rig.sink.stored.map(({ seq }) => seq),
    [0, 2, 3, 4],
  )
  assert.is(rig.ring.reads.filter(({ seq }) => seq === 1).length, 1)
  await rig.clock.advance(READ_AGAIN_MS)
  await rig.run(20)
  assert.is(rig.ring.reads.filter(({ seq }) => seq === 1).length, 2)
  rig.ring.readFault = () => undefined
  await rig.clock.advance(READ_AGAIN_MS)
  await rig.run(20)
  assert.is(rig.waiting(), 0)
})

test('a large record that cannot be read gives its grant to the next', async () => {
  const rig = new Rig()
  rig.ring.append(390 * KIB)
  rig.ring.append(300 * KIB)
  rig.ring.readFault = ({ seq }) => (seq === 0 ? new HomewardError('RECORD_DAMAGED', 'checksum') : undefined)
  rig.connect()
  await rig.run(300)
  assert.equal(
    rig.sink.stored.map(({ seq }) => seq),
    [1],
  )
  rig.ring.damageRecord({ log: rig.ring.log, seq: 0, span: 1, kind: 'fragment', bytes: 1 })
  await rig.run(300)
  assert.is(rig.waiting(), 0)
  assert.is(rig.budget.committedBytes, 200 * KIB)
})

test('what a card lost is told, but not what the storage device holds', async () => {
  const rig = new Rig()
  for (let at = 0; at < 200; at++) rig.ring.append(400, OLD)
  for (let at = 0; at < 200; at += 2)
    rig.ring.damageRecord({ log: OLD, seq: at, span: 1, kind: 'fragment', bytes: 400 })
  rig.sink.hold(OLD, 0, 9)
  rig.connect()
  await rig.run(500)
  assert.is(rig.waiting(), 0)
  assert.is(rig.traced('lost').length, 95)
  assert.is(rig.sink.gaps.length, 95)
  assert.equal(rig.sink.gaps[0], { log: OLD, first: 10, last: 10, reason: 'damaged-on-card' })
  assert.is(rig.sink.stored.length, 95)
  assert.equal(rig.problems, [])
})

test('losses are told again when the alarm is over', async () => {
  const rig = new Rig()
  rig.ring.append(400, OLD)
  rig.ring.append(400, OLD)
  rig.ring.damageRecord({ log: OLD, seq: 0, span: 1, kind: 'fragment', bytes: 400 })
  rig.sink.fault = (action) => (action === 'durable' ? undefined : new HomewardError('DISK_MISSING', 'gone'))
  rig.connect()
  await rig.run(100)
  assert.is(rig.waiting(), 2)
  const attempts = rig.sink.attempts
  rig.ring.damageRecord({ log: OLD, seq: 1, span: 1, kind: 'fragment', bytes: 400 })
  rig.ring.append(400)
  await rig.run(50)
  assert.is(rig.sink.attempts, attempts, 'the disk is left in peace')
  rig.sink.fault = () => undefined
  await rig.clock.advance(TRIAL_AFTER_MS)
  await rig.run(100)
  assert.is(rig.waiting(), 0)
  assert.equal(rig.sink.gaps.at(-1), { log: OLD, first: 0, last: 1, reason: 'damaged-on-card' })
})

test('what cannot be looked up is sent', async () => {
  const rig = new Rig()
  for (let at = 0; at < 4; at++) rig.ring.append(1000)
  rig.sink.hold(rig.ring.log, 0, 1)
  rig.sink.fault = (action) => (action === 'durable' ? new HomewardError('DISK_FAILED', 'EIO') : undefined)
  rig.connect()
  await rig.run(50)
  assert.is(rig.peerAlarm?.code, 'DISK_FAILED')
  rig.sink.fault = () => undefined
  await rig.clock.advance(TRIAL_AFTER_MS)
  await rig.run(100)
  assert.is(rig.waiting(), 0)
  assert.is(rig.sink.duplicates, 2)
})

test.run()

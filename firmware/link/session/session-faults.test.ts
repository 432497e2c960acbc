import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ErrorCode, HomewardError } from '../../wire/errors.ts'
import { RECORD_MAX_BYTES } from '../../wire/limits.ts'
import { type CameraMessage, encodeControl, encodePiece, type StorageMessage } from '../../wire/session.ts'
import type { FakeChannel } from '../channel-fake.ts'
import { CameraSession, WELCOME_WITHIN_MS } from './camera-session.ts'
import { TRIAL_AFTER_MS } from './disk-alarm.ts'
import { INTERNAL_FAILURES_MAX } from './keeper.ts'
import { KIB, Rig } from './rig-fake.ts'
import { READ_AGAIN_MS } from './sender.ts'
import { FakeOpener } from './sink-fake.ts'
import { GRANT_STALLED_MS, HELLO_WITHIN_MS, StorageSession } from './storage-session.ts'

const OLD = 'aaaaaaaaaaaaaaaa'
const moment = { boot: 'b007b007b007b007', monoUs: 1, wallUs: 0, clock: 'none' } as const
const hello: CameraMessage = { type: 'hello', version: 1, name: 'Door', ...moment }
const welcome: StorageMessage = {
  type: 'welcome',
  version: 1,
  name: 'Attic',
  wallUs: 1,
  clock: 'rtc',
  creditBytes: 200 * KIB,
  liveFirst: true,
}

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
  rig.connect()
  await rig.run(100)
  // The storage device says on the new channel that it holds 0, so it is not even sent.
  assert.is(rig.sink.conflicts, 0)
  assert.is(rig.waiting(), 0)
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

/** One side is real, the other says what the test wants. */
async function facingCamera(
  rig: Rig,
): Promise<{ session: CameraSession; say(message: StorageMessage): Promise<void>; end: FakeChannel }> {
  const [cameraEnd, storageEnd] = rig.pair()
  const fake = rig.pair()
  const { camera } = rig.connect([cameraEnd, fake[1]])
  await rig.run(5)
  return {
    session: camera,
    end: storageEnd,
    async say(message) {
      storageEnd.send(encodeControl(message))
      await rig.run(10)
    },
  }
}

async function facingStorage(rig: Rig): Promise<{ say(frame: Uint8Array): Promise<void>; heard: string[] }> {
  const [cameraEnd, storageEnd] = rig.pair()
  const fake = rig.pair()
  rig.connect([fake[0], storageEnd])
  await rig.run(5)
  const heard: string[] = []
  cameraEnd.onClose((reason) => heard.push(`closed: ${reason}`))
  return {
    heard,
    async say(frame) {
      cameraEnd.send(frame)
      await rig.run(10)
    },
  }
}

test('an acknowledgement of what was never sent is not believed', async () => {
  const rig = new Rig()
  for (let at = 0; at < 30; at++) rig.ring.append(20 * KIB)
  const { say } = await facingCamera(rig)
  await say(welcome)
  await say({ type: 'durable', log: rig.ring.log, first: 0, last: 29, ranges: [] })
  await say({
    type: 'ack',
    log: rig.ring.log,
    ranges: [
      [0, 1],
      [20, 29],
    ],
  })
  assert.equal(
    rig.acks.map(({ ranges }) => ranges),
    [[[0, 1]]],
  )
  await say({ type: 'ack', log: OLD, ranges: [[0, 5]] })
  await say({ type: 'ack', log: rig.ring.log, ranges: [[0, 1]] })
  await say({ type: 'quarantined', transfer: 99, code: 'RECORD_FORGED', text: '' })
  await say({ type: 'again', transfers: [77] })
  assert.equal(
    rig.problems.map(({ code }) => code),
    ['FRAME_MALFORMED', 'FRAME_MALFORMED', 'FRAME_MALFORMED', 'FRAME_MALFORMED'],
  )
  assert.is(rig.waiting(), 28)
  assert.is(rig.ended.camera, 0)
})

test('a record half sent cannot be acknowledged', async () => {
  const rig = new Rig()
  rig.ring.append(150 * KIB)
  const [cameraEnd, storageEnd] = rig.pair(1, 40 * KIB)
  rig.connect([cameraEnd, rig.pair()[1]])
  cameraEnd.stall(true)
  const say = async (message: StorageMessage) => {
    storageEnd.send(encodeControl(message))
    await rig.run(10)
  }
  await say(welcome)
  await say({ type: 'durable', log: rig.ring.log, first: 0, last: 0, ranges: [] })
  await say({ type: 'ack', log: rig.ring.log, ranges: [[0, 0]] })
  await say({ type: 'quarantined', transfer: 0, code: 'RECORD_FORGED', text: '' })
  await say({ type: 'again', transfers: [0] })
  assert.is(rig.waiting(), 1)
  assert.is(rig.problems.length, 3)
  assert.is(rig.ring.reads.length, 1)
})

test('what breaks the protocol ends the channel, on the camera', async () => {
  const log = new Rig().ring.log
  const table: [what: string, code: ErrorCode, messages: StorageMessage[]][] = [
    ['anything before welcome', 'FRAME_MALFORMED', [{ type: 'ack', log, ranges: [[0, 0]] }]],
    ['two welcomes', 'FRAME_MALFORMED', [welcome, welcome]],
    ['another version', 'FRAME_VERSION', [{ ...welcome, version: 2 }]],
    [
      'an answer nobody asked for',
      'FRAME_MALFORMED',
      [welcome, { type: 'durable', log: OLD, first: 0, last: 0, ranges: [] }],
    ],
    ['a page out of order', 'FRAME_MALFORMED', [welcome, { type: 'durable', log, first: 1, last: 2, ranges: [] }]],
    ['a page past the question', 'FRAME_MALFORMED', [welcome, { type: 'durable', log, first: 0, last: 9, ranges: [] }]],
    [
      'ranges past the page',
      'FRAME_MALFORMED',
      [welcome, { type: 'durable', log, first: 0, last: 1, ranges: [[0, 2]] }],
    ],
    [
      'an answer twice',
      'FRAME_MALFORMED',
      [
        welcome,
        { type: 'durable', log, first: 0, last: 2, ranges: [] },
        { type: 'durable', log, first: 0, last: 2, ranges: [] },
      ],
    ],
  ]
  for (const [what, code, messages] of table) {
    const rig = new Rig()
    for (let at = 0; at < 3; at++) rig.ring.append(1000)
    const { say } = await facingCamera(rig)
    for (const message of messages) await say(message)
    assert.is(rig.problems[0]?.code, code, what)
    assert.is(rig.ended.camera, 1, what)
    assert.is(rig.ring.listeners, 0, what)
    assert.is(rig.waiting(), 3, what)
  }
})

test('what breaks the protocol ends the channel, on the storage device', async () => {
  const small = encodePiece({ transfer: 0, offset: 0, total: 4, granted: false, bytes: new Uint8Array(4) })
  const begin = (transfer: number, total: number, granted = false) =>
    encodePiece({ transfer, offset: 0, total, granted, bytes: new Uint8Array(32 * KIB) })
  const ask = encodeControl({ type: 'ask', log: OLD, first: 5, last: 4 })
  const tooLong = begin(0, RECORD_MAX_BYTES)
  new DataView(tooLong.buffer).setUint32(9, RECORD_MAX_BYTES + 1, true)
  const table: [what: string, code: ErrorCode, frames: Uint8Array[]][] = [
    ['a piece before hello', 'FRAME_MALFORMED', [small]],
    ['a question before hello', 'FRAME_MALFORMED', [ask]],
    ['two hellos', 'FRAME_MALFORMED', [encodeControl(hello), encodeControl(hello)]],
    ['another version', 'FRAME_VERSION', [encodeControl({ ...hello, version: 9 })]],
    ['an unknown kind', 'FRAME_MALFORMED', [encodeControl(hello), new Uint8Array([9, 9])]],
    ['an impossible question', 'FRAME_MALFORMED', [encodeControl(hello), ask]],
    [
      'a loss upside down',
      'FRAME_MALFORMED',
      [encodeControl(hello), encodeControl({ type: 'lost', log: OLD, first: 5, last: 4, reason: 'expired' })],
    ],
    ['more than the credit', 'FRAME_MALFORMED', [encodeControl(hello), begin(0, 200 * KIB + 1)]],
    ['more than the credit in all', 'FRAME_MALFORMED', [encodeControl(hello), begin(0, 150 * KIB), begin(1, 51 * KIB)]],
    ['a grant nobody gave', 'FRAME_MALFORMED', [encodeControl(hello), begin(0, 100 * KIB, true)]],
    ['longer than any record', 'FRAME_MALFORMED', [encodeControl(hello), tooLong]],
    [
      'three at once',
      'FRAME_MALFORMED',
      [encodeControl(hello), begin(0, 40 * KIB), begin(1, 40 * KIB), begin(2, 40 * KIB)],
    ],
    ['a piece twice', 'FRAME_MALFORMED', [encodeControl(hello), begin(0, 40 * KIB), begin(0, 40 * KIB)]],
  ]
  for (const [what, code, frames] of table) {
    const rig = new Rig()
    const { say, heard } = await facingStorage(rig)
    for (const frame of frames) await say(frame)
    const own = rig.problems.filter(({ side }) => side === 'storage')
    assert.is(own[0]?.code, code, what)
    assert.is(rig.ended.storage, 1, what)
    assert.equal(heard, ['closed: ended'], what)
    assert.is(rig.budget.committedBytes, 0, what)
    assert.is(rig.sink.attempts, 0, what)
  }
})

test('questions and losses without end are refused', async () => {
  for (const flood of [
    encodeControl({ type: 'ask', log: OLD, first: 0, last: 9 }),
    encodeControl({ type: 'lost', log: OLD, first: 0, last: 9, reason: 'damaged-on-card' }),
  ]) {
    const rig = new Rig()
    rig.sink.answering = new Promise(() => {})
    rig.sink.lost = () => new Promise(() => {})
    const { say } = await facingStorage(rig)
    await say(encodeControl(hello))
    for (let count = 0; count < 64; count++) await say(flood)
    assert.equal(rig.problems, [])
    for (let count = 0; count < 2; count++) await say(flood)
    assert.is(rig.problems.find(({ side }) => side === 'storage')?.code, 'FRAME_MALFORMED')
  }
})

test('a side that says nothing is left', async () => {
  const rig = new Rig()
  await facingCamera(rig)
  await rig.clock.advance(WELCOME_WITHIN_MS)
  assert.is(rig.problems[0]?.code, 'TIMED_OUT')
  assert.is(rig.ended.camera, 1)

  const other = new Rig()
  await facingStorage(other)
  await other.clock.advance(HELLO_WITHIN_MS)
  assert.is(other.problems.find(({ side }) => side === 'storage')?.code, 'TIMED_OUT')
})

test('a grant that is not used while another camera waits is taken back', async () => {
  const rig = new Rig()
  const { say, heard } = await facingStorage(rig)
  await say(encodeControl(hello))
  await say(encodeControl({ type: 'need', id: 1, bytes: 390 * KIB }))
  await rig.clock.advance(3 * GRANT_STALLED_MS)
  assert.equal(heard, [], 'nobody waited')
  const other = new Rig({ clock: rig.clock, budget: rig.budget, cameraKey: new Uint8Array(32).fill(7) })
  other.ring.append(390 * KIB)
  other.connect()
  await rig.run(100)
  assert.is(other.waiting(), 1)
  await rig.clock.advance(GRANT_STALLED_MS)
  await rig.run(100)
  assert.equal(heard, ['closed: ended'])
  assert.is(other.waiting(), 0)
})

test('memory of a closed channel is not given away before its records are stored', async () => {
  const rig = new Rig()
  for (let at = 0; at < 6; at++) rig.ring.append(30 * KIB)
  const [cameraEnd, storageEnd] = rig.pair()
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const store = rig.sink.store.bind(rig.sink)
  rig.sink.store = async (header, payload) => {
    await held
    return store(header, payload)
  }
  const { storage } = rig.connect([cameraEnd, storageEnd])
  await rig.run(100)
  cameraEnd.sever()
  assert.is(rig.budget.committedBytes, 180 * KIB)
  release()
  let closed = false
  void storage.close().then(() => {
    closed = true
  })
  await rig.run(1)
  assert.is(closed, false)
  await rig.run(50)
  assert.is(closed, true)
  assert.is(rig.budget.committedBytes, 0)
  assert.is(rig.sink.stored.length, 6)
  assert.is(rig.waiting(), 6, 'nobody was told')
})

test('closing is idempotent, before and after the end', async () => {
  const rig = new Rig()
  rig.ring.append(1000)
  const { camera, storage } = rig.connect()
  await rig.run(20)
  const all = Promise.all([camera.close(), camera.close(), storage.close(), storage.close()])
  await rig.run(20)
  await all
  await Promise.all([camera.close(), storage.close()])
  assert.equal(rig.ended, { camera: 1, storage: 1 })
  assert.is(rig.clock.pendingTimers, 0)
  assert.instance(camera, CameraSession)
  assert.instance(storage, StorageSession)
})

test.run()

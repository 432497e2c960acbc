import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ErrorCode } from '../../wire/errors.ts'
import { RECORD_MAX_BYTES } from '../../wire/limits.ts'
import { type CameraMessage, encodeControl, encodePiece, type StorageMessage } from '../../wire/session.ts'
import type { FakeChannel } from '../channel-fake.ts'
import { CameraSession, WELCOME_WITHIN_MS } from './camera-session.ts'
import { KIB, Rig } from './rig-fake.ts'
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

test('a channel that has ended before its session begins', async () => {
  const rig = new Rig()
  const ends = rig.pair()
  ends[0].sever()
  const { camera, storage } = rig.connect(ends)
  await rig.run(2)
  assert.equal(rig.ended, { camera: 1, storage: 1 })
  assert.is(rig.clock.pendingTimers, 0)
  await Promise.all([camera.close(), storage.close()])
  assert.equal(rig.problems, [])
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

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { encodeGap } from '../../wire/gap.ts'
import { ASKS_AT_ONCE } from '../../wire/session.ts'
import { STATUS_EVERY_MS } from './camera-session.ts'
import { CreditBudget } from './credit.ts'
import { LIVE_BYPASS_MAX } from './pick.ts'
import { KIB, Rig, SMALL_CREDIT } from './rig-fake.ts'
import { FakeSink } from './sink-fake.ts'

const OLD = 'aaaaaaaaaaaaaaaa'
const OLDER = 'bbbbbbbbbbbbbbbb'

test('what waits and what is captured is stored, then acknowledged, then free', async () => {
  const rig = new Rig()
  for (let at = 0; at < 3; at++) rig.ring.append(70 * KIB)
  rig.ring.appendGap(5)
  const { camera, storage } = rig.connect()
  await rig.run(20)
  rig.ring.append(10 * KIB)
  rig.ring.append(1 * KIB)
  await rig.run(200)
  assert.equal(
    rig.sink.stored.map(({ seq }) => seq),
    [0, 1, 2, 8, 9],
  )
  assert.equal(rig.sink.gaps, [{ log: rig.ring.log, first: 3, last: 7, reason: 'ring-full' }])
  assert.is(rig.waiting(), 0)
  assert.equal(rig.problems, [])
  assert.equal(camera.inFlight, { records: 0, bytes: 0 })
  assert.is(rig.budget.committedBytes, 200 * KIB)
  await Promise.all([camera.close(), storage.close(), rig.clock.advance(10)])
  assert.is(rig.clock.pendingTimers, 0)
  assert.is(rig.ring.listeners, 0)
  assert.is(rig.budget.committedBytes, 0)
  assert.equal(rig.ended, { camera: 1, storage: 1 })
})

test('nothing is acknowledged before it is stored, and nothing is free before it is acknowledged', async () => {
  const clock = new FakeClock()
  const slow = new Rig({ clock, sink: new FakeSink(clock, 1000) })
  const order: string[] = []
  slow.sink.onStored = (_, seq) => order.push(`stored ${seq}`)
  slow.ring.onAck = (_, ranges) => order.push(`free ${JSON.stringify(ranges)}`)
  slow.ring.append(20 * KIB)
  slow.ring.append(20 * KIB)
  slow.connect()
  await slow.run(900)
  assert.is(slow.sink.attempts, 2)
  assert.equal(slow.traced('ack'), [])
  assert.equal(order, [])
  assert.is(slow.waiting(), 2)
  await slow.run(200)
  assert.equal(order, ['stored 0', 'stored 1', 'free [[0,1]]'])
  assert.equal(slow.traced('ack'), [`ack ${slow.ring.log} [[0,1]]`])
})

test('one group commit is one acknowledgement for each log', async () => {
  const clock = new FakeClock()
  const grouped = new Rig({ clock, sink: new FakeSink(clock, 500) })
  for (let at = 0; at < 5; at++) grouped.ring.append(2 * KIB, OLD)
  for (let at = 0; at < 4; at++) grouped.ring.append(2 * KIB)
  grouped.connect()
  await grouped.run(1000)
  assert.equal(grouped.traced('ack').sort(), [`ack ${grouped.ring.log} [[0,3]]`, `ack ${OLD} [[0,4]]`])
})

test('live goes before the backlog', async () => {
  const rig = new Rig()
  for (let at = 0; at < 30; at++) rig.ring.append(90 * KIB)
  rig.connect(rig.pair(1, 40 * KIB))
  await rig.run(25)
  const before = rig.sink.stored.length
  assert.ok(before > 0 && before < 25, `${before} stored`)
  rig.ring.append(8 * KIB)
  await rig.run(60)
  const order = rig.sink.stored.map(({ seq }) => seq)
  const place = order.indexOf(30)
  assert.ok(place >= 0 && place <= before + 4, `live came at ${place}, ${before} were stored when it was captured`)
  await rig.run(2000)
  assert.equal(
    rig.sink.stored.map(({ seq }) => seq).filter((seq) => seq < 30),
    Array.from({ length: 30 }, (_, at) => at),
  )
  assert.is(rig.waiting(), 0)
})

test('a live record goes into the middle of a large one of the backlog', async () => {
  const rig = new Rig()
  rig.ring.append(180 * KIB)
  rig.connect(rig.pair(5, 33 * KIB))
  while (rig.traced('piece').length < 2) await rig.run(1)
  rig.ring.append(8 * KIB)
  await rig.run(500)
  const pieces = rig.traced('piece')
  const live = pieces.indexOf('piece 1@0')
  assert.ok(live > 0 && live <= 4, pieces.join(', '))
  assert.is(pieces.length, 7)
  assert.equal(
    rig.sink.stored.map(({ seq }) => seq),
    [1, 0],
  )
})

test('the oldest first when the storage device wants no live', async () => {
  const rig = new Rig({ liveFirst: false })
  for (let at = 0; at < 10; at++) rig.ring.append(90 * KIB)
  rig.connect(rig.pair(1, 40 * KIB))
  await rig.run(15)
  rig.ring.append(8 * KIB)
  await rig.run(2000)
  assert.equal(
    rig.sink.stored.map(({ seq }) => seq),
    Array.from({ length: 11 }, (_, at) => at),
  )
})

test('logs that the storage device holds already, wholly or partly, are not sent again', async () => {
  const rig = new Rig()
  for (let at = 0; at < 10; at++) rig.ring.append(4 * KIB, OLDER)
  for (let at = 0; at < 10; at++) rig.ring.append(4 * KIB, OLD)
  rig.ring.append(4 * KIB)
  rig.sink.hold(OLDER, 0, 9)
  rig.sink.hold(OLD, 0, 3)
  rig.sink.hold(OLD, 6, 6)
  rig.connect()
  await rig.run(300)
  assert.equal(
    rig.sink.stored.map(({ log, seq }) => `${log[0]}${seq}`),
    ['a4', 'a5', 'a7', 'a8', 'a9', '10'],
  )
  assert.is(rig.sink.duplicates, 0)
  assert.is(rig.ring.reads.length, 6)
  assert.is(rig.waiting(), 0)
  assert.ok(rig.acks.some(({ log, kind }) => log === OLDER && kind === 'durable'))
})

test('more ranges than a message holds', async () => {
  const rig = new Rig()
  for (let at = 0; at < 5000; at++) {
    rig.ring.append(400, OLD)
    if (at % 2 === 0) rig.sink.hold(OLD, at, at)
  }
  rig.connect(rig.pair(1, 1024 * KIB))
  await rig.run(1)
  await rig.run(1000)
  assert.is(rig.waiting(), 0)
  assert.is(rig.sink.stored.length, 2500)
  assert.is(rig.sink.duplicates, 0)
  assert.is(rig.traced('durable').length, 3)
})

test('a log for another storage device stays where it is', async () => {
  const rig = new Rig()
  rig.ring.append(4 * KIB, OLD, new Uint8Array(32).fill(9))
  rig.ring.append(4 * KIB)
  rig.connect()
  await rig.run(200)
  assert.equal(
    rig.sink.stored.map(({ log }) => log),
    [rig.ring.log],
  )
  assert.is(rig.waiting(), 1)
})

test('a camera without a card sends from memory; a card that comes later is taken up', async () => {
  const rig = new Rig()
  const { camera } = rig.connect()
  await rig.run(10)
  rig.ring.append(4 * KIB)
  await rig.run(50)
  assert.is(rig.sink.stored.length, 1)

  const card = rig.source('2222222222222222')
  for (let at = 0; at < 4; at++) card.append(4 * KIB, OLD)
  rig.sources.unshift(card)
  camera.sourcesChanged()
  card.append(4 * KIB)
  await rig.run(100)
  assert.is(rig.sink.stored.length, 6)

  rig.sources.shift()
  camera.sourcesChanged()
  card.append(4 * KIB)
  rig.ring.append(4 * KIB)
  await rig.run(100)
  assert.is(rig.sink.stored.length, 7)
  assert.is(card.listeners, 0)
  assert.equal(rig.problems, [])
})

test('a card pulled while questions about it are open', async () => {
  const rig = new Rig()
  const card = rig.source('2222222222222222')
  for (let log = 0; log < 200; log++) card.append(2 * KIB, log.toString(16).padStart(16, '0'))
  rig.sources.push(card)
  const { camera } = rig.connect()
  await rig.run(2)
  rig.sources.pop()
  camera.sourcesChanged()
  await rig.run(3)
  rig.sources.push(card)
  camera.sourcesChanged()
  await rig.run(500)
  assert.is(rig.waiting(), 0)
  assert.equal(rig.problems, [])
  assert.ok(rig.traced('ask').length <= 200 + ASKS_AT_ONCE, 'it asked about a card that was gone')
})

test('a gap that grows while it is under way is sent again, larger', async () => {
  const rig = new Rig()
  const clock = rig.clock
  rig.connect()
  await rig.run(10)
  rig.ring.appendGap(1)
  await clock.advance(1)
  for (const span of [2, 4]) {
    rig.ring.put('gap', 0, span, encodeGap({ reason: 'ring-full' }))
    await clock.advance(1)
  }
  await rig.run(100)
  assert.is(rig.waiting(), 0)
  assert.is(rig.sink.gaps.at(-1)?.last, 3)
  assert.equal(rig.problems, [])
})

test('a steady flow of live records lets the backlog through now and then', async () => {
  const rig = new Rig()
  for (let at = 0; at < 6; at++) rig.ring.append(190 * KIB)
  let answer = () => {}
  rig.sink.answering = new Promise<void>((resolve) => {
    answer = resolve
  })
  rig.connect()
  for (let at = 0; at < 250; at++) {
    if (at === 20) answer()
    rig.ring.append(40 * KIB)
    await rig.run(2)
  }
  const order = rig.sink.stored.map(({ seq }) => seq)
  const places = [0, 1, 2, 3, 4, 5].map((seq) => order.indexOf(seq))
  assert.not(places.includes(-1), places.join(', '))
  for (const [at, place] of places.entries()) {
    const between = at === 0 ? LIVE_BYPASS_MAX : place - (places[at - 1] ?? 0) - 1
    assert.ok(between >= LIVE_BYPASS_MAX - 1, `${between} live records went between two of the backlog`)
  }
})

test('a record longer than the window waits for its grant, and the small ones do not wait for it', async () => {
  const rig = new Rig()
  rig.ring.append(350 * KIB)
  for (let at = 0; at < 5; at++) rig.ring.append(50 * KIB)
  rig.connect()
  await rig.run(10)
  rig.ring.append(20 * KIB)
  await rig.run(500)
  assert.is(rig.waiting(), 0)
  assert.is(rig.sink.stored.length, 7)
  assert.is(rig.traced('need').length, 1)
  assert.is(rig.traced('grant').length, 1)
  assert.ok(rig.traced('piece').some((word) => word.endsWith('granted')))
  assert.equal(rig.problems, [])
})

test('a camera that joins gets its part once the others have confirmed theirs', async () => {
  const first = new Rig()
  first.connect()
  await first.run(10)
  const second = new Rig({ clock: first.clock, budget: first.budget, cameraKey: new Uint8Array(32).fill(7) })
  second.connect()
  await first.run(20)
  assert.equal(
    [first.traced('credit').length, second.traced('credit').length],
    [2, 2],
    'lowered and raised, and confirmed',
  )
  assert.is(first.budget.committedBytes, 300 * KIB)
  for (let at = 0; at < 3; at++) second.ring.append(150 * KIB)
  await first.run(200)
  assert.is(second.waiting(), 0)
  assert.equal(second.traced('need'), [])
})

test('16 cameras share the credit, large records get through in turn', async () => {
  const clock = new FakeClock()
  const sink = new FakeSink(clock)
  const budget = new CreditBudget({ ...SMALL_CREDIT, budgetBytes: 1000 * KIB })
  let most = 0
  const rigs = Array.from({ length: 16 }, (_, at) => {
    const log = at.toString(16).repeat(16)
    const cameraKey = new Uint8Array(32).fill(at + 1)
    const rig = new Rig({ clock, sink, budget, cameraKey, sources: [] })
    const ring = rig.source(log)
    rig.sources.push(ring)
    ring.append(300 * KIB)
    for (let count = 0; count < 6; count++) ring.append(30 * KIB)
    ring.append(380 * KIB)
    return rig
  })
  for (const rig of rigs) rig.connect()
  for (let step = 0; step < 400 && rigs.some((rig) => rig.waiting() > 0); step++) {
    await clock.advance(5)
    most = Math.max(most, budget.committedBytes)
  }
  for (const rig of rigs) {
    assert.is(rig.waiting(), 0)
    assert.equal(rig.problems, [])
  }
  assert.is(sink.stored.length, 16 * 8)
  assert.ok(most <= 1000 * KIB, `${most} bytes were committed`)
})

test('back-pressure: the camera does not send faster than the channel takes', async () => {
  const rig = new Rig()
  for (let at = 0; at < 4; at++) rig.ring.append(48 * KIB)
  const [cameraEnd, storageEnd] = rig.pair(1, 40 * KIB)
  rig.connect([cameraEnd, storageEnd])
  await rig.run(10)
  for (let at = 0; at < 4; at++) rig.ring.append(48 * KIB)
  cameraEnd.stall(true)
  await rig.run(100)
  const sent = cameraEnd.sent.bytes
  await rig.run(100)
  assert.ok(cameraEnd.sent.bytes - sent < 2 * KIB, 'it sent into a full channel')
  cameraEnd.stall(false)
  await rig.run(300)
  assert.is(rig.waiting(), 0)
})

test('both sides learn how the other one is', async () => {
  const rig = new Rig()
  rig.clock.setWall(Date.UTC(2026, 5, 1) * 1000, 'rtc')
  rig.connect()
  await rig.run(10)
  assert.is(rig.peerTime?.clock, 'rtc')
  assert.ok(Math.abs((rig.peerTime?.wallUs ?? 0) - rig.clock.wallUs()) < 20_000)
  assert.is(rig.status?.state, 'streaming')
  assert.is(rig.status?.wallUs !== 0, true)
  assert.is(rig.moments, 2)
  rig.clock.setWall(0, 'none')
  await rig.clock.advance(STATUS_EVERY_MS)
  assert.is(rig.status?.wallUs, 0)
  assert.is(rig.moments, 3)
})

test.run()

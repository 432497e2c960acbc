import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Channel } from '../link/channel.ts'
import { FakeChannel } from '../link/channel-fake.ts'
import { createIdentity } from '../link/identity.ts'
import { LogSealer, RecordOpener } from '../link/seal.ts'
import { CreditBudget } from '../link/session/credit.ts'
import { TRIAL_AFTER_MS } from '../link/session/disk-alarm.ts'
import type { RecordOpening } from '../link/session/keeper.ts'
import { FakeOpener, FakeSink } from '../link/session/sink-fake.ts'
import { FakeSource } from '../link/session/source-fake.ts'
import { StorageSession } from '../link/session/storage-session.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { HomewardError } from '../wire/errors.ts'
import type { CameraStatus } from '../wire/session.ts'
import { MemoryRing } from './ring/memory-ring.ts'
import type { RingStats } from './ring/ring.ts'
import { Uplink } from './uplink.ts'

const OLD = 'aaaaaaaaaaaaaaaa'
const BOOT = 'b007b007b007b007'
const KEYS: [Uint8Array, Uint8Array] = [new Uint8Array(32).fill(0xca), new Uint8Array(32).fill(0x5e)]

class FakeRing extends FakeSource {
  backlog(): [] {
    return []
  }

  stats(): RingStats {
    return {
      capacityBytes: 1000,
      usedBytes: 10.4,
      unackedBytes: this.waiting(),
      oldestUnackedAgeMs: 12.7,
      writtenBytes: 20,
      capturedBytes: 15,
      full: false,
      card: 'ok',
    }
  }
}

/** An uplink and the storage devices' ends of all channels it was given. */
class Home {
  readonly clock = new FakeClock()
  readonly sink = new FakeSink(this.clock)
  readonly budget = new CreditBudget()
  readonly alarms: (string | undefined)[] = []
  readonly warnings: string[] = []
  readonly channels: [FakeChannel, FakeChannel][] = []
  readonly sessions: StorageSession[] = []
  readonly uplink: Uplink
  opener: RecordOpening = new FakeOpener()
  status: CameraStatus | undefined
  helloName = ''
  #listener: ((channel: Channel) => void) | undefined

  constructor() {
    this.uplink = new Uplink({
      link: {
        onChannel: (listener) => {
          this.#listener = listener
          return () => {
            this.#listener = undefined
          }
        },
      },
      clock: this.clock,
      name: () => 'Front door',
      boot: BOOT,
      report: () => ({ state: 'streaming', captured: 7 }),
      onAlarm: (alarm) => this.alarms.push(alarm?.code),
      onWarning: ({ code }) => this.warnings.push(code),
    })
  }

  ring(log: string): FakeRing {
    return new FakeRing({ camera: KEYS[0], recipient: KEYS[1], log })
  }

  get listened(): boolean {
    return this.#listener !== undefined
  }

  channel(delayMs = 1, keys = KEYS): [FakeChannel, FakeChannel] {
    const ends = FakeChannel.pair({ clock: this.clock, delayMs, keys })
    this.channels.push(ends)
    const session = new StorageSession(ends[1], this.#owner(), this.clock)
    this.sessions.push(session)
    session.start()
    this.#listener?.(ends[0])
    return ends
  }

  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) await this.clock.advance(1)
  }

  #owner() {
    return {
      name: 'Attic',
      liveFirst: true,
      sink: this.sink,
      opener: this.opener,
      budget: this.budget,
      hello: (name: string) => {
        this.helloName = name
      },
      moment: () => {},
      status: (status: CameraStatus) => {
        this.status = status
      },
      kept: () => {},
      quarantined: () => {},
      alarm: () => {},
      warn: ({ code }: HomewardError) => this.warnings.push(code),
      unheld: () => {},
      ended: () => {},
    }
  }
}

test('what is captured, and what earlier starts left, becomes safe; the status says so', async () => {
  const home = new Home()
  const ring = home.ring('1111111111111111')
  home.uplink.setRings([ring])
  home.uplink.start()
  assert.equal(home.uplink.status, {
    connected: false,
    acked: 0,
    ackedBefore: 0,
    quarantined: 0,
    inFlight: { records: 0, bytes: 0 },
    lastAckAgoMs: undefined,
    alarm: undefined,
    peerTime: undefined,
  })
  for (let at = 0; at < 3; at++) ring.append(1000, OLD)
  home.sink.hold(OLD, 0, 1)
  ring.append(1000)
  ring.appendGap(5)
  ring.put('fragment', 6, 1, new Uint8Array(9), ring.log, undefined, { signature: new Uint8Array(64).fill(1) })
  home.channel()
  await home.run(5)
  assert.is(home.uplink.status.connected, true)
  await home.run(95)
  const { acked, ackedBefore, quarantined, lastAckAgoMs, peerTime } = home.uplink.status
  assert.equal([acked, ackedBefore, quarantined], [2, 3, 1])
  assert.ok(lastAckAgoMs !== undefined && lastAckAgoMs > 50 && lastAckAgoMs < 100)
  assert.ok(peerTime !== undefined && peerTime.wallUs > 0)
  assert.is(ring.waiting(), 0)
  assert.is(home.helloName, 'Front door')
  await home.clock.advance(5000)
  await home.run(5)
  assert.equal([home.status?.captured, home.status?.acked, home.status?.state], [7, 2, 'streaming'])
  assert.equal(home.status?.rings[0], {
    log: ring.log,
    capacityBytes: 1000,
    usedBytes: 10,
    unackedBytes: 0,
    oldestUnackedAgeMs: 13,
    writtenBytes: 20,
    full: false,
    card: 'ok',
  })
  assert.equal(home.warnings, ['RECORD_FORGED'])
})

test('a new channel takes over; nothing is lost, nothing stored twice, the old one is closed', async () => {
  const home = new Home()
  const ring = home.ring('1111111111111111')
  for (let at = 0; at < 60; at++) ring.append(60_000)
  home.uplink.setRings([ring])
  home.uplink.start()
  const [first] = home.channel(8)
  let closed = ''
  first.onClose((reason) => {
    closed = reason
  })
  await home.run(40)
  assert.ok(home.uplink.status.inFlight.records > 0)
  home.channel(1)
  assert.is(closed, 'closed')
  await home.run(400)
  assert.is(ring.waiting(), 0)
  assert.is(home.sink.stored.length, 60)
  assert.is(home.uplink.status.acked, 60)
  assert.is(ring.listeners, 1)
  assert.equal(home.warnings, [])
})

test('the link goes and comes; in between the camera keeps everything', async () => {
  const home = new Home()
  const ring = home.ring('1111111111111111')
  home.uplink.setRings([ring])
  home.uplink.start()
  for (let round = 0; round < 4; round++) {
    const [end] = home.channel()
    ring.append(2000)
    await home.run(30)
    end.sever()
    assert.is(home.uplink.status.connected, false)
    assert.equal(home.uplink.status.inFlight, { records: 0, bytes: 0 })
    ring.append(3000)
    await home.run(20)
    assert.is(ring.waiting(), 1)
  }
  home.channel()
  await home.run(50)
  assert.is(ring.waiting(), 0)
  assert.is(home.sink.stored.length, 8)
})

test('the card is pulled and comes back; memory fills the time between', async () => {
  const home = new Home()
  const card = home.ring('1111111111111111')
  home.uplink.setRings([card])
  home.uplink.start()
  home.channel()
  for (let at = 0; at < 5; at++) card.append(1000)
  await home.run(50)
  assert.is(card.waiting(), 0)
  const memory = home.ring('2222222222222222')
  home.uplink.setRings([memory])
  memory.append(1000)
  await home.run(50)
  assert.is(memory.waiting(), 0)
  assert.is(card.listeners, 0)

  // The same card: its own mark of what is safe was never written.
  const again = home.ring('3333333333333333')
  for (let at = 0; at < 6; at++) again.append(1000, card.log)
  home.uplink.setRings([again, memory])
  assert.is(again.waiting(), 1, 'what is remembered as safe is free at once')
  await home.run(50)
  assert.is(again.waiting(), 0)
  assert.is(home.sink.stored.length, 7)
  assert.is(home.sink.duplicates, 0)
  assert.is(home.uplink.status.acked, 7)
})

test('an acknowledgement for a ring that is gone reaches it when it is back', async () => {
  const home = new Home()
  const card = home.ring('1111111111111111')
  home.uplink.setRings([card])
  home.uplink.start()
  card.append(1000)
  home.channel()
  while (home.sink.attempts === 0) await home.run(1)
  home.uplink.setRings([])
  await home.run(30)
  assert.is(home.sink.stored.length, 1)
  assert.equal(card.acks, [])
  assert.is(home.uplink.status.acked, 1)
  home.uplink.setRings([card])
  assert.is(card.waiting(), 0)
})

test('the storage device in trouble is shown, and over with the channel', async () => {
  const home = new Home()
  const ring = home.ring('1111111111111111')
  home.uplink.setRings([ring])
  home.uplink.start()
  ring.append(1000)
  home.sink.fault = (action) => (action === 'durable' ? undefined : new HomewardError('DISK_FULL', 'full'))
  const [end] = home.channel()
  await home.run(50)
  assert.is(home.uplink.status.alarm?.code, 'DISK_FULL')
  end.sever()
  assert.is(home.uplink.status.alarm, undefined)
  home.channel()
  await home.run(50)
  home.sink.fault = () => undefined
  await home.clock.advance(TRIAL_AFTER_MS)
  await home.run(50)
  assert.equal(home.alarms, ['DISK_FULL', undefined, 'DISK_FULL', undefined])
  assert.is(ring.waiting(), 0)
})

test('closing leaves nothing behind, and nothing starts afterwards', async () => {
  const home = new Home()
  const ring = home.ring('1111111111111111')
  ring.append(1000)
  home.uplink.setRings([ring])
  home.uplink.start()
  home.uplink.start()
  home.channel()
  await home.run(3)
  const closing = Promise.all([home.uplink.close(), home.uplink.close()])
  await home.run(20)
  await closing
  assert.is(ring.listeners, 0)
  assert.is(home.clock.pendingTimers, 0)
  assert.is(home.listened, false)
  home.uplink.start()
  assert.is(home.listened, false)
  assert.equal(home.warnings, [])
})

test('a ring in memory with real seals', async () => {
  const home = new Home()
  const camera = createIdentity()
  const storage = createIdentity()
  home.opener = new RecordOpener(storage)
  const sealer = new LogSealer(camera, storage.publicKey)
  const ring = new MemoryRing({ sealer, boot: BOOT, clock: home.clock, capacityBytes: 1_000_000 })
  home.uplink.setRings([ring])
  home.uplink.start()
  home.channel(1, [camera.publicKey, storage.publicKey])
  const times = { monoUs: 1, wallUs: 0, clock: 'none', durationUs: 1000 } as const
  const meta = { run: 0, boot: BOOT, keyFrame: true, runStart: true, ...times }
  for (let at = 0; at < 5; at++) {
    await ring.append({ meta, init: new Uint8Array(10), fragment: new Uint8Array(50_000).fill(at) })
  }
  await ring.addGap(3, 'encoder-down')
  await home.run(100)
  assert.equal(ring.logs(), [])
  assert.is(ring.stats().unackedBytes, 0)
  assert.is(home.sink.stored.length, 5)
  assert.equal(home.sink.gaps, [{ log: ring.log, first: 5, last: 7, reason: 'encoder-down' }])
  assert.is(home.uplink.status.acked, 5)
  assert.equal(home.warnings, [])
  await ring.close()
})

test.run()

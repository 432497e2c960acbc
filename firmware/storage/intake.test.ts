import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Channel } from '../link/channel.ts'
import { FakeChannel } from '../link/channel-fake.ts'
import { createIdentity } from '../link/identity.ts'
import { LogSealer, RecordOpener } from '../link/seal.ts'
import { CameraSession, type CameraSessionOwner } from '../link/session/camera-session.ts'
import { CREDIT_BASE_BYTES } from '../link/session/credit.ts'
import { TRIAL_AFTER_MS } from '../link/session/disk-alarm.ts'
import { FakeSource } from '../link/session/source-fake.ts'
import { encodeGap } from '../wire/gap.ts'
import { addRange, containsRange, type Range } from '../wire/ranges.ts'
import { joinPayload, type RecordMeta } from '../wire/record.ts'
import { type CameraMoment, decodeStorageFrame, encodeControl, type StorageMessage } from '../wire/session.ts'
import { BOOT, filesBelow, footage, INIT, makeRig, mediaAt, type Rig, T0 } from './archive/archive-fixture.ts'
import { Intake } from './intake.ts'

/** An archive on a fake disk, its intake, and cameras with real keys and seals. */
class Home {
  readonly storage = createIdentity()
  readonly rig: Rig
  readonly intake: Intake
  readonly alarms: (string | undefined)[] = []
  readonly warnings: string[] = []
  readonly moments: { moment: CameraMoment; receivedUs: number }[] = []
  #listener: ((camera: unknown, channel: Channel) => void) | undefined

  static async open(): Promise<Home> {
    return new Home(await makeRig())
  }

  private constructor(rig: Rig) {
    this.rig = rig
    this.intake = new Intake({
      link: {
        onChannel: (listener) => {
          this.#listener = listener
          return () => {
            this.#listener = undefined
          }
        },
      },
      archive: rig.archive,
      opener: new RecordOpener(this.storage),
      clock: rig.clock,
      name: 'Attic',
      onMoment: (_, moment, receivedUs) => this.moments.push({ moment, receivedUs }),
      onAlarm: (problem) => this.alarms.push(problem?.code),
      onWarning: (camera, { code }) => this.warnings.push(`${camera.length > 20 ? 'uid' : camera} ${code}`),
    })
    this.intake.start()
  }

  bring(storageEnd: Channel): void {
    this.#listener?.(undefined, storageEnd)
  }

  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) await this.rig.clock.advance(1)
  }

  /** Until everything waiting on the cameras' rings is safe. */
  async settle(...cameras: SealedCamera[]): Promise<void> {
    for (let round = 0; round < 500 && cameras.some((camera) => camera.ring.waiting() > 0); round++) await this.run(1)
  }

  async close(): Promise<void> {
    const closing = this.intake.close()
    await this.run(20)
    await closing
    await this.rig.archive.close()
  }
}

class SealedCamera {
  readonly identity = createIdentity()
  readonly home: Home
  readonly sealer: LogSealer
  readonly ring: FakeSource
  readonly warnings: string[] = []
  alarm: string | undefined
  #seq = 0
  readonly #safe = new Map<string, Range[]>()

  constructor(home: Home) {
    this.home = home
    const recipient = home.storage.publicKey
    this.sealer = new LogSealer(this.identity, recipient)
    this.ring = new FakeSource({ camera: this.identity.publicKey, recipient, log: this.sealer.log })
  }

  capture(parts = joinPayload(INIT, mediaAt(this.#seq)), sealer = this.sealer): Uint8Array {
    const record = sealer.seal(this.#meta('fragment', this.#seq, 1), parts)
    this.#seq++
    return record
  }

  /** A fragment like any other. */
  record(): void {
    this.ring.putRecord(this.capture())
  }

  gap(span: number): void {
    this.ring.putRecord(
      this.sealer.seal(this.#meta('gap', this.#seq, span), [encodeGap({ reason: 'encoder-down', note: 'no picture' })]),
    )
    this.#seq += span
  }

  connect(delayMs = 1): { end: FakeChannel; session: CameraSession } {
    const keys: [Uint8Array, Uint8Array] = [this.identity.publicKey, this.home.storage.publicKey]
    const [end, storageEnd] = FakeChannel.pair({ clock: this.home.rig.clock, delayMs, keys })
    this.home.bring(storageEnd)
    const session = new CameraSession(end, this.#owner(), this.home.rig.clock)
    session.start()
    return { end, session }
  }

  #meta(kind: 'fragment' | 'gap', seq: number, span: number): RecordMeta {
    const times = { monoUs: seq * 1_000_000, wallUs: T0 + seq * 1_000_000, durationUs: 1_000_000 * span }
    return { kind, seq, span, run: 0, boot: BOOT, clock: 'synchronised', keyFrame: true, runStart: seq === 0, ...times }
  }

  #owner(): CameraSessionOwner {
    return {
      name: 'Front door',
      boot: BOOT,
      sources: () => [this.ring],
      status: () => ({ state: 'streaming', captured: this.#seq, acked: 0, rings: [], why: 'in the same network' }),
      acked: (source, log, ranges) => {
        for (const [first, last] of ranges) this.#safe.set(log, addRange(this.#safe.get(log) ?? [], first, last))
        source.ack(log, ranges)
      },
      wasAcked: (log, first, last) => containsRange(this.#safe.get(log) ?? [], first, last),
      peerTime: () => {},
      alarm: (alarm) => {
        this.alarm = alarm?.code
      },
      warn: ({ code }) => this.warnings.push(code),
      ended: () => {},
    }
  }
}

test('sealed records become footage; the camera is listed with what is known of it', async () => {
  const home = await Home.open()
  const camera = new SealedCamera(home)
  const { publicKey } = camera.identity
  assert.equal(home.intake.statusOf(publicKey).connected, false)
  for (let at = 0; at < 4; at++) camera.record()
  camera.gap(3)
  camera.connect()
  await home.settle(camera)
  assert.is(camera.ring.waiting(), 0)
  assert.is((await footage(home.rig.disk)).length, 1)
  assert.equal(home.rig.archive.durable(publicKey, camera.ring.log, 0, 99), [[0, 6]])
  const status = home.intake.statusOf(publicKey)
  assert.equal([status.connected, status.path, status.ownName], [true, 'lan', 'Front door'])
  assert.is(status.why, 'in the same network')
  assert.ok((status.saidUs ?? 0) >= (status.connectedUs ?? 0) && (status.saidUs ?? 0) <= (status.lastSeenUs ?? 0))
  assert.equal(
    { ...status.received, bytes: 0 },
    { fragments: 4, bytes: 0, duplicates: 0, conflicts: 0, gaps: 1, quarantined: 0 },
  )
  assert.ok(status.received.bytes > 2000)
  assert.equal([status.lastFragment?.log, status.lastFragment?.seq], [camera.ring.log, 3])
  assert.equal([status.camera?.state, status.camera?.captured], ['streaming', 7])
  assert.ok((status.lastSeenUs ?? 0) >= (status.connectedUs ?? Number.POSITIVE_INFINITY))
  assert.equal([home.moments.length, home.moments[0]?.moment.boot], [2, BOOT])
  assert.ok(JSON.stringify(status).includes('"path":"lan"'))
  assert.is(home.intake.alarm, undefined)
  assert.equal([camera.warnings, home.warnings], [[], []])
  await home.close()
  assert.is(home.intake.statusOf(publicKey).connected, false)
  assert.is(home.intake.committedBytes, 0)
})

test('what cannot be opened or played is quarantined under its own camera, and settles no more than it may', async () => {
  const home = await Home.open()
  const camera = new SealedCamera(home)
  const stranger = new SealedCamera(home)
  const elsewhere = new LogSealer(camera.identity, createIdentity().publicKey)
  const { ring } = camera

  camera.record()
  const tampered = camera.capture()
  tampered[tampered.byteLength - 1] = (tampered.at(-1) ?? 0) ^ 1
  ring.putRecord(tampered)
  ring.putRecord(camera.capture(joinPayload(INIT, new Uint8Array(40).fill(9))))
  ring.putRecord(camera.capture([new Uint8Array([255, 255, 0, 0]), new Uint8Array(9)]))
  const foreign = stranger.capture()
  const misaddressed = camera.capture(undefined, elsewhere)
  // They stand in the ring under the numbers of their headers; the card does not look into what is sealed.
  ring.putRecord(foreign)
  ring.putRecord(misaddressed)
  camera.record()
  camera.connect()
  await home.run(200)

  const kept = (await filesBelow(home.rig.disk)).filter((path) => path.endsWith('.hwr'))
  assert.is(kept.length, 4, kept.join(', '))
  assert.equal(
    home.warnings.toSorted(),
    ['uid MEDIA_MALFORMED', 'uid RECORD_DAMAGED', 'uid RECORD_FORGED', 'uid RECORD_MALFORMED'],
    'a log for another storage device is not even sent',
  )
  assert.is(home.intake.statusOf(camera.identity.publicKey).received.quarantined, 4)
  assert.is(home.intake.statusOf(camera.identity.publicKey).received.fragments, 2)
  assert.equal(home.rig.archive.durable(camera.identity.publicKey, ring.log, 0, 99), [
    [0, 3],
    [5, 5],
  ])
  assert.equal(home.rig.archive.durable(stranger.identity.publicKey, stranger.ring.log, 0, 99), [])
  assert.equal(home.rig.archive.durable(camera.identity.publicKey, stranger.ring.log, 0, 99), [[0, 0]])
  await home.close()
})

test('numbers that the card lost are entered, except where the archive has the footage', async () => {
  const home = await Home.open()
  const camera = new SealedCamera(home)
  const { publicKey } = camera.identity
  const { log } = camera.ring
  for (let at = 0; at < 3; at++) camera.record()
  camera.connect()
  await home.settle(camera)
  // Another card's word for it, and a camera that does not ask first.
  const [end, storageEnd] = FakeChannel.pair({ clock: home.rig.clock, keys: [publicKey, home.storage.publicKey] })
  const heard: StorageMessage[] = []
  end.onMessage((message) => heard.push(decodeStorageFrame(message)))
  home.bring(storageEnd)
  end.send(encodeControl({ type: 'hello', version: 1, name: '', boot: BOOT, monoUs: 0, wallUs: 0, clock: 'none' }))
  end.send(encodeControl({ type: 'lost', log, first: 0, last: 7, reason: 'damaged-on-card' }))
  await home.run(50)
  const last = heard.at(-1)
  assert.equal(last?.type === 'ack' ? [last.log, last.ranges] : last, [log, [[0, 7]]])
  assert.equal(home.rig.archive.durable(publicKey, log, 0, 99), [[0, 7]])
  const entries = home.rig.archive.dumpIndex().filter((row) => row.startsWith('ledger'))
  assert.is(entries.length, 1)
  assert.match(entries[0] ?? '', /"first":3,"last":7.*damaged-on-card/)
  await home.close()
})

test('a disk in trouble is announced once, and again when it is well', async () => {
  const home = await Home.open()
  const cameras = [new SealedCamera(home), new SealedCamera(home)]
  for (const camera of cameras) {
    camera.record()
    camera.connect()
  }
  await home.settle(...cameras)
  const fault = home.rig.disk.arm({ on: 'write', code: 'ENOSPC', times: Number.POSITIVE_INFINITY })
  for (const camera of cameras) for (let at = 0; at < 5; at++) camera.record()
  await home.run(100)
  assert.equal(home.alarms, ['DISK_FULL'])
  assert.is(home.intake.alarm?.code, 'DISK_FULL')
  for (const camera of cameras) {
    assert.is(camera.alarm, 'DISK_FULL')
    assert.is(camera.ring.waiting(), 5)
  }
  fault.release()
  await home.rig.clock.advance(TRIAL_AFTER_MS)
  await home.settle(...cameras)
  assert.equal(home.alarms, ['DISK_FULL', undefined])
  for (const camera of cameras) assert.is(camera.ring.waiting(), 0)
  await home.close()
})

test('an alarm outlives its session, until something is written', async () => {
  const home = await Home.open()
  const [first, second] = [new SealedCamera(home), new SealedCamera(home)]
  const fault = home.rig.disk.arm({ on: 'write', code: 'EIO', times: Number.POSITIVE_INFINITY })
  first.record()
  const { end } = first.connect()
  await home.run(100)
  assert.is(home.intake.alarm?.code, 'DISK_FAILED')
  end.sever()
  await home.run(5)
  assert.is(home.intake.alarm?.code, 'DISK_FAILED')
  fault.release()
  second.record()
  second.connect()
  await home.settle(second)
  assert.is(home.intake.alarm, undefined)
  await home.close()
})

test('the alarm of one camera is not over because another one is well', async () => {
  const home = await Home.open()
  const [ill, well] = [new SealedCamera(home), new SealedCamera(home)]
  const fault = home.rig.disk.arm({ on: 'write', path: ill.ring.log, code: 'EIO', times: Number.POSITIVE_INFINITY })
  for (const camera of [ill, well]) camera.record()
  ill.connect()
  await home.run(50)
  well.connect()
  await home.settle(well)
  assert.is(well.ring.waiting(), 0)
  assert.is(home.intake.alarm?.code, 'DISK_FAILED')
  fault.release()
  await home.rig.clock.advance(TRIAL_AFTER_MS)
  await home.settle(ill)
  assert.is(home.intake.alarm, undefined)
  await home.close()
})

test('a camera changes its path: both channels work, then the newest counts', async () => {
  const home = await Home.open()
  const camera = new SealedCamera(home)
  for (let at = 0; at < 20; at++) camera.record()
  const first = camera.connect(3)
  await home.run(12)
  const second = camera.connect()
  await home.run(2)
  void first.session.close()
  await home.settle(camera)
  assert.is(camera.ring.waiting(), 0)
  const { received } = home.intake.statusOf(camera.identity.publicKey)
  assert.equal([received.fragments, received.conflicts], [20, 0])
  second.end.sever()
  await home.run(5)
  assert.is(home.intake.statusOf(camera.identity.publicKey).connected, false)
  await home.close()
})

test('a camera cannot pile up channels', async () => {
  const home = await Home.open()
  const camera = new SealedCamera(home)
  const all = Array.from({ length: 6 }, () => camera.connect())
  const closed: number[] = []
  for (const [at, { end }] of all.entries()) end.onClose(() => closed.push(at))
  await home.run(20)
  assert.equal(closed.sort(), [0, 1, 2])
  assert.is(home.intake.committedBytes, 3 * CREDIT_BASE_BYTES)
  await home.close()
})

test('closing waits for what is being stored, and takes no new channel', async () => {
  const home = await Home.open()
  const camera = new SealedCamera(home)
  const { publicKey } = camera.identity
  const fault = home.rig.disk.arm({ on: 'datasync', path: '.mp4', hang: true, times: Number.POSITIVE_INFINITY })
  for (let at = 0; at < 3; at++) camera.record()
  camera.connect()
  await home.run(30)
  let closed = false
  const closing = Promise.all([home.intake.close(), home.intake.close()]).then(() => {
    closed = true
  })
  await home.run(50)
  assert.is(closed, false)
  fault.release()
  await home.run(50)
  await closing
  assert.equal(home.rig.archive.durable(publicKey, camera.ring.log, 0, 9), [[0, 2]])
  assert.is(camera.ring.waiting(), 3, 'nobody was told any more')
  camera.connect()
  home.intake.start()
  await home.run(20)
  assert.is(home.intake.statusOf(publicKey).connected, false)
  await home.rig.archive.close()
})

test.run()

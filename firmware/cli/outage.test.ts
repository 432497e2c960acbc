// time-out: 120 s
/**
 * A storage device that is away, and the link to it when it is back: a real ring in a real folder, real seals, the archive; time,
 * encoder and link are fakes.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Capture } from '../camera/encoder/capture.ts'
import { FakeEncoder } from '../camera/encoder/fake-encoder.ts'
import { Recorder } from '../camera/recorder.ts'
import { MemoryRing } from '../camera/ring/memory-ring.ts'
import { initRing, openRing, type Ring } from '../camera/ring/ring.ts'
import { Uplink } from '../camera/uplink.ts'
import type { Channel } from '../link/channel.ts'
import { FakeChannel } from '../link/channel-fake.ts'
import { createIdentity } from '../link/identity.ts'
import { LogSealer, RecordOpener } from '../link/seal.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { seededRandom } from '../platform/random.ts'
import { makeRig, type Rig } from '../storage/archive/archive-fixture.ts'
import { Intake } from '../storage/intake.ts'

const KIB = 1024
const BOOT = 'b007b007b007b007'

interface HomeOptions {
  readonly fragmentSeconds: number
  readonly fragmentBytes: number
  readonly slabs: number
  readonly slabBytes: number
}

class Home {
  readonly rig: Rig
  readonly folder: string
  readonly camera = createIdentity()
  readonly storage = createIdentity()
  readonly recorder: Recorder
  readonly capture: Capture
  readonly uplink: Uplink
  readonly intake: Intake
  /** When each fragment was stored, by number: how long after its end. */
  readonly arrivals: { readonly seq: number; readonly atUs: number; readonly ageMs: number }[] = []
  #toUplink: ((channel: Channel) => void) | undefined
  #toIntake: ((camera: unknown, channel: Channel) => void) | undefined

  static async open(options: HomeOptions): Promise<Home> {
    const folder = await mkdtemp(join(tmpdir(), 'homeward-'))
    const { slabBytes, slabs } = options
    await initRing(new RealDisk(), folder, { slabBytes, anySlabBytes: true, capacityBytes: slabs * slabBytes })
    const home = new Home(await makeRig({ openFilesPerCamera: 4 }), folder, options)
    await home.recorder.start()
    home.uplink.start()
    home.intake.start()
    home.capture.start()
    return home
  }

  private constructor(rig: Rig, folder: string, { fragmentSeconds, fragmentBytes }: HomeOptions) {
    this.rig = rig
    this.folder = folder
    const { clock } = rig
    const { camera, storage } = this
    const sealer = () => new LogSealer(camera, storage.publicKey)
    this.uplink = new Uplink({
      link: { onChannel: (listener) => this.#listen(listener) },
      ...{ clock, boot: BOOT, name: () => 'Door' },
      report: () => ({ state: 'running', captured: this.recorder.counts.captured }),
    })
    this.recorder = new Recorder({
      openCard: () =>
        openRing({ disk: new RealDisk(), dir: folder, camera, sealer: sealer(), boot: BOOT, clock, keepFreeBytes: 0 }),
      openMemory: () => new MemoryRing({ sealer: sealer(), boot: BOOT, clock, capacityBytes: 1 }),
      ...{ cardKnown: true, clock, boot: BOOT },
      onRings: (rings) => this.uplink.setRings(rings),
      onCard: () => {},
    })
    this.capture = new Capture({
      encoder: new FakeEncoder({
        ...{ clock, random: seededRandom(1), rate: { frames: 1, perSeconds: 1 }, gop: fragmentSeconds, speed: 1 },
        ...{ size: { width: 128, height: 64 }, bitsPerSecond: (8 * fragmentBytes) / fragmentSeconds },
      }),
      ...{ sink: this.recorder, clock, queue: { maxBytes: 64 * 1024 * KIB, maxMs: 3_600_000 } },
    })
    this.intake = new Intake({
      link: {
        onChannel: (listener) => {
          this.#toIntake = listener
          return () => {}
        },
      },
      archive: {
        store: async (...args) => {
          const result = await rig.archive.store(...args)
          const { seq, wallUs, durationUs } = args[1]
          const atUs = clock.wallUs()
          this.arrivals.push({ seq, atUs, ageMs: (atUs - wallUs - durationUs) / 1000 })
          return result
        },
        gap: (...args) => rig.archive.gap(...args),
        quarantine: (...args) => rig.archive.quarantine(...args),
        durable: (...args) => rig.archive.durable(...args),
      },
      ...{ opener: new RecordOpener(storage), clock },
      onMoment: (...args) => void rig.archive.moment(...args),
    })
  }

  #listen(listener: (channel: Channel) => void): () => void {
    this.#toUplink = listener
    return () => {}
  }

  get ring(): Ring {
    return this.recorder.active
  }

  /** Numbers the ring has given so far. */
  get numbered(): number {
    const { captured, lost } = this.recorder.counts
    return captured + lost
  }

  /** A link over which `bytesPerSecond` go. */
  connect(bytesPerSecond: number): FakeChannel {
    const delayMs = 250
    const keys: [Uint8Array, Uint8Array] = [this.camera.publicKey, this.storage.publicKey]
    const windowBytes = (bytesPerSecond * delayMs) / 1000
    const [end, storageEnd] = FakeChannel.pair({ clock: this.rig.clock, delayMs, windowBytes, keys })
    this.#toIntake?.(undefined, storageEnd)
    this.#toUplink?.(end)
    return end
  }

  /** Lets time pass, and the disk follow. */
  async pass(ms: number, stepMs: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await this.rig.clock.advance(stepMs)
      for (let turn = 0; turn < 20_000 && this.numbered < this.capture.stats().captured; turn++) await wait(1)
    }
  }

  async close(): Promise<void> {
    let closed = false
    const closing = (async () => {
      await this.capture.close()
      await this.uplink.close()
      await this.intake.close()
      await this.recorder.close()
      await this.rig.archive.close()
    })().finally(() => {
      closed = true
    })
    while (!closed) await this.rig.clock.advance(100)
    await closing
    await rm(this.folder, { recursive: true })
  }
}

test('a week away on a small ring: it fills, the gap is exact, everything kept arrives, and it takes footage again', async () => {
  const home = await Home.open({ fragmentSeconds: 60, fragmentBytes: 20 * KIB, slabs: 6, slabBytes: 640 * KIB })
  const week = 7 * 24 * 60
  for (let minute = 0; minute < week; minute++) {
    await home.pass(60_000, 60_000)
  }
  const { log } = home.ring
  const { captured: kept, lost } = home.recorder.counts
  assert.is(home.numbered, week)
  assert.ok(home.ring.stats().full)
  assert.ok(kept > 15 && kept < 200, `${kept} kept`)
  const fragments = home.ring.unacked(log).filter(({ kind }) => kind === 'fragment')
  assert.equal(
    fragments.map(({ seq }) => seq),
    Array.from({ length: kept }, (_, seq) => seq),
    'what was there first is not written over',
  )

  home.connect(640 * KIB)
  let again = 0
  for (let second = 0; second < 600 && again < 5; second++) {
    await home.pass(1000, 100)
    again = home.recorder.counts.captured - kept
  }
  assert.ok(again >= 5, 'the ring takes footage again')
  await home.pass(5000, 50)
  const total = home.numbered
  const { spans } = home.rig.archive.timeline(home.camera.publicKey, 0, Number.MAX_SAFE_INTEGER)
  const lostSpans = spans.filter(({ state }) => state === 'lost')
  const [gap] = lostSpans
  assert.is(lostSpans.length, 1)
  assert.equal([gap?.reason, gap?.firstSeq], ['ring-full', kept])
  const first = (gap?.lastSeq ?? 0) + 1
  assert.ok(first >= week, 'to the very fragment that was kept again')
  assert.is((gap?.lastSeq ?? 0) - kept + 1, home.recorder.counts.lost)
  assert.ok(home.recorder.counts.lost >= lost)
  assert.equal(
    home.rig.archive.durable(home.camera.publicKey, log, 0, total),
    [[0, total - 1]],
    'every number is stored or in the ledger',
  )
  const report = await home.rig.archive.verify({ deep: true })
  assert.equal([report.damaged, report.missing, report.unindexed], [[], [], []])
  const counts = { stored: total - home.recorder.counts.lost, 'ring-full': home.recorder.counts.lost }
  assert.equal({ ...report.accounts[0]?.counts }, counts)
  const sent = new Set(home.arrivals.map(({ seq }) => seq))
  assert.is(sent.size, home.arrivals.length, 'nothing was sent twice')
  await home.close()
})

test('after an outage the newest footage arrives within seconds, the backlog behind it oldest first, and slabs come free', async () => {
  const home = await Home.open({ fragmentSeconds: 2, fragmentBytes: 64 * KIB, slabs: 64, slabBytes: 640 * KIB })
  await home.pass(600_000, 2000)
  const backlog = home.numbered
  assert.is(backlog, 300)
  const before = home.ring.stats()
  // Four times what is captured: an hour's outage is caught up in twenty minutes.
  home.connect(128 * KIB)
  const startUs = home.rig.clock.wallUs()
  const used: number[] = []
  for (let second = 0; second < 400 && home.ring.logs().length > 0; second++) {
    await home.pass(1000, 50)
    used.push(home.ring.stats().usedBytes)
    if (home.arrivals.filter(({ seq }) => seq < backlog).length === backlog) break
  }
  const live = home.arrivals.filter(({ seq }) => seq >= backlog)
  const old = home.arrivals.filter(({ seq }) => seq < backlog)
  assert.is(old.length, backlog)
  assert.equal(
    old.map(({ seq }) => seq),
    Array.from({ length: backlog }, (_, seq) => seq),
    'oldest first',
  )
  const oldest = Math.max(...live.map(({ ageMs }) => ageMs))
  assert.ok(live.length > 50, `${live.length} live fragments meanwhile`)
  assert.ok(oldest <= 3000, `live footage came after ${oldest} ms`)
  const seconds = ((old.at(-1)?.atUs ?? 0) - startUs) / 1e6
  const rate = (old.length * 64 * KIB) / seconds
  assert.ok(rate > 64 * KIB, `the backlog got ${Math.round(rate / KIB)} KiB/s of 128, live takes 32`)
  assert.ok(before.usedBytes > 20 * 1024 * KIB)
  assert.ok((used.at(-1) ?? 0) < before.usedBytes / 5, 'the slabs are free')
  assert.ok(
    used[Math.floor(used.length / 2)] ?? Number.POSITIVE_INFINITY < before.usedBytes,
    'and come free on the way',
  )
  await home.close()
})

test.run()

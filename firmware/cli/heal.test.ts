/**
 * Damage on the storage disk, healed from the camera's card: real ring, seals, session, intake and archive on disks in memory
 * whose bits turn over. What the card does not have any more is in the ledger.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openRing } from '../camera/ring/open-ring.ts'
import type { Ring } from '../camera/ring/ring.ts'
import { BOOT, DIR, noLock, prepareCard } from '../camera/ring/ring-fixture.ts'
import { Uplink } from '../camera/uplink.ts'
import type { Channel } from '../link/channel.ts'
import { FakeChannel } from '../link/channel-fake.ts'
import { createIdentity } from '../link/identity.ts'
import { LogSealer, RecordOpener } from '../link/seal.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { FakeDisk } from '../platform/disk-fake.ts'
import { seededRandom } from '../platform/random.ts'
import { type Archive, openArchive } from '../storage/archive/archive.ts'
import { bytesOf, footage, INIT, mediaAt, ROOT, SECOND, T0 } from '../storage/archive/archive-fixture.ts'
import { FakeIndexHome } from '../storage/archive/index-store-fake.ts'
import { reindexArchive } from '../storage/archive/reindex.ts'
import { initRoot } from '../storage/archive/root.ts'
import { ArchiveSlot } from '../storage/archive-slot.ts'
import { Intake } from '../storage/intake.ts'
import { Healer } from '../storage/scrub/healer.ts'
import { Scrubber } from '../storage/scrub/scrubber.ts'

class Home {
  readonly clock = new FakeClock(T0)
  readonly disk = new FakeDisk()
  readonly card = new FakeDisk()
  readonly index = new FakeIndexHome()
  readonly storage = createIdentity()
  readonly camera = createIdentity()
  readonly found: string[] = []
  readonly told: string[] = []
  known = true
  declare slot: ArchiveSlot
  declare ring: Ring
  declare intake: Intake
  declare healer: Healer
  declare scrubber: Scrubber
  declare uplink: Uplink
  #toStorage: ((camera: unknown, channel: Channel) => void) | undefined
  #toCamera: ((channel: Channel) => void) | undefined
  #seq = 0

  static async open(slabs = 8): Promise<Home> {
    const home = new Home()
    await initRoot(home.disk, ROOT, seededRandom(1), T0)
    await prepareCard(home.card, slabs)
    await home.startStorage()
    await home.startCamera()
    return home
  }

  async startStorage(): Promise<void> {
    const { disk, clock, index } = this
    this.slot = await ArchiveSlot.start({
      open: () => openArchive({ disk, clock, root: ROOT, index, minFreeBytes: 0, commitDelayMs: 0 }),
      clock,
      onReleased: () => {},
      onReopened: () => {},
    })
    this.intake = new Intake({
      link: {
        onChannel: (listener) => {
          this.#toStorage = listener
          return () => {}
        },
      },
      archive: this.slot,
      opener: new RecordOpener(this.storage),
      clock,
      onStored: (camera, { log, seq }) => this.healer.kept(camera, log, seq),
      onUnheld: (camera, log, seq) => this.healer.unheld(camera, log, seq),
    })
    this.healer = new Healer({
      slot: this.slot,
      clock,
      ask: (camera, log, seq) => this.intake.heal(camera, log, seq),
      isKnown: () => this.known,
      onHealed: ({ camera, log, seq }) => {
        this.told.push(`healed ${seq}`)
        void this.scrubber.recheck(camera, log, seq)
      },
      onLost: ({ seq }) => this.told.push(`lost ${seq}`),
      onTrouble: (error) => this.told.push(String(error)),
    })
    this.scrubber = this.#newScrubber()
    this.intake.start()
    this.healer.start()
    this.scrubber.start()
  }

  #newScrubber(): Scrubber {
    return new Scrubber({
      slot: this.slot,
      clock: this.clock,
      bytesPerS: 1_000_000,
      onFound: ({ row }) => {
        this.found.push(row.path)
        this.healer.poke()
      },
      onTrouble: (error) => this.told.push(String(error)),
    })
  }

  /** As when it was never checked, or not for a week; or from `state` on. */
  async restartScrubber(
    state: unknown = { beganUs: 0, endedUs: 0, files: 0, bytes: 0, damaged: 0, at: null },
  ): Promise<void> {
    await this.scrubber.close()
    await this.archive.remember('scrub', JSON.stringify(state))
    this.scrubber = this.#newScrubber()
    this.scrubber.start()
  }

  async startCamera(): Promise<void> {
    const { camera, clock, card } = this
    const { publicKey } = this.storage
    const sealer = new LogSealer(camera, publicKey)
    const opening = { disk: card, dir: DIR, sealer, boot: BOOT, clock, keepFreeBytes: 0, lock: noLock, recentBytes: 0 }
    this.ring = await openRing({ ...opening, camera: { publicKey: camera.publicKey, uid: camera.uid } })
    this.uplink = new Uplink({
      link: {
        onChannel: (listener) => {
          this.#toCamera = listener
          return () => {}
        },
      },
      clock,
      name: () => 'Door',
      boot: BOOT,
      report: () => ({ state: 'connected', captured: this.#seq }),
    })
    this.uplink.setRings([this.ring])
    this.uplink.start()
  }

  connect(): void {
    const keys: [Uint8Array, Uint8Array] = [this.camera.publicKey, this.storage.publicKey]
    const [cameraEnd, storageEnd] = FakeChannel.pair({ clock: this.clock, delayMs: 1, keys })
    this.#toStorage?.(undefined, storageEnd)
    this.#toCamera?.(cameraEnd)
  }

  /** Captures, and waits until all of it is safe. */
  async film(count: number): Promise<void> {
    for (let at = 0; at < count; at++) {
      const seq = this.#seq++
      const [monoUs, wallUs] = [this.clock.monoUs(), this.clock.wallUs()]
      await this.clock.advance(1000)
      const stamp = { monoUs, wallUs, clock: 'synchronised' as const }
      const meta = { run: 0, boot: BOOT, ...stamp, durationUs: SECOND, keyFrame: true, runStart: seq === 0 }
      await this.ring.append({ meta, init: INIT, fragment: mediaAt(seq) })
    }
    for (let turn = 0; turn < 200 && this.ring.stats().unackedBytes > 0; turn++) await this.clock.advance(20)
    assert.is(this.ring.stats().unackedBytes, 0)
    await this.closeFiles()
  }

  /** As files that nothing is added to are closed after a while. */
  async closeFiles(): Promise<void> {
    await this.slot.archive.reindex()
  }

  get archive(): Archive {
    return this.slot.archive
  }

  /** Lets time pass until a full pass of the scrubber has ended and nothing waits to be healed. */
  async scrub(): Promise<void> {
    for (let turn = 0; turn < 400 && this.scrubber.status.lastFullUs === null; turn++) await this.clock.advance(1000)
    assert.is.not(this.scrubber.status.lastFullUs, null, 'a pass has ended')
    for (let turn = 0; turn < 60; turn++) await this.clock.advance(500)
  }

  async closeStorage(): Promise<void> {
    await this.scrubber.close()
    await this.healer.close()
    await this.#during(this.intake.close())
    await this.slot.close()
  }

  async closeUplink(): Promise<void> {
    await this.#during(this.uplink.close())
  }

  async #during(work: Promise<void>): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await this.clock.advance(5)
    await work
  }

  async close(): Promise<void> {
    await this.closeUplink()
    await this.closeStorage()
    await this.ring.close()
  }
}

async function assertSound({ archive }: Home, fragments: number): Promise<void> {
  const { fragments: found, damaged, missing, unindexed } = await archive.verify({ deep: true })
  assert.equal({ damaged, missing, unindexed }, { damaged: [], missing: [], unindexed: [] })
  assert.is(found, fragments)
}

test('bits that turned over are found and healed from the card, byte for byte', async () => {
  const home = await Home.open()
  home.connect()
  await home.film(20)
  const [path = ''] = await footage(home.disk)
  const before = await bytesOf(home.disk, path)
  const file = home.archive.filesAfter(home.camera.publicKey, undefined, 1)[0]
  if (file === undefined) throw new Error('no file')
  const rows = home.archive.fragmentsOf(file).map(({ row }) => row)
  const place = (seq: number, offset: number) => (rows[seq]?.offset ?? 0) + offset
  // In a mdat, in a uuid box, in a moof, and in the init segment.
  await home.restartScrubber()
  const spots = [place(3, 700), place(7, 30), place(11, (rows[11]?.headerBytes ?? 0) + 12), 40]
  for (const at of spots) home.disk.rot(`${ROOT}/${path}`, at, 0x10)
  await home.scrub()
  assert.equal(home.found[0], path)
  await assertSound(home, 20)
  assert.equal(await bytesOf(home.disk, path), before, 'as it was')
  assert.ok(home.told.includes('healed 3') && home.told.every((line) => line.startsWith('healed')), home.told.join())
  assert.equal([...home.archive.damaged()], [])
  assert.equal((await home.archive.verify({ deep: false })).gaps, [], 'nothing of it is in the ledger')
  await home.close()
})

test('a file removed by hand is found, entered, and its footage stored anew', async () => {
  const home = await Home.open()
  home.connect()
  await home.film(20)
  const [path = ''] = await footage(home.disk)
  await home.disk.remove(`${ROOT}/${path}`)
  await home.restartScrubber()
  await home.scrub()
  await home.closeFiles()
  await assertSound(home, 20)
  assert.ok((await footage(home.disk)).length > 0)
  const { gaps } = await home.archive.verify({ deep: false })
  assert.equal(
    gaps.map(({ kind, first, last, note }) => [kind, first, last, note]),
    [['damaged', 0, 19, 'the file is gone']],
  )
  await home.close()
})

test('what the card does not have any more is in the ledger, once, and also after a rebuild of the index', async () => {
  const home = await Home.open(2)
  home.connect()
  // Over and over the two slabs of the card.
  await home.film(20)
  for (let round = 0; round < 12; round++) await home.film(60)
  assert.is(await home.ring.find(home.ring.log, 5), undefined, 'written over')
  const files = home.archive.filesAfter(home.camera.publicKey, undefined, 99)
  const row = files[0] && home.archive.fragmentsOf(files[0]).find(({ seq }) => seq === 5)?.row
  home.disk.rot(`${ROOT}/${files[0]?.row.path}`, (row?.offset ?? 0) + 700)
  await home.restartScrubber()
  await home.scrub()
  assert.equal(home.told, ['lost 5'])
  const told = async () => {
    const { damaged, gaps } = await home.archive.verify({ deep: true })
    return [damaged.length, ...gaps.map(({ kind, first, last }) => [kind, first, last])]
  }
  assert.equal(await told(), [0, ['damaged', 5, 5]])
  const dump = home.archive.dumpIndex().filter((line) => !line.startsWith('meta'))
  await home.archive.reindex()
  assert.equal(
    home.archive.dumpIndex().filter((line) => !line.startsWith('meta')),
    dump,
  )
  await home.restartScrubber()
  await home.scrub()
  assert.equal(await told(), [0, ['damaged', 5, 5]])
  assert.equal(home.told, ['lost 5'], 'once')
  await home.close()
})

test('damage waits for its camera, over a restart, and a forgotten camera is not waited for', async () => {
  const home = await Home.open()
  home.connect()
  await home.film(10)
  const [path = ''] = await footage(home.disk)
  const file = home.archive.filesAfter(home.camera.publicKey, undefined, 1)[0]
  const rows = file === undefined ? [] : home.archive.fragmentsOf(file).map(({ row }) => row)
  for (const seq of [2, 4]) home.disk.rot(`${ROOT}/${path}`, (rows[seq]?.offset ?? 0) + 700)
  await home.closeUplink()
  await home.restartScrubber()
  await home.scrub()
  assert.equal(
    [...home.archive.damaged()].map(({ seq }) => seq),
    [2, 4],
  )
  await home.closeStorage()
  await home.startStorage()
  home.known = false
  for (let turn = 0; turn < 40; turn++) await home.clock.advance(1000)
  assert.equal(home.told, ['lost 2', 'lost 4'])
  await home.close()
  await reindexArchive({ disk: home.disk, clock: home.clock, root: ROOT, index: home.index })
})

test('a scrub that is ended goes on where it was', async () => {
  const home = await Home.open()
  home.connect()
  for (let round = 0; round < 3; round++) await home.film(20)
  await home.restartScrubber()
  await home.scrub()
  const files = home.archive.filesAfter(home.camera.publicKey, undefined, 99)
  assert.equal([home.scrubber.status.files, files.length > 1], [files.length, true])
  const [first] = files
  if (first === undefined) throw new Error('no file')
  const { startUs, log, firstSeq } = first.id
  const at = { camera: Buffer.from(home.camera.publicKey).toString('hex'), startUs, log, firstSeq }
  await home.restartScrubber({ beganUs: T0, endedUs: 0, files: 1, bytes: 1, damaged: 0, at })
  home.disk.calls.length = 0
  await home.scrub()
  assert.is(home.scrubber.status.files, files.length)
  const read = home.disk.calls.filter(({ operation }) => operation === 'read').map(({ path }) => path)
  assert.equal(
    files.map(({ row }) => read.includes(`${ROOT}/${row.path}`)),
    files.map((file) => file !== first),
    'the first was not read again',
  )
  await home.close()
})

test.run()

/**
 * A camera and its storage device in one process, on disks that can fail and in fake time: ring, uplink, sessions, intake
 * and archive are real. For tests that cut the power of one of them or of both.
 */
import * as assert from 'uvu/assert'
import { initRing, openRing, type Ring } from '../camera/ring/ring.ts'
import { noLock } from '../camera/ring/ring-fixture.ts'
import { Uplink } from '../camera/uplink.ts'
import type { Channel } from '../link/channel.ts'
import { FakeChannel } from '../link/channel-fake.ts'
import { createIdentity, type Identity } from '../link/identity.ts'
import { LogSealer, RecordOpener } from '../link/seal.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { Camera, type Photograph } from '../platform/crash-cuts-fixture.ts'
import { FakeDisk } from '../platform/disk-fake.ts'
import { type Random, randomBelow, seededRandom } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import type { HomewardError } from '../wire/errors.ts'
import { openArchive } from './archive/archive.ts'
import { BOOT, INIT, mediaAt, ROOT, SECOND, T0 } from './archive/archive-fixture.ts'
import { sha256 } from './archive/hash.ts'
import { FakeIndexHome } from './archive/index-store-fake.ts'
import { initRoot } from './archive/root.ts'
import { ArchiveSlot } from './archive-slot.ts'
import { Intake } from './intake.ts'

export const CARD = '/card'
const KIB = 1024
const SLABS = 2
const FRAGMENTS = 60
/** Each slab takes 16 of these, and 64 KiB of gap records. */
const SLAB_BYTES = 128 * KIB
/** Fake time in which everything that waits is sent and answered for, with much to spare. */
const DRAINED_WITHIN_MS = 4000

/** What the camera knows of one number of its log. */
interface Captured {
  readonly hash: string
  /** What the ring said. */
  result: 'kept' | 'gap' | undefined
}

export interface HomeScene {
  readonly card: FakeDisk
  readonly disk: FakeDisk
  readonly home: FakeIndexHome
  readonly identities: { readonly camera: Identity; readonly storage: Identity }
  /** By `log/seq`. */
  readonly captured: ReadonlyMap<string, Captured>
}

export function copyScene(scene: HomeScene): HomeScene {
  const captured = new Map([...scene.captured].map(([name, one]) => [name, { ...one }]))
  return { ...scene, card: scene.card.fork(), disk: scene.disk.fork(), home: scene.home.fork(), captured }
}

/** Both programs, running, with a line between them that can be cut. */
export class Home {
  readonly clock: FakeClock
  readonly ring: Ring
  readonly slot: ArchiveSlot
  readonly warnings: HomewardError[] = []
  /** Codes of the alarms of the storage device, `ok` when one is over. */
  readonly alarms: string[] = []
  readonly #intake: Intake
  readonly #uplink: Uplink
  readonly #keys: readonly [Uint8Array, Uint8Array]
  #toStorage: (channel: Channel) => void = () => {}
  #toCamera: (channel: Channel) => void = () => {}
  #channel: FakeChannel | undefined

  private constructor({ identities }: HomeScene, clock: FakeClock, ring: Ring, slot: ArchiveSlot) {
    const { camera, storage } = identities
    this.clock = clock
    this.ring = ring
    this.slot = slot
    this.#keys = [camera.publicKey, storage.publicKey]
    const onWarning = (problem: HomewardError) => void this.warnings.push(problem)
    const storageLink = {
      onChannel: (listener: (camera: unknown, channel: Channel) => void) => {
        this.#toStorage = (channel) => listener(undefined, channel)
        return () => {}
      },
    }
    const cameraLink = {
      onChannel: (listener: (channel: Channel) => void) => {
        this.#toCamera = listener
        return () => {}
      },
    }
    this.#intake = new Intake({
      ...{ link: storageLink, archive: slot, clock, opener: new RecordOpener(storage) },
      onAlarm: (problem) => void this.alarms.push(problem?.code ?? 'ok'),
      onWarning: (_, problem) => onWarning(problem),
      onMoment: (...told) => void slot.moment(...told).catch(() => undefined),
    })
    const report = () => ({ state: 'running', captured: 0 })
    this.#uplink = new Uplink({ link: cameraLink, clock, name: () => 'Door', boot: BOOT, report, onWarning })
    this.#uplink.setRings([ring])
    this.#intake.start()
    this.#uplink.start()
  }

  static async start(scene: HomeScene): Promise<Home> {
    const { card, disk, home, identities } = scene
    const clock = new FakeClock(T0 + 3600 * SECOND)
    const options = { disk, clock, root: ROOT, index: home, minFreeBytes: 0, commitDelayMs: 0 }
    const slot = await ArchiveSlot.start({
      ...{ clock, onReleased: () => {}, onReopened: () => {} },
      open: () => openArchive(options),
    })
    const ring = await openRing({
      ...{ disk: card, dir: CARD, clock, boot: BOOT, lock: noLock, keepFreeBytes: 0 },
      ...{ markIntervalMs: 30, recentBytes: 20 * KIB },
      camera: { publicKey: identities.camera.publicKey, uid: 'CAMERA-A' },
      sealer: new LogSealer(identities.camera, identities.storage.publicKey),
    })
    return new Home(scene, clock, ring, slot)
  }

  connect(): void {
    const [cameraEnd, storageEnd] = FakeChannel.pair({ clock: this.clock, keys: this.#keys })
    this.#channel = cameraEnd
    this.#toStorage(storageEnd)
    this.#toCamera(cameraEnd)
  }

  sever(): void {
    this.#channel?.sever()
    this.#channel = undefined
  }

  get connected(): boolean {
    return this.#channel !== undefined
  }

  get drained(): boolean {
    return this.ring.logs().length === 0 && this.ring.damage().length === 0
  }

  async close(): Promise<void> {
    this.sever()
    await this.#uplink.close()
    await this.#intake.close()
    await this.ring.close()
    await this.slot.close()
  }
}

/** New disks, not used yet. */
export async function newHome(): Promise<HomeScene & { readonly captured: Map<string, Captured> }> {
  const [card, disk, home] = [new FakeDisk(), new FakeDisk(), new FakeIndexHome()]
  await initRing(card, CARD, { slabBytes: SLAB_BYTES, anySlabBytes: true, capacityBytes: SLABS * SLAB_BYTES })
  await initRoot(disk, ROOT, seededRandom(1), T0)
  return { card, disk, home, identities: { camera: createIdentity(), storage: createIdentity() }, captured: new Map() }
}

/** Appends the next fragment; its number is known when the ring answers, and here. */
export function capture(home: Home, captured: Map<string, Captured>, seq: number): Promise<unknown> {
  const fragment = mediaAt(seq, 1 + ((seq * 13) % 240))
  const one: Captured = { hash: toHex(sha256(fragment)), result: undefined }
  captured.set(`${home.ring.log}/${seq}`, one)
  const times = { monoUs: seq * SECOND, wallUs: T0 + seq * SECOND, clock: 'synchronised', durationUs: SECOND } as const
  const meta = { run: 0, boot: BOOT, ...times, keyFrame: true, runStart: seq === 0 }
  return home.ring.append({ meta, init: INIT, fragment }).then(
    (result) => {
      one.result = result
    },
    () => {},
  )
}

/** A camera captures, with a line that comes and goes; the result are photographs of both disks. */
export async function liveAtHome(
  seed: number,
  wanted: (cut: number) => boolean,
): Promise<readonly Photograph<HomeScene>[]> {
  const random = seededRandom(seed)
  const below = (bound: number) => randomBelow(random, bound)
  const scene = await newHome()
  const camera = new Camera<HomeScene>(() => copyScene(scene), wanted)
  scene.card.watch(camera.onCall)
  scene.disk.watch(camera.onCall)
  scene.home.store.onWritten = () => camera.moment('writing the index')
  scene.home.store.onCommitted = () => camera.moment('the index is flushed')
  const home = await Home.start(scene)
  const waiting: Promise<unknown>[] = []
  for (let seq = 0; seq < FRAGMENTS; seq++) {
    if (below(5) === 0) home.sever()
    else if (!home.connected && below(2) === 0) home.connect()
    waiting.push(capture(home, scene.captured, seq))
    if (below(2) === 0) await home.clock.advance(below(12))
  }
  await home.clock.advance(40)
  camera.moment('the end')
  await home.close()
  await Promise.all(waiting)
  return camera.photographs
}

/**
 * The power goes on both sides, or on one while the other's program is killed; both start again and the line comes back.
 * Then everything promised is in the archive, exact and once, and every number of the log is accounted for.
 */
export async function checkHome(scene: HomeScene, random: Random, way: number): Promise<void> {
  const { card, disk, home: index } = scene
  card.crash(random, way === 2 ? 'everything' : undefined)
  disk.crash(random, way === 1 ? 'everything' : undefined)
  index.crash(random)
  const home = await Home.start(scene)
  home.connect()
  for (let passed = 0; passed < DRAINED_WITHIN_MS && !home.drained; passed += 10) await home.clock.advance(10)
  assert.ok(home.drained, `the ring is not drained: ${JSON.stringify(home.ring.logs().map(({ unacked }) => unacked))}`)
  assert.equal(
    home.warnings.map(({ code, message }) => `${code}: ${message}`),
    [],
  )
  await home.close()
  await isAccountedFor(scene)
}

/** Looks at the archive while no program runs. Every number is in one state; all that the camera heard was kept is stored. */
export async function isAccountedFor({ disk, home, identities, captured }: HomeScene): Promise<void> {
  const camera = identities.camera.publicKey
  const archive = await openArchive({
    disk,
    clock: new FakeClock(T0 + 3600 * SECOND),
    root: ROOT,
    index: home,
    minFreeBytes: 0,
    commitDelayMs: 0,
  })
  const { damaged, missing, unindexed, gaps } = await archive.verify({ deep: true })
  assert.equal({ damaged, missing, unindexed }, { damaged: [], missing: [], unindexed: [] })
  const state = new Map<string, string>()
  const enter = (name: string, what: string) => {
    assert.not.ok(state.has(name), `${name} is ${state.get(name)} and ${what}`)
    state.set(name, what)
  }
  // What came while the clock had jumped may have no date.
  for (const file of [...archive.files(camera, 0, Number.MAX_SAFE_INTEGER), ...archive.undatedFiles(camera)]) {
    for (const { log, seq, row } of archive.fragmentsOf(file)) {
      const name = `${log}/${seq}`
      assert.is(toHex(row.hash), captured.get(name)?.hash, `${name} is not what was captured`)
      enter(name, 'stored')
    }
  }
  for (const { log, first, last, kind, reason } of gaps) {
    for (let seq = first; seq <= last; seq++) enter(`${log}/${seq}`, `${kind} (${reason})`)
  }
  const ends = new Map<string, number>()
  for (const name of state.keys()) {
    const [log = '', seq = ''] = name.split('/')
    ends.set(log, Math.max(ends.get(log) ?? 0, Number(seq)))
  }
  for (const [name, { result }] of captured) {
    const [log = '', seq = ''] = name.split('/')
    if (result === 'kept') assert.is(state.get(name), 'stored', `${name} was safe on the card`)
    // Behind the end of its log nobody ever heard of it: it was under way when the power went.
    else if (Number(seq) <= (ends.get(log) ?? -1)) assert.ok(state.has(name), `${name} is in no state`)
  }
  await archive.close()
}

/**
 * The life of an archive on its disk, for tests that cut its power: sessions one after the other in which it stores live
 * footage and backlog of two cameras, closes files, enters gaps, keeps records apart, expires files and rebuilds its index.
 * What must be there afterwards: archive-life-check-fixture.ts.
 */
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { Camera, type Photograph } from '../../platform/crash-cuts-fixture.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { type Random, randomBelow, seededRandom } from '../../platform/random.ts'
import { toHex } from '../../wire/bytes.ts'
import { encodeRecordHeader, RECORD_HEADER_BYTES, type RecordHeader } from '../../wire/record.ts'
import { type Archive, openArchive } from './archive.ts'
import { cameraKey, headerOf, INIT, mediaAt, ROOT, SECOND, T0 } from './archive-fixture.ts'
import { sha256 } from './hash.ts'
import type { IndexedFile } from './index.ts'
import { FakeIndexHome } from './index-store-fake.ts'
import { initRoot } from './root.ts'

export const CAMERAS = [cameraKey(7), cameraKey(9)] as const
const LOGS = ['00000000000000a1', '00000000000000b2'] as const
const SESSIONS = 3
const STEPS = 11
const WINDOW_SECONDS = 600

/** What became of one number, as the camera was told. */
interface Told {
  readonly header: RecordHeader
  readonly what: 'fragment' | 'gap' | 'quarantine'
  /** SHA-256 of the fragment, or of the record that was quarantined; '' for a gap. */
  readonly hash: string
  /** It was called durable. */
  answered: boolean
  /** Its file was to be deleted; `done` when that was answered. */
  expired: 'no' | 'asked' | 'done'
}

export interface DiskScene {
  readonly disk: FakeDisk
  readonly home: FakeIndexHome
  /** By camera/log/seq. */
  readonly told: ReadonlyMap<string, Told>
}

export function copyScene({ disk, home, told }: DiskScene): DiskScene {
  const copies = [...told].map(([name, one]) => [name, { ...one }] as const)
  return { disk: disk.fork(), home: home.fork(), told: new Map(copies) }
}

export function nameOf(camera: Uint8Array, log: string, seq: number): string {
  return `${toHex(camera)}/${log}/${seq}`
}

export function payloadOf({ camera, log, seq }: RecordHeader): { init: Uint8Array; fragment: Uint8Array } {
  return { init: INIT, fragment: mediaAt(seq, ((camera[0] ?? 0) * 31 + Number(`0x${log}`) + seq * 7) % 251) }
}

export function openArchiveOn(
  disk: FakeDisk,
  home: FakeIndexHome,
  clock = new FakeClock(T0 + 3600 * SECOND),
): Promise<Archive> {
  return openArchive({
    ...{ disk, clock, root: ROOT, index: home },
    ...{ minFreeBytes: 0, commitDelayMs: 0, idleCloseMs: 60_000, openFilesPerCamera: 2 },
  })
}

/** Runs a life; the result are its photographs. */
export async function liveOnDisk(
  seed: number,
  wanted: (cut: number) => boolean,
): Promise<readonly Photograph<DiskScene>[]> {
  const random = seededRandom(seed)
  let disk = new FakeDisk()
  let home = new FakeIndexHome()
  const told = new Map<string, Told>()
  await initRoot(disk, ROOT, seededRandom(1), T0)
  const camera = new Camera<DiskScene>(() => copyScene({ disk, home, told }), wanted)
  const watchIndex = () => {
    home.store.onWritten = () => camera.moment('writing the index')
    home.store.onCommitted = () => camera.moment('the index is flushed')
  }
  const next = new Map<string, number>()
  for (let session = 0; session < SESSIONS; session++) {
    const unwatch = disk.watch(camera.onCall)
    home.onReplacing = () => camera.moment('another index takes the place')
    watchIndex()
    const clock = new FakeClock(T0 + (session + 1) * 3600 * SECOND)
    const archive = await openArchiveOn(disk, home, clock)
    const waiting = await new Session(
      archive,
      clock,
      random,
      told,
      next,
      () => camera.moment('an answer'),
      watchIndex,
    ).work()
    const ending = randomBelow(random, 3)
    if (ending === 0) await Promise.all(waiting)
    if (ending < 2) await archive.close()
    camera.moment('the end of a session')
    // Closed, killed, or without power. What is left of the old program meets a dead disk.
    const old = { disk, home }
    disk = disk.fork()
    home = home.fork()
    unwatch()
    old.disk.disappear('dead')
    old.home.store.failure = new Error('the process has ended')
    old.home.store.onWritten = () => {}
    old.home.store.onCommitted = () => {}
    disk.crash(random, ending === 2 ? undefined : 'everything')
    home.crash(random)
    await Promise.all(waiting)
    await archive.close().catch(() => undefined)
  }
  return camera.photographs
}

class Session {
  readonly #archive: Archive
  readonly #clock: FakeClock
  readonly #random: Random
  readonly #told: Map<string, Told>
  readonly #next: Map<string, number>
  readonly #answer: () => void
  readonly #indexReplaced: () => void
  readonly #waiting: Promise<unknown>[] = []

  constructor(
    archive: Archive,
    clock: FakeClock,
    random: Random,
    told: Map<string, Told>,
    next: Map<string, number>,
    answer: () => void,
    indexReplaced: () => void,
  ) {
    this.#archive = archive
    this.#clock = clock
    this.#random = random
    this.#told = told
    this.#next = next
    this.#answer = answer
    this.#indexReplaced = indexReplaced
  }

  /** Resolves with what may still be under way. */
  async work(): Promise<Promise<unknown>[]> {
    for (let step = 0; step < STEPS; step++) {
      const dice = this.#below(40)
      if (dice < 22) this.#store(1 + this.#below(4))
      else if (dice < 25) this.#storeAgain()
      else if (dice < 28) this.#gap()
      else if (dice < 31) this.#quarantine()
      else if (dice < 34) await this.#expire()
      else if (dice < 36)
        this.#do(this.#archive.nameCamera(this.#camera(), ['Door', 'Garden', 'Yard'][this.#below(3)] ?? ''))
      else if (dice < 38) await this.#clock.advance(200_000)
      else if (dice < 39) await this.#conflict()
      else await this.#do(this.#archive.reindex().then(this.#indexReplaced, this.#indexReplaced))
      if (this.#below(3) === 0) await Promise.all(this.#waiting.splice(0))
    }
    return this.#waiting
  }

  #below(bound: number): number {
    return randomBelow(this.#random, bound)
  }

  #camera(): Uint8Array {
    return CAMERAS[this.#below(2)] ?? CAMERAS[0]
  }

  #do(work: Promise<unknown>, done: () => void = () => {}): Promise<void> {
    const settled = work.then(
      () => {
        done()
        this.#answer()
      },
      () => {},
    )
    this.#waiting.push(settled)
    return settled
  }

  /** The next number of a log, seldom with others left out, seldom in the next window of time. */
  #header(span = 1): RecordHeader {
    const camera = this.#camera()
    const log = LOGS[this.#below(2)] ?? LOGS[0]
    const name = `${toHex(camera)}/${log}`
    const skip = this.#below(8) === 0 ? (this.#below(2) === 0 ? 1 : WINDOW_SECONDS) : 0
    const seq = (this.#next.get(name) ?? 0) + skip
    this.#next.set(name, seq + span)
    return headerOf({ camera, log, seq, span, ...(this.#below(9) === 0 && { clock: 'none', wallUs: 0 }) })
  }

  #tell(header: RecordHeader, what: Told['what'], hash: string): Told[] {
    return Array.from({ length: header.span }, (_, at) => {
      const one: Told = { header, what, hash, answered: false, expired: 'no' }
      this.#told.set(nameOf(header.camera, header.log, header.seq + at), one)
      return one
    })
  }

  #store(count: number): void {
    const first = this.#header(count)
    for (let at = 0; at < count; at++) {
      const seq = first.seq + at
      const header = headerOf({ ...first, seq, span: 1, monoUs: first.monoUs + at * SECOND, wallUs: wallOf(first, at) })
      const [one] = this.#tell(header, 'fragment', toHex(sha256(payloadOf(header).fragment)))
      if (one !== undefined) this.#storeOne(one)
    }
  }

  #storeOne(one: Told): void {
    const { header } = one
    const storing = this.#archive.store(header.camera, header, payloadOf(header), this.#clock.wallUs())
    this.#do(storing, () => {
      one.answered = true
    })
  }

  /** What was under way when the power went, or was answered: the camera does not know which. */
  #storeAgain(): void {
    const fragments = [...this.#told.values()].filter(({ what }) => what === 'fragment')
    const one = fragments[this.#below(Math.max(1, fragments.length))]
    if (one !== undefined) this.#storeOne(one)
  }

  #gap(): void {
    const header = { ...this.#header(1 + this.#below(5)), kind: 'gap' } as const
    const ones = this.#tell(header, 'gap', '')
    this.#do(this.#archive.gap(header.camera, header, 'ring-full'), () => {
      for (const one of ones) one.answered = true
    })
  }

  #quarantine(): void {
    const header = this.#header()
    const record = new Uint8Array([...encodeRecordHeader(header), 1, 2, 3, header.seq % 250])
    assert.ok(record.byteLength > RECORD_HEADER_BYTES)
    const [one] = this.#tell(header, 'quarantine', toHex(sha256(record)))
    this.#do(this.#archive.quarantine(header.camera, record, 'forged'), () => {
      if (one !== undefined) one.answered = true
    })
  }

  async #conflict(): Promise<void> {
    const stored = [...this.#told.values()].filter(({ what, answered, expired }) => {
      return what === 'fragment' && answered && expired === 'no'
    })
    const one = stored[this.#below(Math.max(1, stored.length))]
    if (one === undefined) return
    const { header } = one
    const other = { init: INIT, fragment: mediaAt(header.seq, 252) }
    await this.#do(this.#archive.store(header.camera, header, other, this.#clock.wallUs()))
  }

  async #expire(): Promise<void> {
    await Promise.all(this.#waiting.splice(0))
    const files = allFiles(this.#archive, this.#camera())
    const file = files[this.#below(Math.max(1, files.length))]
    if (file === undefined) return
    const ones = this.#archive.fragmentsOf(file).flatMap(({ camera, log, seq }) => {
      return this.#told.get(nameOf(camera, log, seq)) ?? []
    })
    const before = ones.map(({ expired }) => expired)
    for (const one of ones) one.expired = 'asked'
    const expiring = this.#archive.expire(file, 'old').then((outcome) => {
      // Gone: it was dated anew meanwhile, and has another name.
      for (const [at, one] of ones.entries()) one.expired = outcome === 'expired' ? 'done' : (before[at] ?? 'no')
    })
    await this.#do(expiring)
  }
}

function wallOf({ clock, wallUs }: RecordHeader, at: number): number {
  return clock === 'none' ? 0 : wallUs + at * SECOND
}

export function allFiles(archive: Archive, camera: Uint8Array): IndexedFile[] {
  return [...archive.files(camera, 0, Number.MAX_SAFE_INTEGER), ...archive.undatedFiles(camera)]
}

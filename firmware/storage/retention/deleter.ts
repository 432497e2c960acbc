/**
 * Deletes footage: what is older or more than its owner wants, and what the disk needs the room of. Apart from the writer, and
 * driven by free space and time. What it deletes is in the journal before it is gone, so that a power cut in between loses
 * neither.
 */
import { join } from 'node:path'
import type { Clock } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import { toHex } from '../../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../../wire/errors.ts'
import type { Archive } from '../archive/archive.ts'
import type { IndexedFile } from '../archive/index.ts'
import { removeIfThere } from '../archive/open-file.ts'
import { type AgeClock, CALM_AFTER_JUMP_US, type Calm } from './age-clock.ts'
import { type CandidateArchive, Candidates } from './candidates.ts'
import { Reserve } from './reserve.ts'
import { sharesOf } from './shares.ts'

export type DeleterArchive = CandidateArchive &
  Pick<Archive, 'expire' | 'totals' | 'keep' | 'clock' | 'enterClock' | 'checkDisk'>

/** Footage that came within this time is never given up for room: better no ACK, the cameras have theirs. */
const ROOM_LEAVES_US = 15 * 60 * 1_000_000
/** A round ends after so many files, so that nothing else waits for it. */
const FILES_PER_ROUND = 64
/** Rounds that made no room although files went, before footage is left in peace for a while. */
const FRUITLESS_ROUNDS = 3
const FRUITLESS_PAUSE_US = 600 * 1_000_000
const DAY_US = 86_400 * 1_000_000

export interface DeleterOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly root: string
  /** Free space that footage leaves alone. */
  readonly minFreeBytes: number
  readonly defaults: { readonly days: number | null; readonly bytes: number | null }
  readonly roomLeavesUs?: number
}

/** What came of one round. */
export interface Round {
  readonly files: number
  readonly bytes: number
  /** Why there is no room, and will be none. */
  readonly alarm: HomewardError | undefined
  /** What keeps footage from being deleted. */
  readonly trouble: HomewardError | undefined
  readonly calm: Calm['is']
}

interface Gone {
  files: number
  bytes: number
  trouble: HomewardError | undefined
}

function mayGoOn({ files, trouble }: Gone, signal: AbortSignal): boolean {
  return files < FILES_PER_ROUND && trouble === undefined && !signal.aborted
}

interface CameraQueue {
  readonly camera: Uint8Array
  readonly candidates: Candidates
}

export class Deleter {
  readonly #options: DeleterOptions
  readonly #age: AgeClock
  readonly #reserve: Reserve
  readonly #queues = new Map<string, CameraQueue>()
  /** Taken out of the index, but still on the disk. */
  readonly #left = new Set<string>()
  #fruitless = 0
  #pausedUntilUs = 0

  constructor(options: DeleterOptions, age: AgeClock) {
    this.#options = options
    this.#age = age
    this.#reserve = new Reserve(options.disk, join(options.root, '.homeward', 'reserve'))
  }

  /** Locks or dates changed. */
  forget(): void {
    for (const { candidates } of this.#queues.values()) candidates.forget()
  }

  /** One round. Rejects with trouble of the disk; the next round goes on. */
  async round(archive: DeleterArchive, signal: AbortSignal): Promise<Round> {
    await archive.checkDisk()
    await this.#enterClock(archive)
    const calm = this.#age.calm.is
    const gone: Gone = { files: 0, bytes: 0, trouble: await this.#removeLeft() }
    if (gone.trouble !== undefined) return { ...gone, alarm: undefined, calm }
    for (const total of archive.totals()) {
      await this.#ownLimits(archive, total.camera, calm === 'calm', gone, signal)
    }
    const alarm = await this.#makeRoom(archive, gone, signal)
    await this.#restoreReserve()
    return { ...gone, alarm, calm }
  }

  /** The camera's days and bytes, its own or the ones for all. */
  limitsOf(archive: Pick<Archive, 'keep'>, camera: Uint8Array): { days: number | null; bytes: number | null } {
    return archive.keep(camera) ?? this.#options.defaults
  }

  /** Free space that is aimed at: above the limit, so that the writer does not meet it. */
  get targetBytes(): number {
    return this.#options.minFreeBytes + Math.ceil(this.#options.minFreeBytes / 8)
  }

  async #enterClock(archive: DeleterArchive): Promise<void> {
    const moment = this.#age.look()
    if (moment === undefined) return
    await archive
      .enterClock(moment)
      .catch((error: unknown) => this.#withReserve(error, () => archive.enterClock(moment)))
    this.#age.entered(moment)
  }

  async #ownLimits(
    archive: DeleterArchive,
    camera: Uint8Array,
    calm: boolean,
    gone: Gone,
    signal: AbortSignal,
  ): Promise<void> {
    const { days, bytes } = this.limitsOf(archive, camera)
    const tooMany = () => {
      const total = archive.totals().find((one) => toHex(one.camera) === toHex(camera))
      return bytes !== null && total !== undefined && total.bytes > bytes
    }
    while (mayGoOn(gone, signal)) {
      const byBytes = tooMany()
      if (!byBytes && (days === null || !calm)) return
      const oldest = await this.#first(archive, camera)
      if (oldest === undefined) return
      const tooOld = calm && days !== null && this.#age.sinceUs(oldest.receivedUs) > days * DAY_US
      if (!tooOld && !byBytes) return
      const reason = tooOld ? `older than ${days} days` : `more than ${bytes} bytes of this camera`
      await this.#expire(archive, camera, oldest.file, reason, gone)
    }
  }

  async #makeRoom(archive: DeleterArchive, gone: Gone, signal: AbortSignal): Promise<HomewardError | undefined> {
    const { clock, minFreeBytes } = this.#options
    let freeBytes = await this.#free()
    if (freeBytes >= this.targetBytes) {
      this.#fruitless = 0
      return undefined
    }
    if (clock.monoUs() < this.#pausedUntilUs) return freeBytes < minFreeBytes ? fruitless(freeBytes) : undefined
    const before = { freeBytes, bytes: gone.bytes }
    while (freeBytes < this.targetBytes && mayGoOn(gone, signal)) {
      const next = await this.#mostOver(archive, freeBytes)
      if (next === undefined) return freeBytes < minFreeBytes ? nothingLeft(archive, freeBytes) : undefined
      await this.#expire(archive, next.camera, next.file, 'the disk needed room', gone)
      freeBytes = await this.#free()
    }
    if (gone.trouble !== undefined) return undefined
    const deleted = gone.bytes - before.bytes
    this.#fruitless = freeBytes - before.freeBytes < deleted / 10 ? this.#fruitless + 1 : 0
    if (this.#fruitless < FRUITLESS_ROUNDS || freeBytes >= this.targetBytes) return undefined
    this.#fruitless = 0
    this.#pausedUntilUs = clock.monoUs() + FRUITLESS_PAUSE_US
    return fruitless(freeBytes)
  }

  /** The oldest file of the camera that has most above its share; when all of it must stay, of the next one. */
  async #mostOver(
    archive: DeleterArchive,
    freeBytes: number,
  ): Promise<{ camera: Uint8Array; file: IndexedFile } | undefined> {
    const { roomLeavesUs = ROOM_LEAVES_US } = this.#options
    const totals = archive.totals()
    const used = totals.reduce((sum, { bytes }) => sum + bytes, 0)
    const wanted = totals.map(({ camera }) => this.limitsOf(archive, camera).bytes ?? Number.POSITIVE_INFINITY)
    const shares = sharesOf(used + freeBytes - this.targetBytes, wanted)
    const byExcess = totals
      .map(({ camera, bytes }, index) => ({ camera, over: bytes - (shares[index] ?? 0) }))
      .sort((one, other) => other.over - one.over)
    for (const { camera } of byExcess) {
      const oldest = await this.#first(archive, camera)
      if (oldest === undefined || this.#age.sinceUs(oldest.receivedUs) < roomLeavesUs) continue
      return { camera, file: oldest.file }
    }
    return undefined
  }

  #first(archive: DeleterArchive, camera: Uint8Array): ReturnType<Candidates['first']> {
    const key = toHex(camera)
    const queue = this.#queues.get(key) ?? { camera, candidates: new Candidates(camera) }
    this.#queues.set(key, queue)
    return queue.candidates.first(archive, this.#age, this.#options.clock.monoUs())
  }

  async #expire(
    archive: DeleterArchive,
    camera: Uint8Array,
    file: IndexedFile,
    reason: string,
    gone: Gone,
  ): Promise<void> {
    const { disk, root } = this.#options
    const work = () => archive.expire(file, reason)
    const outcome = await work().catch((error: unknown) => this.#withReserve(error, work))
    this.#queues.get(toHex(camera))?.candidates.drop()
    if (outcome !== 'expired') return
    gone.files++
    gone.bytes += file.row.bytes
    if ((await disk.stat(join(root, file.row.path))) === undefined) return
    this.#left.add(file.row.path)
    gone.trouble = await this.#removeLeft()
  }

  /** A disk that does not let go of a file is not asked to let go of all the others. */
  async #removeLeft(): Promise<HomewardError | undefined> {
    const { disk, root } = this.#options
    for (const path of this.#left) {
      try {
        await removeIfThere(disk, join(root, path))
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        return new HomewardError('DISK_FAILED', `${path} cannot be deleted: ${why}`, {
          hint: 'Look at `dmesg` and at who may write on the storage disk.',
          cause,
        })
      }
      this.#left.delete(path)
    }
    return undefined
  }

  /** Deleting needs room itself: the reserve is given up for it, once. */
  async #withReserve<T>(error: unknown, work: () => Promise<T>): Promise<T> {
    if (!isHomewardError(error, 'DISK_FULL') || !(await this.#reserve.isThere())) throw error
    await this.#reserve.release()
    return work()
  }

  async #restoreReserve(): Promise<void> {
    const { disk, root } = this.#options
    if (await this.#reserve.isThere()) return
    const { totalBytes, freeBytes } = await disk.space(root)
    const bytes = Reserve.bytesFor(totalBytes)
    if (bytes === 0 || freeBytes < this.#options.minFreeBytes + bytes) return
    await this.#reserve.make(bytes)
  }

  async #free(): Promise<number> {
    const { disk, root } = this.#options
    return (await disk.space(root)).freeBytes
  }
}

function nothingLeft(archive: DeleterArchive, freeBytes: number): HomewardError {
  const bytes = archive.totals().reduce((sum, one) => sum + one.bytes, 0)
  return new HomewardError(
    'DISK_FULL',
    `no room for footage, ${Math.max(0, freeBytes)} bytes are free, and none of the ${bytes} bytes of footage may go: all of it is locked, or came within the last 15 minutes`,
    {
      hint: 'Unlock a span (`homeward storage locks`, `homeward storage unlock ID`), remove what else is on the disk, or take a larger one. The cameras keep theirs meanwhile.',
    },
  )
}

function fruitless(freeBytes: number): HomewardError {
  return new HomewardError(
    'DISK_FULL',
    `deleting footage makes no room: ${Math.max(0, freeBytes)} bytes are free. Something else fills the disk, or keeps what was deleted (a snapshot)`,
    { hint: 'Look at what else is on the storage disk. No more footage goes for the next 10 minutes.' },
  )
}

/** For whom asks why nothing is deleted by age. */
export function calmText(calm: Calm['is']): string | undefined {
  if (calm === 'calm') return undefined
  if (calm === 'unsynchronised') return 'the clock is not synchronised: nothing is deleted for its age'
  return `the clock has jumped: nothing is deleted for its age for ${CALM_AFTER_JUMP_US / 60_000_000} minutes`
}

/**
 * What stays and what goes: limits per camera, locked spans, room on the disk, and how long it will last. The one place that
 * commands and the web API ask.
 */
import { type Clock, sleep } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { errorLine, HomewardError, isHomewardError } from '../../wire/errors.ts'
import type { Archive, Lock } from '../archive/archive.ts'
import type { ArchiveSlot } from '../archive-slot.ts'
import { AgeClock } from './age-clock.ts'
import { calmText, Deleter } from './deleter.ts'
import { type CameraOutlook, outlookOf } from './shares.ts'

export type { Lock } from '../archive/archive.ts'

/** A camera at 8 Mbit/s writes 10 MB in this time. */
const ROUND_EVERY_MS = 10_000
const RATE_OVER_US = 3 * 86_400 * 1_000_000
/** Less than this says nothing about a day. */
const RATE_LEAST_US = 600 * 1_000_000
const DAY_US = 86_400 * 1_000_000

/** null: no limit of its own kind. */
export interface Limits {
  readonly days: number | null
  readonly bytes: number | null
}

export interface CameraRetention extends CameraOutlook {
  /** Public key, 32 bytes. */
  readonly camera: Uint8Array
  readonly limits: Limits
  /** False: the limits are those for every camera. */
  readonly ownLimits: boolean
  readonly bytes: number
  /** By the last three days; null when there is too little to tell. */
  readonly bytesPerDay: number | null
  readonly locks: number
}

/** All a status page says about room and time. */
export interface RetentionStatus {
  readonly freeBytes: number
  readonly totalBytes: number
  /** Free space that footage leaves alone. */
  readonly minFreeBytes: number
  /** All cameras together. */
  readonly bytesPerDay: number
  /** Days until footage goes because the disk needs room: 0 when that is so already, null when it will not be. */
  readonly fullInDays: number | null
  readonly cameras: readonly CameraRetention[]
  /** Why nothing is deleted for its age right now. */
  readonly ageHeld: string | undefined
  /** What keeps footage from being deleted. */
  readonly trouble: string | undefined
  /** What was deleted since the agent started. */
  readonly deleted: { readonly files: number; readonly bytes: number }
}

export interface RetentionOptions {
  readonly slot: ArchiveSlot
  readonly disk: Disk
  readonly clock: Clock
  readonly root: string
  readonly minFreeBytes: number
  /** For cameras that have no limits of their own. */
  readonly defaults: Limits
  readonly roomLeavesUs?: number
  readonly onDeleted?: (files: number, bytes: number) => void
  /** Undefined: it is over. */
  readonly onAlarm?: (problem: HomewardError | undefined) => void
  /** Trouble of a round, of any kind; the next round goes on. */
  readonly onTrouble?: (error: unknown) => void
}

export class Retention {
  readonly #options: RetentionOptions
  readonly #closing = new AbortController()
  readonly #deleted = { files: 0, bytes: 0 }
  #age: AgeClock | undefined
  #deleter: Deleter | undefined
  #wake = new AbortController()
  #loop: Promise<void> | undefined
  #alarm: HomewardError | undefined
  #trouble: HomewardError | undefined

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  /** Begins with a first round, which also enters how the clock runs: before anything is stored. */
  async start(): Promise<void> {
    await this.#round()
    this.#loop = this.#run()
  }

  /** Free space that footage leaves alone. */
  get minFreeBytes(): number {
    return this.#options.minFreeBytes
  }

  /** Why there is no room, and will be none by itself. */
  get alarm(): HomewardError | undefined {
    return this.#alarm
  }

  /** Room is needed, or may be there: a round now. */
  poke(): void {
    this.#wake.abort()
  }

  // Locked spans

  /** By start; of one camera or of all. */
  locks(camera?: Uint8Array): Lock[] {
    return this.#archive.locks(camera).sort((one, other) => one.fromUs - other.fromUs)
  }

  /** Wall times; `toUs` exclusive. Durable when it resolves: none of the footage in the span goes from then on. */
  async lock(camera: Uint8Array, fromUs: number, toUs: number, name = ''): Promise<Lock> {
    if (!(fromUs < toUs)) throw new HomewardError('USAGE', 'a locked span ends after it begins')
    const lock = await this.#options.slot.write((archive) => archive.lock(camera, fromUs, toUs, name))
    this.#deleter?.forget()
    return lock
  }

  /** By its id, or its name when no other lock has it. Throws LOCK_UNKNOWN. */
  async unlock(idOrName: string): Promise<Lock> {
    const locks = this.locks()
    const found = locks.filter(({ id, name }) => id === idOrName || name === idOrName)
    const [lock] = found
    if (lock === undefined || found.length > 1) {
      const what = lock === undefined ? 'is no locked span' : `is the name of ${found.length} locked spans`
      throw new HomewardError('LOCK_UNKNOWN', `"${idOrName}" ${what}`, {
        hint: '`homeward storage locks` lists them: give the id in the first column.',
      })
    }
    await this.#options.slot.write((archive) => archive.unlock(lock))
    this.#deleter?.forget()
    this.poke()
    return lock
  }

  // Limits

  /** The camera's own limits, or those for every camera. */
  limits(camera: Uint8Array): Limits {
    return this.#archive.keep(camera) ?? this.#options.defaults
  }

  /** Durable when it resolves. */
  async setLimits(camera: Uint8Array, limits: Limits): Promise<void> {
    await this.#options.slot.write((archive) => archive.setKeep(camera, limits))
    this.poke()
  }

  // Outlook

  async status(): Promise<RetentionStatus> {
    const archive = this.#archive
    const { disk, root, minFreeBytes } = this.#options
    const { freeBytes, totalBytes } = await disk.space(root)
    const locks = archive.locks()
    const cameras = archive.totals().map(({ camera, bytes }) => ({
      camera,
      bytes,
      bytesPerDay: this.#rate(archive, camera),
      limits: this.limits(camera),
      ownLimits: archive.keep(camera) !== undefined,
      locks: locks.filter((lock) => equalBytes(lock.camera, camera)).length,
    }))
    const uses = cameras.map(({ bytes, bytesPerDay, limits }) => ({
      ...{ bytes, bytesPerDay },
      days: limits.days,
      limitBytes: limits.bytes,
    }))
    const outlook = outlookOf(uses, freeBytes - minFreeBytes)
    return {
      ...{ freeBytes, totalBytes, minFreeBytes },
      bytesPerDay: outlook.bytesPerDay,
      fullInDays: outlook.fullInDays,
      cameras: cameras.map((camera, index) => ({
        ...camera,
        ...(outlook.cameras[index] ?? { shareBytes: 0, keepsDays: null, limitedBy: null }),
      })),
      ageHeld: calmText(this.#age?.calm.is ?? 'calm'),
      trouble: this.#trouble === undefined ? undefined : errorLine(this.#trouble),
      deleted: { ...this.#deleted },
    }
  }

  /** Of the footage of the last days. */
  #rate(archive: Archive, camera: Uint8Array): number | null {
    const nowUs = this.#options.clock.wallUs()
    const files = archive.files(camera, nowUs - RATE_OVER_US, nowUs)
    const firstUs = files.reduce((first, { row }) => Math.min(first, row.startUs), nowUs)
    const overUs = nowUs - Math.max(firstUs, nowUs - RATE_OVER_US)
    if (overUs < RATE_LEAST_US) return null
    return (files.reduce((sum, { row }) => sum + row.bytes, 0) * DAY_US) / overUs
  }

  /** Ends after the file that is being deleted. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#wake.abort()
    await this.#loop
  }

  get #archive(): Archive {
    return this.#options.slot.archive
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await sleep(this.#options.clock, ROUND_EVERY_MS, this.#wake.signal)
      if (this.#closing.signal.aborted) return
      this.#wake = new AbortController()
      await this.#round()
    }
  }

  async #round(): Promise<void> {
    const { slot, onDeleted, onTrouble } = this.#options
    try {
      const { files, bytes, alarm, trouble } = await slot.write((archive) =>
        this.#deleterFor(archive).round(archive, this.#closing.signal),
      )
      this.#deleted.files += files
      this.#deleted.bytes += bytes
      if (files > 0) onDeleted?.(files, bytes)
      this.#setAlarm(alarm)
      this.#trouble = trouble
      if (trouble !== undefined) onTrouble?.(trouble)
    } catch (error) {
      if (isHomewardError(error, 'DISK_FULL') && this.#alarm === undefined) this.#setAlarm(error)
      onTrouble?.(error)
    }
  }

  /** Made once: the age goes on while the disk is away, for its clock is the agent's. */
  #deleterFor(archive: Archive): Deleter {
    if (this.#deleter !== undefined) return this.#deleter
    const { disk, clock, root, minFreeBytes, defaults, roomLeavesUs } = this.#options
    this.#age = new AgeClock(clock, archive.clock())
    const options = { disk, clock, root, minFreeBytes, defaults }
    this.#deleter = new Deleter(roomLeavesUs === undefined ? options : { ...options, roomLeavesUs }, this.#age)
    return this.#deleter
  }

  #setAlarm(problem: HomewardError | undefined): void {
    const changed = this.#alarm?.message.split(',')[0] !== problem?.message.split(',')[0]
    this.#alarm = problem
    if (changed) this.#options.onAlarm?.(problem)
  }
}

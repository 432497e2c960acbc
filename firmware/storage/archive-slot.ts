/**
 * The archive, and what stands in for it while its disk cannot be used. A disk that became read-only, went away or fails
 * again and again is let go of, so that it can be checked and mounted anew, and taken up again when it is back: nobody has
 * to restart anything.
 */
import type { Clock, Timer } from '../platform/clock.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import type { Range } from '../wire/ranges.ts'
import type { CameraLedger } from './archive/accounts.ts'
import type { Archive } from './archive/archive.ts'
import type { CameraTotals } from './archive/totals.ts'

/** A disk that was mounted again is found within this time. */
export const REOPEN_MS = 5_000
/**
 * A disk that has failed for so long is let go of as well: one that dropped out and came back is another one to the kernel,
 * and every file that was open on it fails for ever.
 */
export const FAILING_MS = 4_000

export interface ArchiveSlotOptions {
  /** Opens the archive, on the disk that was used before. */
  readonly open: () => Promise<Archive>
  readonly clock: Clock
  /** The disk was let go of. */
  onReleased(problem: HomewardError): void
  /** It is there again. */
  onReopened(): void
  /** Nothing finds room. */
  onFull?(): void
}

type StoreArgs = Parameters<Archive['store']>

export class ArchiveSlot {
  readonly diskId: string
  readonly recovery: Archive['recovery']
  readonly #options: ArchiveSlotOptions
  #archive: Archive | undefined
  /** Why there is none. */
  #problem: HomewardError | undefined
  #totals: CameraTotals[] = []
  #timer: Timer | undefined
  /** Monotonic; of the first failure since something was written. */
  #failingSinceUs: number | undefined
  #changing: Promise<void> = Promise.resolve()
  #closed = false

  /** Rejects as `open` does. */
  static async start(options: ArchiveSlotOptions): Promise<ArchiveSlot> {
    return new ArchiveSlot(options, await options.open())
  }

  private constructor(options: ArchiveSlotOptions, archive: Archive) {
    this.#options = options
    this.#archive = archive
    this.diskId = archive.diskId
    this.recovery = archive.recovery
    this.#totals = archive.totals()
  }

  /** Why there is no archive. */
  get problem(): HomewardError | undefined {
    return this.#problem
  }

  store(...args: StoreArgs): ReturnType<Archive['store']> {
    return this.write((archive) => archive.store(...args))
  }

  quarantine(...args: Parameters<Archive['quarantine']>): Promise<void> {
    return this.write((archive) => archive.quarantine(...args))
  }

  gap(...args: Parameters<Archive['gap']>): Promise<void> {
    return this.write((archive) => archive.gap(...args))
  }

  nameCamera(...args: Parameters<Archive['nameCamera']>): Promise<string> {
    return this.write((archive) => archive.nameCamera(...args))
  }

  /** Throws why there is no archive, as all that follow. */
  durable(...args: Parameters<Archive['durable']>): Range[] {
    return this.archive.durable(...args)
  }

  /** That it goes well says nothing about the disk: mostly nothing is written. */
  async moment(...args: Parameters<Archive['moment']>): Promise<void> {
    await this.archive.moment(...args)
  }

  timeline(...args: Parameters<Archive['timeline']>): ReturnType<Archive['timeline']> {
    return this.archive.timeline(...args)
  }

  /** Empty while there is no archive. */
  ledgerCounts(): CameraLedger[] {
    return this.#archive?.ledgerCounts() ?? []
  }

  async verify(...args: Parameters<Archive['verify']>): ReturnType<Archive['verify']> {
    return this.archive.verify(...args)
  }

  async exportSpan(...args: Parameters<Archive['exportSpan']>): ReturnType<Archive['exportSpan']> {
    return this.archive.exportSpan(...args)
  }

  async reindex(...args: Parameters<Archive['reindex']>): ReturnType<Archive['reindex']> {
    return this.archive.reindex(...args)
  }

  /** While there is no archive, as it was when last asked. */
  totals(): CameraTotals[] {
    if (this.#archive !== undefined) this.#totals = this.#archive.totals()
    return this.#totals
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#changing
    const archive = this.#archive
    this.#archive = undefined
    await archive?.close()
  }

  /** For reading. Throws why there is none. */
  get archive(): Archive {
    if (this.#archive !== undefined) return this.#archive
    throw this.#problem ?? new HomewardError('CANCELLED', 'the archive is closed')
  }

  /** Anything that changes the archive: what fails in it tells how the disk is. */
  async write<T>(work: (archive: Archive) => Promise<T>): Promise<T> {
    const archive = this.archive
    try {
      const result = await work(archive)
      this.#failingSinceUs = undefined
      return result
    } catch (error) {
      if (isHomewardError(error, 'DISK_FULL')) this.#options.onFull?.()
      if (isHomewardError(error) && this.#isLost(archive, error)) this.#release(archive, error)
      throw error
    }
  }

  #isLost(archive: Archive, error: HomewardError): boolean {
    if (isHomewardError(error, 'DISK_READ_ONLY', 'DISK_MISSING')) return true
    if (!isHomewardError(error, 'DISK_FAILED')) return false
    const nowUs = this.#options.clock.monoUs()
    this.#failingSinceUs ??= nowUs
    return archive.doubtful || nowUs - this.#failingSinceUs >= FAILING_MS * 1000
  }

  #release(archive: Archive, problem: HomewardError): void {
    if (archive !== this.#archive || this.#closed) return
    this.#archive = undefined
    this.#failingSinceUs = undefined
    this.#problem = problem
    this.#options.onReleased(problem)
    // What it cannot write any more was never acknowledged.
    this.#changing = archive.close().catch(() => undefined)
    void this.#changing.then(() => this.#retryLater())
  }

  #retryLater(): void {
    if (this.#closed) return
    this.#timer = this.#options.clock.after(REOPEN_MS, () => {
      this.#changing = this.#retry()
    })
  }

  async #retry(): Promise<void> {
    try {
      const archive = await this.#options.open()
      this.#archive = archive
      this.#problem = undefined
      if (!this.#closed) this.#options.onReopened()
    } catch (error) {
      this.#problem = isHomewardError(error) ? error : new HomewardError('DISK_FAILED', String(error), { cause: error })
      this.#retryLater()
    }
  }
}

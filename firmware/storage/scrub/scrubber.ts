/**
 * Reads all footage again and again, slowly, and compares every fragment with the checksum of its capture: bits turn over on
 * disks that nobody reads. It stands back while something is written, and goes on after a restart where it was.
 */
import { type Clock, sleep } from '../../platform/clock.ts'
import { fromHex, toHex } from '../../wire/bytes.ts'
import { isHomewardError } from '../../wire/errors.ts'
import type { Archive } from '../archive/archive.ts'
import type { IndexedFile } from '../archive/index.ts'
import type { FileId } from '../archive/keys.ts'
import type { VerifyReport } from '../archive/verify.ts'
import type { ArchiveSlot } from '../archive-slot.ts'

/** A disk reads its tracks often enough for bits not to rot in pairs, and seldom enough not to wear. */
const PASS_EVERY_MS = 7 * 86_400_000
const LOOK_EVERY_MS = 60_000
/** Longest wait for a moment in which nothing is written: with many cameras there may be none. */
const STAND_BACK_MS = 1_000
const STAND_BACK_STEP_MS = 25
const REMEMBER_EVERY_MS = 60_000
const STATE = 'scrub'

export interface ScrubState {
  /** Wall times in µs, 0: never. */
  readonly beganUs: number
  readonly endedUs: number
  /** Of the pass under way, or of the last one. */
  readonly files: number
  readonly bytes: number
  readonly damaged: number
  /** The file checked last; null between passes. */
  readonly at: {
    readonly camera: string
    readonly startUs: number
    readonly log: string
    readonly firstSeq: number
  } | null
}

const NEVER: ScrubState = { beganUs: 0, endedUs: 0, files: 0, bytes: 0, damaged: 0, at: null }

export interface ScrubStatus {
  readonly running: boolean
  /** Of the pass under way, or of the last one. */
  readonly files: number
  readonly bytes: number
  readonly damaged: number
  /** 0 to 1 of the footage there is now; 1 between passes. */
  readonly done: number
  /** When the last full pass ended; null before the first. */
  readonly lastFullUs: number | null
}

export interface ScrubOptions {
  readonly slot: Pick<ArchiveSlot, 'archive' | 'write'>
  readonly clock: Clock
  /** 0: nothing is read. */
  readonly bytesPerS: number
  /** Something was found damaged and noted. */
  readonly onFound: (file: IndexedFile, findings: number, why: string) => void
  readonly onTrouble?: (error: unknown) => void
}

export class Scrubber {
  readonly #options: ScrubOptions
  readonly #closing = new AbortController()
  #state: ScrubState | undefined
  #running = false
  #loop: Promise<void> | undefined

  constructor(options: ScrubOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#options.bytesPerS > 0) this.#loop ??= this.#run()
  }

  /** Throws why there is no archive. */
  get status(): ScrubStatus {
    const { archive } = this.#options.slot
    const { endedUs, files, bytes, damaged, at } = this.#state ?? stateOf(archive)
    const total = archive.totals().reduce((sum, one) => sum + one.bytes, 0)
    const done = at === null ? (endedUs > 0 ? 1 : 0) : Math.min(1, total === 0 ? 0 : bytes / total)
    return { running: this.#running, files, bytes, damaged, done, lastFullUs: endedUs === 0 ? null : endedUs }
  }

  /** Ends after the fragment that is being read. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#loop
  }

  /** Notes what a check has found, so that it is asked for again. Answers how much it was. */
  static async note(archive: Archive, report: Pick<VerifyReport, 'damaged' | 'missing'>): Promise<number> {
    let count = 0
    for (const { camera, log, first, why } of [...report.damaged, ...report.missing]) {
      if (camera === '') continue
      const key = fromHex(camera)
      const file = archive.fileOf(key, log, first)
      if (file === undefined) continue
      await archive.noteGone(file)
      // Of damage to the head of a file, its first fragment brings what is needed to look at the others.
      await archive.noteDamaged(key, log, first, why)
      count++
    }
    return count
  }

  /** The head of a file was put back: now the rest of it can be looked at. */
  async recheck(camera: Uint8Array, log: string, seq: number): Promise<void> {
    const { slot, onFound, onTrouble } = this.#options
    try {
      const file = slot.archive.fileOf(camera, log, seq)
      if (file === undefined || file.id.firstSeq !== seq) return
      const report = await slot.archive.checkFile(file, (bytes) => this.#pace(bytes), this.#closing.signal)
      const found = await slot.write((archive) => Scrubber.note(archive, report))
      if (found > 0) onFound(file, found, report.damaged[0]?.why ?? '')
    } catch (error) {
      if (!isHomewardError(error, 'CANCELLED')) onTrouble?.(error)
    }
  }

  async #run(): Promise<void> {
    const { clock, onTrouble } = this.#options
    while (!this.#closing.signal.aborted) {
      await sleep(clock, LOOK_EVERY_MS, this.#closing.signal)
      if (this.#closing.signal.aborted) return
      try {
        if (this.#isDue()) await this.#pass()
      } catch (error) {
        if (!isHomewardError(error, 'CANCELLED')) onTrouble?.(error)
      } finally {
        this.#running = false
      }
    }
  }

  #isDue(): boolean {
    this.#state ??= stateOf(this.#options.slot.archive)
    const { beganUs, at } = this.#state
    const sinceUs = this.#options.clock.wallUs() - beganUs
    // A clock that went back is no reason to wait for years.
    return at !== null || sinceUs < 0 || sinceUs >= PASS_EVERY_MS * 1000
  }

  async #pass(): Promise<void> {
    const { slot, clock } = this.#options
    this.#running = true
    let state = this.#state ?? NEVER
    if (state.at === null) state = { ...NEVER, beganUs: clock.wallUs(), endedUs: state.endedUs }
    let rememberedUs = clock.monoUs()
    const cameras = slot.archive.totals().map(({ camera }) => toHex(camera))
    const from = state.at === null ? 0 : cameras.indexOf(state.at.camera)
    for (const camera of cameras.slice(Math.max(0, from))) {
      for (;;) {
        const file = slot.archive.filesAfter(fromHex(camera), idOf(state, camera), 1)[0]
        if (file === undefined) break
        state = await this.#check(file, state)
        this.#state = state
        if (clock.monoUs() - rememberedUs < REMEMBER_EVERY_MS * 1000) continue
        await this.#remember(state)
        rememberedUs = clock.monoUs()
      }
    }
    // An archive without footage has not been checked.
    if (state.files > 0) state = { ...state, at: null, endedUs: clock.wallUs() }
    this.#state = state
    if (state.files > 0) await this.#remember(state)
    else this.#state = NEVER
  }

  async #check(file: IndexedFile, state: ScrubState): Promise<ScrubState> {
    const { slot, onFound } = this.#options
    const { camera, startUs, log, firstSeq } = file.id
    const at = { camera: toHex(camera), startUs, log, firstSeq }
    if (file.row.state === 'open') return { ...state, at }
    const report = await slot.archive.checkFile(file, (bytes) => this.#pace(bytes), this.#closing.signal)
    const found = await slot.write((archive) => Scrubber.note(archive, report))
    const [first] = [...report.damaged, ...report.missing]
    if (first !== undefined) onFound(file, report.damaged.length + report.missing.length, first.why)
    return {
      ...state,
      at,
      files: state.files + 1,
      bytes: state.bytes + report.bytes,
      damaged: state.damaged + found,
    }
  }

  /** At the rate that is set, and in moments in which nothing is written. */
  async #pace(bytes: number): Promise<void> {
    const { clock, bytesPerS, slot } = this.#options
    const { signal } = this.#closing
    if (bytesPerS > 0) await sleep(clock, (bytes * 1000) / bytesPerS, signal)
    for (let waitedMs = 0; waitedMs < STAND_BACK_MS && slot.archive.isBusy; waitedMs += STAND_BACK_STEP_MS) {
      await sleep(clock, STAND_BACK_STEP_MS, signal)
    }
  }

  #remember(state: ScrubState): Promise<void> {
    return this.#options.slot.write((archive) => archive.remember(STATE, JSON.stringify(state)))
  }
}

function idOf({ at }: ScrubState, camera: string): FileId | undefined {
  if (at === null || at.camera !== camera) return undefined
  return { camera: fromHex(camera), startUs: at.startUs, log: at.log, firstSeq: at.firstSeq }
}

function stateOf(archive: Archive): ScrubState {
  const text = archive.remembered(STATE)
  return text === undefined ? NEVER : (JSON.parse(text) as ScrubState)
}

/**
 * The archive on the storage disk: files of ordinary MP4 in a tree by camera, day and hour, an index of them, and a journal
 * of what the files cannot tell. What `store` has answered for is in a synced file and in the flushed index.
 */
import { join } from 'node:path'
import type { DiskFile } from '../../platform/disk.ts'
import { equalBytes, fromHex, toHex } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { missingFrom, type Range } from '../../wire/ranges.ts'
import type { RecordHeader } from '../../wire/record.ts'
import type { CameraMoment, WaitingSpan } from '../../wire/session.ts'
import { type CameraLedger, ledgersOf } from './accounts.ts'
import { BatchWriter } from './batch-writer.ts'
import { Boots } from './boots.ts'
import { CameraFolders } from './cameras.ts'
import type { ClockSegment } from './clock-segments.ts'
import { GroupCommit } from './commit.ts'
import { type DamagedFragment, fileWith, giveUpDamaged, lastReceivedUs, noteDamaged, noteGone } from './damage.ts'
import { undatedBoots } from './date-anew.ts'
import { diskError } from './disk-errors.ts'
import { type ExportOptions, type ExportResult, exportSpan } from './export.ts'
import { type FilmPlan, type FilmSpan, planFilm } from './film-plan.ts'
import { filmBytes } from './film-stream.ts'
import { IdleCloser } from './idle.ts'
import type { FragmentPayload } from './incoming.ts'
import { ArchiveIndex, type IndexedFile, type IndexedFragment } from './index.ts'
import { type IndexBatch, ledgerKey } from './index-batch.ts'
import { type Job, type LedgerJob, promised } from './jobs.ts'
import { type BootEntry, type CameraEntry, isLedgerEntry, type JournalEntry, ledgerRowOf } from './journal-entry.ts'
import type { FileId } from './keys.ts'
import { conflictOf, expiryOf, gapOf, offOf, quarantineOf, type RecordName, type SetApart } from './ledger.ts'
import { isLocked, type Lock, lockEntry, lockOf } from './locks.ts'
import type { Stamp } from './names.ts'
import type { OpenFile } from './open-file.ts'
import { type ArchiveOptions, type Settings, settingsOf } from './options.ts'
import { Redating } from './redating.ts'
import { type ReindexOptions, type ReindexReport, rebuildIndex } from './reindex.ts'
import { roomFor } from './room.ts'
import type { KeepRow } from './rows.ts'
import { type Started, startArchive } from './start.ts'
import { type StoreResult, Storing } from './storing.ts'
import { buildTimeline, type Timeline } from './timeline.ts'
import { type CameraTotals, totalsOf } from './totals.ts'
import { Turns } from './turns.ts'
import { checkOneFile, type VerifyOptions, type VerifyReport, verifyArchive } from './verify.ts'
import { placeWaiting, undatedSpan } from './waiting.ts'
import { Writer } from './writer.ts'

export type { DamagedFragment } from './damage.ts'
export type { Lock } from './locks.ts'
export type { StoreResult } from './storing.ts'

/**
 * Opens the archive and puts right what a power cut left behind. Throws DISK_MISSING, DISK_WRONG, DISK_READ_ONLY,
 * AGENT_RUNNING, or INDEX_DAMAGED (then `reindexArchive` first).
 */
export async function openArchive(options: ArchiveOptions): Promise<Archive> {
  const settings = settingsOf(options)
  try {
    return new Archive(settings, await startArchive(settings))
  } catch (error) {
    throw diskError(error, `opening the archive in ${options.root}`)
  }
}

export class Archive {
  readonly #settings: Settings
  readonly #started: Started
  readonly #writer: Writer
  readonly #batches: BatchWriter
  readonly #commit: GroupCommit
  readonly #idle: IdleCloser
  readonly #cameras: CameraFolders
  readonly #storing: Storing
  readonly #boots = new Boots(() => this.#index)
  /** What waits on each camera, as it said last. */
  readonly #onCard = new Map<string, readonly WaitingSpan[]>()
  #counted: { readonly bytes: number; readonly ledgers: readonly Omit<CameraLedger, 'onCard'>[] } | undefined
  readonly #turns = new Turns()
  readonly #redating: Redating
  #index: ArchiveIndex
  #closing: Promise<void> | undefined

  constructor(settings: Settings, started: Started) {
    const { disk, clock, root } = settings
    const { index, journal, folders } = started
    this.#settings = settings
    this.#started = started
    this.#index = index
    this.#cameras = new CameraFolders(index.cameras())
    this.#writer = new Writer(settings.openFilesPerCamera)
    const folderOf = (camera: Uint8Array) => this.#cameras.folderOf(camera)
    const room = () => roomFor(settings, started.root.device)
    const writer = this.#writer
    this.#batches = new BatchWriter({ disk, clock, root, index, journal, folders, writer, room, folderOf })
    this.#commit = new GroupCommit(this.#batches, clock, settings.commitDelayMs, settings.onCommit)
    const files = () => this.#writer.files
    this.#idle = new IdleCloser(clock, settings.idleCloseMs, files, (which) => this.#finish(which))
    this.#storing = new Storing({
      ...{ disk, root, index: () => this.#index },
      place: (camera, header, receivedUs) => this.#place(camera, header, header.durationUs, receivedUs),
      submit: (job) => this.#submit(job),
      keepConflict: (arrived) => this.#enter(conflictOf(folderOf(arrived.camera), arrived, this.#nowUs())),
      onCameBack: () => {
        this.#counted = undefined
      },
    })
    this.#redating = new Redating({
      ...{ disk, root, folderOf, index: () => this.#index },
      ...{ nowUs: () => this.#nowUs(), monoUs: () => clock.monoUs() },
      clockOf: (camera, boot) => this.#boots.clockOf(camera, boot),
      finish: (camera, boot, which) => this.#finishSome(camera, boot, which),
      submit: (job) => this.#submit(job),
      alone: (work) => this.#turns.alone(work),
    })
    this.#redating.resume()
    for (const { camera, boot } of undatedBoots(index)) void this.#redating.ask(camera, boot, 'undated')
  }

  /** 32 hex digits that name the disk for ever. */
  get diskId(): string {
    return this.#started.root.diskId
  }

  /** The index failed in such a way that the archive must be opened again: nothing is stored any more. */
  get doubtful(): boolean {
    return this.#index.doubtful !== undefined
  }

  /** What the start found in files that had been open. */
  get recovery(): Started['recovery'] {
    return this.#started.recovery
  }

  // Storing

  /**
   * Resolves when the fragment is durable: `duplicate` when the same one was there already, `conflict` when another one was
   * and this one has been kept apart. Throws MEDIA_MALFORMED when the payload cannot be understood (then `quarantine` it);
   * DISK_FAILED, DISK_FULL, DISK_READ_ONLY or DISK_MISSING when it is not stored and may be sent again later.
   */
  async store(
    camera: Uint8Array,
    header: RecordHeader,
    payload: FragmentPayload,
    receivedUs: number,
  ): Promise<StoreResult> {
    if (header.kind !== 'fragment' || !equalBytes(camera, header.camera)) {
      throw new HomewardError('INTERNAL', 'store takes fragments of the camera that is named')
    }
    await this.#ensureFolder(camera)
    try {
      return await this.#storing.store(camera, header, payload, receivedUs)
    } finally {
      this.#idle.watch()
    }
  }

  /**
   * Keeps a record as it came, for it cannot be opened or understood; its numbers count as durable. `name` is needed when
   * the record's own header cannot be read: without one it is kept, but nothing becomes durable.
   */
  async quarantine(camera: Uint8Array, record: Uint8Array, why: string, name?: RecordName): Promise<void> {
    await this.#ensureFolder(camera)
    const folder = this.#cameras.folderOf(camera)
    await this.#enter(quarantineOf(camera, folder, record, why, name, this.#nowUs()))
  }

  /** Enters that the numbers of this header will never arrive. `since`: the camera was off from then until the header's time. */
  async gap(camera: Uint8Array, header: RecordHeader, reason: string, note = '', since?: Stamp): Promise<void> {
    if (!equalBytes(camera, header.camera)) throw new HomewardError('INTERNAL', 'a gap of another camera')
    await this.#ensureFolder(camera)
    await this.#turns.together(() => this.#enterGap(camera, header, reason, note, since))
  }

  async #enterGap(
    camera: Uint8Array,
    header: RecordHeader,
    reason: string,
    note: string,
    since: Stamp | undefined,
  ): Promise<void> {
    const atUs = this.#nowUs()
    const placed = this.#place(camera, header, header.durationUs, atUs)
    const from = since === undefined ? undefined : this.#place(camera, since, 0, atUs)
    const off = from === undefined ? [] : [offOf(placed, from, atUs)]
    const lost = reason === 'camera-off' && off.length > 0 ? [] : [gapOf(placed, reason, note, atUs)]
    for (const entry of [...lost, ...off]) await this.#enter({ entry, aside: [] })
  }

  /**
   * Deletes a file for good; its numbers stay durable and the ledger says when it went and why. A file in a locked span
   * stays, and so does one that is gone already.
   */
  expire(file: IndexedFile, reason: string): Promise<'expired' | 'locked' | 'gone'> {
    return this.#turns.together(() => this.#expire(file, reason))
  }

  async #expire(file: IndexedFile, reason: string): Promise<'expired' | 'locked' | 'gone'> {
    const { id } = file
    if (this.#index.file(id)?.state === 'open') await this.#finish((open) => sameFile(open, file))
    const row = this.#index.file(id)
    if (row === undefined) return 'gone'
    if (this.isLocked({ id, row })) return 'locked'
    const entry = expiryOf({ id, row }, lastReceivedUs(this.#index, { id, row }), reason, this.#nowUs())
    await this.#submit({ kind: 'ledger', entry, aside: [], remove: row.path, ...promised() })
    return 'expired'
  }

  // What retention goes by

  /** Spans that retention leaves alone, of one camera or of all. */
  locks(camera?: Uint8Array): Lock[] {
    return this.#index.locks(camera).map((found) => ({ camera: found.camera, ...found.row }))
  }

  /** True when a part of the file is in a locked span. */
  isLocked(file: IndexedFile): boolean {
    return isLocked(this.#index, file)
  }

  /** Locks footage of the camera from `fromUs` up to `toUs`; what is there when it resolves stays. */
  async lock(camera: Uint8Array, fromUs: number, toUs: number, name: string): Promise<Lock> {
    const lock = lockOf(camera, fromUs, toUs, name, this.#nowUs())
    await this.#enterNote(lockEntry('lock', lock, lock.atUs))
    return lock
  }

  async unlock(lock: Lock): Promise<void> {
    await this.#enterNote(lockEntry('unlock', lock, this.#nowUs()))
  }

  /** How much of the camera's footage is kept; undefined when nobody said. */
  keep(camera: Uint8Array): KeepRow | undefined {
    return this.#index.keep(camera)
  }

  async setKeep(camera: Uint8Array, { days, bytes }: KeepRow): Promise<void> {
    await this.#ensureFolder(camera)
    await this.#enterNote({ type: 'keep', atUs: this.#nowUs(), camera: toHex(camera), days, bytes })
  }

  /** How the storage device's clock has run since the archive was made. */
  clock(): ClockSegment[] {
    return this.#index.clock()
  }

  async enterClock({ atUs, ageUs }: Pick<ClockSegment, 'atUs' | 'ageUs'>): Promise<void> {
    await this.#enterNote({ type: 'clock', atUs, ageUs })
  }

  /** The first `limit` files of the camera behind `after`, undated ones first. */
  filesAfter(camera: Uint8Array, after: FileId | undefined, limit: number): IndexedFile[] {
    return this.#index.filesAfter(camera, after, limit)
  }

  /** Throws DISK_MISSING when the root is gone or another file system is in its place. */
  async checkDisk(): Promise<void> {
    await roomFor(this.#settings, this.#started.root.device)
  }

  /** When the last fragment of the file came, by the storage device's clock. */
  receivedUs({ id, row }: IndexedFile): number {
    return this.#index.fragment(id.camera, id.log, row.lastSeq)?.receivedUs ?? row.endUs
  }

  async #enterNote(entry: JournalEntry): Promise<void> {
    await this.#submit({ kind: 'ledger', entry, aside: [], ...promised() })
  }

  async #enter({ entry, aside }: SetApart): Promise<void> {
    if (isLedgerEntry(entry)) {
      const row = ledgerRowOf(entry)
      const known = this.#index.ledgerRow(ledgerKey(fromHex(entry.camera), row, entry.hash))
      if (known?.last === row.last) return
    }
    const job: LedgerJob = { kind: 'ledger', entry, aside, ...promised() }
    await this.#submit(job)
  }

  /** New files of the camera go to a folder by this name, made safe; answers with the folder. */
  nameCamera(camera: Uint8Array, name: string): Promise<string> {
    const enter = (entry: CameraEntry) => this.#submit({ kind: 'ledger', entry, aside: [], ...promised() })
    return this.#cameras.name(camera, name, this.#nowUs(), enter)
  }

  async #ensureFolder(camera: Uint8Array): Promise<void> {
    if (!this.#cameras.has(camera)) await this.nameCamera(camera, '')
  }

  // Damage on the disk itself

  /** What is damaged and not settled, of one camera or of all. */
  damaged(camera?: Uint8Array): Iterable<DamagedFragment> {
    return this.#index.damaged(camera)
  }

  isDamaged(camera: Uint8Array, log: string, seq: number): boolean {
    return this.#index.isDamaged(camera, log, seq)
  }

  /** A stored fragment is not what was captured. Its camera may have it: stored again, it is put back in its place. */
  noteDamaged(camera: Uint8Array, log: string, seq: number, why: string): Promise<void> {
    return noteDamaged(this.#damageParts, camera, log, seq, why)
  }

  /** A file is gone, behind the archive's back. The ledger says so; what its camera still has is stored anew. */
  noteGone(file: IndexedFile): Promise<void> {
    return this.#turns.together(() => noteGone(this.#damageParts, file))
  }

  /** Nobody has the fragment any more: the ledger says so, unless it did already. */
  giveUpDamaged(camera: Uint8Array, log: string, seq: number): Promise<void> {
    return giveUpDamaged(this.#damageParts, camera, log, seq)
  }

  get #damageParts() {
    const { disk, root } = this.#settings
    return { disk, root, index: this.#index, nowUs: this.#nowUs(), submit: (job: Job) => this.#submit(job) }
  }

  /** Checks every fragment of one file. `pace` is awaited after each. */
  checkFile(
    file: IndexedFile,
    pace: (bytes: number) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<Pick<VerifyReport, 'fragments' | 'bytes' | 'damaged' | 'missing'>> {
    const { disk, root } = this.#settings
    const settled = () => this.#finish(() => false)
    return checkOneFile({ disk, root, index: this.#index, onCard: () => [], settled }, file, pace, signal)
  }

  /** The file that holds the fragment. */
  fileOf(camera: Uint8Array, log: string, seq: number): IndexedFile | undefined {
    return fileWith(this.#index, camera, log, seq)
  }

  /** Something is being written right now. */
  get isBusy(): boolean {
    return this.#commit.isBusy
  }

  /** A line of text that outlives the archive's closing, though not a rebuild of the index. */
  remembered(name: string): string | undefined {
    return this.#index.meta(name)
  }

  async remember(name: string, text: string): Promise<void> {
    const run = async () => (rows: IndexBatch) => rows.putMeta(name, text)
    await this.#submit({ kind: 'mend', run, ...promised() })
  }

  // Asking

  /** The part of `first` to `last` that is settled for good: stored, or in the ledger. */
  durable(camera: Uint8Array, log: string, first: number, last: number): Range[] {
    return this.#index.durable(camera, log, first, last)
  }

  /** Every log of the camera with what is settled of it. */
  logs(camera: Uint8Array): { readonly log: string; readonly ranges: readonly Range[] }[] {
    return this.#index.logs(camera)
  }

  /** Dated files that hold footage between the two times, by start. */
  files(camera: Uint8Array, fromUs: number, toUs: number): IndexedFile[] {
    return this.#index.files(camera, fromUs, toUs)
  }

  /** Files of boots that never knew the time. */
  undatedFiles(camera: Uint8Array): IndexedFile[] {
    return this.#index.undatedFiles(camera)
  }

  /** The oldest dated file of the camera that starts at `fromUs` or later. */
  firstFile(camera: Uint8Array, fromUs = 0): IndexedFile | undefined {
    return this.#index.firstFile(camera, fromUs)
  }

  /** The dated file of the camera that starts last before `beforeUs`. */
  lastFile(camera: Uint8Array, beforeUs: number): IndexedFile | undefined {
    return this.#index.lastFile(camera, beforeUs)
  }

  /** What the index says of a file now; undefined when there is none. */
  file(id: FileId): IndexedFile | undefined {
    const row = this.#index.file(id)
    return row === undefined ? undefined : { id, row }
  }

  fragmentsOf(file: IndexedFile): IndexedFragment[] {
    return this.#index.fragmentsOf(file)
  }

  /** For reading; only what the index vouches for may be believed. Rejects with the system's own error. */
  openFile({ row }: IndexedFile): Promise<DiskFile> {
    const { disk, root } = this.#settings
    return disk.open(join(root, row.path), 'read')
  }

  /** All that is known of a span of time: on the disk, still on the card, lost and why, camera off, expired, undated. */
  timeline(camera: Uint8Array, fromUs: number, toUs: number): Timeline {
    const nowUs = this.#nowUs()
    const index = this.#index
    const { dated, undated } = placeWaiting(this.#waiting(camera), {
      missing: ({ log, first, last }) => missingFrom(index.durable(camera, log, first, last), first, last).length > 0,
      date: (stamp) => this.#boots.date(camera, stamp, 0, this.#knowsTime ? nowUs : Number.POSITIVE_INFINITY),
      bounds: (boot) => this.#boots.bounds(camera, boot, nowUs),
    })
    const kept = this.undatedFiles(camera).map(({ row }) =>
      undatedSpan(row, this.#boots.bounds(camera, row.boot, nowUs)),
    )
    const files = this.files(camera, fromUs, toUs)
    const ledger = index.ledger(camera, fromUs, toUs)
    return buildTimeline({ files, ledger, onCard: dated, undated: [...kept, ...undated] }, fromUs, toUs)
  }

  #waiting(camera: Uint8Array): readonly WaitingSpan[] {
    return this.#onCard.get(toHex(camera)) ?? []
  }

  /** Numbers without footage by state, of each camera, and what waits on its card: read again only when something changed. */
  ledgerCounts(): CameraLedger[] {
    const { bytes } = this.#started.journal
    if (this.#counted?.bytes !== bytes) this.#counted = { bytes, ledgers: ledgersOf(this.#index) }
    return this.#counted.ledgers.map((known) => {
      const waiting = this.#waiting(fromHex(known.camera))
      const onCard = waiting.reduce((sum, { first, last }) => sum + last - first + 1, 0)
      return { ...known, onCard }
    })
  }

  totals(): CameraTotals[] {
    return totalsOf(this.#index, this.#cameras)
  }

  /** Every row of the index as text: two indexes of the same archive are equal row for row. */
  dumpIndex(): string[] {
    return this.#index.dump()
  }

  // Long work

  verify(options: VerifyOptions): Promise<VerifyReport> {
    const { disk, root } = this.#settings
    const onCard = (camera: Uint8Array) => this.#waiting(camera)
    const settled = () => this.#finish(() => false)
    return verifyArchive({ disk, root, index: this.#index, onCard, settled }, options)
  }

  exportSpan(options: ExportOptions): Promise<ExportResult> {
    const { disk, root } = this.#settings
    return exportSpan({ disk, root, index: this.#index }, options)
  }

  /** Throws SPAN_EMPTY, FORMAT_CHANGES when the span cannot be one film, CANCELLED, and the errors of disks. */
  async planFilm(span: FilmSpan): Promise<FilmPlan> {
    const { disk, root } = this.#settings
    try {
      return await planFilm({ disk, root, index: this.#index }, span)
    } catch (error) {
      throw diskError(error, 'planning the export')
    }
  }

  /** The bytes of a planned film behind its `head`, read as they are asked for. */
  filmBytes(head: Uint8Array, plan: FilmPlan, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    return filmBytes(this.#settings, head, plan, signal)
  }

  /** Rebuilds the index from files and journal. What is stored meanwhile waits; aborted, the old index stays. */
  async reindex(options: ReindexOptions = {}): Promise<ReindexReport> {
    let report: ReindexReport | undefined
    let closed = false
    const run = async () => {
      try {
        report = await rebuildIndex(this.#settings, this.diskId, options, async () => {
          closed = true
          await this.#index.close()
        })
      } finally {
        if (closed) {
          this.#index = new ArchiveIndex(await this.#settings.index.open())
          this.#batches.replaceIndex(this.#index)
          this.#boots.forget()
          this.#counted = undefined
        }
      }
    }
    await this.#submit({ kind: 'alone', run, ...promised() })
    if (report === undefined) throw new HomewardError('INTERNAL', 'reindex ended without a report')
    return report
  }

  // Time

  /** What a camera says about its clocks, and what waits on it. `receivedUs`: when it said so, by the storage device's clock. */
  async moment(camera: Uint8Array, moment: CameraMoment, receivedUs: number): Promise<void> {
    if (moment.backlog !== undefined) this.#onCard.set(toHex(camera), moment.backlog)
    const { rows, redate, late, kept } = this.#boots.heard(camera, moment, receivedUs, this.#timeScale)
    const atUs = this.#nowUs()
    const entries = rows.map((row): BootEntry => ({ type: 'boot', atUs, ...row }))
    const entered = Promise.all(entries.map((entry) => this.#enterNote(entry)))
    // Whatever the disk does: what was learned is not said twice.
    const dated = this.#redating.ask(camera, moment.boot, redate)
    const others = late.map((boot) => this.#redating.ask(camera, boot, 'undated'))
    this.#redating.retry()
    await entered
    kept()
    await Promise.all([dated, ...others])
  }

  /** Resolves when all that can be dated afterwards is, or has failed. */
  settledDates(): Promise<void> {
    return this.#redating.settled()
  }

  get #knowsTime(): boolean {
    return this.#settings.clock.quality() !== 'none'
  }

  /** How far the wall clock is ahead of the monotonic one; undefined while the time is not known. */
  get #timeScale(): number | undefined {
    const { clock } = this.#settings
    return this.#knowsTime ? clock.wallUs() - clock.monoUs() : undefined
  }

  #place<S extends Stamp>(camera: Uint8Array, stamp: S, durationUs: number, receivedUs: number): S {
    const placed = this.#boots.place(camera, stamp, durationUs, receivedUs, this.#timeScale)
    void this.#redating.ask(camera, stamp.boot, placed.redate)
    return placed.stamp
  }

  /** Only when there are such files, or may be as soon as what waits is written. */
  async #finishSome(camera: Uint8Array, boot: string, which: (file: OpenFile) => boolean): Promise<void> {
    const some = this.#writer.files.some(which) || this.#storing.isPending(camera, boot)
    if (some) await this.#finish(which)
  }

  #nowUs(): number {
    return this.#settings.clock.wallUs()
  }

  // Ending

  /** Stores what was handed over, closes all files and releases the root. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#idle.close()
    await this.#redating.close()
    const finished = this.#finish(() => true).catch(() => undefined)
    await this.#commit.close()
    await finished
    await this.#started.journal.close().catch(() => undefined)
    await this.#index.close()
    await this.#started.lock.release().catch(() => undefined)
  }

  #finish(which: (file: OpenFile) => boolean): Promise<void> {
    return this.#submit({ kind: 'finish', which, ...promised() })
  }

  #submit(job: Job): Promise<void> {
    return this.#commit.submit(job)
  }
}

function sameFile(open: OpenFile, { id }: IndexedFile): boolean {
  return open.id.log === id.log && open.id.firstSeq === id.firstSeq && equalBytes(open.id.camera, id.camera)
}

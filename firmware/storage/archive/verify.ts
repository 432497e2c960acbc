/**
 * Checks that the index, the files and the ledger say the same. Shallow: every row has its fragment where the row says, with
 * a sound header and whole boxes. Deep: also that every fragment and init segment is byte for byte what was captured.
 */
import { join } from 'node:path'
import type { InitSegment } from '../../media/init.ts'
import type { Disk, DiskFile } from '../../platform/disk.ts'
import { equalBytes, toHex } from '../../wire/bytes.ts'
import { isHomewardError, systemCode } from '../../wire/errors.ts'
import { missingFrom, type Range } from '../../wire/ranges.ts'
import type { WaitingSpan } from '../../wire/session.ts'
import { accountOf, type Counts, countStates, type Outage, outagesOf } from './accounts.ts'
import { checkSignal } from './disk-errors.ts'
import { sha256 } from './hash.ts'
import { type ArchiveIndex, type IndexedFile, withRanges } from './index.ts'
import { fileOf } from './mend.ts'
import type { LedgerRow } from './rows.ts'
import { type Damage, readEntry, readInit, type SoundEntry, scanFile } from './scan.ts'
import { footageFiles } from './tree.ts'

export interface VerifyOptions {
  /** Only this camera, by its public key. */
  readonly camera?: Uint8Array
  readonly deep: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: {
    readonly files: number
    readonly fragments: number
    readonly bytes: number
    /** Of the fragments that the index knew at the start. */
    readonly percent: number
  }) => void
}

export interface Finding {
  /** Hex; '' when the file does not tell. */
  readonly camera: string
  readonly log: string
  readonly first: number
  readonly last: number
  /** Relative to the root; '' when no file is known. */
  readonly path: string
  readonly why: string
}

export interface LedgerFinding extends LedgerRow {
  readonly camera: string
}

export interface VerifyReport {
  readonly deep: boolean
  readonly files: number
  readonly fragments: number
  readonly bytes: number
  /** There, but not what it should be. */
  readonly damaged: readonly Finding[]
  /** In the index, but not on the disk; or settled without a trace. */
  readonly missing: readonly Finding[]
  /** On the disk, but not in the index. */
  readonly unindexed: readonly Finding[]
  /** The ledger: numbers that are accounted for without a fragment. */
  readonly gaps: readonly LedgerFinding[]
  /** Every number in exactly one state. */
  readonly accounts: readonly CameraAccount[]
}

export interface CameraAccount {
  readonly camera: string
  readonly counts: Counts
  readonly outages: readonly Outage[]
}

interface Parts {
  readonly disk: Disk
  readonly root: string
  readonly index: ArchiveIndex
  /** What waits on a camera, as it said last. */
  readonly onCard: (camera: Uint8Array) => readonly WaitingSpan[]
  /** Resolves when the index says what is on the disk now: a file is deleted, or renamed, before its rows are. */
  readonly settled: () => Promise<void>
}

/** May run while fragments are being stored. Throws CANCELLED. */
export async function verifyArchive(parts: Parts, options: VerifyOptions): Promise<VerifyReport> {
  const { disk, root, index } = parts
  const { camera, deep, signal } = options
  const folders = camera === undefined ? undefined : foldersOf(index, camera)
  const unknown = new Set<string>()
  for await (const path of footageFiles(disk, root, folders, signal)) unknown.add(path)
  const run = new Run(parts, options)
  for (const file of index.allFiles(camera)) {
    checkSignal(signal, 'verifying')
    unknown.delete(file.row.path)
    await run.checkFile(file)
  }
  for (const { row } of index.openFiles()) unknown.delete(row.path)
  if (unknown.size > 0) await parts.settled().catch(() => undefined)
  for (const path of unknown) await run.checkUnknown(path)
  const gaps = [...index.allLedger(camera)].map((found) => ({ ...found.row, camera: toHex(found.camera) }))
  run.checkRanges(gaps)
  const accounts = run.accounts(gaps)
  const { files, fragments, bytes, damaged, missing, unindexed } = run
  return { deep, files, fragments, bytes, damaged, missing, unindexed, gaps, accounts }
}

/** Every fragment of one file, with all that is in it. `pace` is awaited after each. Throws CANCELLED. */
export async function checkOneFile(
  parts: Parts,
  file: IndexedFile,
  pace: (bytes: number) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<Pick<VerifyReport, 'fragments' | 'bytes' | 'damaged' | 'missing'>> {
  const run = new Run(parts, { deep: true, ...(signal === undefined ? {} : { signal }) }, pace)
  await run.checkFile(file)
  const { fragments, bytes, damaged, missing } = run
  return { fragments, bytes, damaged, missing }
}

function foldersOf(index: ArchiveIndex, camera: Uint8Array): readonly string[] {
  return index.cameras().find((known) => equalBytes(known.camera, camera))?.row.folders ?? []
}

class Run {
  files = 0
  fragments = 0
  bytes = 0
  readonly damaged: Finding[] = []
  readonly missing: Finding[] = []
  readonly unindexed: Finding[] = []
  /** Numbers with a row, by camera and log. */
  readonly #stored = new Map<string, Range[]>()
  /** Paths of files that were checked out of turn. */
  readonly #followed = new Set<string>()
  readonly #parts: Parts
  readonly #options: VerifyOptions

  #total: number | undefined
  readonly #pace: ((bytes: number) => Promise<void>) | undefined

  constructor(parts: Parts, options: VerifyOptions, pace?: (bytes: number) => Promise<void>) {
    this.#parts = parts
    this.#options = options
    this.#pace = pace
  }

  #percent(done: number): number {
    const { index } = this.#parts
    const cameras = this.#options.camera === undefined ? index.camerasWithTotals() : [this.#options.camera]
    this.#total ??= cameras.reduce((sum, camera) => sum + index.totals(camera).fragments, 0)
    return Math.min(100, Math.floor((done * 100) / Math.max(1, this.#total)))
  }

  async checkFile(found: IndexedFile): Promise<void> {
    if (this.#followed.delete(found.row.path)) return
    const { disk, root, index, settled } = this.#parts
    const { row, id } = found
    this.files++
    try {
      const file = await disk.open(join(root, row.path), 'read')
      try {
        if (await this.#checkFragments(found, file)) return
      } finally {
        await file.close()
      }
    } catch (error) {
      checkSignal(this.#options.signal, 'verifying')
      if (systemCode(error) === 'ENOENT') await settled().catch(() => undefined)
      if (index.file(id) !== undefined) {
        const finding = ofFile(found, error instanceof Error ? error.message : String(error))
        if (systemCode(error) === 'ENOENT') this.missing.push(finding)
        else this.damaged.push(finding)
        this.#count(found, row.firstSeq, row.lastSeq)
        return
      }
    }
    this.files--
    await this.#follow(found)
  }

  /** Deleted while this was running, or dated anew: then it is checked where it is now, and passed over when its turn comes. */
  async #follow({ id, row }: IndexedFile): Promise<void> {
    const { index } = this.#parts
    const fragment = index.fragment(id.camera, id.log, row.firstSeq)
    const now = fragment === undefined ? undefined : fileOf(index, id.camera, id.log, fragment)
    if (now === undefined) return
    await this.checkFile(now)
    this.#followed.add(now.row.path)
  }

  /** False when the file has got another place in the index meanwhile, or none. */
  async #checkFragments(found: IndexedFile, file: DiskFile): Promise<boolean> {
    const { id, row } = found
    const { deep, signal, onProgress } = this.#options
    const size = await file.size()
    const init = await readInit(file)
    if (init.bytes.byteLength !== row.initBytes || (deep && toHex(sha256(init.bytes)) !== row.initHash)) {
      this.damaged.push(ofFile(found, 'the init segment is not the one that was stored'))
    }
    const { index } = this.#parts
    const fragments = index.fragmentsOf(found)
    if (index.file(id) === undefined) return false
    for (const { seq, row: fragment } of fragments) {
      checkSignal(signal, 'verifying')
      const there = await this.#read(file, init, fragment.offset, size)
      const why =
        there.kind === 'damaged'
          ? there.why
          : there.entry.seq === seq &&
              there.bytes === fragment.bytes &&
              equalBytes(there.entry.fragmentHash, fragment.hash)
            ? undefined
            : 'another fragment is in its place'
      // What the ledger knows to be lost is told there.
      const known = index.damagedRow(id.camera, id.log, seq)?.state === 'lost'
      if (why !== undefined && !known) this.damaged.push({ ...ofFile(found, why), first: seq, last: seq })
      if (!known) this.#count(found, seq, seq)
      this.fragments++
      this.bytes += fragment.bytes
      const { files, fragments: done, bytes } = this
      onProgress?.({ files, fragments: done, bytes, percent: this.#percent(done) })
      await this.#pace?.(fragment.bytes)
    }
    if (fragments.length !== row.fragments) {
      this.missing.push(ofFile(found, `${row.fragments} fragments expected, ${fragments.length} are in the index`))
    }
    if (row.state === 'open' || this.#parts.index.file(id)?.state === 'open') return true
    for await (const rest of scanFile(file, init, row.bytes, size, { deep, resync: true, signal })) {
      if (rest.kind === 'damaged') this.damaged.push(ofFile(found, `behind its last fragment: ${rest.why}`))
      if (rest.kind === 'entry') {
        this.unindexed.push({ ...ofFile(found, 'not in the index'), first: rest.entry.seq, last: rest.entry.seq })
      }
    }
    return true
  }

  /** A sector that cannot be read damages what is in it, not the whole file. */
  async #read(file: DiskFile, init: InitSegment, offset: number, size: number): Promise<SoundEntry | Damage> {
    try {
      return await readEntry(file, init, offset, size, this.#options.deep)
    } catch (error) {
      if (systemCode(error) !== 'EIO') throw error
      return { kind: 'damaged', offset, endOffset: offset, why: 'the disk cannot read it (EIO)' }
    }
  }

  /** A file that no row knew: says at least whose it is, when that can be read. One that was moved meanwhile is checked. */
  async checkUnknown(path: string): Promise<void> {
    const known = await this.#describeUnknown(path)
    if (known !== undefined) await this.checkFile(known)
  }

  async #describeUnknown(path: string): Promise<IndexedFile | undefined> {
    const { disk, root, index } = this.#parts
    const why = 'the index does not know this file'
    const nobody = { camera: '', log: '', first: 0, last: 0, path, why }
    try {
      const file = await disk.open(join(root, path), 'read')
      try {
        const init = await readInit(file)
        const first = await readEntry(file, init, init.bytes.byteLength, await file.size(), false)
        const { entry } = first
        if (entry === undefined) this.unindexed.push(nobody)
        else {
          const { camera, log, seq } = entry
          const row = index.fragment(camera, log, seq)
          const known = row === undefined ? undefined : fileOf(index, camera, log, row)
          if (known?.row.path === path) return known
          this.unindexed.push({ camera: toHex(camera), log, first: seq, last: seq, path, why })
        }
      } finally {
        await file.close()
      }
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      if (!isHomewardError(error) && systemCode(error) === undefined) throw error
      this.unindexed.push(nobody)
    }
    return undefined
  }

  accounts(gaps: readonly LedgerFinding[]): CameraAccount[] {
    const { index, onCard } = this.#parts
    return this.#cameras().map((camera) => {
      const key = toHex(camera)
      const ledger = gaps.filter((row) => row.camera === key)
      const waiting = onCard(camera)
      const logs = new Set([...index.logs(camera), ...waiting].map(({ log }) => log))
      const accounts = [...logs].map((log) =>
        accountOf({
          log,
          stored: this.#stored.get(`${key}/${log}`) ?? [],
          ledger: ledger.filter((row) => row.log === log),
          onCard: waiting.filter((span) => span.log === log),
        }),
      )
      return { camera: key, counts: countStates(accounts), outages: outagesOf(ledger) }
    })
  }

  #cameras(): readonly Uint8Array[] {
    return this.#options.camera === undefined ? this.#parts.index.camerasWithTotals() : [this.#options.camera]
  }

  /** Every number that counts as durable must be in a file or in the ledger. */
  checkRanges(gaps: readonly LedgerFinding[]): void {
    const { index } = this.#parts
    for (const camera of this.#cameras()) {
      for (const { log, ranges } of index.logs(camera)) {
        const key = toHex(camera)
        const entered = gaps.filter((row) => row.camera === key && row.log === log)
        const known = withRanges(
          this.#stored.get(`${key}/${log}`) ?? [],
          entered.map(({ first, last }): Range => [first, last]),
        )
        for (const [low, high] of ranges) {
          for (const [first, last] of missingFrom(known, low, high)) this.#lost(camera, log, first, last)
        }
      }
    }
  }

  #lost(camera: Uint8Array, log: string, first: number, last: number): void {
    // Stored or deleted while this was running.
    if (
      this.#parts.index.fragment(camera, log, first) !== undefined ||
      this.#parts.index.isExpired(camera, log, first)
    ) {
      return
    }
    const why = 'settled, but neither in a file nor in the ledger'
    this.missing.push({ camera: toHex(camera), log, first, last, path: '', why })
  }

  #count({ id }: IndexedFile, first: number, last: number): void {
    const key = `${toHex(id.camera)}/${id.log}`
    this.#stored.set(key, withRanges(this.#stored.get(key) ?? [], [[first, last]]))
  }
}

function ofFile({ id, row }: IndexedFile, why: string): Finding {
  return { camera: toHex(id.camera), log: id.log, first: row.firstSeq, last: row.lastSeq, path: row.path, why }
}

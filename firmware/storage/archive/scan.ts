/**
 * Reads what stands in an archive file, entry by entry, and says what is sound. Nothing is taken for footage because its
 * boxes look right: the checksum of the uuid box must fit, and with `deep` the hash of the fragment as it was captured.
 */
import { readBoxHeader } from '../../media/boxes.ts'
import { malformed } from '../../media/fields.ts'
import { checkData, parseMoof } from '../../media/fragment.ts'
import { type InitSegment, parseInit } from '../../media/init.ts'
import { MFRO_BYTES, mfraBytesAtEnd, mfraEntryOf, parseMfra } from '../../media/mfra.ts'
import { restoreFragment } from '../../media/rebase.ts'
import type { DiskFile } from '../../platform/disk.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { INIT_MAX_BYTES } from '../../wire/limits.ts'
import { checkSignal } from './disk-errors.ts'
import { decodeEntry, ENTRY_HEADER_MAX_BYTES, type Entry, entryBoxBytes, findEntry } from './entry.ts'
import { sha256 } from './hash.ts'

export interface SoundEntry {
  readonly kind: 'entry'
  readonly offset: number
  readonly headerBytes: number
  /** Of the uuid box, moof and mdat together. */
  readonly bytes: number
  readonly entry: Entry
  readonly ticks: number
  readonly trafNumber: number
}

export interface Damage {
  readonly kind: 'damaged'
  readonly offset: number
  /** Where the next thing that can be read begins, or the size of the file. */
  readonly endOffset: number
  readonly why: string
  /** What should be there, when the uuid box itself is sound. */
  readonly entry?: Entry
}

export interface FoundMfra {
  readonly kind: 'mfra'
  readonly offset: number
}

export type Found = SoundEntry | Damage | FoundMfra

export interface ScanOptions {
  /** Also check the SHA-256 of every fragment. */
  readonly deep: boolean
  /** Go on behind damage; otherwise the first damage is the last thing reported. */
  readonly resync: boolean
  readonly signal?: AbortSignal | undefined
}

/** Enough for nearly every init segment, and for the uuid box and nearly every moof, in one read. */
const HEAD_BYTES = 4 * 1024
const SEARCH_BYTES = 1024 * 1024

/** The init segment at the start of a file: up to the end of its moov. Throws MEDIA_MALFORMED. */
export async function readInit(file: DiskFile): Promise<InitSegment> {
  let bytes = await readAt(file, 0, HEAD_BYTES)
  let end = 0
  for (let type = ''; type !== 'moov'; ) {
    const header = readBoxHeader(bytes, end)
    if (header !== undefined && end + header.sizeBytes > bytes.byteLength && bytes.byteLength === HEAD_BYTES) {
      bytes = await readAt(file, 0, INIT_MAX_BYTES)
    }
    if (header === undefined || header.sizeBytes === 0 || end + header.sizeBytes > bytes.byteLength) {
      throw malformed('the file does not begin with a whole init segment')
    }
    type = header.type
    end += header.sizeBytes
  }
  return parseInit(bytes.slice(0, end))
}

/** Everything from `from`, where an entry or the mfra must begin, to the end of the file at `size`. */
export async function* scanFile(
  file: DiskFile,
  init: InitSegment,
  from: number,
  size: number,
  { deep, resync, signal }: ScanOptions,
): AsyncGenerator<Found> {
  let offset = from
  while (offset < size) {
    checkSignal(signal, 'reading the archive')
    if (await isMfra(file, offset, size)) {
      yield { kind: 'mfra', offset }
      return
    }
    const found = await readEntry(file, init, offset, size, deep)
    if (found.kind === 'entry') {
      yield found
      offset += found.bytes
      continue
    }
    if (!resync) {
      yield { ...found, endOffset: size }
      return
    }
    const endOffset = found.entry === undefined ? await nextEntry(file, offset + 1, size) : found.endOffset
    yield { ...found, endOffset }
    offset = endOffset
  }
}

/** What stands at `offset`; of damage, `endOffset` is right only when the uuid box is sound. */
export async function readEntry(
  file: DiskFile,
  init: InitSegment,
  offset: number,
  size: number,
  deep: boolean,
): Promise<SoundEntry | Damage> {
  const known: { entry?: Entry; endOffset: number } = { endOffset: offset }
  try {
    const head = await readHead(file, offset, size, (entry, headerBytes) => {
      known.entry = entry
      known.endOffset = Math.min(size, offset + headerBytes + entry.fragmentBytes)
    })
    const { entry, headerBytes, moof, mdatHeaderBytes } = head
    const parsed = parseMoof(moof, init)
    checkData(parsed, moof.byteLength + mdatHeaderBytes, entry.fragmentBytes)
    if (deep) await checkHash(file, offset + headerBytes, entry)
    const mark = mfraEntryOf(init, { ...parsed, bytes: moof }, offset + headerBytes)
    const { timeTicks: ticks = 0, trafNumber = 0 } = mark ?? {}
    return { kind: 'entry', offset, headerBytes, bytes: headerBytes + entry.fragmentBytes, entry, ticks, trafNumber }
  } catch (error) {
    if (!isHomewardError(error, 'MEDIA_MALFORMED')) throw error
    return { kind: 'damaged', offset, why: error.message, ...known }
  }
}

export interface EntryHead {
  readonly entry: Entry
  readonly headerBytes: number
  /** The whole moof box, times rebased to the file. */
  readonly moof: Uint8Array
  readonly mdatHeaderBytes: number
}

/**
 * An entry without its media data. `sound` hears of the uuid box before the rest is looked at.
 * Throws MEDIA_MALFORMED unless one moof and one mdat fill the fragment exactly.
 */
export async function readHead(
  file: DiskFile,
  offset: number,
  size: number,
  sound: (entry: Entry, headerBytes: number) => void = () => {},
): Promise<EntryHead> {
  const head = await readAt(file, offset, Math.max(0, Math.min(HEAD_BYTES, size - offset)))
  const headerBytes = entryBoxBytes(head)
  if (headerBytes === undefined) throw malformed('no archive entry begins here')
  const entry = decodeEntry(head.subarray(0, headerBytes))
  sound(entry, headerBytes)
  const { fragmentBytes } = entry
  const missing = offset + headerBytes + fragmentBytes - size
  if (missing > 0) throw malformed(`${missing} bytes are missing`)
  const start = head.subarray(headerBytes)
  const moofBytes = readBoxHeader(start)?.sizeBytes ?? 0
  if (moofBytes > fragmentBytes) throw malformed(`a moof of ${moofBytes} bytes is longer than its fragment`)
  const needed = Math.min(moofBytes + 16, fragmentBytes)
  const bytes = needed <= start.byteLength ? start : await readAt(file, offset + headerBytes, needed)
  const moof = readBoxHeader(bytes)
  const mdat = readBoxHeader(bytes, moofBytes)
  if (moof?.type !== 'moof' || mdat?.type !== 'mdat' || moofBytes + mdat.sizeBytes !== fragmentBytes) {
    throw malformed(`${fragmentBytes} bytes are not one moof and one mdat`)
  }
  return { entry, headerBytes, moof: bytes.subarray(0, moofBytes), mdatHeaderBytes: mdat.headerBytes }
}

async function checkHash(file: DiskFile, at: number, entry: Entry): Promise<void> {
  const stored = await readAt(file, at, entry.fragmentBytes)
  const captured = restoreFragment(stored, entry.bases)
  if (!equalBytes(sha256(captured), entry.fragmentHash)) {
    throw malformed('the fragment is not what was captured: its SHA-256 differs')
  }
}

async function isMfra(file: DiskFile, offset: number, size: number): Promise<boolean> {
  if (size - offset < MFRO_BYTES || size - offset > INIT_MAX_BYTES) return false
  const bytes = await readAt(file, offset, size - offset)
  if (mfraBytesAtEnd(bytes) !== bytes.byteLength) return false
  try {
    parseMfra(bytes)
    return true
  } catch {
    return false
  }
}

async function nextEntry(file: DiskFile, from: number, size: number): Promise<number> {
  for (let at = from; at < size; at += SEARCH_BYTES) {
    const bytes = await readAt(file, at, Math.min(SEARCH_BYTES + ENTRY_HEADER_MAX_BYTES, size - at))
    for (let found = findEntry(bytes, 0); found !== -1; found = findEntry(bytes, found + 1)) {
      if (isSoundBox(bytes.subarray(found))) return at + found
    }
  }
  return size
}

function isSoundBox(bytes: Uint8Array): boolean {
  const length = entryBoxBytes(bytes)
  if (length === undefined || length > bytes.byteLength) return false
  try {
    decodeEntry(bytes.subarray(0, length))
    return true
  } catch {
    return false
  }
}

/** Fewer bytes than asked for only at the end of the file. */
export async function readAt(file: DiskFile, position: number, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count)
  return bytes.subarray(0, await file.read(bytes, position))
}

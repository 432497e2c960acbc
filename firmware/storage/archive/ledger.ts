/** Journal entries for what is settled without a fragment in a file, and the files kept apart for them. Pure but for hashing. */
import { toHex } from '../../wire/bytes.ts'
import { decodeRecordHeader, RECORD_HEADER_BYTES, type RecordHeader } from '../../wire/record.ts'
import { sha256 } from './hash.ts'
import { type Arrived, basesFor, placeAt } from './incoming.ts'
import type { IndexedFile } from './index.ts'
import type { AsideFile } from './jobs.ts'
import type { JournalEntry, LedgerEntry } from './journal-entry.ts'
import { isDated, quarantineStem, type Stamp, scaleUs } from './names.ts'

export interface SetApart {
  readonly entry: JournalEntry
  readonly aside: readonly AsideFile[]
}

/** The numbers a record covers, as the session knows them. */
export interface RecordName {
  readonly log: string
  readonly first: number
  readonly last: number
}

/** `header` is that of a gap record, or of any record whose range is given up. */
export function gapOf(header: RecordHeader, reason: string, note: string, atUs: number): LedgerEntry {
  const { camera, log, seq, span } = header
  const times = timesOf(header, header.durationUs)
  return {
    type: 'gap',
    atUs,
    camera: toHex(camera),
    log,
    first: seq,
    last: seq + span - 1,
    ...times,
    reason,
    note,
    ...NOTHING,
  }
}

/** The camera was off between two moments: one number of its log stands for that. `header` is of the time it was on again. */
export function offOf(header: RecordHeader, since: Stamp, atUs: number): LedgerEntry {
  const { camera, log, seq } = header
  const until = { ...timesOf(header, 0), reason: 'camera-off' }
  const sameScale = isDated(header) ? isDated(since) : since.boot === header.boot
  const startUs = sameScale ? Math.min(until.startUs, scaleUs(since)) : until.startUs
  const entry = { type: 'gap', atUs, camera: toHex(camera), log, first: seq, last: seq, ...until, startUs } as const
  if (sameScale) return { ...entry, note: '', ...NOTHING }
  return { ...entry, note: SINCE_UNKNOWN, ...NOTHING, since: { boot: since.boot, monoUs: since.monoUs } }
}

/** Until the clock of the boot before is known. */
const SINCE_UNKNOWN = 'since when is not known'

const NOTHING = { path: '', hash: '' }

function timesOf(stamp: Stamp, durationUs: number): Pick<LedgerEntry, 'dated' | 'boot' | 'startUs' | 'endUs'> {
  const startUs = scaleUs(stamp)
  return { dated: isDated(stamp), boot: stamp.boot, startUs, endUs: startUs + durationUs }
}

/** A record that cannot be opened or understood, kept as it came. Without a name it is only noted in the journal. */
export function quarantineOf(
  camera: Uint8Array,
  folder: string,
  record: Uint8Array,
  why: string,
  name: RecordName | undefined,
  atUs: number,
): SetApart {
  const header = headerOf(record)
  const known = name ?? (header && { log: header.log, first: header.seq, last: header.seq + header.span - 1 })
  const hash = toHex(sha256(record))
  const stem = quarantineStem(folder, known === undefined ? 'unnamed' : `${known.log}-${known.first}`, hash)
  const path = `${stem}.hwr`
  const about = { why, camera: toHex(camera), ...known, bytes: record.byteLength, sha256: hash, atUs }
  const aside = [
    { path, parts: [record] },
    { path: `${stem}.json`, parts: [jsonBytes(about)] },
  ]
  if (known === undefined) {
    return { entry: { type: 'unreadable', atUs, path, bytes: record.byteLength, reason: why }, aside }
  }
  const times = header === undefined ? UNTIMED : timesOf(header, header.durationUs)
  return {
    entry: { type: 'quarantine', atUs, camera: toHex(camera), ...known, ...times, reason: why, note: '', path, hash },
    aside,
  }
}

const UNTIMED = { dated: false, boot: '', startUs: 0, endUs: 0 }

function headerOf(record: Uint8Array): RecordHeader | undefined {
  try {
    return decodeRecordHeader(record.subarray(0, RECORD_HEADER_BYTES))
  } catch {
    return undefined
  }
}

/** A fragment under a name that other content already has: kept as a file that plays by itself. */
export function conflictOf(folder: string, arrived: Arrived, atUs: number): SetApart {
  const { camera, log, seq, init, header } = arrived
  const hash = toHex(arrived.fragmentHash)
  const stem = quarantineStem(folder, `${log}-${seq}`, hash)
  const { parts } = placeAt(init.bytes.byteLength, basesFor(arrived), arrived)
  const path = `${stem}.mp4`
  const why = 'another fragment is stored under the same number'
  const about = { why, camera: toHex(camera), log, first: seq, last: seq, sha256: hash, atUs }
  return {
    entry: {
      type: 'conflict',
      atUs,
      camera: toHex(camera),
      log,
      first: seq,
      last: seq,
      ...timesOf(arrived, header.durationUs),
      reason: why,
      note: '',
      path,
      hash,
    },
    aside: [
      { path, parts: [init.bytes, ...parts] },
      { path: `${stem}.json`, parts: [jsonBytes(about)] },
    ],
  }
}

/** A closed file that is to be deleted. */
export function expiryOf({ id, row }: IndexedFile, receivedUs: number, reason: string, atUs: number): LedgerEntry {
  const { log, firstSeq: first, lastSeq: last, dated, boot, startUs, endUs, path } = row
  const camera = toHex(id.camera)
  const times = { dated, boot, startUs, endUs }
  return {
    type: 'expired',
    atUs,
    camera,
    log,
    first,
    last,
    ...times,
    reason,
    note: '',
    path,
    hash: '',
    fileStartUs: id.startUs,
    receivedUs,
  }
}

/** Fragments of a file whose bytes are not there any more, or not as they were captured. */
export function damageOf(
  { id, row }: IndexedFile,
  first: number,
  last: number,
  [startUs, endUs]: readonly [number, number],
  why: string,
  gone: boolean,
  atUs: number,
): LedgerEntry {
  const { log, dated, boot, path } = row
  return {
    type: 'damaged',
    atUs,
    camera: toHex(id.camera),
    log,
    first,
    last,
    ...{ dated, boot, startUs, endUs },
    reason: 'damaged on the storage disk',
    note: why,
    path,
    hash: '',
    fileStartUs: id.startUs,
    gone,
  }
}

function jsonBytes(value: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`))
}

/** Values of the index. Fragment rows are binary, for there are millions; the others are JSON with keys in fixed order. */
import type { TrackKind } from '../../media/init.ts'
import { ByteReader, ByteWriter } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { BootClock } from './boot-clock.ts'

export interface FragmentRow {
  /** With camera and log of the key: names the file. */
  readonly fileStartUs: number
  readonly fileFirstSeq: number
  /** Where its entry starts in the file, and bytes of the whole entry: uuid box, moof, mdat. */
  readonly offset: number
  readonly bytes: number
  /** Of the uuid box alone. */
  readonly headerBytes: number
  /** Wall time, or monotonic time in an undated file. */
  readonly startUs: number
  readonly durationUs: number
  /** For the file's `mfra`: time of its key frame in ticks, and the number of that track's traf; 0 when it has none. */
  readonly ticks: number
  readonly trafNumber: number
  readonly receivedUs: number
  /** SHA-256 as captured. */
  readonly hash: Uint8Array
}

const FRAGMENT_ROW_BYTES = 95

export function encodeFragmentRow(row: FragmentRow): Uint8Array {
  const bytes = new Uint8Array(FRAGMENT_ROW_BYTES)
  new ByteWriter(bytes)
    .u64(row.fileStartUs)
    .u64(row.fileFirstSeq)
    .u64(row.offset)
    .u32(row.bytes)
    .u16(row.headerBytes)
    .u64(row.startUs)
    .u64(row.durationUs)
    .u64(row.ticks)
    .u8(row.trafNumber)
    .u64(row.receivedUs)
    .bytes(row.hash, 32)
  return bytes
}

export function decodeFragmentRow(bytes: Uint8Array): FragmentRow {
  const reader = new ByteReader(bytes)
  return {
    fileStartUs: reader.u64(),
    fileFirstSeq: reader.u64(),
    offset: reader.u64(),
    bytes: reader.u32(),
    headerBytes: reader.u16(),
    startUs: reader.u64(),
    durationUs: reader.u64(),
    ticks: reader.u64(),
    trafNumber: reader.u8(),
    receivedUs: reader.u64(),
    hash: reader.bytes(32),
  }
}

export interface FileTrack {
  readonly id: number
  readonly kind: TrackKind
  readonly codec: string
  readonly timescale: number
  readonly width?: number
  readonly height?: number
}

export interface FileRow {
  /** Relative to the root. */
  readonly path: string
  readonly log: string
  readonly run: number
  readonly boot: string
  /** Of its first fragment, by the camera's monotonic clock. */
  readonly monoUs: number
  /** False: times are microseconds since that boot. */
  readonly dated: boolean
  readonly startUs: number
  readonly endUs: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly fragments: number
  /** Up to the end of the last fragment; the `mfra` comes after it. */
  readonly bytes: number
  readonly initBytes: number
  /** SHA-256 of the init segment in the file, hex. */
  readonly initHash: string
  readonly tracks: readonly FileTrack[]
  /** `doubtful`: what the index says about it was not found on the disk at a start. */
  readonly state: 'open' | 'closed' | 'doubtful'
  /** Of a file that was dated afterwards: added to the times that its entries tell. */
  readonly shiftUs?: number
}

/** A file that may be on the disk: written before the file is made, removed when it is closed. */
export interface OpenRow {
  readonly path: string
}

export const LEDGER_KINDS = ['gap', 'quarantine', 'conflict', 'expired', 'damaged'] as const
export type LedgerKind = (typeof LEDGER_KINDS)[number]

export interface LedgerRow {
  readonly kind: LedgerKind
  readonly log: string
  readonly first: number
  readonly last: number
  readonly dated: boolean
  readonly boot: string
  readonly startUs: number
  readonly endUs: number
  readonly reason: string
  readonly note: string
  /** What was kept apart, relative to the root; '' when nothing was. */
  readonly path: string
  /** When it was entered, by the storage device's clock. */
  readonly atUs: number
  /** Of a time in which the camera was off: when that began, by a boot whose clock is not known yet. */
  readonly since?: Since
}

/** A moment of another boot than the row's. */
export interface Since {
  readonly boot: string
  readonly monoUs: number
}

export interface TotalsRow {
  readonly fragments: number
  readonly bytes: number
  readonly lastReceivedUs: number
  /** Longest dated entry of the ledger: how far before a moment those start that reach into it. */
  readonly longestLedgerUs: number
}

export const NO_TOTALS: TotalsRow = { fragments: 0, bytes: 0, lastReceivedUs: 0, longestLedgerUs: 0 }

export interface CameraRow {
  /** Where new files go. */
  readonly folder: string
  /** All folders it ever had; no other camera gets one of them. */
  readonly folders: readonly string[]
}

/** A span of one camera's footage that retention leaves alone. */
export interface LockRow {
  /** 8 hex digits. */
  readonly id: string
  readonly fromUs: number
  /** Exclusive. */
  readonly toUs: number
  /** What its owner calls it; may be ''. */
  readonly name: string
  readonly atUs: number
}

/** How much of one camera's footage is kept; null: no limit of its own kind. */
export interface KeepRow {
  readonly days: number | null
  readonly bytes: number | null
}

/** A fragment whose bytes are not what was stored, while its camera may still have it. */
export interface DamagedRow {
  readonly path: string
  readonly why: string
  readonly foundUs: number
  /** `asked`: its camera may have it. `lost`: it does not, and the ledger says so. */
  readonly state: 'asked' | 'lost'
}

/** One boot of a camera: where it stands among its other boots, and what its monotonic clock means. */
export interface BootRow {
  /** Rises in the order in which the camera was started. */
  readonly order: number
  /** When it was heard of first: it began before that. */
  readonly heardUs: number
  /** The last moment it is known to have been running, 0 when none is. */
  readonly endUs: number
  /** Null as long as it has had no session. */
  readonly clock: BootClock | null
}

type JsonRow = BootRow | FileRow | OpenRow | LedgerRow | TotalsRow | CameraRow | LockRow | KeepRow | DamagedRow

export function encodeJson(row: JsonRow): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(row)))
}

/** Only for what this program wrote itself: the index is trusted or rebuilt, never repaired. */
export function decodeJson<Row>(bytes: Uint8Array): Row {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as Row
  } catch (cause) {
    throw new HomewardError('INDEX_DAMAGED', 'a row of the index is not what was written', {
      hint: 'Rebuild the index from the files: `homeward storage reindex`.',
      cause,
    })
  }
}

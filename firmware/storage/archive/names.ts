/**
 * Paths inside the archive's root, and the clock-aligned windows that files are cut by. Pure. All paths are relative to the
 * root with `/` between their parts; all times are UTC.
 */
import { toHex } from '../../wire/bytes.ts'
import type { ClockQuality } from '../../wire/record.ts'
import { cutToBytes } from '../../wire/text.ts'

export const MARKER_PATH = 'homeward.json'
export const QUARANTINE_FOLDER = 'quarantine'
export const PRIVATE_FOLDER = '.homeward'
export const INDEX_FOLDER = `${PRIVATE_FOLDER}/index`
export const JOURNAL_PATH = `${PRIVATE_FOLDER}/journal.log`
export const LOCK_PATH = `${PRIVATE_FOLDER}/lock`
const UNDATED_FOLDER = 'undated'

/** The longest span of one file: a person looks for footage in steps of this size. */
export const WINDOW_US = 600 * 1_000_000

/** What a camera claims beyond this is not believed; looking for footage relies on it. */
export const FRAGMENT_MAX_US = 3600 * 1_000_000

/** No camera of ours recorded before; an earlier time is a clock that was never set. */
const DATED_FROM_US = Date.UTC(2000, 0, 1) * 1000
/** Four digits of year. */
const DATED_UNTIL_US = Date.UTC(10000, 0, 1) * 1000

export interface Stamp {
  readonly boot: string
  readonly monoUs: number
  readonly wallUs: number
  readonly clock: ClockQuality
}

/** True when the wall time may be used as a date. Otherwise footage is filed by boot and monotonic time. */
export function isDated(stamp: Stamp): boolean {
  return stamp.clock !== 'none' && stamp.wallUs >= DATED_FROM_US && stamp.wallUs < DATED_UNTIL_US
}

/** A stamp on its own time scale: wall time when dated, else microseconds since the camera's boot. */
export function scaleUs(stamp: Stamp): number {
  return isDated(stamp) ? stamp.wallUs : stamp.monoUs
}

/** Number of the clock-aligned window that a time of either scale lies in. */
export function windowOf(us: number): number {
  return Math.floor(us / WINDOW_US)
}

/** Folder of the file that starts with a fragment of this stamp. */
export function fileFolder(cameraFolder: string, first: Stamp): string {
  if (!isDated(first)) return `${cameraFolder}/${UNDATED_FOLDER}/${first.boot}`
  const iso = isoOf(first.wallUs)
  return `${cameraFolder}/${iso.slice(0, 10)}/${iso.slice(11, 13)}`
}

/**
 * `MM-SS.mmmZ.<log>-<seq>.mp4`; undated `HHHHH-MM-SS.mmm.<log>-<seq>.mp4` of the time since boot. Log and seq make it
 * unique for ever, whatever the clock does.
 */
export function fileName(first: Stamp, log: string, seq: number): string {
  if (isDated(first)) {
    const iso = isoOf(first.wallUs)
    return `${iso.slice(14, 16)}-${iso.slice(17, 23)}Z.${log}-${seq}.mp4`
  }
  const ms = Math.floor(first.monoUs / 1000)
  const two = (value: number) => String(Math.floor(value) % 60).padStart(2, '0')
  const hours = String(Math.floor(ms / 3_600_000)).padStart(5, '0')
  return `${hours}-${two(ms / 60_000)}-${two(ms / 1000)}.${String(ms % 1000).padStart(3, '0')}.${log}-${seq}.mp4`
}

function isoOf(us: number): string {
  return new Date(Math.floor(us / 1000)).toISOString()
}

/** Path without ending of what is set apart: `quarantine/<camera folder>/<log>-<seq>-<hash8>`. */
export function quarantineStem(cameraFolder: string, name: string, hash: string): string {
  return `${QUARANTINE_FOLDER}/${cameraFolder}/${name}-${hash.slice(0, 8)}`
}

/** The folder part of a relative path, '' at the top. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** Every folder from the top down to `folder` itself. */
export function foldersDownTo(folder: string): string[] {
  const parts = folder.split('/')
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

/** Names that Windows refuses in any folder, also with an ending (learn.microsoft.com, "Naming Files, Paths"). */
const DEVICE_NAME = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i
/** Control characters, and what SMB, exFAT and NTFS refuse. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069<>:"/\\|?*]/g
const NAME_MAX_BYTES = 120

/**
 * A folder name made from the name its owner gave, safe on ext4 and over SMB, and different from all `taken` ones also
 * where upper and lower case are the same.
 */
export function safeFolder(name: string, camera: Uint8Array, taken: Iterable<string>): string {
  const mark = toHex(camera).slice(0, 8)
  const used = new Set([QUARANTINE_FOLDER, MARKER_PATH, 'lost+found', ...taken].map(foldCase))
  const base = cleaned(name) || `camera-${mark}`
  if (!used.has(foldCase(base))) return base
  for (let count = 1; ; count++) {
    const candidate = `${base} ${mark}${count === 1 ? '' : `-${count}`}`
    if (!used.has(foldCase(candidate))) return candidate
  }
}

function cleaned(name: string): string {
  const plain = name.normalize('NFC').replace(UNSAFE, ' ').replace(/\s+/g, ' ')
  const short = cutToBytes(plain.replace(/^[. ]+/, ''), NAME_MAX_BYTES).replace(/[. ]+$/, '')
  return DEVICE_NAME.test(short) ? `camera ${short}` : short
}

function foldCase(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

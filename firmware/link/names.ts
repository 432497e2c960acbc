/** Names of cameras: what a person typed, made fit to show and fit to be a folder. Pure. */
import { cutToBytes } from '../wire/text.ts'

/** A camera's name in UTF-8, on the wire as on the disk. */
export const NAME_MAX_BYTES = 64

/** Folders and files that the archive's root holds for other purposes, and names that other systems reserve (SMB shares). */
const RESERVED =
  /^(?:lost-found|quarantine|undated|homeward.*|index|ledger|journal|con|prn|aux|nul|com\d|lpt\d)(?:\..*)?$/

/** The name as it may be shown: one line, no control or direction characters, at most 64 bytes. Empty when nothing is left. */
export function cleanName(name: string): string {
  const plain = name
    .normalize('NFC')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}]/gu, ' ')
    .replaceAll(/\s+/gu, ' ')
    .trim()
  return cutToBytes(plain, NAME_MAX_BYTES).trim()
}

/**
 * The folder for a camera called `name`: letters and digits of any script, dots, dashes and underscores. Never hidden,
 * never reserved, and different from all of `taken` also where upper and lower case are one (numbered from 2).
 */
export function folderNameFor(name: string, taken: Iterable<string>): string {
  const base = baseName(name)
  const used = new Set([...taken].map(folded))
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? '' : `-${number}`
    const candidate = trimEnds(cutToBytes(base, NAME_MAX_BYTES - suffix.length)) + suffix
    if (!used.has(folded(candidate))) return candidate
  }
}

function baseName(name: string): string {
  const safe = trimEnds(
    cutToBytes(
      cleanName(name)
        .replaceAll(/[^\p{L}\p{M}\p{N}._-]+/gu, '-')
        .replaceAll(/-{2,}/g, '-'),
      NAME_MAX_BYTES,
    ),
  )
  if (safe === '') return 'camera'
  return RESERVED.test(safe.toLowerCase()) ? cutToBytes(`camera-${safe}`, NAME_MAX_BYTES) : safe
}

/** A leading dot hides a folder, a leading dash looks like an option, a combining mark needs a letter before it. */
function trimEnds(text: string): string {
  return text.replace(/^[.\-\p{M}]+/u, '').replace(/[.-]+$/, '')
}

function folded(text: string): string {
  return text.normalize('NFC').toLowerCase()
}

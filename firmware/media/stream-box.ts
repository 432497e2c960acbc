/** What stands next in a stream, judged by more than four characters, so that picture data is not taken for a box. */
import { INIT_MAX_BYTES } from '../wire/limits.ts'
import { printable } from './boxes.ts'
import type { ByteQueue } from './byte-queue.ts'
import { fourccAt, u32At } from './fields.ts'

export type NextBox =
  /** Cannot be told before more bytes arrive. */
  | { readonly is: 'unknown' }
  /** `ftyp` and the `moov` right behind it, that long together. */
  | { readonly is: 'init'; readonly sizeBytes: number }
  | { readonly is: 'moof'; readonly sizeBytes: number }
  /** A box that may stand between fragments and carries no media. */
  | { readonly is: 'quiet'; readonly sizeBytes: number }
  | { readonly is: 'garbage'; readonly why: string }

/** A moof lists each sample in 4 to 16 bytes: enough for minutes of pictures and sound. */
const MOOF_MAX_BYTES = 512 * 1024
const FTYP_MAX_BYTES = 256
const QUIET_MAX_BYTES = 1024 * 1024
const QUIET = new Set(['styp', 'sidx', 'ssix', 'free', 'skip', 'wide', 'prft', 'emsg', 'mfra', 'uuid'])
/** moof header, mfhd of 16 bytes, header of the first traf. */
const MOOF_PROBE_BYTES = 32

export function nextBox(queue: ByteQueue): NextBox {
  const start = queue.peek(8)
  if (start === undefined) return { is: 'unknown' }
  const sizeBytes = u32At(start, 0)
  const type = fourccAt(start, 4)
  if (type === 'ftyp') return nextInit(queue, sizeBytes)
  if (type === 'moof') return nextMoof(queue, sizeBytes)
  if (QUIET.has(type) && sizeBytes >= 8 && sizeBytes <= QUIET_MAX_BYTES) return { is: 'quiet', sizeBytes }
  return { is: 'garbage', why: `expected moof or ftyp, found ${printable(type)}` }
}

function nextInit(queue: ByteQueue, ftypBytes: number): NextBox {
  if (ftypBytes < 16 || ftypBytes > FTYP_MAX_BYTES || ftypBytes % 4 !== 0) {
    return { is: 'garbage', why: `ftyp of ${ftypBytes} bytes` }
  }
  const probe = queue.peek(ftypBytes + 16)
  if (probe === undefined) return { is: 'unknown' }
  if (fourccAt(probe, ftypBytes + 4) !== 'moov' || fourccAt(probe, ftypBytes + 12) !== 'mvhd') {
    return { is: 'garbage', why: 'ftyp without a moov behind it' }
  }
  const sizeBytes = ftypBytes + u32At(probe, ftypBytes)
  if (sizeBytes < ftypBytes + 16 || sizeBytes > INIT_MAX_BYTES) {
    return { is: 'garbage', why: `init segment of ${sizeBytes} bytes, expected at most ${INIT_MAX_BYTES}` }
  }
  return { is: 'init', sizeBytes }
}

function nextMoof(queue: ByteQueue, sizeBytes: number): NextBox {
  if (sizeBytes < MOOF_PROBE_BYTES || sizeBytes > MOOF_MAX_BYTES) {
    return { is: 'garbage', why: `moof of ${sizeBytes} bytes, expected at most ${MOOF_MAX_BYTES}` }
  }
  const probe = queue.peek(MOOF_PROBE_BYTES)
  if (probe === undefined) return { is: 'unknown' }
  if (u32At(probe, 8) !== 16 || fourccAt(probe, 12) !== 'mfhd' || fourccAt(probe, 28) !== 'traf') {
    return { is: 'garbage', why: 'moof without mfhd and traf' }
  }
  return { is: 'moof', sizeBytes }
}

/** Enough to find a start quickly, small enough that a search is never repeated over much. */
const WINDOW_BYTES = 64 * 1024

/** How many bytes may be skipped before the next place where a moof or ftyp may begin; 0 when that is here. */
export function bytesToCandidate(queue: ByteQueue): number {
  const head = queue.head()
  if (head === undefined || head.byteLength < 8) return 0
  const length = Math.min(head.byteLength, WINDOW_BYTES)
  const window = Buffer.from(head.buffer, head.byteOffset, length)
  const found = ['moof', 'ftyp'].map((type) => window.indexOf(type, 4, 'latin1')).filter((at) => at !== -1)
  // A type cut by the end of the window starts at most 3 bytes before it, with 4 bytes of size in front.
  return found.length === 0 ? length - 7 : Math.min(...found) - 4
}

/**
 * Keys of the index. Numbers are big-endian, so that the order of bytes is the order of camera, time and number. Pure.
 *
 *   fragments  camera 32 · log 8 · seq 8
 *   files      camera 32 · start µs 8 (0 when undated) · log 8 · first seq 8        (`open` has the same keys)
 *   ranges     camera 32 · log 8 · first seq 8
 *   ledger     camera 32 · start µs 8 (0 when undated) · log 8 · first seq 8 · kind 1 · hash 4
 *   expired    as ranges: what was stored once and has been deleted
 *   damaged    as fragments: found damaged, and asked for again
 *   locks      camera 32 · id 4
 *   boots      camera 32 · boot 8
 *   totals, cameras, keeps   camera 32
 */
import { fromHex, toHex } from '../../wire/bytes.ts'

export const TABLES = [
  'fragments',
  'files',
  'open',
  'ranges',
  'ledger',
  'totals',
  'cameras',
  'boots',
  'meta',
  'expired',
  'damaged',
  'locks',
  'keeps',
] as const
export type Table = (typeof TABLES)[number]

export const CAMERA_BYTES = 32
/** In a key of the ledger. */
export const LEDGER_KIND_AT = 56

/** Names one file for ever: its first fragment, and where that stands in time. */
export interface FileId {
  readonly camera: Uint8Array
  /** Wall time of the first fragment, 0 when undated. */
  readonly startUs: number
  /** 16 hex digits. */
  readonly log: string
  readonly firstSeq: number
}

export function u64Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

export function readU64(bytes: Uint8Array, at: number): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(at))
}

export function joinKey(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

export function fragmentKey(camera: Uint8Array, log: string, seq: number): Uint8Array {
  return joinKey(camera, fromHex(log), u64Bytes(seq))
}

export function parseFragmentKey(key: Uint8Array): { camera: Uint8Array; log: string; seq: number } {
  return { camera: key.subarray(0, 32), log: toHex(key.subarray(32, 40)), seq: readU64(key, 40) }
}

export function fileKey(id: FileId): Uint8Array {
  return joinKey(id.camera, u64Bytes(id.startUs), fromHex(id.log), u64Bytes(id.firstSeq))
}

export function parseFileKey(key: Uint8Array): FileId {
  return {
    camera: key.subarray(0, 32),
    startUs: readU64(key, 32),
    log: toHex(key.subarray(40, 48)),
    firstSeq: readU64(key, 48),
  }
}

/** Prefix of all file and ledger keys of a camera from a time on. */
export function timeKey(camera: Uint8Array, startUs: number): Uint8Array {
  return joinKey(camera, u64Bytes(Math.max(0, startUs)))
}

export const rangeKey = fragmentKey

/** `id` is 8 hex digits. */
export function lockKey(camera: Uint8Array, id: string): Uint8Array {
  return joinKey(camera, fromHex(id))
}

export function bootKey(camera: Uint8Array, boot: string): Uint8Array {
  return joinKey(camera, fromHex(boot))
}

/** All range keys of one log: from `logKey` up to, not including, `afterPrefix(logKey)`. */
export function logKey(camera: Uint8Array, log: string): Uint8Array {
  return joinKey(camera, fromHex(log))
}

/** The first key behind all keys that start with `prefix`; undefined when there is none (all bytes 255). */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  const next = new Uint8Array(prefix)
  for (let at = next.length - 1; at >= 0; at--) {
    const value = next[at] ?? 0
    if (value < 255) {
      next[at] = value + 1
      return next.subarray(0, at + 1)
    }
  }
  return undefined
}

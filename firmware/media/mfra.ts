/**
 * The movie fragment random access box (ISO/IEC 14496-12 §8.8.9 to §8.8.11): the last box of a closed file, telling where
 * each key frame's moof is, so that a player can seek without reading the whole file. It ends in its own size, which is
 * how it is found from the end of the file.
 */
import { HomewardError } from '../wire/errors.ts'
import { box, fullBox, readBoxes, readFullBox } from './boxes.ts'
import { type FieldReader, fourccAt, malformed, u8, u32, u32At, u64 } from './fields.ts'
import type { MediaFragment } from './fragment.ts'
import { type InitSegment, videoTrack } from './init.ts'

export interface MfraEntry {
  /** Track id. */
  readonly track: number
  /** Presentation time of the key frame in the file, in ticks of the track, its edit list applied (as ffmpeg writes it). */
  readonly timeTicks: number
  /** Where its moof begins in the file. */
  readonly moofOffset: number
  /** Which traf of the moof, which trun of the traf, which sample of the trun; each counted from 1, and 1 by default. */
  readonly trafNumber?: number
  readonly trunNumber?: number
  readonly sampleNumber?: number
}

/** Size of the `mfro` box that ends every mfra. */
export const MFRO_BYTES = 16

/** An mfra with one table per track, in the order in which tracks appear; entries of a track must come in file order. */
export function buildMfra(entries: readonly MfraEntry[]): Uint8Array {
  const tracks = [...new Set(entries.map((entry) => entry.track))]
  const tables = tracks.map((track) =>
    buildTable(
      track,
      entries.filter((entry) => entry.track === track),
    ),
  )
  const total = 8 + tables.reduce((sum, table) => sum + table.byteLength, 0) + MFRO_BYTES
  return box('mfra', ...tables, fullBox('mfro', 0, 0, u32(total)))
}

function buildTable(track: number, entries: readonly MfraEntry[]): Uint8Array {
  const rows = entries.flatMap((entry, index) => {
    const previous = entries[index - 1]
    if (previous !== undefined && previous.moofOffset >= entry.moofOffset) {
      throw new HomewardError('INTERNAL', `moof at ${entry.moofOffset} is listed after ${previous.moofOffset}`)
    }
    const numbers = [entry.trafNumber ?? 1, entry.trunNumber ?? 1, entry.sampleNumber ?? 1]
    return [u64(entry.timeTicks), u64(entry.moofOffset), ...numbers.map(u8)]
  })
  return fullBox('tfra', 1, 0, u32(track), u32(0), u32(entries.length), ...rows)
}

/**
 * The entry of one fragment, or undefined when it does not start on a key frame of the video track (or, without video,
 * of the first track). `fragment` is as it stands in the file (rebased), `moofOffset` where it begins there. Its time is
 * the decode time: with the reordering delay taken off by the edit list, that is when its key frame is shown.
 */
export function mfraEntryOf(init: InitSegment, fragment: MediaFragment, moofOffset: number): MfraEntry | undefined {
  const track = (videoTrack(init) ?? init.tracks[0])?.id
  const index = fragment.tracks.findIndex((part) => part.id === track && part.samples > 0)
  const part = fragment.tracks[index]
  if (!fragment.keyFrame || part === undefined) return undefined
  return { track: part.id, timeTicks: part.decodeTime, moofOffset, trafNumber: index + 1 }
}

/**
 * How long the mfra is that ends a file, read from the file's last MFRO_BYTES; undefined when there is none. That many
 * bytes from the end must then satisfy {@link parseMfra}.
 */
export function mfraBytesAtEnd(tail: Uint8Array): number | undefined {
  if (tail.byteLength < MFRO_BYTES) return undefined
  const mfro = tail.subarray(tail.byteLength - MFRO_BYTES)
  if (u32At(mfro, 0) !== MFRO_BYTES || fourccAt(mfro, 4) !== 'mfro' || u32At(mfro, 8) !== 0) return undefined
  const total = u32At(mfro, 12)
  return total >= 8 + MFRO_BYTES ? total : undefined
}

/** Reads a whole mfra box, of this module or another writer. Throws MEDIA_MALFORMED. */
export function parseMfra(bytes: Uint8Array): MfraEntry[] {
  const [mfra, ...others] = readBoxes(bytes)
  if (mfra?.type !== 'mfra' || others.length > 0) throw malformed('expected one mfra box')
  if (mfraBytesAtEnd(bytes) !== bytes.byteLength) throw malformed('mfra does not end in an mfro with its size')
  return readBoxes(mfra.body)
    .filter((child) => child.type === 'tfra')
    .flatMap((child) => {
      const { version, fields } = readFullBox(child)
      if (version > 1) throw malformed(`tfra has version ${version}, expected 0 or 1`)
      const track = fields.u32()
      const lengths = fields.u32()
      const widths = [4, 2, 0].map((shift) => ((lengths >> shift) & 3) + 1)
      const count = fields.u32()
      const entryBytes = (version === 1 ? 16 : 8) + widths.reduce((sum, width) => sum + width, 0)
      if (fields.remaining !== count * entryBytes) {
        throw malformed(`tfra: ${fields.remaining} bytes for ${count} entries of ${entryBytes}`)
      }
      return Array.from({ length: count }, () => {
        const timeTicks = version === 1 ? fields.u64() : fields.u32()
        const moofOffset = version === 1 ? fields.u64() : fields.u32()
        const [trafNumber = 1, trunNumber = 1, sampleNumber = 1] = widths.map((width) => readNumber(fields, width))
        return { track, timeTicks, moofOffset, trafNumber, trunNumber, sampleNumber }
      })
    })
}

function readNumber(fields: FieldReader, width: number): number {
  return fields.bytes(width).reduce((value, byte) => value * 256 + byte, 0)
}

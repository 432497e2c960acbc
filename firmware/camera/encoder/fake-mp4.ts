/** Fragmented MP4 with one H.264 track, as ffmpeg's `empty_moov+default_base_moof` writes it (ISO/IEC 14496-12 and -15). */
import { box, fullBox } from '../../media/boxes.ts'
import { numberBytes, u8, u16, u32, u64 } from '../../media/fields.ts'

const TRACK = 1
const ASCII = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
const ZEROS = (count: number): Uint8Array => new Uint8Array(count)

/** Unity matrix of mvhd and tkhd. */
const MATRIX = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map(u32)

/** Sample flags: depends on no other sample; depends on others and is no sync sample. */
const SYNC_SAMPLE = 0x02000000
const OTHER_SAMPLE = 0x01010000

export interface VideoTrackFormat {
  readonly width: number
  readonly height: number
  /** Ticks per second. */
  readonly timescale: number
  readonly ticksPerFrame: number
  /** NAL units without length. */
  readonly sps: Uint8Array
  readonly pps: Uint8Array
}

/** `ftyp` + `moov`. */
export function initSegment(format: VideoTrackFormat): Uint8Array {
  const ftyp = box('ftyp', ASCII('iso5'), u32(512), ASCII('iso5iso6mp41'))
  const mvhd = fullBox(
    'mvhd',
    0,
    0,
    ...[u32(0), u32(0), u32(1000), u32(0)], // created, modified, timescale, duration
    ...[u32(0x10000), u16(0x100), ZEROS(10)], // rate, volume
    ...MATRIX,
    ZEROS(24),
    u32(TRACK + 1),
  )
  const trex = fullBox('trex', 0, 0, u32(TRACK), u32(1), u32(format.ticksPerFrame), u32(0), u32(OTHER_SAMPLE))
  return Buffer.concat([ftyp, box('moov', mvhd, track(format), box('mvex', trex))])
}

function track(format: VideoTrackFormat): Uint8Array {
  const tkhd = fullBox(
    'tkhd',
    0,
    3, // enabled, in movie
    ...[u32(0), u32(0), u32(TRACK), u32(0), u32(0), ZEROS(8)],
    ...[u16(0), u16(0), u16(0), u16(0)], // layer, group, volume
    ...MATRIX,
    u32(format.width * 0x10000),
    u32(format.height * 0x10000),
  )
  const mdhd = fullBox('mdhd', 0, 0, u32(0), u32(0), u32(format.timescale), u32(0), u16(0x55c4), u16(0)) // "und"
  const hdlr = fullBox('hdlr', 0, 0, u32(0), ASCII('vide'), ZEROS(12), ASCII('fake\0'))
  const dinf = box('dinf', fullBox('dref', 0, 0, u32(1), fullBox('url ', 0, 1)))
  const stbl = box(
    'stbl',
    fullBox('stsd', 0, 0, u32(1), sampleEntry(format)),
    ...['stts', 'stsc', 'stco'].map((type) => fullBox(type, 0, 0, u32(0))),
    fullBox('stsz', 0, 0, u32(0), u32(0)),
  )
  const minf = box('minf', fullBox('vmhd', 0, 1, ZEROS(8)), dinf, stbl)
  return box('trak', tkhd, box('mdia', mdhd, hdlr, minf))
}

function sampleEntry({ width, height, sps, pps }: VideoTrackFormat): Uint8Array {
  const avcC = box(
    'avcC',
    ...[u8(1), sps.subarray(1, 4), u8(0xff)], // version; profile, constraints, level; lengths of 4 bytes
    ...[u8(0xe1), u16(sps.byteLength), sps],
    ...[u8(1), u16(pps.byteLength), pps],
  )
  return box(
    'avc1',
    ...[ZEROS(6), u16(1), ZEROS(16)], // data reference
    ...[u16(width), u16(height), u32(0x480000), u32(0x480000), u32(0), u16(1)], // 72 dpi, one frame per sample
    ...[ZEROS(32), u16(24), u16(0xffff)], // compressor, depth, no colour table
    avcC,
  )
}

/**
 * A fragment whose first sample is a key frame, with room for the samples: fill them in from `dataStart`, one after the
 * other. `sequence` counts from 1.
 */
export function fragmentFor(
  sequence: number,
  decodeTicks: number,
  sampleBytes: readonly number[],
): { bytes: Uint8Array; dataStart: number } {
  const sizes = new Uint8Array(sampleBytes.length * 4)
  const view = new DataView(sizes.buffer)
  sampleBytes.forEach((bytes, index) => {
    view.setUint32(index * 4, bytes)
  })
  const moofWith = (dataOffset: number) =>
    box(
      'moof',
      fullBox('mfhd', 0, 0, u32(sequence)),
      box(
        'traf',
        fullBox('tfhd', 0, 0x20000, u32(TRACK)), // default-base-is-moof
        fullBox('tfdt', 1, 0, u64(decodeTicks)),
        // data offset, first sample's flags, sizes
        fullBox('trun', 0, 0x205, u32(sampleBytes.length), u32(dataOffset), u32(SYNC_SAMPLE), sizes),
      ),
    )
  const dataStart = moofWith(0).byteLength + 8
  const dataBytes = sampleBytes.reduce((sum, bytes) => sum + bytes, 0)
  const bytes = new Uint8Array(dataStart + dataBytes)
  bytes.set(moofWith(dataStart))
  bytes.set(numberBytes(dataBytes + 8, 4), dataStart - 8)
  bytes.set(ASCII('mdat'), dataStart - 4)
  return { bytes, dataStart }
}

/** Streams for the tests of this folder: from the ffmpeg that is installed, or put together by hand from boxes. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex } from '../wire/bytes.ts'
import { box, fullBox } from './boxes.ts'
import { joinBytes, numberBytes, u16, u32, u64 } from './fields.ts'
import type { MediaFragment } from './fragment.ts'
import type { InitSegment } from './init.ts'
import { FragmentSplitter } from './splitter.ts'

// ---------------------------------------------------------------------------------------------------- ffmpeg

const encoders = spawnSync('ffmpeg', ['-hide_banner', '-encoders'], { encoding: 'utf8' }).stdout ?? ''
const ready = spawnSync('ffprobe', ['-version']).status === 0 && / aac /.test(encoders)

/** A test that needs ffmpeg with x264 and x265; where they are missing it is skipped and says so. */
export function ffmpegTest(name: string, run: () => void): void {
  if (ready && encoders.includes('libx264') && encoders.includes('libx265')) {
    test(name, run)
    return
  }
  process.stdout.write('skipped: ffmpeg is not installed\n')
  test.skip(name)
}

const PICTURE = 'testsrc2=size=160x120'
/** `pools=none` and one thread: tests of other folders run at the same time. */
const X265 = 'log-level=none:pools=none:frame-threads=1:open-gop=0'

export interface StreamOptions {
  readonly codec: 'h264' | 'h265'
  readonly seconds: number
  readonly rate: number
  readonly keyFrameSeconds: number
  readonly bFrames: number
  readonly sound: boolean
  /** Sound begins that much later than the picture. */
  readonly soundDelaySeconds?: number
}

/** What the camera's encoder would write to its pipe. */
export function encode(options: StreamOptions): Uint8Array {
  const { codec, seconds, rate, bFrames, sound } = options
  const interval = options.keyFrameSeconds * rate
  const picture = ['-f', 'lavfi', '-i', `${PICTURE}:rate=${rate}:duration=${seconds}`]
  const tone = ['-itsoffset', `${options.soundDelaySeconds ?? 0}`, '-f', 'lavfi', '-i', `sine=duration=${seconds}`]
  const x265 = `${X265}:keyint=${interval}:min-keyint=${interval}:bframes=${bFrames}`
  const video =
    codec === 'h264'
      ? ['-c:v', 'libx264', '-g', `${interval}`, '-keyint_min', `${interval}`, '-bf', `${bFrames}`, '-threads', '1']
      : ['-c:v', 'libx265', '-tag:v', 'hvc1', '-x265-params', x265]
  return ffmpeg([
    ...picture,
    ...(sound ? [...tone, '-map', '0', '-map', '1', '-c:a', 'aac'] : []),
    ...video,
    ...['-preset', bFrames > 0 ? 'veryfast' : 'ultrafast', '-sc_threshold', '0'],
    ...['-f', 'mp4', '-movflags', 'frag_keyframe+empty_moov+default_base_moof+delay_moov', 'pipe:1'],
  ])
}

function ffmpeg(args: readonly string[]): Uint8Array {
  const done = spawnSync('ffmpeg', ['-v', 'error', '-nostdin', ...args], { maxBuffer: 64 * 1024 * 1024 })
  if (done.status !== 0) throw new Error(`ffmpeg: ${done.stderr.toString()}`)
  return new Uint8Array(done.stdout)
}

export interface ProbedStream {
  readonly codec_type: string
  readonly codec_tag_string: string
  readonly profile: string
  readonly level: number
  readonly start_time: string
  readonly nb_read_frames: string
}

export interface ProbedPacket {
  readonly stream_index: number
  readonly dts: number
  readonly pts_time: string
  readonly dts_time: string
  readonly flags: string
  readonly pos: string
}

export interface Probe {
  readonly streams: readonly ProbedStream[]
  readonly packets: readonly ProbedPacket[]
  readonly format: { readonly start_time: string; readonly duration: string }
  /** Whatever ffprobe had to complain about. */
  readonly complaints: string
}

/** What ffprobe says of a file with these bytes, all frames decoded. */
export function probe(bytes: Uint8Array, args: readonly string[] = ['-count_frames']): Probe {
  const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    const file = join(folder, 'file.mp4')
    writeFileSync(file, bytes)
    const show = ['-show_streams', '-show_packets', '-show_format', '-of', 'json']
    const done = spawnSync('ffprobe', ['-v', 'warning', ...args, ...show, file], { maxBuffer: 64 * 1024 * 1024 })
    const answer = JSON.parse(done.stdout.toString()) as Omit<Probe, 'complaints'>
    return { ...answer, complaints: done.stderr.toString() }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

// ---------------------------------------------------------------------------------------------------- by hand

const zeros = (count: number): Uint8Array => new Uint8Array(count)
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

export interface TrackPlan {
  readonly id: number
  readonly kind: 'video' | 'audio'
  readonly timescale: number
  readonly defaultFlags?: number
  /** Body of `elst` behind version and flags, version 0. */
  readonly edits?: readonly (readonly [durationMovieTicks: number, mediaTicks: number])[]
}

export const VIDEO: TrackPlan = { id: 1, kind: 'video', timescale: 1000 }
export const AUDIO: TrackPlan = { id: 2, kind: 'audio', timescale: 8000 }

const AVC1 = box('avc1', zeros(24), u16(640), u16(360), zeros(50), box('avcC', ascii('\x01\x64\x00\x28')))

/** AAC-LC. */
const ESDS = fromHex('00000000' + '0316000100' + '04114015000000' + '0000000000000000' + '05021208')
const MP4A = box('mp4a', zeros(28), box('esds', ESDS))

/** A whole init segment, movie timescale 1000. */
export function handmadeInit(plans: readonly TrackPlan[] = [VIDEO]): Uint8Array {
  const traks = plans.map((plan) => {
    const stbl = box('stbl', fullBox('stsd', 0, 0, u32(1), plan.kind === 'video' ? AVC1 : MP4A))
    const hdlr = fullBox('hdlr', 0, 0, u32(0), ascii(plan.kind === 'video' ? 'vide' : 'soun'), zeros(13))
    const mdhd = fullBox('mdhd', 0, 0, zeros(8), u32(plan.timescale), zeros(8))
    const tkhd = fullBox('tkhd', 0, 3, zeros(8), u32(plan.id), zeros(68))
    const edits = plan.edits?.map(([duration, media]) => [u32(duration), i32(media), u32(65536)]) ?? []
    const edts = box('edts', fullBox('elst', 0, 0, u32(edits.length), ...edits.flat()))
    return box('trak', tkhd, ...(plan.edits === undefined ? [] : [edts]), box('mdia', mdhd, hdlr, box('minf', stbl)))
  })
  const trex = plans.map((plan) =>
    fullBox('trex', 0, 0, u32(plan.id), u32(1), u32(0), u32(0), u32(plan.defaultFlags ?? 0)),
  )
  const mvhd = fullBox('mvhd', 0, 0, zeros(8), u32(1000), zeros(84))
  return joinBytes(
    box('ftyp', ascii('isom'), u32(512), ascii('isom')),
    box('moov', mvhd, ...traks, box('mvex', ...trex)),
  )
}

export function i32(value: number): Uint8Array {
  return numberBytes(value < 0 ? value + 2 ** 32 : value, 4)
}

export interface PartPlan {
  readonly id: number
  readonly decodeTime: number
  readonly sampleTicks: number
  /** One size for each sample. */
  readonly sizes: readonly number[]
  /** Version of tfdt. */
  readonly version?: 0 | 1
  readonly keyFrame?: boolean
}

const SYNC = 0x02000000
const NOT_SYNC = 0x01010000

/** `moof` + `mdat` as ffmpeg lays them out: sizes in trun, the rest in tfhd, the first sample's flags on their own. */
export function handmadeFragment(parts: readonly PartPlan[], fill = 0xa5): Uint8Array {
  const build = (moofBytes: number): Uint8Array => {
    let at = moofBytes + 8
    const trafs = parts.map((part) => {
      const time = part.version === 0 ? u32(part.decodeTime) : u64(part.decodeTime)
      const start = at
      at += part.sizes.reduce((sum, size) => sum + size, 0)
      return box(
        'traf',
        fullBox('tfhd', 0, 0x020028, u32(part.id), u32(part.sampleTicks), u32(NOT_SYNC)),
        fullBox('tfdt', part.version ?? 1, 0, time),
        fullBox(
          'trun',
          0,
          0x205,
          u32(part.sizes.length),
          i32(start),
          u32(part.keyFrame === false ? NOT_SYNC : SYNC),
          ...part.sizes.map(u32),
        ),
      )
    })
    return box('moof', fullBox('mfhd', 0, 0, u32(1)), ...trafs)
  }
  const dataBytes = parts.reduce((sum, part) => sum + part.sizes.reduce((all, size) => all + size, 0), 0)
  const moof = build(build(0).byteLength)
  return joinBytes(moof, box('mdat', zeros(dataBytes).fill(fill)))
}

// ---------------------------------------------------------------------------------------------------- splitting

export interface SplitResult {
  readonly inits: readonly InitSegment[]
  readonly fragments: readonly MediaFragment[]
  readonly skipped: readonly { readonly bytes: number; readonly why: string }[]
}

/** All that comes out when `bytes` arrive in chunks; `nextSize` says how long the next one is. */
export function split(bytes: Uint8Array, nextSize: () => number = () => 65536): SplitResult {
  const inits: InitSegment[] = []
  const fragments: MediaFragment[] = []
  const skipped: { bytes: number; why: string }[] = []
  const splitter = new FragmentSplitter({
    init: (init) => inits.push(init),
    fragment: (fragment) => fragments.push(fragment),
    skipped: (count, why) => skipped.push({ bytes: count, why }),
  })
  for (let at = 0; at < bytes.byteLength; ) {
    const size = nextSize()
    const chunk = bytes.slice(at, at + size)
    splitter.push(chunk)
    // The splitter must not keep what it was lent.
    chunk.fill(0xee)
    at += size
  }
  splitter.end()
  return { inits, fragments, skipped }
}

/** A handmade stream with picture and sound, and its parts. */
export const INIT = handmadeInit([VIDEO, AUDIO])
export const fragmentAt = (index: number, fill = index + 1): Uint8Array =>
  handmadeFragment(
    [
      { id: 1, decodeTime: index * 1000, sampleTicks: 250, sizes: [900, 40, 41, 42] },
      { id: 2, decodeTime: index * 8000, sampleTicks: 4000, sizes: [60, 61] },
    ],
    fill,
  )
export const FRAGMENTS = [0, 1, 2, 3, 4].map((index) => fragmentAt(index))
export const STREAM = joinBytes(INIT, ...FRAGMENTS)

export const bytesOf = (items: readonly { readonly bytes: Uint8Array }[]): Uint8Array[] =>
  items.map((item) => item.bytes)
export const totalBytes = (items: readonly Uint8Array[]): number =>
  items.reduce((sum, item) => sum + item.byteLength, 0)
export const skippedBytes = (result: SplitResult): number => result.skipped.reduce((sum, one) => sum + one.bytes, 0)

/** Every byte of a stream without quiet boxes came out or was reported. */
export function checkAccounts(result: SplitResult, stream: Uint8Array, what: string): void {
  const out = totalBytes(bytesOf(result.inits)) + totalBytes(bytesOf(result.fragments))
  assert.is(out + skippedBytes(result), stream.byteLength, `${what}: all bytes accounted for`)
  assert.ok(
    result.skipped.every((one) => one.bytes > 0 && one.why.length > 0),
    what,
  )
}

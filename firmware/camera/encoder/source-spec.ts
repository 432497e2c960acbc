/**
 * The source of footage as a person writes it. Options follow the first part, separated by commas; paths and addresses of
 * `file:` and `rtsp:` are taken whole, for they may hold commas themselves.
 */
import { HomewardError } from '../../wire/errors.ts'
import { type FakeOptions, readFakeOptions } from './fake-options.ts'
import type { FrameRate, PictureSize } from './picture.ts'
import { SourceOptions } from './source-options.ts'

const VIDEO_CODECS = ['h264', 'h265'] as const
export type VideoCodec = (typeof VIDEO_CODECS)[number]

/** Who compresses the pictures of a camera that does not: a V4L2 memory-to-memory encoder, Rockchip's, or the processor. */
const V4L2_ENCODERS = ['v4l2m2m', 'rkmpp', 'x264'] as const

export interface V4l2Encoding {
  readonly by: (typeof V4L2_ENCODERS)[number]
  /** A key frame every so many frames. */
  readonly gop: number
  readonly kbitPerS: number
}

/** A camera that delivers compressed video, as UVC cameras with an encoder do; with `encoding` one that delivers raw pictures. */
export interface V4l2Source {
  readonly kind: 'v4l2'
  readonly device: string
  readonly codec: VideoCodec
  readonly encoding?: V4l2Encoding
  /** What the device is set to; undefined: left as it is. */
  readonly size?: PictureSize
  readonly rate?: FrameRate
}

export interface RtspSource {
  readonly kind: 'rtsp'
  /** With user and password when they were given: never to be shown, see `maskUrl`. */
  readonly url: string
}

/** A clip, looped in real time. */
export interface FileSource {
  readonly kind: 'file'
  readonly path: string
}

/** ffmpeg's test picture with a running clock. */
export interface TestSource {
  readonly kind: 'test'
  readonly codec: VideoCodec
  readonly size: PictureSize
  readonly rate: FrameRate
  readonly gop: number
  readonly audio: 'none' | 'aac'
}

export interface FakeSource {
  readonly kind: 'fake'
  readonly fake: FakeOptions
}

export type SourceSpec = V4l2Source | RtspSource | FileSource | TestSource | FakeSource

const POSSIBLE =
  'Possible are: v4l2:/dev/video0[,codec=h265,size=WxH,fps=N,encode=BY,gop=N,bitrate=KBITS] · rtsp://HOST/… · file:CLIP.mp4 · ' +
  'test[:h265][,size=WxH,fps=N,gop=N,audio=aac] · fake[:fps=N,gop=N,size=WxH,bitrate=N,speed=N|max,frames=N]'

const SIZE_MAX: PictureSize = { width: 8192, height: 8192 }
const TEST_SIZE: PictureSize = { width: 640, height: 360 }
const TEST_RATE: FrameRate = { frames: 30, perSeconds: 1 }
const NO_ENCODER = 'none'
const KBIT_PER_S = 2000

/** Throws USAGE, or CONFIG_INVALID for the value of an option. */
export function parseSource(spec: string): SourceSpec {
  const [, scheme = '', rest] = /^([^:,]*)(?:[:,](.*))?$/s.exec(spec) ?? []
  switch (scheme) {
    case 'v4l2':
      return parseV4l2(spec, rest ?? '')
    case 'rtsp':
    case 'rtsps':
      return parseRtsp(spec)
    case 'file':
      if (rest === undefined || rest === '') throw usage('source file: names no file, expected file:CLIP.mp4')
      return { kind: 'file', path: rest }
    case 'test':
      return parseTest(spec, splitItems(rest))
    case 'fake':
      return { kind: 'fake', fake: readFakeOptions(new SourceOptions(spec, splitItems(rest))) }
    default:
      throw usage(spec === '' ? 'the source is empty' : `source "${maskUrl(spec)}" is of no known kind`)
  }
}

/** The source without secrets: user, password and the query of an address are left out. */
export function describeSource(source: SourceSpec): string {
  switch (source.kind) {
    case 'v4l2':
      return `v4l2:${source.device} ${source.codec}`
    case 'rtsp':
      return maskUrl(source.url)
    case 'file':
      return `file:${source.path}`
    case 'test':
      return `test ${source.codec} ${source.size.width}x${source.size.height}`
    case 'fake':
      return `fake ${source.fake.size.width}x${source.fake.size.height}`
  }
}

/**
 * An address without user, password and query, nor what a path says of them (as in `/user=admin_password=x_channel=1`).
 * It rather hides too much: all up to the last @ goes.
 */
export function maskUrl(text: string): string {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)?(.*@)?([^?#]*)(.*)$/is.exec(text)
  const [, scheme = '', user, place = '', query = ''] = match ?? []
  const shown = place.replaceAll(/((?:user(?:name)?|pass(?:wd|word)?|pwd)=)[^&_/;]*/gi, '$1***')
  return `${scheme}${user === undefined ? '' : '***@'}${shown}${query === '' ? '' : '?***'}`
}

function parseV4l2(spec: string, rest: string): V4l2Source {
  const [device = '', ...items] = splitItems(rest)
  if (!device.startsWith('/')) throw usage(`source ${spec} names no device, expected a path as in v4l2:/dev/video0`)
  const options = new SourceOptions(spec, items)
  const codec = options.choice('codec', 'h264', VIDEO_CODECS)
  const size = options.size('size', { width: 0, height: 0 }, SIZE_MAX)
  const rate = options.frameRate('fps', { frames: 0, perSeconds: 1 })
  const by = options.choice('encode', NO_ENCODER, [NO_ENCODER, ...V4L2_ENCODERS])
  const encoding = by === NO_ENCODER ? undefined : { by, ...parseEncoding(options, rate) }
  options.done()
  if (by === 'x264' && codec === 'h265') throw usage(`source ${spec}: encode=x264 makes H.264, not H.265`)
  return {
    kind: 'v4l2',
    device,
    codec,
    ...(encoding === undefined ? {} : { encoding }),
    ...(size.width === 0 ? {} : { size }),
    ...(rate.frames === 0 ? {} : { rate }),
  }
}

function parseEncoding(options: SourceOptions, rate: FrameRate): Omit<V4l2Encoding, 'by'> {
  const { frames, perSeconds } = rate.frames === 0 ? TEST_RATE : rate
  return {
    gop: options.integer('gop', Math.max(1, Math.round(frames / perSeconds)), 1, 10_000),
    kbitPerS: options.integer('bitrate', KBIT_PER_S, 50, 100_000),
  }
}

function parseRtsp(spec: string): RtspSource {
  const host = URL.canParse(spec) ? new URL(spec).hostname : ''
  if (host === '')
    throw usage(`source ${maskUrl(spec)} is not an address, expected rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH`)
  return { kind: 'rtsp', url: spec }
}

function parseTest(spec: string, items: readonly string[]): TestSource {
  const named = VIDEO_CODECS.find((codec) => codec === items[0])
  if (named === undefined && items[0] !== undefined && !items[0].includes('=')) {
    throw usage(`source ${spec}: "${items[0]}" is no codec, expected ${VIDEO_CODECS.join(' or ')}`)
  }
  const options = new SourceOptions(spec, named === undefined ? items : items.slice(1))
  const size = options.size('size', TEST_SIZE, SIZE_MAX)
  const rate = options.frameRate('fps', TEST_RATE)
  const everySecond = Math.max(1, Math.round(rate.frames / rate.perSeconds))
  const gop = options.integer('gop', everySecond, 1, 10_000)
  const audio = options.choice('audio', 'none', ['none', 'aac'])
  options.done()
  return { kind: 'test', codec: named ?? 'h264', size, rate, gop, audio }
}

function splitItems(rest: string | undefined): string[] {
  return rest === undefined || rest === '' ? [] : rest.split(',')
}

function usage(message: string): HomewardError {
  return new HomewardError('USAGE', message, { hint: `${POSSIBLE}.` })
}

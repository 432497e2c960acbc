/** What the fake encoder is asked for: `fake:fps=30,gop=30,size=640x360,bitrate=4000000,speed=1|max,frames=N`. */
import { FRAGMENT_MAX_BYTES } from '../../wire/limits.ts'
import { numberGrid } from './fake-h264.ts'
import type { FrameRate, PictureSize } from './picture.ts'
import type { SourceOptions } from './source-options.ts'

export interface FakeOptions {
  readonly rate: FrameRate
  /** Frames from one key frame to the next, which is a fragment. */
  readonly gop: number
  readonly size: PictureSize
  readonly bitsPerSecond: number
  /** How many times as fast as real time; `max`: as fast as the output takes it. */
  readonly speed: number | 'max'
  /** After so many the footage is over; undefined: never. */
  readonly frames?: number
}

export const FAKE_DEFAULTS: FakeOptions = {
  rate: { frames: 30, perSeconds: 1 },
  gop: 30,
  size: { width: 640, height: 360 },
  bitsPerSecond: 4_000_000,
  speed: 1,
}

const SIZE_MAX: PictureSize = { width: 4096, height: 2304 }
const SPEED_MAX = 1000
/** Left for the moof and for what a key frame needs beyond its share. */
const FRAGMENT_RESERVE_BYTES = 1024 * 1024

/** Throws USAGE or CONFIG_INVALID. */
export function readFakeOptions(options: SourceOptions): FakeOptions {
  const rate = options.frameRate('fps', FAKE_DEFAULTS.rate)
  const gop = options.integer('gop', FAKE_DEFAULTS.gop, 1, 10_000)
  const size = options.size('size', FAKE_DEFAULTS.size, SIZE_MAX)
  if (numberGrid(size) === undefined) {
    throw options.invalid('size', 'at least 32 blocks of 16x16 for the frame number, as 128x64 has them')
  }
  const bitsPerSecond = options.integer('bitrate', FAKE_DEFAULTS.bitsPerSecond, 1, 10_000_000_000)
  const fragmentBytes = (bitsPerSecond / 8) * ((gop * rate.perSeconds) / rate.frames)
  if (fragmentBytes > FRAGMENT_MAX_BYTES - FRAGMENT_RESERVE_BYTES) {
    const most = Math.floor((bitsPerSecond * (FRAGMENT_MAX_BYTES - FRAGMENT_RESERVE_BYTES)) / fragmentBytes)
    throw options.invalid('bitrate', `at most ${most} bits per second, for a key frame interval must fit in 15 MiB`)
  }
  const speed = readSpeed(options)
  const frames = options.integer('frames', 0, 1, Number.MAX_SAFE_INTEGER)
  options.done()
  return { rate, gop, size, bitsPerSecond, speed, ...(frames === 0 ? {} : { frames }) }
}

function readSpeed(options: SourceOptions): number | 'max' {
  const text = options.take('speed')
  if (text === undefined || text === 'max') return text ?? FAKE_DEFAULTS.speed
  const speed = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || speed <= 0 || speed > SPEED_MAX) {
    throw options.invalid('speed', `max, or a number above 0 and up to ${SPEED_MAX}`)
  }
  return speed
}

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { seededRandom } from '../../platform/random.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { FAKE_DEFAULTS } from './fake-options.ts'
import { createEncoder, describeSource, maskUrl, parseSource } from './source.ts'

const size = { width: 640, height: 360 }
const TEST = { kind: 'test', size, rate: { frames: 30, perSeconds: 1 }, gop: 30, audio: 'none' }

const GOOD: [string, unknown][] = [
  ['v4l2:/dev/video0', { kind: 'v4l2', device: '/dev/video0', codec: 'h264' }],
  [
    'v4l2:/dev/v4l/by-id/cam-index0,codec=h265,size=1920x1080,fps=15',
    {
      kind: 'v4l2',
      device: '/dev/v4l/by-id/cam-index0',
      codec: 'h265',
      size: { width: 1920, height: 1080 },
      rate: { frames: 15, perSeconds: 1 },
    },
  ],
  [
    'v4l2:/dev/video0,encode=x264,fps=12.5',
    {
      kind: 'v4l2',
      device: '/dev/video0',
      codec: 'h264',
      encoding: { by: 'x264', gop: 13, kbitPerS: 2000 },
      rate: { frames: 125, perSeconds: 10 },
    },
  ],
  ['rtsp://10.0.0.5/live', { kind: 'rtsp', url: 'rtsp://10.0.0.5/live' }],
  ['rtsps://u:p,w@cam:322/a?b=c,d', { kind: 'rtsp', url: 'rtsps://u:p,w@cam:322/a?b=c,d' }],
  ['file:CLIP.mp4', { kind: 'file', path: 'CLIP.mp4' }],
  ['file:/a b/c,d=e:f.mp4', { kind: 'file', path: '/a b/c,d=e:f.mp4' }],
  ['test', { ...TEST, codec: 'h264' }],
  ['test:h264', { ...TEST, codec: 'h264' }],
  ['test:h265', { ...TEST, codec: 'h265' }],
  ['test:fps=10', { ...TEST, codec: 'h264', rate: { frames: 10, perSeconds: 1 }, gop: 10 }],
  [
    'test:h265,size=320x180,fps=12.5,gop=50,audio=aac',
    {
      kind: 'test',
      codec: 'h265',
      size: { width: 320, height: 180 },
      rate: { frames: 125, perSeconds: 10 },
      gop: 50,
      audio: 'aac',
    },
  ],
  ['fake', { kind: 'fake', fake: FAKE_DEFAULTS }],
  ['fake:', { kind: 'fake', fake: FAKE_DEFAULTS }],
  [
    'fake:fps=30000/1001,gop=60,size=1280x720,bitrate=8000000,speed=max,frames=600',
    {
      kind: 'fake',
      fake: {
        rate: { frames: 30000, perSeconds: 1001 },
        gop: 60,
        size: { width: 1280, height: 720 },
        bitsPerSecond: 8_000_000,
        speed: 'max',
        frames: 600,
      },
    },
  ],
  ['fake:speed=2.5', { kind: 'fake', fake: { ...FAKE_DEFAULTS, speed: 2.5 } }],
]

for (const [spec, expected] of GOOD) {
  test(`"${spec}" is understood`, () => {
    assert.equal(parseSource(spec), expected)
  })
}

/** Source, code, and what the message must name. */
const BAD: [string, string, RegExp][] = [
  ['', 'USAGE', /empty/],
  ['webcam', 'USAGE', /"webcam" is of no known kind/],
  ['http://u:secret@10.0.0.5/x', 'USAGE', /"http:\/\/\*\*\*@10.0.0.5\/x" is of no known kind/],
  ['v4l2', 'USAGE', /names no device/],
  ['v4l2:video0', 'USAGE', /names no device/],
  ['v4l2:/dev/video0,codec=mjpeg', 'CONFIG_INVALID', /codec is "mjpeg", expected h264 or h265/],
  ['v4l2:/dev/video0,encode=cuda', 'CONFIG_INVALID', /encode is "cuda", expected none or v4l2m2m or rkmpp or x264/],
  ['v4l2:/dev/video0,codec=h265,encode=x264', 'USAGE', /encode=x264 makes H.264, not H.265/],
  ['v4l2:/dev/video0,gop=10', 'USAGE', /option gop is unknown/],
  ['v4l2:/dev/video0,h265', 'USAGE', /"h265" is not an option, expected key=value/],
  ['rtsp:', 'USAGE', /not an address/],
  ['rtsp://', 'USAGE', /not an address/],
  ['file:', 'USAGE', /names no file/],
  ['file', 'USAGE', /names no file/],
  ['test:vp9', 'USAGE', /"vp9" is no codec, expected h264 or h265/],
  ['test:fps=0', 'CONFIG_INVALID', /fps is "0", expected frames per second from 0.1 to 1000/],
  ['test:fps=1/0', 'CONFIG_INVALID', /fps is "1\/0"/],
  ['test:audio=mp3', 'CONFIG_INVALID', /audio is "mp3", expected none or aac/],
  ['test:speed=1', 'USAGE', /option speed is unknown, expected size, fps, gop, audio/],
  ['fake:gop=0', 'CONFIG_INVALID', /gop is "0", expected an integer from 1 to/],
  ['fake:gop=1.5', 'CONFIG_INVALID', /gop is "1.5"/],
  ['fake:gop=', 'CONFIG_INVALID', /gop is ""/],
  ['fake:gop=3,gop=4', 'USAGE', /gop is given twice/],
  ['fake:size=640', 'CONFIG_INVALID', /size is "640", expected WIDTHxHEIGHT/],
  ['fake:size=641x360', 'CONFIG_INVALID', /both even/],
  ['fake:size=64x64', 'CONFIG_INVALID', /size is "64x64", expected at least 32 blocks/],
  ['fake:size=9998x9998', 'CONFIG_INVALID', /at most 4096x2304/],
  ['fake:speed=0', 'CONFIG_INVALID', /speed is "0", expected max, or a number above 0/],
  ['fake:speed=fast', 'CONFIG_INVALID', /speed is "fast"/],
  ['fake:bitrate=200000000', 'CONFIG_INVALID', /bitrate is "200000000", expected at most 125829120/],
  ['fake:rate=3', 'USAGE', /option rate is unknown, expected fps, gop, size, bitrate, speed, frames/],
  ['fake:h264', 'USAGE', /"h264" is not an option/],
]

for (const [spec, code, message] of BAD) {
  test(`"${spec}" is refused as ${code}`, () => {
    let thrown: unknown
    try {
      parseSource(spec)
    } catch (error) {
      thrown = error
    }
    assert.ok(isHomewardError(thrown), `${thrown}`)
    assert.is(thrown.code, code)
    assert.match(thrown.message, message)
  })
}

test('an unknown kind is told what is possible', () => {
  try {
    parseSource('webcam')
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'USAGE'))
    for (const kind of ['v4l2:/dev/video0', 'rtsp://', 'file:', 'test', 'fake']) assert.match(error.hint ?? '', kind)
  }
})

const MASKED: [string, string][] = [
  ['rtsp://cam/live', 'rtsp://cam/live'],
  ['rtsp://admin:geheim@cam:554/live', 'rtsp://***@cam:554/live'],
  ['rtsp://admin:ge/h@e?im@cam/live', 'rtsp://***@cam/live'],
  ['rtsp://cam/live?user=admin&password=geheim', 'rtsp://cam/live?***'],
  ['rtsp://cam/user=admin_password=geheim_channel=1.sdp', 'rtsp://cam/user=***_password=***_channel=1.sdp'],
]

for (const [url, shown] of MASKED) {
  test(`${url} is shown as ${shown}`, () => {
    assert.is(maskUrl(url), shown)
    assert.not.match(describeSource({ kind: 'rtsp', url }), 'geheim')
  })
}

test('each source gets its encoder; only a fake one beyond real time can be held back', () => {
  const dependencies = { clock: new FakeClock(), random: seededRandom(1) }
  for (const [spec, expected] of [
    ['test', true],
    ['rtsp://u:geheim@cam/live', true],
    ['fake', true],
    ['fake:speed=max', false],
    ['fake:speed=3', false],
  ] as const) {
    const encoder = createEncoder(spec, dependencies)
    assert.is(encoder.realTime, expected, spec)
    assert.not.match(encoder.describe, 'geheim')
  }
})

test.run()

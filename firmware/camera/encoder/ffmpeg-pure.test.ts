import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../../wire/errors.ts'
import { copyCommand, probeCommand, testCommand, v4l2Command } from './ffmpeg-args.ts'
import { exitError, maskSecrets } from './ffmpeg-errors.ts'
import type { FfmpegCommandLine, FfmpegExit } from './ffmpeg-process.ts'
import { readStreams } from './ffmpeg-streams.ts'
import { parseSource, type SourceSpec } from './source-spec.ts'

const FRAGMENTED = '-f mp4 -movflags frag_keyframe+empty_moov+default_base_moof+delay_moov -flush_packets 1'

function commandFor(spec: string): FfmpegCommandLine {
  const source = parseSource(spec)
  if (source.kind === 'v4l2') return v4l2Command(source)
  if (source.kind === 'test') return testCommand(source)
  if (source.kind === 'fake') throw new Error('no ffmpeg')
  return copyCommand(source, { video: { index: 0, codec: 'h264' } }, 10_000)
}

const COMMANDS: [string, string, string][] = [
  [
    'v4l2:/dev/video0',
    '-loglevel level+warning -fpsprobesize 0 -f v4l2 -input_format h264 -i /dev/video0',
    `-map 0:v:0 -c:v copy ${FRAGMENTED}`,
  ],
  [
    'v4l2:/dev/video2,codec=h265,size=1280x720,fps=30000/1001',
    '-loglevel level+warning -fpsprobesize 0 -f v4l2 -input_format hevc -framerate 30000/1001 -video_size 1280x720 -i /dev/video2',
    `-map 0:v:0 -c:v copy -tag:v hvc1 ${FRAGMENTED}`,
  ],
  [
    'v4l2:/dev/video1,encode=v4l2m2m,size=1280x720,fps=25',
    '-loglevel level+warning -fpsprobesize 0 -f v4l2 -framerate 25/1 -video_size 1280x720 -i /dev/video1',
    `-map 0:v:0 -c:v h264_v4l2m2m -pix_fmt nv12 -g 25 -bf 0 -b:v 2000k ${FRAGMENTED}`,
  ],
  [
    'v4l2:/dev/video1,codec=h265,encode=rkmpp,gop=50,bitrate=4000',
    '-loglevel level+warning -fpsprobesize 0 -f v4l2 -i /dev/video1',
    `-map 0:v:0 -c:v hevc_rkmpp -pix_fmt nv12 -g 50 -bf 0 -b:v 4000k -tag:v hvc1 ${FRAGMENTED}`,
  ],
  [
    'v4l2:/dev/video0,encode=x264,size=320x180,fps=10',
    '-loglevel level+warning -fpsprobesize 0 -f v4l2 -framerate 10/1 -video_size 320x180 -i /dev/video0',
    '-map 0:v:0 -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 10 -keyint_min 10 ' +
      `-sc_threshold 0 -b:v 2000k ${FRAGMENTED}`,
  ],
  [
    'rtsp://cam/live',
    '-loglevel level+warning -rtsp_transport tcp -timeout 10000000 -fpsprobesize 0 -i rtsp://cam/live',
    `-map 0:0 -c copy ${FRAGMENTED}`,
  ],
  ['file:clip.mp4', '-loglevel level+warning -re -stream_loop -1 -i file:clip.mp4', `-map 0:0 -c copy ${FRAGMENTED}`],
  [
    'test:size=320x180,fps=10,audio=aac',
    '-loglevel level+warning -re -f lavfi -i testsrc2=size=320x180:rate=10/1 -re -f lavfi -i sine=frequency=440',
    '-map 0:v -map 1:a -c:a aac -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p ' +
      `-g 10 -keyint_min 10 -sc_threshold 0 ${FRAGMENTED}`,
  ],
]

for (const [spec, input, output] of COMMANDS) {
  test(`the command line of ${spec}`, () => {
    const { inputs, outputOptions } = commandFor(spec)
    assert.is(inputs.flatMap(({ options, source }) => [...options, '-i', source]).join(' '), input)
    assert.is(outputOptions.join(' '), output)
  })
}

test('streams are copied by their number, H.265 as hvc1', () => {
  const source = { kind: 'file', path: 'a b.mkv' } as const
  const { outputOptions } = copyCommand(source, { video: { index: 2, codec: 'h265' }, audio: { index: 4 } }, 1)
  assert.is(outputOptions.slice(0, 8).join(' '), '-map 0:2 -map 0:4 -c copy -tag:v hvc1')
  assert.is(probeCommand(source, 1).inputs[0]?.source, 'file:a b.mkv')
})

const OUTPUT = ["Output #0, null, to 'pipe:':", '  Stream #0:0: Video: h264 (High), yuv420p']

const LISTINGS: [string, string[], unknown][] = [
  [
    'MP4 with H.264 and AAC',
    [
      '  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(progressive), 320x180, 10 fps (default)',
      '  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 70 kb/s (default)',
    ],
    { video: { index: 0, codec: 'h264' }, audio: { index: 1 } },
  ],
  [
    'RTSP camera with G.711 first, H.265, then AAC twice',
    [
      '  Stream #0:0: Audio: pcm_alaw, 8000 Hz, mono, s16, 64 kb/s',
      '  Stream #0:1: Video: hevc (Main), yuv420p(tv), 2560x1440, 25 fps, 25 tbr, 90k tbn',
      '  Stream #0:2: Audio: aac (LC), 16000 Hz, mono, fltp',
      '  Stream #0:3: Audio: aac (LC), 16000 Hz, mono, fltp',
    ],
    { video: { index: 1, codec: 'h265' }, audio: { index: 2 } },
  ],
  [
    'file with a cover picture, data, and audio that is no plain AAC',
    [
      '  Stream #0:0(eng): Video: mjpeg (Baseline), yuvj420p, 600x600, 90k tbr (attached pic)',
      '  Stream #0:1(eng): Data: none (tmcd / 0x64636D74)',
      '  Stream #0:2(eng): Audio: aac_latm (LC), 48000 Hz, stereo, fltp',
      '  Stream #0:3(eng): Video: h264 (Main), yuv420p, 1280x720, 30 fps',
    ],
    { video: { index: 3, codec: 'h264' } },
  ],
]

for (const [what, lines, expected] of LISTINGS) {
  test(`streams of a ${what}`, () => {
    assert.equal(readStreams(["Input #0, x, from 'y':", ...lines, ...OUTPUT], 'x', ''), expected)
  })
}

test('no video, or one that cannot be kept, is SOURCE_UNREADABLE and says which', () => {
  for (const [line, message] of [
    ['  Stream #0:0: Audio: aac (LC), 16000 Hz', /clip holds no video/],
    ['  Stream #0:0: Video: mjpeg (Baseline), yuvj422p, 640x480', /video of clip is mjpeg, expected H.264 or H.265/],
  ] as const) {
    try {
      readStreams([line, ...OUTPUT], 'clip', 'do this')
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'SOURCE_UNREADABLE'))
      assert.match(error.message, message)
      assert.is(error.hint, 'do this')
    }
  }
})

const RTSP = parseSource('rtsp://admin:ge%20heim@cam:554/live')
const CAMERA = parseSource('v4l2:/dev/video0')

const EXITS: [string, SourceSpec, Partial<FfmpegExit>, boolean, string, RegExp][] = [
  [
    'refused',
    RTSP,
    { lines: ['rtsp://admin:ge%20heim@cam:554/live: Connection refused'] },
    false,
    'SOURCE_UNREADABLE',
    /^rtsp:\/\/\*\*\*@cam:554\/live cannot be read: rtsp:\/\/\*\*\*@cam:554\/live: Connection refused$/,
  ],
  ['not let in', RTSP, { lines: ['method DESCRIBE failed: 401 Unauthorized'] }, false, 'SOURCE_UNREADABLE', /401/],
  ['unplugged before', CAMERA, { lines: ['/dev/video0: No such device'] }, false, 'SOURCE_MISSING', /is not there/],
  [
    'unplugged in mid-run',
    CAMERA,
    { lines: ['[video4linux2,v4l2 @ 0x55d] ioctl(VIDIOC_DQBUF): No such device'] },
    true,
    'ENCODER_ENDED',
    /exited with code 1: \[video4linux2,v4l2\] ioctl\(VIDIOC_DQBUF\): No such device$/,
  ],
  ['hung up', RTSP, { how: 'finished' }, true, 'ENCODER_ENDED', /the source ended$/],
  [
    'killed',
    CAMERA,
    { how: 'killed', message: 'ffmpeg was killed with signal SIGKILL' },
    true,
    'ENCODER_ENDED',
    /SIGKILL/,
  ],
  ['silent from the start', RTSP, { how: 'stalled' }, false, 'SOURCE_UNREADABLE', /delivered nothing for 30 s/],
  ['fell silent', RTSP, { how: 'stalled' }, true, 'ENCODER_ENDED', /delivered nothing for 30 s/],
  ['not started', CAMERA, { how: 'not-started', message: 'spawn EACCES' }, false, 'FFMPEG_MISSING', /EACCES/],
]

for (const [what, source, exit, delivered, code, message] of EXITS) {
  test(`an exit that was ${what} is ${code}`, () => {
    const whole: FfmpegExit = { how: 'failed', message: 'ffmpeg exited with code 1: x', lines: [], ...exit }
    const error = exitError(source, whole, delivered, 30_000)
    assert.is(error.code, code)
    assert.match(error.message, message)
    assert.not.match(`${error.message}${error.hint}`, 'heim')
  })
}

test('only the last lines are told, no repetitions, and warnings only where nothing else explains a failure', () => {
  const warnings = ['[mp4 @ 0x5a] [warning] unset', '[warning] odd']
  const lines = [
    '[error] one',
    '[fatal] two',
    '[rtsp @ 0x1] [error] three',
    '    Last message repeated 3 times',
    ...warnings,
  ]
  const told = (exit: Partial<FfmpegExit>) =>
    exitError(CAMERA, { how: 'failed', message: 'x', lines, ...exit }, true, 1).message
  assert.match(told({}), /: one \| two \| \[rtsp\] three$/)
  assert.match(told({ lines: warnings }), /: \[mp4\] unset \| odd$/)
  assert.match(told({ lines: warnings, how: 'finished' }), /the source ended$/)
  assert.match(told({ lines: [...warnings, 'Exiting normally, received signal 15.'], how: 'killed' }), /: x$/)
})

test('a password is masked as it was written and as it reads', () => {
  for (const line of ['ge%20heim', 'user "admin" with "ge heim"', 'tcp://admin:ge%20heim@cam:554?timeout=0']) {
    assert.not.match(maskSecrets(line, RTSP), 'heim')
  }
})

test.run()

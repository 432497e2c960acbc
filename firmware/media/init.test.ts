import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { INIT_MAX_BYTES } from '../wire/limits.ts'
import { box } from './boxes.ts'
import { joinBytes } from './fields.ts'
import { parseInit, videoTrack } from './init.ts'
import { AUDIO, encode, ffmpegTest, handmadeInit, probe, split, VIDEO } from './sample-streams.ts'

const malformed = (error: unknown): boolean => isHomewardError(error, 'MEDIA_MALFORMED')

test('tracks, timescales, sizes and defaults are read', () => {
  const init = parseInit(handmadeInit([AUDIO, { ...VIDEO, defaultFlags: 0x10000 }]))
  assert.equal(init.tracks, [
    {
      id: 2,
      kind: 'audio',
      timescale: 8000,
      codec: 'mp4a.40.2',
      defaults: { durationTicks: 0, sizeBytes: 0, flags: 0 },
    },
    {
      id: 1,
      kind: 'video',
      timescale: 1000,
      codec: 'avc1.640028',
      width: 640,
      height: 360,
      defaults: { durationTicks: 0, sizeBytes: 0, flags: 0x10000 },
    },
  ])
  assert.is(videoTrack(init)?.id, 1)
  assert.is(videoTrack(parseInit(handmadeInit([AUDIO]))), undefined)
})

test('an edit list is read in ticks of its track', () => {
  const edits = [
    [500, -1],
    [250, -1],
    [0, 1024],
  ] as const
  assert.equal(parseInit(handmadeInit([{ ...AUDIO, edits }])).tracks[0]?.edit, { delayTicks: 6000, mediaTicks: 1024 })
})

test('what is not an init segment for fragments is refused', () => {
  const whole = handmadeInit([VIDEO, AUDIO])
  const ftypBytes = 20
  const ftyp = whole.subarray(0, ftypBytes)
  const moov = whole.subarray(ftypBytes)
  const renamed = (from: string): Uint8Array => {
    const bytes = Buffer.from(whole)
    bytes.write('free', bytes.indexOf(from), 'latin1')
    return new Uint8Array(bytes)
  }
  const table: [name: string, bytes: Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['no ftyp', moov],
    ['moov first', joinBytes(moov, ftyp)],
    ['no moov', ftyp],
    ['two moov', joinBytes(ftyp, moov, moov)],
    ['no tracks', handmadeInit([])],
    ['the same id twice', handmadeInit([VIDEO, VIDEO])],
    ['too many tracks', handmadeInit(Array.from({ length: 17 }, (_, id) => ({ ...VIDEO, id: id + 1 })))],
    ['id 0', handmadeInit([{ ...VIDEO, id: 0 }])],
    ['timescale 0', handmadeInit([{ ...VIDEO, timescale: 0 }])],
    ['too long', joinBytes(whole, box('free', new Uint8Array(INIT_MAX_BYTES)))],
    ...['mvhd', 'mvex', 'trex', 'tkhd', 'mdia', 'mdhd', 'hdlr', 'minf', 'stbl', 'stsd', 'avcC', 'esds'].map(
      (type): [string, Uint8Array] => [`no ${type}`, renamed(type)],
    ),
  ]
  for (const [name, bytes] of table) assert.throws(() => parseInit(bytes), malformed, name)
  parseInit(joinBytes(ftyp, box('free'), moov))
})

test('cut anywhere it is refused', () => {
  const whole = handmadeInit([VIDEO, AUDIO])
  for (let length = 0; length < whole.byteLength; length += 1) {
    assert.throws(() => parseInit(whole.subarray(0, length)), malformed, `cut at ${length}`)
  }
})

for (const codec of ['h264', 'h265'] as const) {
  ffmpegTest(`${codec} and AAC from ffmpeg agree with ffprobe`, () => {
    const bytes = encode({ codec, seconds: 1, rate: 5, keyFrameSeconds: 1, bFrames: 2, sound: true })
    const [init] = split(bytes).inits
    assert.ok(init)
    const [video, audio] = init.tracks
    const [seen] = probe(bytes).streams
    assert.ok(video && audio && seen)
    const parts = video.codec.split('.')
    assert.is(parts[0], seen.codec_tag_string)
    if (codec === 'h264') assert.is(Number.parseInt(parts[1]?.slice(4) ?? '', 16), seen.level)
    else assert.is(parts[3], `L${seen.level}`)
    assert.ok(codec === 'h264' ? parts[1]?.startsWith('64') : video.codec.startsWith('hvc1.1.6.'), video.codec)
    assert.equal([video.kind, video.width, video.height], ['video', 160, 120])
    assert.equal([audio.kind, audio.codec, audio.timescale], ['audio', 'mp4a.40.2', 44100])
    for (let length = 0; length < init.bytes.byteLength; length += 1) {
      assert.throws(() => parseInit(init.bytes.subarray(0, length)), malformed, `cut at ${length}`)
    }
  })
}

test.run()

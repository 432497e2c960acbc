import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseFragment } from '../../media/fragment.ts'
import { parseInit } from '../../media/init.ts'
import { seededRandom } from '../../platform/random.ts'
import { FakeFragments } from './fake-frames.ts'
import { readPictureNumber } from './fake-h264.ts'
import { FAKE_DEFAULTS, type FakeOptions, readFakeOptions } from './fake-options.ts'
import { readFrameNumbers } from './frame-numbers.ts'
import { numberSei, PADDING_MIN_BYTES, paddingHead, readNumberSei } from './frame-sei.ts'
import { SourceOptions } from './source-options.ts'

const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const RUN_ID = '00000301000002ff' // needs emulation prevention
const runId = Uint8Array.from(Buffer.from(RUN_ID, 'hex'))

function write(options: FakeOptions, fragments: number): { path: string; bytes: Uint8Array; fragments: Uint8Array[] } {
  const writer = new FakeFragments(options, runId, seededRandom(1).bytes(4096))
  const parts = Array.from({ length: fragments }, () => writer.next(options.gop))
  const bytes = Buffer.concat([writer.init, ...parts])
  const path = join(folder, `${options.size.width}x${options.size.height}-${options.gop}.mp4`)
  writeFileSync(path, bytes)
  return { path, bytes, fragments: parts }
}

function run(program: string, args: string[]): { out: Buffer; errors: string } {
  const { stdout, stderr } = spawnSync(program, args, { maxBuffer: 256 * 1024 * 1024 })
  return { out: stdout, errors: stderr.toString() }
}

const count = (from: number, length: number) => Array.from({ length }, (_, index) => from + index)

const PICTURES = [
  ['fps=30,gop=30', 2],
  ['fps=25,gop=1,size=128x64,bitrate=100', 20],
  ['fps=12.5,gop=7,size=322x242,bitrate=300000', 4],
  ['fps=30000/1001,gop=20,size=1918x1078,bitrate=20000000', 2],
  ['fps=60,gop=200,size=96x178,bitrate=64000', 2],
] as const

for (const [text, fragments] of PICTURES) {
  const options = readFakeOptions(new SourceOptions(`fake:${text}`, text.split(',')))
  const { width, height } = options.size
  const frames = options.gop * fragments

  test(`${text}: ffmpeg decodes it without a warning and the pictures show the numbers in the stream`, () => {
    const { path, bytes } = write(options, fragments)
    const { out, errors } = run('ffmpeg', ['-v', 'warning', '-i', path, '-f', 'rawvideo', '-pix_fmt', 'gray', '-'])
    assert.is(errors, '')
    assert.is(out.byteLength, frames * width * height)
    const shown = count(0, frames).map((frame) =>
      readPictureNumber(out.subarray(frame * width * height, (frame + 1) * width * height), options.size),
    )
    assert.equal(shown, count(0, frames))
    assert.equal(
      readFrameNumbers(bytes),
      shown.map((frame) => ({ runId: RUN_ID, frame })),
    )
  })

  test(`${text}: size, rate, key frames and times are those asked for`, () => {
    const { path } = write(options, fragments)
    const entries = 'stream=profile,width,height,avg_frame_rate,time_base:packet=dts,flags'
    const { out, errors } = run('ffprobe', ['-v', 'warning', '-show_entries', entries, '-of', 'json', path])
    assert.is(errors, '')
    const { streams, packets } = JSON.parse(out.toString())
    const { frames: perSecond, perSeconds } = options.rate
    const [stream] = streams
    assert.is(stream.profile, 'Constrained Baseline')
    assert.equal([stream.width, stream.height], [width, height])
    const [rate = 0, scale = 0] = stream.avg_frame_rate.split('/').map(Number)
    assert.is(rate * perSeconds, scale * perSecond)
    assert.equal(
      packets.map((packet: { dts: number }) => packet.dts),
      count(0, frames).map((frame) => frame * perSeconds),
    )
    const keys = packets.flatMap((packet: { flags: string }, index: number) => (packet.flags[0] === 'K' ? [index] : []))
    assert.equal(
      keys,
      count(0, fragments).map((index) => index * options.gop),
    )
  })
}

test('the byte rate is met on average, to the frame', () => {
  for (const bitsPerSecond of [1_000_000, 4_000_000, 80_000_000]) {
    const { fragments } = write({ ...FAKE_DEFAULTS, bitsPerSecond }, 4)
    const samples = fragments.reduce((sum, bytes) => sum + bytes.byteLength, 0)
    const granted = (bitsPerSecond / 8) * 4
    assert.ok(Math.abs(samples - granted) < 2000, `${samples} bytes, granted ${granted}`)
  }
})

test('padding of any length says its own length and makes no start code', () => {
  for (let unitBytes = PADDING_MIN_BYTES; unitBytes < 2000; unitBytes++) {
    const { head, fillBytes } = paddingHead(unitBytes)
    let at = 2
    while (head[at] === 255) at += 1
    const payloadBytes = (at - 2) * 255 + (head[at] ?? 0)
    assert.is(payloadBytes, head.byteLength - at - 1 + fillBytes)
    const short = unitBytes - (head.byteLength + fillBytes + 1)
    assert.ok(short === 0 || short === 1, `${unitBytes}: ${short}`)
  }
  const writer = new FakeFragments(FAKE_DEFAULTS, runId, new Uint8Array(500))
  const bytes = Buffer.from(writer.next(3))
  const start = bytes.indexOf('mdat') + 4
  for (let at = start; at < bytes.byteLength; at += 4 + bytes.readUInt32BE(at)) {
    const unit = bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at))
    for (const third of [0, 1, 2]) assert.is(unit.indexOf(Uint8Array.of(0, 0, third)), -1)
  }
})

test('neighbouring key frames differ in idr_pic_id', () => {
  const { path } = write({ ...FAKE_DEFAULTS, gop: 1 }, 5)
  const trace = run('ffmpeg', ['-nostats', '-i', path, '-c', 'copy', '-bsf:v', 'trace_headers', '-f', 'null', '-'])
  const ids = [...trace.errors.matchAll(/idr_pic_id .*= (\d+)/g)].map((match) => Number(match[1]))
  assert.equal(ids, [0, 1, 0, 1, 0])
})

test('media/ reads init segment and fragments', () => {
  const writer = new FakeFragments({ ...FAKE_DEFAULTS, rate: { frames: 25, perSeconds: 2 } }, runId, runId)
  const init = parseInit(writer.init)
  const [track] = init.tracks
  assert.equal([track?.kind, track?.codec, track?.width, track?.height], ['video', 'avc1.42C016', 640, 360])
  writer.next(30)
  const fragment = parseFragment(writer.next(20), init)
  assert.is(fragment.keyFrame, true)
  assert.is(fragment.durationUs, 1_600_000)
  assert.equal(fragment.tracks, [{ id: 1, decodeTime: 60, durationTicks: 40, samples: 20 }])
})

test('every number and run id comes back from its SEI', () => {
  for (const frame of [0, 1, 255, 256, 65536, 2 ** 32 + 3, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    for (const id of [RUN_ID, '0000000000000000', '0102030000010203', 'ffffffffffffffff']) {
      const unit = numberSei(Uint8Array.from(Buffer.from(id, 'hex')), frame)
      assert.equal(readNumberSei(unit), { runId: id, frame })
      const hex = Buffer.from(unit).toString('hex').match(/../g)?.join(' ') ?? ''
      assert.not.match(hex, /00 00 0[0-2]/)
    }
  }
})

test('numbers are found in whole files and in several of them in a row', () => {
  const writer = new FakeFragments(FAKE_DEFAULTS, runId, runId)
  const whole = Buffer.concat([writer.init, writer.next(2), writer.init, writer.next(1)])
  assert.equal(
    readFrameNumbers(whole).map((number) => number.frame),
    [0, 1, 2],
  )
})

test('a NAL unit that is cut off is MEDIA_MALFORMED', () => {
  const writer = new FakeFragments(FAKE_DEFAULTS, runId, runId)
  const bytes = writer.next(1)
  const at = bytes.findIndex((_, index) => Buffer.from(bytes.subarray(index, index + 4)).toString('latin1') === 'mdat')
  bytes[at + 4] = 0x7f
  assert.throws(
    () => readFrameNumbers(bytes),
    (error: { code?: string }) => error.code === 'MEDIA_MALFORMED',
  )
})

test('a frame costs far below a millisecond', () => {
  const writer = new FakeFragments(FAKE_DEFAULTS, runId, seededRandom(1).bytes(65536))
  writer.next(30)
  const start = process.hrtime.bigint()
  for (let fragment = 0; fragment < 20; fragment++) writer.next(30)
  const perFrameUs = Number(process.hrtime.bigint() - start) / 1000 / 600
  assert.ok(perFrameUs < 500, `${perFrameUs} µs`)
})

test.run()

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RealClock } from '../../platform/clock-real.ts'
import { FakeFragments } from './fake-frames.ts'
import { FAKE_DEFAULTS } from './fake-options.ts'
import { FfmpegEncoder, type FfmpegEncoderOptions, type FfmpegSource } from './ffmpeg-encoder.ts'
import { framesOf, receiveRun } from './receive-run.ts'
import { parseSource } from './source-spec.ts'

const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const clock = new RealClock()

function encoderFor(spec: string, options: Partial<FfmpegEncoderOptions> = {}): FfmpegEncoder {
  return new FfmpegEncoder(parseSource(spec) as FfmpegSource, { clock, ...options })
}

function decodes(bytes: Uint8Array): void {
  const path = join(folder, 'check.mp4')
  writeFileSync(path, bytes)
  const { status, stderr } = spawnSync('ffmpeg', ['-v', 'error', '-i', path, '-f', 'null', '-'])
  assert.equal([status, stderr.toString()], [0, ''])
}

/** A clip of the fake encoder, with what else ffmpeg is asked to put beside it. */
function clip(name: string, ...extra: string[]): string {
  const writer = new FakeFragments({ ...FAKE_DEFAULTS, bitsPerSecond: 200_000 }, new Uint8Array(8), new Uint8Array(1))
  const plain = join(folder, 'plain.mp4')
  writeFileSync(plain, Buffer.concat([writer.init, writer.next(10), writer.next(10)]))
  const path = join(folder, name)
  const { status, stderr } = spawnSync('ffmpeg', ['-v', 'error', '-y', '-i', plain, ...extra, path])
  assert.is(status, 0, stderr.toString())
  return path
}

const SINE = ['-f', 'lavfi', '-t', '0.667', '-i', 'sine']

test('test: fragments come out one by one, with each key frame, and the rest on abort', async () => {
  const received = await receiveRun(encoderFor('test:size=320x180,gop=10'), 5)
  assert.is(received.error, undefined)
  assert.equal(received.skipped, [])
  assert.match(received.init?.tracks.map((track) => track.codec).join() ?? '', /^avc1\.[0-9A-F]{6}$/)
  // 4 fragments of a third of a second: not in one piece at the end, and not held back.
  const passedMs = (received.arrivedMs[4] ?? 0) - (received.arrivedMs[0] ?? 0)
  assert.ok(passedMs > 1000 && passedMs < 2500, `${passedMs} ms`)
  assert.equal(
    received.fragments.slice(0, 5).map(({ keyFrame, tracks }) => [keyFrame, tracks[0]?.samples]),
    Array.from({ length: 5 }, () => [true, 10]),
  )
  decodes(received.bytes)
})

test('test:h265 with audio', async () => {
  const received = await receiveRun(encoderFor('test:h265,size=320x180,fps=10,gop=5,audio=aac'), 2)
  assert.equal(received.skipped, [])
  assert.match(received.init?.tracks.map((track) => track.codec).join() ?? '', /^hvc1\..*,mp4a\.40\.2$/)
  assert.is(received.fragments[0]?.tracks.length, 2)
  decodes(received.bytes)
})

test('file: the clip is looped as it is, AAC kept; its name may hold anything', async () => {
  const path = clip('a b, c:d=1%20.mp4', ...SINE, '-c:v', 'copy', '-c:a', 'aac')
  const received = await receiveRun(encoderFor(`file:${path}`), 5)
  assert.equal(received.skipped, [])
  assert.equal(received.init?.tracks.map((track) => track.kind).sort(), ['audio', 'video'])
  assert.ok(received.fragments.every((fragment) => fragment.keyFrame))
  const starts = received.fragments.map(({ tracks }) => tracks[0]?.decodeTime ?? 0)
  assert.equal(
    starts,
    [...starts].sort((a, b) => a - b),
  )
  const passedMs = (received.arrivedMs[3] ?? 0) - (received.arrivedMs[0] ?? 0)
  assert.ok(passedMs > 700 && passedMs < 2500, `3 fragments of a third of a second in ${passedMs} ms`)
  decodes(received.bytes)
})

test('file: other audio is dropped, the frames of each loop are all there', async () => {
  const path = clip('mp3.mkv', ...SINE, '-c:v', 'copy', '-c:a', 'libmp3lame')
  const received = await receiveRun(encoderFor(`file:${path}`), 4)
  assert.equal(
    received.init?.tracks.map((track) => track.kind),
    ['video'],
  )
  const numbers = framesOf({ fragments: received.fragments.slice(0, 4) })
  const once = Array.from({ length: 20 }, (_, index) => index)
  assert.equal(numbers, [...once, ...once])
})

test('file: another codec, no video, no media at all are SOURCE_UNREADABLE', async () => {
  const mpeg4 = (await receiveRun(encoderFor(`file:${clip('old.avi', '-c:v', 'mpeg4')}`))).error
  assert.is(mpeg4?.code, 'SOURCE_UNREADABLE')
  assert.match(mpeg4?.message ?? '', 'is mpeg4, expected H.264 or H.265')
  const text = join(folder, 'notes.mp4')
  writeFileSync(text, 'no film at all')
  const none = (await receiveRun(encoderFor(`file:${text}`))).error
  assert.is(none?.code, 'SOURCE_UNREADABLE')
  assert.match(none?.message ?? '', /notes\.mp4 cannot be read: .*Invalid data/)
})

test.run()

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RealClock } from '../../platform/clock-real.ts'
import type { HomewardError } from '../../wire/errors.ts'
import { Capture } from './capture.ts'
import type { CapturedFragment, CaptureGap } from './captured.ts'
import { FfmpegEncoder, type FfmpegEncoderOptions, type FfmpegSource } from './ffmpeg-encoder.ts'
import { runFfmpeg } from './ffmpeg-process.ts'
import { receiveRun } from './receive-run.ts'
import { parseSource } from './source-spec.ts'

const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const clock = new RealClock()

function encoderFor(spec: string, options: Partial<FfmpegEncoderOptions> = {}): FfmpegEncoder {
  return new FfmpegEncoder(parseSource(spec) as FfmpegSource, { clock, ...options })
}

async function failure(encoder: FfmpegEncoder): Promise<HomewardError> {
  const { error } = await receiveRun(encoder, 1)
  assert.ok(error, 'it delivered')
  return error
}

function script(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, 0o755)
  return path
}

test('what is not there is SOURCE_MISSING and named', async () => {
  for (const spec of ['v4l2:/dev/video99', `file:${folder}/gone.mp4`]) {
    const error = await failure(encoderFor(spec))
    assert.is(error.code, 'SOURCE_MISSING')
    assert.match(error.message, spec.replace(/^\w+:/, ''))
  }
})

test('a device that is no camera is SOURCE_UNREADABLE', async () => {
  const error = await failure(encoderFor('v4l2:/dev/null'))
  assert.is(error.code, 'SOURCE_UNREADABLE')
  assert.match(error.message, '/dev/null')
})

test('no ffmpeg is FFMPEG_MISSING with the command that installs it', async () => {
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [{ HOMEWARD_FFMPEG: '/nonexistent' }, /HOMEWARD_FFMPEG is "\/nonexistent", but \/nonexistent is not a program/],
    [{ PATH: folder }, /no program ffmpeg in PATH/],
    [{ HOMEWARD_FFMPEG: script('bad', '#!/nonexistent/sh\n') }, /cannot be started/],
  ]
  for (const [environment, message] of cases) {
    const error = await failure(encoderFor('test', { environment }))
    assert.is(error.code, 'FFMPEG_MISSING')
    assert.match(error.message, message)
    assert.match(error.hint ?? '', 'apt-get install')
  }
})

test('an ffmpeg that ends, and one that says nothing', async () => {
  const broken = script('broken', '#!/bin/sh\necho "[x @ 0x1234] all is lost" >&2\nexit 3\n')
  const ended = await failure(encoderFor('test', { environment: { HOMEWARD_FFMPEG: broken } }))
  assert.is(ended.code, 'SOURCE_UNREADABLE')
  assert.match(ended.message, /cannot be read: \[x\] all is lost$/)
  const silent = script('silent', '#!/bin/sh\nexec sleep 60\n')
  const stalled = await failure(encoderFor('test', { environment: { HOMEWARD_FFMPEG: silent }, stallMs: 200 }))
  assert.is(stalled.code, 'SOURCE_UNREADABLE')
  assert.match(stalled.message, 'delivered nothing for 0.2 s')
})

test('an ffmpeg that ignores SIGTERM is killed within 3 s', async () => {
  const stubborn = script('stubborn', '#!/bin/sh\ntrap "" TERM\necho here\nwhile :; do sleep 0.05; done\n')
  const encoder = encoderFor('test', { environment: { HOMEWARD_FFMPEG: stubborn } })
  const stop = new AbortController()
  let abortedUs = 0
  const chunk = () => {
    abortedUs = clock.monoUs()
    stop.abort()
    return undefined
  }
  await encoder.run({ chunk }, stop.signal)
  const tookMs = (clock.monoUs() - abortedUs) / 1000
  assert.ok(tookMs >= 1900 && tookMs < 3000, `${tookMs} ms`)
})

test('aborted before it began', async () => {
  await encoderFor('test').run({ chunk: () => undefined }, AbortSignal.abort())
})

const RUN = { inputs: [{ options: ['-re'], source: 'x' }], outputOptions: ['-f', 'null'], clock, stallMs: 60_000 }

test('aborted before the process is there', async () => {
  const program = script('slow', '#!/bin/sh\nexec sleep 60\n')
  const exit = await runFfmpeg({ ...RUN, program, signal: AbortSignal.abort() })
  assert.is(exit.how, 'killed')
})

test('the end comes after the last output was taken, however slowly', async () => {
  const program = script('much', '#!/bin/sh\nhead -c 1000000 /dev/zero\nexec >&-\nsleep 0.5\necho bye >&2\n')
  let bytes = 0
  const output = async (chunk: Uint8Array) => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    bytes += chunk.byteLength
  }
  const exit = await runFfmpeg({ ...RUN, program, signal: new AbortController().signal, output })
  assert.equal([exit.how, exit.lines, bytes], ['finished', ['bye'], 1_000_000])
})

test('what the receiver throws ends ffmpeg and comes out', async () => {
  const program = script('more', '#!/bin/sh\nexec cat /dev/zero\n')
  const output = () => {
    throw new RangeError('no more')
  }
  try {
    await runFfmpeg({ ...RUN, program, signal: new AbortController().signal, output })
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RangeError)
  }
})

test('ffmpeg killed in mid-run is started again as the next run', async () => {
  const pids = join(folder, 'pids')
  const wrapper = script('wrapper', `#!/bin/sh\necho $$ >> ${pids}\nexec ffmpeg "$@"\n`)
  const encoder = encoderFor('test:size=160x90,gop=6', { environment: { ...process.env, HOMEWARD_FFMPEG: wrapper } })
  const fragments: CapturedFragment[] = []
  const gaps: CaptureGap[] = []
  const capture = new Capture({
    encoder,
    clock,
    sink: {
      fragment: async (fragment) => {
        fragments.push(fragment)
      },
      gap: async (gap) => {
        gaps.push(gap)
      },
    },
  })
  const until = async (done: () => boolean) => {
    while (!done()) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  capture.start()
  await until(() => fragments.length >= 2)
  process.kill(Number(readFileSync(pids, 'ascii')), 'SIGKILL')
  await until(() => capture.state.state === 'waiting')
  assert.is(capture.state.lastError?.code, 'ENCODER_ENDED')
  assert.match(capture.state.lastError?.message ?? '', 'SIGKILL')
  await until(() => fragments.some(({ run }) => run === 1))
  const before = clock.monoUs()
  await capture.close()
  assert.ok(clock.monoUs() - before < 3_000_000)
  const runs = fragments.map(({ run }) => run)
  assert.equal(
    runs,
    [...runs].sort((a, b) => a - b),
  )
  for (const run of [0, 1]) {
    const own = fragments.filter((fragment) => fragment.run === run)
    assert.equal(
      own.map(({ runStart, fragment }) => [runStart, fragment.tracks[0]?.decodeTime === 0]),
      own.map((_, index) => [index === 0, index === 0]),
    )
  }
  assert.ok(gaps.every(({ run, reason }) => run === 0 && reason === 'encoder-ended'))
  fragments.reduce((endUs, { monoUs, durationUs }) => {
    assert.ok(monoUs >= endUs, 'stamps overlap')
    return monoUs + durationUs
  }, 0)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RealClock } from '../../platform/clock-real.ts'
import { type FakeRtsp, type FakeRtspOptions, startFakeRtsp } from './fake-rtsp.ts'
import { FfmpegEncoder } from './ffmpeg-encoder.ts'
import { framesOf, receiveRun } from './receive-run.ts'

const clock = new RealClock()
let camera: FakeRtsp | undefined
test.after.each(() => camera?.close())

interface Watch {
  readonly login?: string
  readonly enough?: number
  readonly stallMs?: number
}

async function receive(options: FakeRtspOptions, { login = '', enough, stallMs = 30_000 }: Watch = {}) {
  camera = await startFakeRtsp(options)
  const source = { kind: 'rtsp', url: `rtsp://${login}127.0.0.1:${camera.port}/live` } as const
  const run = await receiveRun(new FfmpegEncoder(source, { clock, stallMs }), enough)
  assert.equal(run.skipped, [])
  return { frames: framesOf(run), error: run.error }
}

const inOrder = (frames: readonly number[]) => frames.map((_, index) => index)

test('the frames of a camera come through as they are', async () => {
  const options = { credentials: 'admin:geheim', frames: 1000, afterwards: 'silent' } as const
  const { frames, error } = await receive(options, { login: 'admin:geheim@', enough: 3 })
  assert.is(error, undefined)
  assert.ok(frames.length >= 15)
  assert.equal(frames, inOrder(frames))
})

test('a camera that hangs up is ENCODER_ENDED, after its last frame was delivered', async () => {
  const { frames, error } = await receive({ frames: 40, afterwards: 'hang-up' })
  assert.is(error?.code, 'ENCODER_ENDED')
  assert.equal(frames, inOrder(Array.from({ length: 40 })))
})

test('a camera that falls silent is ENCODER_ENDED, after all that it had sent was delivered', async () => {
  const { frames, error } = await receive({ frames: 45, afterwards: 'silent' }, { stallMs: 2400 })
  assert.is(error?.code, 'ENCODER_ENDED')
  assert.match(error?.message ?? '', 'Connection timed out')
  assert.equal(frames, inOrder(Array.from({ length: 45 })))
})

test('a wrong password is SOURCE_UNREADABLE and never told', async () => {
  const options = { credentials: 'admin:geheim', frames: 10, afterwards: 'hang-up' } as const
  const { error } = await receive(options, { login: 'admin:falsch@' })
  assert.is(error?.code, 'SOURCE_UNREADABLE')
  assert.match(error?.message ?? '', '401')
  assert.not.match(`${error?.message}${error?.hint}`, 'falsch')
})

test('nobody there is SOURCE_UNREADABLE', async () => {
  const gone = await startFakeRtsp({ frames: 0, afterwards: 'silent' })
  await gone.close()
  const source = { kind: 'rtsp', url: `rtsp://a:geheim@127.0.0.1:${gone.port}/live` } as const
  const { error } = await receiveRun(new FfmpegEncoder(source, { clock }))
  assert.is(error?.code, 'SOURCE_UNREADABLE')
  assert.match(error?.message ?? '', 'Connection refused')
  assert.not.match(error?.message ?? '', 'geheim')
})

test.run()

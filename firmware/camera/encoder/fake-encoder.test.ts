import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { seededRandom } from '../../platform/random.ts'
import { HomewardError } from '../../wire/errors.ts'
import { FakeEncoder, type FakeEncoderOptions } from './fake-encoder.ts'
import { FAKE_DEFAULTS } from './fake-options.ts'
import { readFrameNumbers } from './frame-numbers.ts'

function setUp(options: Partial<FakeEncoderOptions>) {
  const clock = new FakeClock()
  const encoder = new FakeEncoder({ ...FAKE_DEFAULTS, clock, random: seededRandom(5), ...options })
  const stop = new AbortController()
  /** Time of each chunk in ms, and the frames in it. */
  const chunks: [number, number][] = []
  const runIds = new Set<string>()
  let ended: unknown
  const start = async (hold?: () => Promise<void>) => {
    const chunk = (bytes: Uint8Array) => {
      const numbers = readFrameNumbers(bytes)
      for (const { runId } of numbers) runIds.add(runId)
      chunks.push([clock.monoUs() / 1000, numbers.length])
      return hold?.()
    }
    encoder.run({ chunk }, stop.signal).then(
      () => {
        ended = 'resolved'
      },
      (error) => {
        ended = error
      },
    )
    await clock.advance(0)
  }
  return { clock, encoder, stop, chunks, runIds, start, ended: () => ended }
}

test('in real time each fragment comes when its last frame is over; the last may be short', async () => {
  const { clock, chunks, start, ended } = setUp({ frames: 70 })
  await start()
  await clock.advance(5000)
  assert.equal(chunks, [
    [1000, 0],
    [1000, 30],
    [2000, 30],
    [2333.333, 10],
  ])
  assert.is(ended(), 'resolved')
})

test('twice as fast', async () => {
  const { clock, chunks, start, stop } = setUp({ speed: 2 })
  await start()
  await clock.advance(1600)
  stop.abort()
  await clock.advance(0)
  assert.equal(chunks.slice(1), [
    [500, 30],
    [1000, 30],
    [1500, 30],
    [1600, 6],
  ])
  assert.is(clock.pendingTimers, 0)
})

test('a slow receiver holds it back, then real time is caught up with', async () => {
  const { clock, chunks, start, stop } = setUp({})
  let first = true
  await start(async () => {
    if (!first) return
    first = false
    await new Promise<void>((resolve) => clock.after(2500, resolve))
  })
  await clock.advance(4000)
  assert.equal(
    chunks.map(([atMs]) => atMs),
    [1000, 3500, 3500, 3500, 4000],
  )
  stop.abort()
  await clock.advance(0)
})

test('each run has its own id, unless one is given', async () => {
  const drawn = setUp({ speed: 'max', frames: 30 })
  await drawn.start()
  await drawn.start()
  assert.is(drawn.runIds.size, 2)
  const given = setUp({ speed: 'max', frames: 30, runId: '00112233445566ff' })
  await given.start()
  await given.start()
  assert.equal([...given.runIds], ['00112233445566ff'])
})

test('it fails as told, run by run, and a hanging one ends on abort', async () => {
  const error = new HomewardError('ENCODER_ENDED', 'pulled')
  const plan = [
    { afterFrames: 59, error },
    { afterFrames: 60, error },
    { afterFrames: 30, error: 'hang' as const },
  ]
  const { clock, chunks, start, stop, ended } = setUp({ failure: (run) => plan[run] })
  const frames = () => chunks.splice(0).reduce((sum, [, count]) => sum + count, 0)
  await start()
  await clock.advance(3000)
  assert.equal([frames(), ended()], [30, error])
  await start()
  await clock.advance(3000)
  assert.equal([frames(), ended()], [60, error])
  await start()
  await clock.advance(3000)
  assert.equal([frames(), ended()], [30, error])
  stop.abort()
  await clock.advance(0)
  assert.is(ended(), 'resolved')
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { seededRandom } from '../../platform/random.ts'
import { HomewardError } from '../../wire/errors.ts'
import { Capture, type CaptureOptions, type CaptureState } from './capture.ts'
import type { CapturedFragment, CaptureGap, CaptureSink } from './captured.ts'
import type { Encoder, EncoderOutput } from './encoder.ts'
import { FakeEncoder, type FakeEncoderOptions } from './fake-encoder.ts'
import { FakeFragments } from './fake-frames.ts'
import { FAKE_DEFAULTS } from './fake-options.ts'
import { readFrameNumbers } from './frame-numbers.ts'

const S = 1_000_000

class FakeSink implements CaptureSink {
  readonly fragments: CapturedFragment[] = []
  readonly gaps: CaptureGap[] = []
  /** What the next calls do: wait for `resume`, or reject with it. */
  stalled = false
  refuse: Error | undefined
  #waiting: (() => void)[] = []
  #busy = false

  fragment(fragment: CapturedFragment): Promise<void> {
    return this.#take(() => this.fragments.push(fragment))
  }

  gap(gap: CaptureGap): Promise<void> {
    return this.#take(() => this.gaps.push(gap))
  }

  resume(): void {
    this.stalled = false
    for (const go of this.#waiting.splice(0)) go()
  }

  async #take(keep: () => void): Promise<void> {
    assert.not(this.#busy, 'one at a time')
    this.#busy = true
    if (this.stalled) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else await Promise.resolve()
    this.#busy = false
    if (this.refuse !== undefined) throw this.refuse
    keep()
  }

  get frames(): number[] {
    return this.fragments.flatMap(({ fragment }) => readFrameNumbers(fragment.bytes).map((number) => number.frame))
  }
}

function setUp(fake: Partial<FakeEncoderOptions> = {}, options: Partial<CaptureOptions> = {}) {
  const clock = new FakeClock()
  const sink = new FakeSink()
  const states: CaptureState[] = []
  const encoder = new FakeEncoder({ ...FAKE_DEFAULTS, gop: 15, clock, random: seededRandom(3), ...fake })
  const capture = new Capture({ encoder, sink, clock, onState: (state) => states.push(state), ...options })
  return { clock, sink, capture, states }
}

const seq = (length: number) => Array.from({ length }, (_, index) => index)

test('fragments arrive in order, stamped by their first frame, without overlap', async () => {
  const { clock, sink, capture, states } = setUp()
  capture.start()
  await clock.advance(0)
  await clock.advance(3000)
  await capture.close()
  assert.equal(sink.frames, seq(90))
  assert.equal(sink.gaps, [])
  const startUs = Date.UTC(2026, 0, 1) * 1000
  assert.equal(
    sink.fragments.map(({ run, runStart, monoUs, wallUs, durationUs }) => [run, runStart, monoUs, wallUs, durationUs]),
    seq(6).map((index) => [0, index === 0, index * 500_000, startUs + index * 500_000, 500_000]),
  )
  assert.equal(
    states.map((state) => state.state),
    ['starting', 'running', 'closed'],
  )
  assert.equal(capture.stats(), { captured: 6, lost: 0, queuedBytes: 0 })
  assert.is(clock.pendingTimers, 0)
})

test('closing delivers the frames that were over', async () => {
  const { clock, sink, capture } = setUp()
  capture.start()
  await clock.advance(0)
  await clock.advance(1260)
  await capture.close()
  assert.equal(sink.frames, seq(37))
  assert.is(sink.fragments.at(-1)?.fragment.keyFrame, true)
})

test('a wall clock that was never set stamps 0, one that is set later is followed', async () => {
  const { clock, sink, capture } = setUp()
  clock.setWall(5, 'none')
  capture.start()
  await clock.advance(0)
  await clock.advance(1000)
  clock.setWall(Date.UTC(2026, 5, 1) * 1000, 'synchronised')
  await clock.advance(1000)
  await capture.close()
  assert.equal(
    sink.fragments.map(({ clock: quality, wallUs }) => [quality, wallUs]),
    [
      ['none', 0],
      ['none', 0],
      ['synchronised', Date.UTC(2026, 5, 1) * 1000],
      ['synchronised', Date.UTC(2026, 5, 1) * 1000 + 500_000],
    ],
  )
})

test('an encoder that fails is started again after a growing wait; runs are counted and never mixed', async () => {
  const error = new HomewardError('ENCODER_ENDED', 'the camera was pulled')
  const { clock, sink, capture, states } = setUp({ failure: () => ({ afterFrames: 30, error }) })
  capture.start()
  await clock.advance(0)
  await clock.advance(11_000)
  const runs = sink.fragments.map(({ run }) => run)
  assert.equal(runs, [0, 0, 1, 1, 2, 2, 3, 3])
  assert.equal(
    states.flatMap((state) => (state.state === 'waiting' ? [state.retryMs] : [])),
    [500, 1000, 2000, 4000],
  )
  const startsUs = [0, 1.5 * S, 3.5 * S, 6.5 * S]
  for (const run of [0, 1, 2, 3]) {
    const own = sink.fragments.filter((fragment) => fragment.run === run)
    const numbers = own.flatMap(({ fragment }) => readFrameNumbers(fragment.bytes))
    assert.equal(
      numbers.map((number) => number.frame),
      seq(30),
    )
    assert.is(new Set(numbers.map((number) => number.runId)).size, 1)
    assert.equal(
      own.map(({ runStart, monoUs }) => [runStart, monoUs]),
      [
        [true, startsUs[run]],
        [false, (startsUs[run] ?? 0) + 500_000],
      ],
    )
  }
  const { state, restarts, lastError } = capture.state
  assert.equal([state, restarts, lastError], ['waiting', 3, error])
  await capture.close()
  assert.is(clock.pendingTimers, 0)
})

test('the wait is capped at 30 s and starts anew after a healthy run', async () => {
  const error = new HomewardError('SOURCE_MISSING', 'no camera')
  const { clock, capture, states } = setUp({
    failure: (run) => ({ afterFrames: run === 9 ? 31 * 30 : 0, error }),
  })
  capture.start()
  await clock.advance(0)
  await clock.advance(240_000)
  const waits = states.flatMap((state) => (state.state === 'waiting' ? [state.retryMs] : []))
  assert.equal(
    waits,
    [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000],
  )
  await capture.close()
})

test('a start that delivers nothing takes no run number', async () => {
  const error = new HomewardError('SOURCE_MISSING', 'no camera')
  const { clock, sink, capture } = setUp({ failure: (run) => (run === 3 ? undefined : { afterFrames: 0, error }) })
  capture.start()
  await clock.advance(0)
  await clock.advance(5000)
  assert.equal(
    sink.fragments.map(({ run }) => run),
    seq(3).map(() => 0),
  )
  await capture.close()
})

test('while the sink stalls the queue is bounded and whole fragments become one gap', async () => {
  const { clock, sink, capture } = setUp({}, { queue: { maxBytes: 64 * S, maxMs: 5000 } })
  capture.start()
  await clock.advance(0)
  await clock.advance(1000)
  sink.stalled = true
  let most = 0
  for (let second = 0; second < 60; second++) {
    await clock.advance(1000)
    most = Math.max(most, capture.stats().queuedBytes)
  }
  assert.ok(most < 2.7 * S, `${most} bytes queued`)
  sink.resume()
  await clock.advance(0)
  await clock.advance(1000)
  await capture.close()
  assert.is(sink.gaps.length, 1)
  const [gap] = sink.gaps
  assert.equal([gap?.reason, gap?.span, gap?.run], ['card-stalled', 110, 0])
  assert.match(gap?.detail ?? '', 'the card is behind')
  assert.is(gap?.durationUs, 55 * S)
  assert.is(sink.fragments.length + (gap?.span ?? 0), 124)
  assert.equal(capture.stats(), { captured: 124, lost: 110, queuedBytes: 0 })
  // What was lost lies exactly where the stamps have a hole.
  const index = sink.fragments.findIndex(({ monoUs }) => monoUs > (gap?.monoUs ?? 0))
  const [before, after] = [sink.fragments[index - 1], sink.fragments[index]]
  assert.is((before?.monoUs ?? 0) + (before?.durationUs ?? 0), gap?.monoUs)
  assert.is((gap?.monoUs ?? 0) + (gap?.durationUs ?? 0), after?.monoUs)
})

test('the queue is bounded in bytes too', async () => {
  const { clock, sink, capture } = setUp({}, { queue: { maxBytes: S, maxMs: 60_000 } })
  sink.stalled = true
  capture.start()
  await clock.advance(0)
  await clock.advance(10_000)
  assert.ok(capture.stats().queuedBytes <= S)
  sink.resume()
  await clock.advance(0)
  await capture.close()
  assert.is(sink.gaps[0]?.reason, 'card-stalled')
  assert.is(sink.fragments.length + (sink.gaps[0]?.span ?? 0), 20)
})

test('the first fragment of a run that was handed on is marked, though others were left out before it', async () => {
  const error = new HomewardError('ENCODER_ENDED', 'gone')
  const { clock, sink, capture } = setUp(
    { failure: (run) => (run === 0 ? { afterFrames: 60, error } : undefined) },
    { queue: { maxBytes: 64 * S, maxMs: 1000 } },
  )
  sink.stalled = true
  capture.start()
  await clock.advance(0)
  await clock.advance(4000)
  sink.resume()
  await clock.advance(0)
  await clock.advance(1000)
  await capture.close()
  const second = sink.fragments.filter(({ run }) => run === 1)
  assert.equal(
    second.map(({ runStart }) => runStart),
    seq(second.length).map((index) => index === 0),
  )
  assert.ok(sink.gaps.some((gap) => gap.run === 1))
})

test('a fragment that the sink refuses comes again as a gap, a gap as often as needed', async () => {
  const { clock, sink, capture } = setUp()
  capture.start()
  await clock.advance(0)
  await clock.advance(600)
  sink.refuse = new Error('EIO')
  await clock.advance(3000)
  sink.refuse = undefined
  await clock.advance(2000)
  await capture.close()
  assert.equal(
    sink.gaps.map(({ reason, span, monoUs, detail }) => [reason, span, monoUs, detail]),
    [['card-failed', 1, 500_000, 'EIO']],
  )
  assert.equal(sink.frames, [...seq(15), ...seq(168).slice(30)])
  assert.is(clock.pendingTimers, 0)
})

test('a source beyond real time is held back and loses nothing', async () => {
  const { clock, sink, capture, states } = setUp(
    { speed: 'max', frames: 3000, bitsPerSecond: 40_000_000 },
    { queue: { maxBytes: 8 * S, maxMs: 1 } },
  )
  sink.stalled = true
  capture.start()
  await clock.advance(0)
  const stalledAt = capture.stats()
  await clock.advance(60_000)
  assert.equal(capture.stats(), stalledAt)
  assert.ok(stalledAt.queuedBytes > 4 * S && stalledAt.queuedBytes <= 8 * S, `${stalledAt.queuedBytes}`)
  sink.resume()
  await clock.advance(0)
  while (capture.state.state !== 'ended') await clock.advance(1)
  await capture.close()
  assert.equal(sink.frames, seq(3000))
  assert.equal(sink.gaps, [])
  const last = sink.fragments.at(-1)
  assert.is((last?.monoUs ?? 0) + (last?.durationUs ?? 0), 100 * S)
  assert.equal(
    states.map((state) => state.state),
    ['starting', 'running', 'ended', 'closed'],
  )
})

test('closing frees an encoder that is held back', async () => {
  const { clock, sink, capture } = setUp({ speed: 'max' }, { queue: { maxBytes: S, maxMs: 1 } })
  sink.stalled = true
  capture.start()
  await clock.advance(0)
  const closing = capture.close()
  await clock.advance(3000)
  await closing
  assert.is(capture.state.state, 'closed')
  assert.ok(capture.stats().lost > 0)
  sink.resume()
  await clock.advance(0)
  assert.is(sink.fragments.length, 1)
})

test('closing gives a stalled sink 3 s and counts what it did not take', async () => {
  const { clock, sink, capture } = setUp()
  sink.stalled = true
  capture.start()
  await clock.advance(0)
  await clock.advance(2000)
  let closed = false
  const closing = capture.close().then(() => {
    closed = true
  })
  await clock.advance(0)
  await clock.advance(2999)
  assert.is(closed, false)
  await clock.advance(1)
  await closing
  assert.is(capture.stats().lost, 4)
  assert.is(clock.pendingTimers, 0)
})

test('closing before start, twice, and while waiting for a restart', async () => {
  const early = setUp()
  await early.capture.close()
  early.capture.start()
  await early.clock.advance(2000)
  assert.equal(early.sink.fragments, [])

  const error = new HomewardError('SOURCE_MISSING', 'no camera')
  const waiting = setUp({ failure: () => ({ afterFrames: 0, error }) })
  waiting.capture.start()
  await waiting.clock.advance(0)
  await waiting.clock.advance(100)
  assert.is(waiting.capture.state.state, 'waiting')
  await Promise.all([waiting.capture.close(), waiting.capture.close()])
  assert.is(waiting.clock.pendingTimers, 0)
})

/** Delivers what it is given, run by run. */
class ScriptedEncoder implements Encoder {
  readonly describe = 'scripted'
  readonly realTime = true
  readonly #runs: ((output: EncoderOutput) => void)[]

  constructor(...runs: ((output: EncoderOutput) => void)[]) {
    this.#runs = runs
  }

  async run(output: EncoderOutput, signal: AbortSignal): Promise<void> {
    const next = this.#runs.shift()
    if (next === undefined) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      return
    }
    next(output)
    throw new HomewardError('ENCODER_ENDED', 'end of the script')
  }
}

const stream = (id: string) =>
  new FakeFragments({ ...FAKE_DEFAULTS, gop: 3 }, Buffer.from(id, 'hex'), new Uint8Array(9))

test('what is cut off at the end of a run, and damage inside, are gaps; nothing of it gets into the next run', async () => {
  const first = stream('00000000000000aa')
  const second = stream('00000000000000bb')
  const encoder = new ScriptedEncoder(
    (output) => {
      output.chunk(first.init)
      output.chunk(first.next(3))
      output.chunk(Buffer.from('frame= 1 fps=0.0 printed into the pipe'))
      output.chunk(first.next(3))
      output.chunk(first.next(3).subarray(0, 400))
    },
    (output) => {
      output.chunk(Buffer.concat([second.init, second.next(3)]))
    },
  )
  const { clock, sink, capture } = setUp({}, { encoder })
  capture.start()
  await clock.advance(0)
  await clock.advance(1000)
  await capture.close()
  assert.equal(
    sink.fragments.map(({ fragment, run }) => [run, readFrameNumbers(fragment.bytes)[0]?.runId.slice(-2)]),
    [
      [0, 'aa'],
      [0, 'aa'],
      [1, 'bb'],
    ],
  )
  assert.equal(
    sink.gaps.map(({ reason, run, span }) => [reason, run, span]),
    [
      ['encoder-damaged', 0, 1],
      ['encoder-ended', 0, 1],
    ],
  )
})

test('a second init segment in one stream is a new run', async () => {
  const [first, second] = [stream('00000000000000aa'), stream('00000000000000bb')]
  const encoder = new ScriptedEncoder((output) => {
    output.chunk(Buffer.concat([first.init, first.next(3), second.init, second.next(3)]))
  })
  const { clock, sink, capture, states } = setUp({}, { encoder })
  capture.start()
  await clock.advance(0)
  await clock.advance(100)
  await capture.close()
  assert.equal(
    sink.fragments.map(({ run, runStart }) => [run, runStart]),
    [
      [0, true],
      [1, true],
    ],
  )
  assert.equal(
    states.flatMap((state) => (state.state === 'running' ? [state.run] : [])),
    [0, 1],
  )
})

test('an encoder that throws what is not ours is INTERNAL and started again', async () => {
  const encoder = new ScriptedEncoder(() => {
    throw new TypeError('a bug')
  })
  const { clock, capture } = setUp({}, { encoder })
  capture.start()
  await clock.advance(0)
  await clock.advance(100)
  assert.is(capture.state.state, 'waiting')
  assert.is(capture.state.lastError?.code, 'INTERNAL')
  assert.match(capture.state.lastError?.message ?? '', 'a bug')
  await capture.close()
})

test.run()

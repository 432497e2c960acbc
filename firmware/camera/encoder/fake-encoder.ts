/**
 * An encoder without ffmpeg, hardware or picture source: valid H.264 in fragmented MP4 at any rate and speed, each frame
 * numbered in its picture and in its bytes (`frame-numbers.ts`). Tests, benches and the demo run on it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../platform/clock.ts'
import { sleep } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import { fromHex } from '../../wire/bytes.ts'
import type { HomewardError } from '../../wire/errors.ts'
import type { Encoder, EncoderOutput } from './encoder.ts'
import { FakeFragments } from './fake-frames.ts'
import type { FakeOptions } from './fake-options.ts'

/** How a run goes wrong, for those who test what comes then. */
export interface FakeFailure {
  /** Frames that the run delivers before, in whole fragments. */
  readonly afterFrames: number
  /** What `run` rejects with; `hang`: it delivers nothing more and only an abort ends it. */
  readonly error: HomewardError | 'hang'
}

export interface FakeEncoderOptions extends FakeOptions {
  readonly clock: Clock
  readonly random: Random
  /** 16 hex digits for every run; drawn anew for each run when absent. */
  readonly runId?: string
  /** Asked at the start of each run, counted from 0. */
  readonly failure?: (run: number) => FakeFailure | undefined
}

/** Long enough that no compression finds the repetition at once, short enough to stay in the processor's cache. */
const PADDING_BYTES = 64 * 1024

export class FakeEncoder implements Encoder {
  readonly describe: string
  readonly realTime: boolean
  readonly #options: FakeEncoderOptions
  #runs = 0

  constructor(options: FakeEncoderOptions) {
    const { size, rate, bitsPerSecond, speed } = options
    const fps = Math.round((rate.frames / rate.perSeconds) * 100) / 100
    this.describe = `fake ${size.width}x${size.height} ${fps} fps ${bitsPerSecond} bit/s, speed ${speed}`
    this.realTime = speed === 1
    this.#options = options
  }

  /** A fragment comes when its last frame is over, as from ffmpeg; an abort delivers the frames that were over by then. */
  async run(output: EncoderOutput, signal: AbortSignal): Promise<void> {
    const { clock, random, runId, failure, gop, frames = Number.POSITIVE_INFINITY, speed, rate } = this.#options
    const failing = failure?.(this.#runs)
    this.#runs += 1
    const id = runId === undefined ? random.bytes(8) : fromHex(runId)
    const fragments = new FakeFragments(this.#options, id, random.bytes(PADDING_BYTES))
    const frameUs = speed === 'max' ? 0 : (1e6 * rate.perSeconds) / rate.frames / speed
    const startUs = clock.monoUs()
    let done = 0
    while (done < frames && !signal.aborted) {
      if (failing !== undefined && done + gop > failing.afterFrames) {
        if (failing.error !== 'hang') throw failing.error
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        return
      }
      let count = Math.min(gop, frames - done)
      if (frameUs === 0) await nextTurn()
      else {
        const dueUs = startUs + Math.round((done + count) * frameUs)
        await sleep(clock, Math.max(0, (dueUs - clock.monoUs()) / 1000), signal)
        if (signal.aborted) {
          const over = Math.floor((clock.monoUs() - startUs) / frameUs + 1e-6) - done
          count = Math.max(0, Math.min(count, over))
        }
      }
      if (count === 0) break
      if (done === 0) await output.chunk(fragments.init)
      done += count
      await output.chunk(fragments.next(count))
    }
  }
}

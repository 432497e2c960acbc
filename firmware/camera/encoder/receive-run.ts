/** For tests: runs an encoder against the real clock and keeps all that comes out of it. */
import type { MediaFragment } from '../../media/fragment.ts'
import type { InitSegment } from '../../media/init.ts'
import { FragmentSplitter } from '../../media/splitter.ts'
import { RealClock } from '../../platform/clock-real.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { Encoder } from './encoder.ts'
import { readFrameNumbers } from './frame-numbers.ts'

export interface ReceivedRun {
  readonly init: InitSegment | undefined
  readonly fragments: readonly MediaFragment[]
  /** When each fragment was complete. */
  readonly arrivedMs: readonly number[]
  /** What the splitter could make nothing of. */
  readonly skipped: readonly string[]
  /** The stream as it came. */
  readonly bytes: Uint8Array
  /** What the run rejected with. */
  readonly error: HomewardError | undefined
}

/** Aborts when `enough` fragments are there; what the encoder still delivers then is kept too. */
export async function receiveRun(encoder: Encoder, enough = Number.POSITIVE_INFINITY): Promise<ReceivedRun> {
  const clock = new RealClock()
  const stop = new AbortController()
  const chunks: Uint8Array[] = []
  const fragments: MediaFragment[] = []
  const arrivedMs: number[] = []
  const skipped: string[] = []
  let init: InitSegment | undefined
  let error: HomewardError | undefined
  const splitter = new FragmentSplitter({
    init: (segment) => {
      init = segment
    },
    fragment: (fragment) => {
      fragments.push(fragment)
      arrivedMs.push(clock.monoUs() / 1000)
      if (fragments.length === enough) stop.abort()
    },
    skipped: (bytes, why) => skipped.push(`${bytes} bytes: ${why}`),
  })
  const chunk = (bytes: Uint8Array): undefined => {
    chunks.push(bytes)
    splitter.push(bytes)
  }
  try {
    await encoder.run({ chunk }, stop.signal)
  } catch (thrown) {
    if (!(thrown instanceof HomewardError)) throw thrown
    error = thrown
  }
  splitter.end()
  return { init, fragments, arrivedMs, skipped, bytes: Buffer.concat(chunks), error }
}

/** The fake encoder's frame numbers in the order of their arrival. */
export function framesOf(run: Pick<ReceivedRun, 'fragments'>): number[] {
  return run.fragments.flatMap(({ bytes }) => readFrameNumbers(bytes).map(({ frame }) => frame))
}

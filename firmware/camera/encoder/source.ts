/** From what a person writes as a source to the encoder that delivers it. */
import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import type { Encoder } from './encoder.ts'
import { FakeEncoder } from './fake-encoder.ts'
import { FfmpegEncoder } from './ffmpeg-encoder.ts'
import { parseSource, type SourceSpec } from './source-spec.ts'

export { describeSource, maskUrl, parseSource, type SourceSpec } from './source-spec.ts'

export interface EncoderDependencies {
  readonly clock: Clock
  readonly random: Random
  /** Where HOMEWARD_FFMPEG and PATH are looked up; `process.env` when absent. */
  readonly environment?: NodeJS.ProcessEnv
}

/** Takes the text or what `parseSource` made of it. Throws USAGE or CONFIG_INVALID; whether the source is there, `run` says. */
export function createEncoder(source: string | SourceSpec, dependencies: EncoderDependencies): Encoder {
  const spec = typeof source === 'string' ? parseSource(source) : source
  const { clock, random, environment = process.env } = dependencies
  if (spec.kind === 'fake') return new FakeEncoder({ ...spec.fake, clock, random })
  return new FfmpegEncoder(spec, { clock, environment })
}

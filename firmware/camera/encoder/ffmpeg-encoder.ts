/** Every source but the fake one: ffmpeg copies what the encoder delivers, or makes a test picture. */
import { access, constants } from 'node:fs/promises'
import type { Clock } from '../../platform/clock.ts'
import { HomewardError, systemCode } from '../../wire/errors.ts'
import type { Encoder, EncoderOutput } from './encoder.ts'
import { copyCommand, probeCommand, testCommand, v4l2Command } from './ffmpeg-args.ts'
import { findFfmpeg } from './ffmpeg-binary.ts'
import { exitError } from './ffmpeg-errors.ts'
import { type FfmpegCommandLine, runFfmpeg } from './ffmpeg-process.ts'
import { readStreams } from './ffmpeg-streams.ts'
import { describeSource, type FakeSource, type SourceSpec } from './source-spec.ts'

export type FfmpegSource = Exclude<SourceSpec, FakeSource>

export interface FfmpegEncoderOptions {
  readonly clock: Clock
  /** So long without output is the end of a run; the default allows for cameras with a key frame every 10 s. */
  readonly stallMs?: number
  /** Where HOMEWARD_FFMPEG and PATH are looked up; `process.env` when absent. */
  readonly environment?: NodeJS.ProcessEnv
}

const STALL_MS = 30_000

export class FfmpegEncoder implements Encoder {
  readonly describe: string
  readonly realTime = true
  readonly #source: FfmpegSource
  readonly #clock: Clock
  readonly #stallMs: number
  readonly #environment: NodeJS.ProcessEnv

  constructor(source: FfmpegSource, options: FfmpegEncoderOptions) {
    this.describe = describeSource(source)
    this.#source = source
    this.#clock = options.clock
    this.#stallMs = options.stallMs ?? STALL_MS
    this.#environment = options.environment ?? process.env
  }

  /** None of these sources is ever over: it resolves only on abort. */
  async run(output: EncoderOutput, signal: AbortSignal): Promise<void> {
    const program = await findFfmpeg(this.#environment)
    await checkPresent(this.#source)
    const command = await this.#command(program, signal)
    if (command === undefined || signal.aborted) return
    let delivered = false
    const exit = await runFfmpeg({
      ...command,
      program,
      signal,
      clock: this.#clock,
      stallMs: this.#stallMs,
      output: (bytes) => {
        delivered = true
        return output.chunk(bytes)
      },
    })
    if (signal.aborted) return
    throw exitError(this.#source, exit, delivered, this.#stallMs)
  }

  /** Undefined when aborted meanwhile. */
  async #command(program: string, signal: AbortSignal): Promise<FfmpegCommandLine | undefined> {
    const source = this.#source
    if (source.kind === 'v4l2') return v4l2Command(source)
    if (source.kind === 'test') return testCommand(source)
    // The network is given up on before the process is: that way ffmpeg ends in good order.
    const timeoutMs = Math.round(this.#stallMs / 3)
    const exit = await runFfmpeg({
      ...probeCommand(source, timeoutMs),
      program,
      signal,
      clock: this.#clock,
      stallMs: this.#stallMs,
    })
    if (signal.aborted) return undefined
    if (exit.how !== 'finished') throw exitError(source, exit, false, this.#stallMs)
    const hint =
      source.kind === 'file'
        ? 'Convert it once: ffmpeg -i CLIP -c:v libx264 -c:a aac out.mp4'
        : 'Set the camera to H.264 or H.265 in its own settings.'
    return copyCommand(source, readStreams(exit.lines, this.describe, hint), timeoutMs)
  }
}

/** Throws SOURCE_MISSING or SOURCE_UNREADABLE, which say more than ffmpeg's own words do. */
async function checkPresent(source: FfmpegSource): Promise<void> {
  if (source.kind !== 'v4l2' && source.kind !== 'file') return
  const path = source.kind === 'v4l2' ? source.device : source.path
  try {
    await access(path, constants.R_OK)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw new HomewardError('SOURCE_MISSING', `source ${path} is not there`, {
        hint: source.kind === 'v4l2' ? 'ls /dev/video* shows the cameras that the kernel knows.' : 'Check the path.',
        cause: error,
      })
    }
    throw new HomewardError('SOURCE_UNREADABLE', `source ${path} cannot be opened: ${systemCode(error) ?? error}`, {
      hint: source.kind === 'v4l2' ? 'Add the user that runs this to the group video.' : 'Check its permissions.',
      cause: error,
    })
  }
}

/**
 * One ffmpeg process through fluent-ffmpeg; nothing else imports that package. It is no longer maintained, so what it does
 * wrong is switched off here: it asks ffmpeg for its formats before each run and no longer understands the answer of
 * ffmpeg 7, throws inside an event handler when the program cannot be started, kills with SIGKILL, reports the end before
 * the last output was read, and splits options at spaces when they come as one array.
 */
import { Writable } from 'node:stream'
import ffmpeg from 'fluent-ffmpeg'
import type { Clock, Timer } from '../../platform/clock.ts'

export interface FfmpegCommandLine {
  readonly inputs: readonly FfmpegInput[]
  readonly outputOptions: readonly string[]
}

export interface FfmpegInput {
  readonly options: readonly string[]
  readonly source: string
}

export interface FfmpegRun extends FfmpegCommandLine {
  /** Path of the program. */
  readonly program: string
  /** Takes standard output; a promise holds ffmpeg back. Without it ffmpeg writes to the null muxer. */
  readonly output?: (bytes: Uint8Array) => Promise<void> | undefined
  /** Ends ffmpeg: SIGTERM, and SIGKILL when that does not help. */
  readonly signal: AbortSignal
  readonly clock: Clock
  /** So long without any output, ffmpeg is ended as `stalled`. */
  readonly stallMs: number
}

export interface FfmpegExit {
  readonly how: 'finished' | 'failed' | 'killed' | 'stalled' | 'not-started'
  /** What fluent-ffmpeg or the kernel says. */
  readonly message: string
  /** The last lines of standard error. */
  readonly lines: readonly string[]
}

/**
 * ffmpeg finishes its file on SIGTERM within milliseconds, unless it waits for the network. A second one ends that wait,
 * but also the writing of what is left.
 */
const INSIST_MS = 1200
/** Stuck in a driver. */
const KILL_MS = 2000
const LINES_KEPT = 40
const GLOBAL_OPTIONS = ['-nostdin', '-hide_banner', '-nostats']

/** Resolves when the process has ended and all its output was taken. Rejects only with what `output` threw. */
export function runFfmpeg(run: FfmpegRun): Promise<FfmpegExit> {
  const lines: string[] = []
  const command = tamedCommand(run.program)
  run.inputs.forEach((input, index) => {
    command.input(input.source).inputOptions(...(index === 0 ? GLOBAL_OPTIONS : []), ...input.options)
  })
  command.on('stderr', (line: string) => {
    if (line.trim() === '') return
    lines.push(line)
    if (lines.length > LINES_KEPT) lines.shift()
  })

  return new Promise((resolve, reject) => {
    let exit: Omit<FfmpegExit, 'lines'> | undefined
    let failure: Error | undefined
    let drained = run.output === undefined
    let stalled = false
    let stallTimer: Timer | undefined
    let killTimer: Timer | undefined

    const terminate = () => {
      if (killTimer !== undefined) return
      command.kill('SIGTERM')
      killTimer = run.clock.after(INSIST_MS, () => {
        command.kill('SIGTERM')
        killTimer = run.clock.after(KILL_MS - INSIST_MS, () => command.kill('SIGKILL'))
      })
    }
    const watch = () => {
      stallTimer?.cancel()
      stallTimer = run.clock.after(run.stallMs, () => {
        stalled = true
        terminate()
      })
    }
    const settle = () => {
      if (exit === undefined || !(drained || exit.how === 'not-started')) return
      stallTimer?.cancel()
      killTimer?.cancel()
      run.signal.removeEventListener('abort', terminate)
      if (failure !== undefined) reject(failure)
      else resolve({ ...exit, how: stalled ? 'stalled' : exit.how, lines })
    }

    if (run.output === undefined) command.output('-')
    else {
      const target = outputTo(run.output, watch)
      target.once('finish', () => {
        drained = true
        settle()
      })
      target.once('error', (error) => {
        failure = error
        drained = true
        terminate()
        settle()
      })
      command.output(target)
    }
    command.outputOptions(...run.outputOptions)
    command.once('start', () => {
      run.signal.addEventListener('abort', terminate, { once: true })
      if (run.signal.aborted) terminate()
    })
    command.once('end', () => {
      exit = { how: 'finished', message: 'ffmpeg ended' }
      settle()
    })
    command.once('error', (error: Error) => {
      exit = { how: howItEnded(error), message: error.message.split('\n')[0] ?? '' }
      settle()
    })
    watch()
    command.run()
  })
}

function howItEnded(error: Error): FfmpegExit['how'] {
  if ('syscall' in error) return 'not-started'
  return error.message.includes('killed with signal') ? 'killed' : 'failed'
}

/** Not destroyed at its end: fluent-ffmpeg takes `close` for a reason to kill ffmpeg and to report an error. */
function outputTo(output: (bytes: Uint8Array) => Promise<void> | undefined, alive: () => void): Writable {
  return new Writable({
    autoDestroy: false,
    write(bytes: Uint8Array, _encoding, done) {
      alive()
      try {
        const wait = output(bytes)
        if (wait === undefined) done()
        else wait.then(() => done(), done)
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)))
      }
    },
  })
}

type Callback<T> = (error: Error | null, value?: T) => void
type EndCallback = (error: Error | undefined, stdout?: LinesRing, stderr?: LinesRing) => void
interface LinesRing {
  get(): string
}

/** The inner methods that are replaced below. */
interface CommandInternals {
  _checkCapabilities(done: Callback<void>): void
  availableEncoders(done: Callback<object>): void
  _getFfmpegPath(done: Callback<string>): void
  _spawnFfmpeg(args: string[], options: object, started: unknown, ended: EndCallback): void
}

function tamedCommand(program: string): ffmpeg.FfmpegCommand {
  const command = ffmpeg({ stdoutLines: LINES_KEPT })
  const inner = command as unknown as CommandInternals
  // Asking costs two processes per run and fails with ffmpeg 7; a wrong option is reported by ffmpeg itself.
  inner._checkCapabilities = (done) => done(null)
  inner.availableEncoders = (done) => done(null, {})
  // `setFfmpegPath` would set it for all commands of the process.
  inner._getFfmpegPath = (done) => done(null, program)
  const spawn = inner._spawnFfmpeg
  const nothing: LinesRing = { get: () => '' }
  inner._spawnFfmpeg = (args, options, started, ended) =>
    spawn.call(command, args, options, started, (error, stdout = nothing, stderr = nothing) =>
      ended(error, stdout, stderr),
    )
  return command
}

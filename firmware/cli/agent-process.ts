/** What every long-running program does the same way: settings, log, one per state folder, commands, signals. */
import * as nodeModule from 'node:module'
import { type Logger, pino } from 'pino'
import { type ControlHandlers, ControlServer } from '../platform/control.ts'
import { formatEntry } from './log-lines.ts'
import { EXIT_FAILED, EXIT_OK } from './output.ts'
import { RecentLog } from './recent-log.ts'
import { controlPath, lockState, makeStateFolder } from './state-folder.ts'

/** SIGTERM must have worked by then; a part that does not close in time is left behind. */
const STOP_WITHIN_MS = 5_000

export interface Closable {
  close(): Promise<void>
}

/** A program that is up: what may be asked of it, and how it ends. */
export interface RunningProgram extends Closable {
  readonly commands: ControlHandlers
}

export interface CommonSettings {
  readonly state: string
  readonly logLevel: string
}

/** JSON lines on stderr, or lines for a person when that is a terminal. */
function createLogger(level: string, recent: RecentLog): Logger {
  const { stderr } = process
  const out = stderr.isTTY
    ? { write: (line: string) => stderr.write(formatEntry(line)) }
    : pino.destination({ fd: 2, sync: true })
  const write = (line: string) => {
    recent.add(line)
    out.write(line)
  }
  return pino({ level, base: null }, { write })
}

/** Runs a program until SIGTERM or SIGINT. Resolves with the exit status; rejects when it does not start. */
export async function runProgram(
  { state, logLevel }: CommonSettings,
  start: (log: Logger, recent: RecentLog) => Promise<RunningProgram>,
): Promise<number> {
  const recent = new RecentLog()
  const log = createLogger(logLevel, recent)
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    // Once: a second signal ends the program at once.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
  const program = startControlled(state, () => start(log, recent))
  const signal = await Promise.race([stopped, program.then(() => stopped)])
  log.info({ signal }, 'stopping')
  // Not cleared: should anything keep the process alive after the end, it fires.
  const late = setTimeout(() => {
    log.error(`not stopped within ${STOP_WITHIN_MS / 1000} s, leaving`)
    process.exit(EXIT_FAILED)
  }, STOP_WITHIN_MS)
  await (await program).close()
  late.unref()
  log.info('stopped')
  return EXIT_OK
}

/** From the first moment on, commands reach the program and wait until it is up. */
async function startControlled(state: string, start: () => Promise<RunningProgram>): Promise<Closable> {
  await makeStateFolder(state)
  const unlock = await lockState(state)
  let begin = () => {}
  const program = new Promise<void>((resolve) => {
    begin = resolve
  }).then(start)
  const commands = program.then((running) => running.commands)
  // Whoever asks meanwhile is told; with nobody asking it is no unhandled rejection either.
  commands.catch(() => undefined)
  const control = new ControlServer(controlPath(state), commands)
  try {
    await control.start()
    begin()
    const running = await program
    keepCompiled()
    return {
      close: async () => {
        await control.close()
        await running.close()
        await unlock()
      },
    }
  } catch (error) {
    await control.close()
    await unlock()
    throw error
  }
}

/** With NODE_COMPILE_CACHE the next start is spared compiling, even after a power cut. Node.js before 22.10 has no such thing. */
function keepCompiled(): void {
  if ('flushCompileCache' in nodeModule && typeof nodeModule.flushCompileCache === 'function')
    nodeModule.flushCompileCache()
}

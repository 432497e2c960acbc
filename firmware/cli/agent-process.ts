/** What every long-running program does the same way: settings, log, one per state folder, commands, signals. */
import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { type ControlHandlers, ControlServer } from '../platform/control.ts'
import { tryLockFolder } from '../platform/folder-lock.ts'
import { makeFolders } from '../platform/folders.ts'
import { HomewardError, systemCode } from '../wire/errors.ts'
import { formatEntry } from './log-lines.ts'
import { EXIT_FAILED, EXIT_OK } from './output.ts'
import { defaultState, folder, oneOf } from './settings.ts'

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

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

/** Settings that every program has. */
export const commonSettings = (role: string) => ({
  state: folder(
    { key: 'state', placeholder: 'DIR', help: 'keys, pairings and the control socket' },
    defaultState(role),
  ),
  logLevel: oneOf(
    { key: 'log-level', placeholder: 'LEVEL', help: `how much is logged to stderr: ${LOG_LEVELS.join(', ')}` },
    LOG_LEVELS,
    'info',
  ),
})

/** JSON lines on stderr, or lines for a person when that is a terminal. */
function createLogger(level: string): Logger {
  if (!process.stderr.isTTY) return pino({ level, base: null }, pino.destination({ fd: 2, sync: true }))
  return pino({ level, base: null }, { write: (line) => process.stderr.write(formatEntry(line)) })
}

export function controlPath(state: string): string {
  return join(state, 'control.sock')
}

/** Makes the folder with its parents. Throws CONFIG_INVALID when that cannot be, or nothing may be written there. */
export async function makeStateFolder(path: string): Promise<void> {
  try {
    await makeFolders(path, 0o700)
    await access(path, constants.W_OK)
  } catch (cause) {
    throw new HomewardError(
      'CONFIG_INVALID',
      `the state folder ${path} cannot be used (${systemCode(cause) ?? cause})`,
      {
        hint: 'Choose another one with --state, or run as a user who may write there.',
        cause,
      },
    )
  }
}

/** One program for each state folder. Throws AGENT_RUNNING; the result gives it back. */
export async function lockState(state: string): Promise<() => Promise<void>> {
  const unlock = await tryLockFolder(state, 'state')
  if (unlock !== undefined) return unlock
  throw new HomewardError('AGENT_RUNNING', `another agent is running with the state folder ${state}`, {
    hint: 'Stop it first, or give this one a folder of its own with --state.',
  })
}

/** Runs a program until SIGTERM or SIGINT. Resolves with the exit status; rejects when it does not start. */
export async function runProgram(
  { state, logLevel }: CommonSettings,
  start: (log: Logger) => Promise<RunningProgram>,
): Promise<number> {
  const log = createLogger(logLevel)
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    // Once: a second signal ends the program at once.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
  const program = startControlled(state, () => start(log))
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

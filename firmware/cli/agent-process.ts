/** What every long-running program does the same way: log, start, wait for a signal, stop. */
import { mkdir } from 'node:fs/promises'
import { type Logger, pino } from 'pino'
import { HomewardError, systemCode } from '../wire/errors.ts'
import { EXIT_FAILED, EXIT_OK } from './output.ts'
import { defaultState, folder, oneOf } from './settings.ts'

/** SIGTERM must have worked by then; a part that does not close in time is left behind. */
const STOP_WITHIN_MS = 5_000

export interface Closable {
  close(): Promise<void>
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

export function createLogger(role: string, level: string): Logger {
  return pino({ name: role, level, base: null }, pino.destination({ fd: 2, sync: true }))
}

export async function makeStateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new HomewardError('CONFIG_INVALID', `the state folder ${path} cannot be made (${systemCode(cause)})`, {
      hint: 'Choose another one with --state, or run as a user who may write there.',
      cause,
    })
  }
}

/** Runs `start`, then waits for SIGTERM or SIGINT, then closes. Resolves with the exit status; rejects if starting fails. */
export async function runUntilSignal(start: () => Promise<Closable>, log: Logger): Promise<number> {
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
  const agent = await Promise.race([start(), stopped])
  if (typeof agent === 'string') return EXIT_OK
  const signal = await stopped
  log.info({ signal }, 'stopping')
  const late = setTimeout(() => {
    log.error(`not stopped within ${STOP_WITHIN_MS / 1000} s, leaving`)
    process.exit(EXIT_FAILED)
  }, STOP_WITHIN_MS)
  await agent.close()
  clearTimeout(late)
  log.info('stopped')
  return EXIT_OK
}

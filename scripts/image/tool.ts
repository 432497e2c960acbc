/** The tools a build is made of, as child processes. */
import { spawnSync } from 'node:child_process'
import { HomewardError } from '../../firmware/wire/errors.ts'

const OUTPUT_MAX_BYTES = 256 * 1024 * 1024
const LINES_SHOWN = 12

export interface ToolOptions {
  readonly cwd?: string
  readonly environment?: NodeJS.ProcessEnv
  readonly input?: string | Uint8Array
}

/** Runs to the end; what it printed. Throws INTERNAL with its last words. */
export function runTool(program: string, args: readonly string[], options: ToolOptions = {}): string {
  return runForBytes(program, args, options).toString('utf8')
}

/** As `runTool`, for output that is no text. */
export function runForBytes(program: string, args: readonly string[], options: ToolOptions = {}): Buffer {
  const { cwd, environment = {}, input } = options
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? {} : { input }),
    // Names of months and the order of files must not depend on who builds.
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC', ...environment },
    maxBuffer: OUTPUT_MAX_BYTES,
  })
  if (status === 0) return stdout
  const said = `${stderr ?? ''}\n${stdout ?? ''}`.trim().split('\n').slice(-LINES_SHOWN).join('\n')
  const why = error === undefined ? `ended with ${signal ?? `exit status ${status}`}` : error.message
  throw new HomewardError('INTERNAL', `${program} ${args.slice(0, 4).join(' ')} … ${why}:\n${said}`)
}

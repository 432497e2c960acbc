/** Commands that ask a running agent through its control socket. */
import { callControl } from '../platform/control.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { formatBytes } from './output.ts'
import { controlPath } from './state-folder.ts'

export interface CommandFlags {
  readonly state: string
  readonly json?: boolean
}

/** Throws what the agent answers, or AGENT_NOT_RUNNING with what to start. */
export async function ask(flags: CommandFlags, command: string, args: unknown): Promise<unknown> {
  try {
    return await callControl(controlPath(flags.state), command, args)
  } catch (error) {
    throw explain(error, flags.state)
  }
}

/** Shows how far it is on a terminal; Ctrl-C cancels it at the agent. */
export async function askWithProgress(flags: CommandFlags, command: string, args: unknown): Promise<unknown> {
  const cancel = new AbortController()
  const onInterrupt = () => cancel.abort()
  process.once('SIGINT', onInterrupt)
  const show = process.stderr.isTTY === true
  try {
    return await callControl(controlPath(flags.state), command, args, {
      signal: cancel.signal,
      onProgress: (value) => {
        if (show) process.stderr.write(`\r\u001b[2K${progressText(value)}`)
      },
    })
  } catch (error) {
    throw explain(error, flags.state)
  } finally {
    if (show) process.stderr.write('\r\u001b[2K')
    process.off('SIGINT', onInterrupt)
  }
}

export function progressText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return ''
  return Object.entries(value)
    .map(([name, amount]) => (name === 'bytes' ? formatBytes(Number(amount)) : `${amount} ${name}`))
    .join(' · ')
}

function explain(error: unknown, state: string): unknown {
  if (!isHomewardError(error, 'AGENT_NOT_RUNNING')) return error
  return new HomewardError('AGENT_NOT_RUNNING', error.message, {
    hint: `Start it, or name its state folder with --state (looked in ${state}).`,
    cause: error,
  })
}

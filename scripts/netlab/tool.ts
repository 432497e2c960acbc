/** Runs the system's own tools (iproute2, nftables, conntrack), and says what they said when they fail. */
import { spawnSync } from 'node:child_process'
import { HomewardError } from '../../firmware/wire/errors.ts'

/** None of them takes more than moments; one that does waits for something that never comes. */
const TOOL_WITHIN_MS = 20_000

/** Its standard output. Throws INTERNAL when it cannot be started or fails. */
export function runTool(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    timeout: TOOL_WITHIN_MS,
  })
  if (status === 0) return stdout
  const said = error?.message ?? stderr.trim()
  const given = input === '' ? '' : `\ngiven:\n${input}`
  throw new HomewardError('INTERNAL', `${[program, ...args].join(' ')} failed: ${said}${given}`)
}

/** The same inside a namespace. */
export function runToolIn(namespace: string, program: string, args: readonly string[], input = ''): string {
  return runTool('ip', ['netns', 'exec', namespace, program, ...args], input)
}

/** Many `ip` commands, each a line without the leading word, in `namespace` or outside of all. */
export function runIp(lines: readonly string[], namespace?: string): void {
  const where = namespace === undefined ? [] : ['-n', namespace]
  runTool('ip', [...where, '-batch', '-'], `${lines.join('\n')}\n`)
}

/** Writes kernel settings, named as sysctl(8) does, in `namespace` only. */
export function setKernel(namespace: string, settings: Readonly<Record<string, string | number>>): void {
  const lines = Object.entries(settings).map(
    ([name, value]) => `echo ${value} > /proc/sys/${name.replaceAll('.', '/')} || exit 1`,
  )
  runToolIn(namespace, 'sh', ['-c', lines.join('\n')])
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

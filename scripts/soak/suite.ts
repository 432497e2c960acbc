/** One suite as a process of its own: what it prints, how it ends, and a line now and then while it is silent. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseSummary } from '../test/summary.ts'
import type { Suite } from './suites.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TELL_EVERY_MS = 30_000

export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly tookS: number
  /** What went wrong outside of a single test; empty when nothing did. */
  readonly trouble: string
  /** What a suite of power cuts says in the end: how many cut points, how many violations; else empty. */
  readonly tally: string
}

export async function runSuite(suite: Suite, print: (line: string) => void): Promise<Outcome> {
  const { name, file, args = [], env, withinS } = suite
  const startMs = performance.now()
  const tookS = () => (performance.now() - startMs) / 1000
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const endAll = () => endGroup(child.pid)
  process.once('exit', endAll)
  let output = ''
  let rest = ''
  const take = (chunk: Buffer) => {
    output += chunk.toString()
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') print(`  ${line}`)
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const alive = setInterval(() => print(`  ${name} runs, ${Math.round(tookS())} s`), TELL_EVERY_MS)
  let isLate = false
  const limit = setTimeout(() => {
    isLate = true
    endAll()
  }, withinS * 1000)
  const status = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null))
    child.once('close', resolve)
  })
  clearInterval(alive)
  clearTimeout(limit)
  process.off('exit', endAll)
  endAll()
  if (rest.trim() !== '') print(`  ${rest}`)
  return { ...judge(file, status, output, isLate, withinS), tookS: tookS(), tally: tallyOf(output) }
}

/** A test file says itself how many of its tests passed; a script passes or fails as one. */
export function judge(
  file: string,
  status: number | null,
  output: string,
  isLate: boolean,
  withinS: number,
): Omit<Outcome, 'tookS' | 'tally'> {
  if (isLate) return { passed: 0, failed: 1, trouble: `did not end within ${withinS} s` }
  if (!file.endsWith('.test.ts')) return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, trouble: '' }
  const { total, passed, skipped, failed } = parseSummary(output)
  if (total === 0) return { passed: 0, failed: 1, trouble: `no test ran (exit status ${status})` }
  if (total === skipped) return { passed, failed: 1, trouble: 'every test was skipped' }
  if (status !== 0 && failed === 0) return { passed, failed: 1, trouble: `exit status ${status} though no test failed` }
  return { passed, failed, trouble: '' }
}

export function tallyOf(output: string): string {
  return output.match(/^.* distinct cut points .* violations$/gm)?.at(-1) ?? ''
}

/** The whole process group, so that nothing which it started outlives it. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has ended already.
  }
}

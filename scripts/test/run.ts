/**
 * Runs every uvu test file in a process of its own, two at a time, and closes with one line `N passed, N failed`.
 *
 * uvu alone exits 0 when nothing ran, never times out and hangs on a leaked timer. So: a hard time-out for each file (60 s,
 * or what its first line asks for: `// time-out: 300 s`), a file without tests fails, and so does a whole run with fewer
 * tests than the floor.
 *
 * Many files start real programs, which a busy neighbour can starve. A file that fails is therefore run once more, alone,
 * after the others; only what fails then counts, and the first failure stays on show.
 *
 * Arguments: only files whose path contains one of them run (then without the floor).
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSummary, type Summary } from './summary.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDERS = ['firmware', 'scripts']
const DEFAULT_TIMEOUT_MS = 60_000
const AT_ONCE = 2
/** More failed files than this are no matter of a busy machine. */
const AGAIN_MAX = 6
/** Fewer passed tests than this means that some were lost, not that all is well. */
const FLOOR = 1950

interface Outcome {
  readonly file: string
  readonly summary: Summary
  /** What went wrong outside of a single test: time-out, crash, no tests. */
  readonly trouble: string | undefined
  readonly output: string
  readonly tookMs: number
}

function testFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join(folder, path))
    .sort()
}

function timeoutMs(file: string): number {
  const asked = /^\/\/ time-out: (\d+) s/.exec(readFileSync(join(ROOT, file), 'utf8'))
  return asked?.[1] === undefined ? DEFAULT_TIMEOUT_MS : Number(asked[1]) * 1000
}

function runFile(file: string): Promise<Outcome> {
  const started = performance.now()
  const limitMs = timeoutMs(file)
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let output = ''
    const take = (chunk: Buffer) => {
      output += chunk.toString()
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      endGroup(child.pid)
    }, limitMs)
    child.on('close', (status) => {
      clearTimeout(timer)
      endGroup(child.pid)
      const summary = parseSummary(output)
      const trouble = timedOut
        ? `did not end within ${limitMs / 1000} s`
        : summary.total === 0
          ? `no test ran (exit status ${status})`
          : status !== 0 && summary.failed === 0
            ? `exit status ${status} though no test failed`
            : undefined
      resolve({ file, summary, trouble, output, tookMs: performance.now() - started })
    })
  })
}

/** The whole process group, so that no server which a test started outlives it. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has ended already.
  }
}

function isBad({ summary, trouble }: Outcome): boolean {
  return trouble !== undefined || summary.failed > 0
}

function report(outcome: Outcome): void {
  const { file, summary, trouble, output, tookMs } = outcome
  const bad = isBad(outcome)
  const skipped = summary.skipped > 0 ? `, ${summary.skipped} skipped` : ''
  print(
    `${bad ? 'FAIL' : 'ok  '} ${file}  ${summary.passed}/${summary.total}${skipped}  ${(tookMs / 1000).toFixed(1)} s`,
  )
  for (const line of output.split('\n')) if (line.startsWith('skipped: ')) print(`     ${line}`)
  if (bad) print(output.trimEnd())
  if (trouble !== undefined) print(`     ${file}: ${trouble}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

const wanted = process.argv.slice(2)
const files = FOLDERS.flatMap(testFiles)
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort((a, b) => timeoutMs(join(a)) - timeoutMs(join(b)) || a.localeCompare(b))
  .reverse()

const outcomes: Outcome[] = []
const queue = [...files]
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const outcome = await runFile(file)
      report(outcome)
      outcomes.push(outcome)
    }
  }),
)

const failures = outcomes.filter(isBad)
if (failures.length <= AGAIN_MAX) {
  for (const failure of failures) {
    print(`again, alone: ${failure.file}`)
    const outcome = await runFile(failure.file)
    report(outcome)
    outcomes[outcomes.indexOf(failure)] = outcome
  }
}

const sum = (pick: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + pick(outcome), 0)
const passed = sum((outcome) => outcome.summary.passed)
const skipped = sum((outcome) => outcome.summary.skipped)
let failed = sum((outcome) => outcome.summary.failed + (outcome.trouble === undefined ? 0 : 1))
const tooFew = wanted.length === 0 ? passed + skipped < FLOOR : outcomes.length === 0
if (tooFew) {
  print(
    wanted.length === 0
      ? `only ${passed + skipped} tests ran, expected at least ${FLOOR}`
      : `no test file matches ${wanted.join(' ')}`,
  )
  failed += 1
}
for (const { file, trouble } of outcomes.filter(isBad))
  print(`failed: ${relative('.', file)}${trouble === undefined ? '' : ` (${trouble})`}`)
print(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed === 0 ? 0 : 1

/**
 * The boot test with all that it needs: tools, both images, then the test files. Closes with one line `N passed, N failed, N skipped`.
 * A machine that cannot do it (not root, no network namespaces, no packages) skips it, and says why.
 *
 * Argument: `sample` (what `.ci/run` runs), or `all` with every fault and the updates.
 */
import { spawn, spawnSync } from 'node:child_process'
import { isHomewardError } from '../../firmware/wire/errors.ts'
import { Debian } from '../image/debian.ts'
import { SOURCE } from '../image/places.ts'
import { parseSummary } from '../test/summary.ts'

interface Part {
  readonly file: string
  readonly withinS: number
}

const IMAGE: Part = { file: 'scripts/qemu/image-test.ts', withinS: 900 }
const FAULTS: Part = { file: 'scripts/qemu/faults-test.ts', withinS: 5400 }
const UPDATES: Part = { file: 'scripts/qemu/update-test.ts', withinS: 3600 }
const BUILD_WITHIN_S = 900

const wanted = process.argv[2]
const print = (line: string) => process.stdout.write(`${line}\n`)

/** Why this machine cannot do it. */
function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root, which taps and network namespaces need'
  const tools = spawnSync('make', ['-s', 'boot-tools'], { cwd: SOURCE, encoding: 'utf8' })
  if (tools.status !== 0) return `tools: ${tools.stderr.trim().split('\n').at(-1)}`
  const name = `hw-try-${process.pid}`
  const inside = ['-n', name, 'tuntap', 'add', 'try', 'mode', 'tap']
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  const tap = made.status === 0 ? spawnSync('ip', inside, { encoding: 'utf8' }) : made
  if (made.status === 0) spawnSync('ip', ['netns', 'del', name])
  if (tap.status !== 0) return `no network namespaces with taps: ${tap.stderr.trim()}`
  try {
    new Debian()
  } catch (error) {
    if (!isHomewardError(error)) throw error
    return `Debian's packages for arm64 cannot be listed: ${error.message.split('\n').slice(0, 2).join(' ')}`
  }
  return undefined
}

/** Exit status and what was printed, which is also shown; the status is null when it took too long. */
function runFor(args: readonly string[], env: Record<string, string>, withinS: number) {
  return new Promise<{ readonly status: number | null; readonly output: string }>((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
      cwd: SOURCE,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const take = (bytes: Buffer) => {
      output += bytes.toString()
      process.stdout.write(bytes)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    let isLate = false
    // A test takes its emulators along when it is ended.
    const limit = setTimeout(() => {
      isLate = true
      child.kill('SIGTERM')
    }, withinS * 1000)
    child.once('close', (status) => {
      clearTimeout(limit)
      resolve({ status: isLate ? null : status, output })
    })
  })
}

const counts = { passed: 0, failed: 0, skipped: 0 }
const startMs = performance.now()
const minutes = () => ((performance.now() - startMs) / 60_000).toFixed(1)

async function runPart({ file, withinS }: Part): Promise<typeof counts> {
  const env = wanted === 'all' ? { HOMEWARD_FAULTS: 'all' } : {}
  const { status, output } = await runFor([file], env, withinS)
  const { passed, failed, skipped, total } = parseSummary(output)
  if (status === null) print(`${file} did not end within ${withinS} s`)
  else if (total === 0) print(`${file}: no test ran (exit status ${status})`)
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed, skipped }
}

async function runAll(parts: readonly Part[]): Promise<void> {
  for (const board of ['qemu/camera', 'qemu/storage']) {
    const { status } = await runFor(['scripts/image/run.ts', board], {}, BUILD_WITHIN_S)
    if (status === 0) continue
    print(`the image of ${board} was not built${status === null ? ` within ${BUILD_WITHIN_S} s` : ''}`)
    counts.failed += 1
    return
  }
  print(`both images after ${minutes()} min`)
  for (const part of parts) {
    let outcome = await runPart(part)
    // Emulators on a busy machine: what fails in a sample is tried once more, as `make test` does it.
    if (outcome.failed > 0 && wanted === 'sample') {
      print(`${part.file}: ${outcome.passed} passed, ${outcome.failed} failed; again`)
      outcome = await runPart(part)
    }
    const { passed, failed, skipped } = outcome
    counts.passed += passed
    counts.skipped += skipped
    counts.failed += failed
    print(`${part.file}: ${passed} passed, ${failed} failed, after ${minutes()} min`)
  }
}

if (wanted !== 'sample' && wanted !== 'all') {
  print('usage: boot-test.ts sample|all')
  process.exitCode = 2
} else {
  const why = obstacle()
  if (why === undefined) await runAll(wanted === 'all' ? [IMAGE, FAULTS, UPDATES] : [IMAGE])
  else {
    print(`skipped: the boot test: ${why}`)
    counts.skipped += 1
  }
  const { passed, failed, skipped } = counts
  print(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exitCode = failed === 0 ? 0 : 1
}

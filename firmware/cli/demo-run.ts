/** Runs the demo: looks at what it was told, starts everything, shows one live line, ends everything. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { findFfmpeg } from '../camera/encoder/ffmpeg-binary.ts'
import { parseSource } from '../camera/encoder/source.ts'
import { sleep } from '../platform/clock.ts'
import { RealClock } from '../platform/clock-real.ts'
import { tryLockFolder } from '../platform/folder-lock.ts'
import { makeFolders } from '../platform/folders.ts'
import { HomewardError, isHomewardError, systemCode } from '../wire/errors.ts'
import { DemoHome } from './demo-home.ts'
import { type DemoSource, defaultSource } from './demo-source.ts'
import { EXIT_FAILED, EXIT_OK, printLine } from './output.ts'

const clock = new RealClock()

/** On a terminal the line lives; in a file every line stays. */
const STATUS_EVERY_MS = process.stdout.isTTY ? 500 : 2_000
/** How long the end waits for what the cameras still hold; what then remains is on their rings. */
const DRAIN_WITHIN_MS = 5_000

export interface DemoOptions {
  readonly source: string | undefined
  readonly seconds: number | undefined
  readonly cameras: number
  readonly dir: string | undefined
}

/** Resolves with the exit status; rejects with what stood in the way. */
export async function runDemo({ source, seconds, cameras, dir }: DemoOptions): Promise<number> {
  const { spec, note } = await sourceOf(source, cameras)
  const folder = await folderFor(dir)
  const unlock = await tryLockFolder(folder, 'demo')
  if (unlock === undefined) {
    throw new HomewardError('AGENT_RUNNING', `another demo is running in ${folder}`, {
      hint: 'Stop it first, or choose another folder with --dir.',
    })
  }
  try {
    if (note !== undefined) printLine(`Note: ${note}.`)
    return await run(new DemoHome(folder, spec), cameras, seconds)
  } finally {
    await unlock()
  }
}

/** Throws what is wrong with the source, or FFMPEG_MISSING, before anything is started. */
async function sourceOf(given: string | undefined, cameras: number): Promise<DemoSource> {
  try {
    // One device films for one camera.
    if (given === undefined) return cameras === 1 ? await defaultSource() : { spec: 'test' }
    if (parseSource(given).kind !== 'fake') await findFfmpeg()
    return { spec: given }
  } catch (error) {
    if (!isHomewardError(error, 'FFMPEG_MISSING')) throw error
    const hint = `${error.hint ?? ''}; or film without it: homeward demo --source fake`
    throw new HomewardError(error.code, error.message, { hint, cause: error })
  }
}

async function folderFor(dir: string | undefined): Promise<string> {
  if (dir === undefined) return mkdtemp(join(tmpdir(), 'homeward-demo-'))
  const path = resolve(dir)
  try {
    await makeFolders(path)
    return path
  } catch (cause) {
    throw new HomewardError('CONFIG_INVALID', `--dir: ${path} cannot be made (${systemCode(cause) ?? cause})`, {
      hint: 'Name a folder where this user may write.',
      cause,
    })
  }
}

async function run(home: DemoHome, cameras: number, seconds: number | undefined): Promise<number> {
  const stop = new AbortController()
  /** The second time: no more waiting. */
  const leave = new AbortController()
  const onSignal = () => (stop.signal.aborted ? leave.abort() : stop.abort())
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, onSignal)
  // Whoever read the output has gone.
  process.stdout.once('error', () => stop.abort())
  const killAll = () => home.killAll()
  process.on('exit', killAll)
  const timer = seconds === undefined ? undefined : setTimeout(() => stop.abort(), seconds * 1000)
  let failure: unknown
  try {
    await home.start(cameras, stop.signal)
    await watch(home, stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) failure = error
  }
  clearTimeout(timer)
  const clean = await end(home, leave.signal)
  process.off('exit', killAll)
  for (const signal of signals) process.off(signal, onSignal)
  if (failure !== undefined) throw failure
  return clean ? EXIT_OK : EXIT_FAILED
}

/** The live line, until told to stop. Throws when a program ends by itself or no camera can film. */
async function watch(home: DemoHome, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await home.mustRun()
    show(await home.statusLine())
    await pause(STATUS_EVERY_MS, signal)
  }
}

/** False when a program did not end cleanly. */
async function end(home: DemoHome, leave: AbortSignal): Promise<boolean> {
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[2K')
  printLine('Stopping …')
  const until = performance.now() + DRAIN_WITHIN_MS
  await home.stopCapture()
  while (performance.now() < until && !leave.aborted && (await home.waitingBytes()) > 0) await pause(100, leave)
  for (const line of await home.lastWords()) printLine(line)
  const unclean = await home.stopAll()
  for (const line of [...unclean, ...(await home.whereItIs())]) printLine(line)
  return unclean.length === 0
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(clock, ms, signal)
}

/** Rewrites the last line on a terminal; elsewhere a line each time, so that a log can be read. */
function show(line: string): void {
  if (!process.stdout.isTTY) printLine(line)
  else process.stdout.write(`\r\u001b[2K${line.slice(0, (process.stdout.columns || 120) - 1)}`)
}

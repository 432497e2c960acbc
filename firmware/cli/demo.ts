/** `homeward demo`: the three programs on this machine, paired and streaming, with one live status line. */
import { access, mkdir, mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { initRing } from '../camera/ring/ring.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { HomewardError } from '../wire/errors.ts'
import { EXIT_FAILED, EXIT_OK, formatBytes, printLine } from './output.ts'
import { Program } from './program.ts'

const STATUS_EVERY_MS = 500
/** How long the end waits for what the cameras still hold; what then remains is on their rings. */
const DRAIN_WITHIN_MS = 5_000
const MAX_CAMERAS = 16
/** Of each camera: some minutes, and no surprise for the disk of whoever tries it. */
const RING_BYTES = 256 * 1024 * 1024

interface DemoFlags {
  readonly source?: string
  readonly seconds?: string
  readonly cameras?: string
  readonly dir?: string
}

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('P2P server, storage device and cameras on this machine, until Ctrl-C')
    .option(
      '--source <SPEC>',
      "what the cameras see (default: /dev/video0 where there is one, else ffmpeg's test picture)",
    )
    .option('--seconds <N>', 'stop by itself after this time')
    .option('--cameras <N>', `how many, at most ${MAX_CAMERAS}`, '1')
    .option('--dir <DIR>', 'where everything is kept (default: a new folder for temporary files)')
    .action(async (flags: DemoFlags) => {
      const seconds = flags.seconds === undefined ? undefined : wholeNumber('--seconds', flags.seconds, 1, 86_400)
      const cameras = wholeNumber('--cameras', flags.cameras ?? '1', 1, MAX_CAMERAS)
      const source = flags.source ?? (await defaultSource())
      const dir = flags.dir === undefined ? await mkdtemp(join(tmpdir(), 'homeward-demo-')) : resolve(flags.dir)
      await mkdir(dir, { recursive: true })
      process.exitCode = await new Demo(dir, source, cameras).run(seconds)
    })
}

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new HomewardError('USAGE', `${flag}: "${text}" is not valid, expected a whole number from ${least} to ${most}`)
}

async function defaultSource(): Promise<string> {
  try {
    await access('/dev/video0')
    return 'v4l2:/dev/video0'
  } catch {
    return 'test'
  }
}

/** What the demo reads from `camera status`. */
interface CameraStatus {
  readonly state: string
  readonly path?: string
  readonly seq: { readonly captured: number; readonly acked: number }
  readonly ring: { readonly unackedBytes: number }
  readonly encoder: { readonly state: string; readonly lastError?: { readonly message: string } }
}

class Demo {
  readonly #dir: string
  readonly #source: string
  readonly #cameraCount: number
  readonly #programs: Program[] = []
  readonly #cameras: Program[] = []
  readonly #stop = new AbortController()

  constructor(dir: string, source: string, cameras: number) {
    this.#dir = dir
    this.#source = source
    this.#cameraCount = cameras
  }

  async run(seconds: number | undefined): Promise<number> {
    const stop = () => this.#stop.abort()
    process.on('SIGINT', stop).on('SIGTERM', stop)
    const timer = seconds === undefined ? undefined : setTimeout(stop, seconds * 1000)
    let failure: unknown
    try {
      await this.#watch(await this.#startAll())
    } catch (error) {
      if (!this.#stop.signal.aborted) failure = error
    } finally {
      clearTimeout(timer)
      await this.#stopAll()
      process.off('SIGINT', stop).off('SIGTERM', stop)
    }
    if (failure !== undefined) throw failure
    return this.#programs.every((program) => !program.running) ? EXIT_OK : EXIT_FAILED
  }

  /** Resolves with the storage device. */
  async #startAll(): Promise<Program> {
    printLine(`Everything of this demo is kept in ${this.#dir}`)
    const p2p = this.#launch('p2p', ['p2p', '--listen', '127.0.0.1:0'])
    const { listen } = (await p2p.ready()) as { listen: { port: number } }
    printLine(`P2P server      up on 127.0.0.1:${listen.port}`)

    const storage = this.#launch('storage', [
      ...['storage', 'run', '--root', join(this.#dir, 'disk'), '--listen', '127.0.0.1:0'],
      ...['--p2p', `127.0.0.1:${listen.port}`],
    ])
    const { uid } = (await storage.ready()) as { uid: string }
    printLine(`Storage device  up, UID ${uid}`)

    for (let number = 1; number <= this.#cameraCount; number++) await this.#startCamera(storage, number)
    printLine('')
    return storage
  }

  async #startCamera(storage: Program, number: number): Promise<void> {
    const name = this.#cameraCount === 1 ? 'Camera' : `Camera ${number}`
    const ring = join(this.#dir, `card-${number}`)
    await initRing(new RealDisk(), ring, { capacityBytes: RING_BYTES })
    const camera = this.#launch(`camera-${number}`, [
      ...['camera', 'run', '--source', this.#source, '--ring', ring, '--listen', '127.0.0.1:0'],
    ])
    await camera.ready()
    const { setupCode } = (await storage.call('pair', { name })) as { setupCode: string }
    await camera.call('setup', { code: setupCode, name })
    this.#cameras.push(camera)
    printLine(`${name.padEnd(15)} up, set up with a code of storage, filming ${this.#source}`)
  }

  #launch(name: string, args: readonly string[]): Program {
    this.#stop.signal.throwIfAborted()
    const program = new Program(name, args, join(this.#dir, name), join(this.#dir, `${name}.log`))
    this.#programs.push(program)
    return program
  }

  /** The live line, until told to stop or a program ends by itself. */
  async #watch(storage: Program): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const ended = this.#programs.find((program) => !program.running)
      if (ended !== undefined) {
        throw new HomewardError('INTERNAL', `${ended.name} ended by itself`, { hint: `Its log: ${ended.log}` })
      }
      show(await this.#statusLine(storage))
      await new Promise((resolve) => setTimeout(resolve, STATUS_EVERY_MS))
    }
    show('', true)
  }

  async #statusLine(storage: Program): Promise<string> {
    const { totals } = (await storage.call('status')) as { totals: { bytes: number } }
    const all = (await Promise.all(this.#cameras.map((camera) => camera.call('status')))) as CameraStatus[]
    const sum = (pick: (status: CameraStatus) => number) => all.reduce((total, status) => total + pick(status), 0)
    const paths = [...new Set(all.map((status) => status.path ?? status.state))].join(', ')
    const trouble = all.find((status) => status.encoder.lastError !== undefined)?.encoder.lastError?.message
    return [
      `path ${paths}`,
      `captured ${sum((status) => status.seq.captured)}`,
      `ACKed ${sum((status) => status.seq.acked)}`,
      `on card ${formatBytes(sum((status) => status.ring.unackedBytes))}`,
      `disk ${formatBytes(totals.bytes)}`,
      ...(trouble === undefined ? [] : [`encoder: ${trouble.split('\n')[0]}`]),
    ].join(' · ')
  }

  async #stopAll(): Promise<void> {
    if (this.#programs.length === 0) return
    printLine('Stopping …')
    // The cameras first: what they captured last still gets its ACK.
    for (const camera of this.#cameras) if (camera.running) await camera.call('stop-capture').catch(() => undefined)
    const until = performance.now() + DRAIN_WITHIN_MS
    while (performance.now() < until && (await this.#waiting()) > 0)
      await new Promise((resolve) => setTimeout(resolve, 100))
    const left = await this.#waiting()
    for (const program of [...this.#programs].reverse()) await program.stop()
    await this.#sayWhere(left)
  }

  async #waiting(): Promise<number> {
    const all = (await Promise.all(this.#cameras.map((camera) => camera.call('status').catch(() => undefined)))) as (
      | CameraStatus
      | undefined
    )[]
    return all.reduce((total, status) => total + (status?.ring.unackedBytes ?? 0), 0)
  }

  async #sayWhere(leftBytes: number): Promise<void> {
    const disk = join(this.#dir, 'disk')
    const files = await readdir(disk, { recursive: true }).catch(() => [])
    const clips = files.filter((path) => path.endsWith('.mp4')).sort()
    const last = clips.at(-1)
    if (leftBytes > 0)
      printLine(`${formatBytes(leftBytes)} were not ACKed yet and stay on the card for the next start.`)
    if (last === undefined) return printLine(`No footage was stored. The programs' logs: ${join(this.#dir, '*.log')}`)
    printLine(`${clips.length} file${clips.length === 1 ? '' : 's'} under ${disk}`)
    printLine(`Play the latest with: ffplay "${join(disk, last)}"   (or any player: mpv, VLC, a browser)`)
  }
}

/** Rewrites the last line on a terminal; elsewhere a line each time, so that a log can be read. */
function show(line: string, done = false): void {
  if (!process.stdout.isTTY) {
    if (!done) printLine(line)
    return
  }
  process.stdout.write(`\r\u001b[2K${done ? '' : line.slice(0, (process.stdout.columns ?? 120) - 1)}`)
}

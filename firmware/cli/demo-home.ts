/** The demo's programs in one folder: how they are started, asked and stopped, and what is left of them. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { initRing } from '../camera/ring/ring.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { HomewardError, isErrorCode, isHomewardError } from '../wire/errors.ts'
import { formatBytes, printLine } from './output.ts'
import { Program } from './program.ts'

/** A program that does not answer by then is not waited for: it is being stopped, or hangs. */
const ANSWER_WITHIN_MS = 2_000

/** What the demo reads of `camera status`. */
interface CameraStatus {
  readonly state: string
  readonly path: string | null
  readonly seq: { readonly captured: number; readonly acked: number; readonly lost: number }
  readonly ring: { readonly unackedBytes: number }
  readonly encoder: {
    readonly state: string
    readonly lastError?: { readonly code: string; readonly message: string; readonly hint?: string }
  }
  readonly alarm?: { readonly text: string }
}

export class DemoHome {
  readonly #dir: string
  readonly #source: string
  readonly #programs: Program[] = []
  readonly #cameras: Program[] = []
  #storage: Program | undefined

  constructor(dir: string, source: string) {
    this.#dir = dir
    this.#source = source
  }

  /** Starts and pairs everything. Rejects when a program does not start, and at once when `signal` aborts. */
  async start(cameras: number, signal: AbortSignal): Promise<void> {
    printLine(`Everything of this demo is kept in ${this.#dir}`)
    const p2p = this.#launch('p2p', ['p2p', '--listen', '127.0.0.1:0'], signal)
    const { listen } = (await ready(p2p, signal)) as { listen: { port: number } }
    printLine(`P2P server      up on 127.0.0.1:${listen.port}`)
    const storage = this.#launch(
      'storage',
      [
        ...['storage', 'run', '--root', this.#disk, '--listen', '127.0.0.1:0', '--min-free', '1GiB'],
        ...['--p2p', `127.0.0.1:${listen.port}`, '--http', '127.0.0.1:0', '--http-tls', 'off'],
      ],
      signal,
    )
    const { uid } = (await ready(storage, signal)) as { uid: string }
    this.#storage = storage
    printLine(`Storage device  up, UID ${uid}`)
    for (let number = 1; number <= cameras; number++) {
      await this.#startCamera(storage, number, cameras === 1 ? 'Camera' : `Camera ${number}`, signal)
    }
    await printPage(storage)
    printLine('Ctrl-C ends it.')
  }

  async #startCamera(storage: Program, number: number, name: string, signal: AbortSignal): Promise<void> {
    const ring = join(this.#dir, `card-${number}`)
    await initRing(new RealDisk(), ring).catch((error: unknown) => {
      // Of an earlier demo in this folder: what waits on it is sent now.
      if (!isHomewardError(error, 'RING_MARKED')) throw error
    })
    const args = ['camera', 'run', '--source', this.#source, '--ring', ring, '--listen', '127.0.0.1:0']
    const camera = this.#launch(`camera-${number}`, args, signal)
    await ready(camera, signal)
    const { setupCode } = (await storage.call('pair', { name })) as { setupCode: string }
    await camera.call('setup', { code: setupCode, name })
    this.#cameras.push(camera)
    printLine(`${name.padEnd(15)} up, set up with a code of storage, filming ${this.#source}`)
  }

  get #disk(): string {
    return join(this.#dir, 'disk')
  }

  #launch(name: string, args: readonly string[], signal: AbortSignal): Program {
    signal.throwIfAborted()
    const program = new Program(name, args, join(this.#dir, name), join(this.#dir, `${name}.log`))
    this.#programs.push(program)
    return program
  }

  /** Throws when a program has ended by itself, or when no camera will ever film. */
  async mustRun(): Promise<void> {
    const ended = this.#programs.find((program) => !program.running)
    if (ended !== undefined) throw await whyEnded(ended)
    const all = await this.#cameraStatuses()
    const [error] = all.map(({ encoder }) => encoder.lastError)
    if (error === undefined || !all.every(cannotFilm)) return
    const { code, message, hint } = error
    throw new HomewardError(isErrorCode(code) ? code : 'INTERNAL', message, hint === undefined ? {} : { hint })
  }

  async statusLine(): Promise<string> {
    const all = await this.#cameraStatuses()
    const storage = (await answerOf(this.#storage, 'status')) as { totals: { bytes: number } } | undefined
    const paths = [...new Set(all.map((status) => status.path ?? status.state))].join(', ')
    const alarm = all.find((status) => status.alarm !== undefined)?.alarm?.text
    const error = all.find(({ encoder }) => encoder.state === 'waiting')?.encoder.lastError?.message
    return [
      `path ${paths}`,
      ...counts(all),
      `disk ${formatBytes(storage?.totals.bytes ?? 0)}`,
      ...(alarm === undefined ? [] : [`ALARM: ${alarm}`]),
      ...(error === undefined ? [] : [`encoder: ${error}`]),
    ].join(' · ')
  }

  /** What was captured last still gets its ACK afterwards. */
  async stopCapture(): Promise<void> {
    await Promise.all(this.#cameras.map((camera) => answerOf(camera, 'stop-capture')))
  }

  async waitingBytes(): Promise<number> {
    return sum(await this.#cameraStatuses(), (status) => status.ring.unackedBytes)
  }

  /** The count, as long as the programs can be asked. */
  async lastWords(): Promise<string[]> {
    const all = await this.#cameraStatuses()
    if (all.length === 0) return []
    const waiting = sum(all, (status) => status.ring.unackedBytes)
    return [
      counts(all).join(' · '),
      ...(waiting === 0 ? [] : [`${formatBytes(waiting)} have no ACK yet and stay on the card for the next start.`]),
    ]
  }

  /** Cameras first, the P2P server last. Answers with what did not end cleanly. */
  async stopAll(): Promise<string[]> {
    const unclean: string[] = []
    const stop = async (program: Program) => {
      const wasRunning = program.running
      const { status, signal } = await program.stop()
      // SIGTERM itself ends one that had not come far enough yet to have anything to close.
      if (!wasRunning || status === 0 || signal === 'SIGTERM') return
      unclean.push(`${program.name} did not end cleanly (${signal ?? `exit status ${status}`}), see ${program.log}`)
    }
    const others = this.#programs.filter((program) => !program.name.startsWith('camera'))
    await Promise.all(this.#programs.filter((program) => !others.includes(program)).map(stop))
    for (const program of others.reverse()) await stop(program)
    return unclean
  }

  /** At once, for the demo itself is ending. */
  killAll(): void {
    for (const program of this.#programs) if (program.running) program.signal('SIGTERM')
  }

  async whereItIs(): Promise<string[]> {
    const files = await readdir(this.#disk, { recursive: true }).catch(() => [])
    const clips = files.filter((path) => path.endsWith('.mp4')).sort(byTime)
    const last = clips.at(-1)
    if (last === undefined) return [`No footage was stored. What the programs said is in ${join(this.#dir, '*.log')}`]
    return [
      `${clips.length} ${clips.length === 1 ? 'file' : 'files'} under ${this.#disk}`,
      `Play the latest with: ffplay "${join(this.#disk, last)}"   (or any player: mpv, VLC, a browser)`,
    ]
  }

  /** Of those that answer. */
  async #cameraStatuses(): Promise<CameraStatus[]> {
    const answers = await Promise.all(this.#cameras.map((camera) => answerOf(camera, 'status')))
    return answers.filter((answer) => answer !== undefined) as CameraStatus[]
  }
}

/** Rejects at once when `signal` aborts. */
function ready(program: Program, signal: AbortSignal): Promise<unknown> {
  const answer = program.ready().catch(async (error: unknown) => {
    throw program.running ? error : await whyEnded(program)
  })
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** In its own last words, when it had time for some. */
async function whyEnded({ name, log }: Program): Promise<HomewardError> {
  const last = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n').at(-1) ?? ''
  const said = last.startsWith('homeward: ') ? last.slice('homeward: '.length) : undefined
  return new HomewardError('AGENT_NOT_RUNNING', `${name} ended${said === undefined ? ' by itself' : `: ${said}`}`, {
    hint: `Its log: ${log}`,
  })
}

/** Undefined when it does not answer, or not in time. */
async function answerOf(program: Program | undefined, command: string): Promise<unknown> {
  if (program === undefined || !program.running) return undefined
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ANSWER_WITHIN_MS)
  })
  return Promise.race([program.call(command).catch(() => undefined), late]).finally(() => clearTimeout(timer))
}

function cannotFilm({ seq, encoder }: CameraStatus): boolean {
  const { lastError, state } = encoder
  const reasons = ['SOURCE_MISSING', 'SOURCE_UNREADABLE', 'FFMPEG_MISSING']
  return seq.captured === 0 && state === 'waiting' && lastError !== undefined && reasons.includes(lastError.code)
}

function counts(all: readonly CameraStatus[]): string[] {
  const lost = sum(all, (status) => status.seq.lost)
  return [
    `captured ${sum(all, (status) => status.seq.captured)}`,
    `ACKed ${sum(all, (status) => status.seq.acked)}`,
    ...(lost === 0 ? [] : [`lost ${lost}`]),
    `on card ${formatBytes(sum(all, (status) => status.ring.unackedBytes))}`,
  ]
}

function sum(all: readonly CameraStatus[], pick: (status: CameraStatus) => number): number {
  return all.reduce((total, status) => total + pick(status), 0)
}

/** The newest last, whatever the camera's folder is called. */
function byTime(a: string, b: string): number {
  const time = (path: string) => path.slice(path.indexOf('/'))
  return time(a) < time(b) ? -1 : 1
}

async function printPage(storage: Program): Promise<void> {
  const { urls, claimed } = (await storage.call('page')) as { urls: readonly string[]; claimed: boolean }
  const { code } = claimed ? { code: undefined } : ((await storage.call('claim')) as { code: string })
  const first = code === undefined ? '' : `, first visit with the code ${code}`
  printLine(`Page            ${urls[0] ?? 'not served'}${first}`)
}

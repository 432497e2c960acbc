/** A whole home for tests: the real programs as processes, in one folder for temporary files, on loopback. */
import { rmSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readFrameNumbers } from '../camera/encoder/frame-numbers.ts'
import { initRing } from '../camera/ring/marker.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { HomewardError } from '../wire/errors.ts'
import { Program } from './program.ts'
import { until } from './until-fixture.ts'

/** What is shipped is what is tested: the built program. `make test` builds it first. */
const BUILT = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

const RING_BYTES = 256 * 1024 * 1024

/** What tests read of `camera status`. */
export interface CameraStatus {
  readonly provisioned: boolean
  readonly uid: string
  readonly state: string
  readonly path: string | null
  readonly seq: { readonly captured: number; readonly acked: number; readonly lost: number }
  readonly ring: { readonly unackedBytes: number; readonly card: string }
  readonly alarm?: { readonly code: string }
}

export interface StoredFrame {
  readonly runId: string
  readonly frame: number
}

/** What tests read of `storage verify`. */
export interface VerifyAnswer {
  readonly damaged: readonly unknown[]
  readonly missing: readonly unknown[]
  readonly unindexed: readonly unknown[]
  readonly gaps: readonly { readonly reason: string; readonly first: number; readonly last: number }[]
}

export class TestHome {
  readonly folder: string
  readonly disk: string
  #serverPort = 0
  #storagePort = 0
  readonly #programs = new Map<string, Program>()
  /** Names of cameras whose cards are prepared: never again, for then it may be the mount point that is there. */
  readonly #cards = new Set<string>()
  /** Should this process end before `close`: what it started does not get its signals. */
  readonly #onExit = () => {
    this.#kill()
    // They may still be writing, for a moment.
    if (!this.#kept) rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 })
  }
  #kept = false

  private constructor(folder: string) {
    this.folder = folder
    this.disk = join(folder, 'disk')
    process.once('exit', this.#onExit)
  }

  static async create(): Promise<TestHome> {
    return new TestHome(await mkdtemp(join(tmpdir(), 'homeward-home-')))
  }

  program(name: string): Program {
    const program = this.#programs.get(name)
    if (program === undefined) throw new HomewardError('INTERNAL', `${name} was never started`)
    return program
  }

  /** Starts the P2P server, again on the port it had. */
  async startServer(): Promise<Program> {
    const program = this.#launch('p2p', ['p2p', '--listen', `127.0.0.1:${this.#serverPort}`])
    const { listen } = (await program.ready()) as { listen: { port: number } }
    this.#serverPort = listen.port
    return program
  }

  async startStorage(flags: readonly string[] = []): Promise<Program> {
    const program = this.#launch('storage', [
      ...['storage', 'run', '--root', this.disk, '--listen', `127.0.0.1:${this.#storagePort}`, '--min-free', '1GiB'],
      ...['--p2p', `127.0.0.1:${this.#serverPort}`, '--http', '127.0.0.1:0', ...flags],
    ])
    const { listen } = (await program.ready()) as { listen: { port: number } }
    this.#storagePort = listen.port
    return program
  }

  ring(name: string): string {
    return join(this.folder, `${name}-card`)
  }

  /** Starts a camera that films `source`; `ready` in the answer waits until it can be asked. */
  async startCamera(name: string, source: string, flags: readonly string[] = []): Promise<Program> {
    const ring = this.ring(name)
    if (!this.#cards.has(name)) {
      this.#cards.add(name)
      await initRing(new RealDisk(), ring, { capacityBytes: RING_BYTES }).catch(() => undefined)
    }
    const program = this.#launch(name, [
      ...['camera', 'run', '--source', source, '--ring', ring, '--listen', '127.0.0.1:0', ...flags],
    ])
    await program.ready()
    return program
  }

  async pair(name: string): Promise<void> {
    const { setupCode } = (await this.program('storage').call('pair', { name })) as { setupCode: string }
    await this.program(name).call('setup', { code: setupCode, name })
  }

  async status(name: string): Promise<CameraStatus> {
    return (await this.program(name).call('status')) as CameraStatus
  }

  /** Polls until `holds`; throws with the last status when it takes longer. */
  until(
    name: string,
    what: string,
    holds: (status: CameraStatus) => boolean,
    withinMs = 30_000,
  ): Promise<CameraStatus> {
    return until(() => this.status(name), holds, { what: `${what} (${name})`, withinMs, pollMs: 50 })
  }

  /** Stops capturing and waits until the card holds nothing that is not safe. */
  async drain(name: string, withinMs = 30_000): Promise<CameraStatus> {
    await this.program(name).call('stop-capture')
    return this.until(name, 'drained', ({ ring }) => ring.unackedBytes === 0, withinMs)
  }

  async verify(deep = true): Promise<VerifyAnswer> {
    return (await this.program('storage').call('verify', { deep })) as VerifyAnswer
  }

  async clips(): Promise<string[]> {
    const paths = await readdir(this.disk, { recursive: true })
    return paths
      .filter((path) => path.endsWith('.mp4'))
      .sort()
      .map((path) => join(this.disk, path))
  }

  /** Every frame the fake encoder numbered, in every file. */
  async storedFrames(): Promise<StoredFrame[]> {
    const found: StoredFrame[] = []
    for (const clip of await this.clips()) {
      for (const { runId, frame } of readFrameNumbers(await readFile(clip))) found.push({ runId, frame })
    }
    return found
  }

  /** The folder stays, for a person to look at. */
  keep(): void {
    this.#kept = true
  }

  /** Ends every program at once. */
  async end(): Promise<void> {
    this.#kill()
    await Promise.all([...this.#programs.values()].map((program) => program.exited))
  }

  /** Ends every program at once and removes the folder. */
  async close(): Promise<void> {
    await this.end()
    process.off('exit', this.#onExit)
    if (!this.#kept) await rm(this.folder, { recursive: true, force: true })
  }

  #kill(): void {
    for (const program of this.#programs.values()) program.signal('SIGKILL')
  }

  #launch(name: string, args: readonly string[]): Program {
    // The one that runs would answer for the new one, and nobody would end it.
    if (this.#programs.get(name)?.running) throw new HomewardError('INTERNAL', `${name} is running already`)
    const log = join(this.folder, `${name}.log`)
    const program = new Program(name, args, join(this.folder, name), log, { main: BUILT, nodeFlags: [] })
    this.#programs.set(name, program)
    return program
  }
}

/** Frames by run, and what is wrong with a run that should hold 0 … n-1 exactly once. */
export function frameFaults(frames: readonly StoredFrame[]): { counts: Map<string, number>; faults: string[] } {
  const byRun = new Map<string, number[]>()
  for (const { runId, frame } of frames) {
    const numbers = byRun.get(runId)
    if (numbers === undefined) byRun.set(runId, [frame])
    else numbers.push(frame)
  }
  const faults: string[] = []
  for (const [runId, numbers] of byRun) {
    const sorted = numbers.toSorted((a, b) => a - b)
    const wrong = sorted.findIndex((frame, at) => frame !== at)
    if (wrong >= 0) faults.push(`run ${runId}: place ${wrong} of ${sorted.length} holds frame ${sorted[wrong]}`)
  }
  return { counts: new Map([...byRun].map(([runId, numbers]) => [runId, numbers.length])), faults }
}

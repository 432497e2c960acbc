/** P2P server, storage device and cameras in a lab: the real programs, each on its node. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readFrameNumbers } from '../../firmware/camera/encoder/frame-numbers.ts'
import { initRing } from '../../firmware/camera/ring/marker.ts'
import { until } from '../../firmware/cli/until-fixture.ts'
import type { ChannelPath } from '../../firmware/link/channel.ts'
import type { LinkStatus } from '../../firmware/link/link-status.ts'
import { RealDisk } from '../../firmware/platform/disk-real.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { Lab } from './lab.ts'
import { LabProgram } from './lab-program.ts'
import { camerasOf, hostOf, nodeNamed } from './topology.ts'

const SERVER_PORT = 7440
const STORAGE_PORT = 7441
/** Short fragments: what is waited for is the first of them that is safe. */
const SOURCE = 'fake:fps=20,gop=4,size=128x64,bitrate=200000'
const RING_BYTES = 64 * 1024 * 1024
const POLL_MS = 10
const REGISTERED_WITHIN_MS = 30_000

/** What the lab reads of `camera status`. */
export interface CameraStatus extends Omit<LinkStatus, 'path'> {
  readonly path: ChannelPath | null
  readonly seq?: { readonly captured: number; readonly acked: number; readonly lost: number }
}

interface StorageStatus {
  readonly p2p: { readonly state: string }
}

export class LabHome {
  readonly lab: Lab
  readonly cameras: readonly string[]
  readonly #programs = new Map<string, LabProgram>()
  /** Of the internet protocol that the lab speaks. */
  readonly #anyHost: string
  readonly #server: string

  constructor(lab: Lab) {
    this.lab = lab
    this.cameras = camerasOf(lab.topology)
    const server = hostOf(nodeNamed(lab.topology, 'server'))
    const isIpv6 = server.includes(':')
    this.#anyHost = isIpv6 ? '[::]' : '0.0.0.0'
    this.#server = `${isIpv6 ? `[${server}]` : server}:${SERVER_PORT}`
  }

  /** Everything up, all cameras paired, and the server dead where the topology says so. */
  async start(): Promise<void> {
    await this.startServer()
    await this.startStorage()
    for (const camera of this.cameras) {
      await this.startCamera(camera)
      await this.pair(camera)
    }
    if (this.lab.topology.serverDies === true) await this.program('server').kill()
  }

  /** Throws INTERNAL for one that was never started. */
  program(name: string): LabProgram {
    const program = this.#programs.get(name)
    if (program === undefined) throw new HomewardError('INTERNAL', `${name} was never started`)
    return program
  }

  async startServer(): Promise<void> {
    await this.#launch('server', ['p2p', '--listen', `${this.#anyHost}:${SERVER_PORT}`]).ready()
  }

  /** Resolves once it is registered at the server: a setup code made earlier would not name the server. */
  async startStorage(): Promise<void> {
    const storage = this.#launch('storage', [
      ...['storage', 'run', '--root', this.#disk, '--listen', `${this.#anyHost}:${STORAGE_PORT}`],
      ...['--p2p', this.#server],
    ])
    await storage.ready()
    const p2p = async () => ((await storage.call('status')) as StorageStatus).p2p
    const wanted = { what: 'registered (storage)', withinMs: REGISTERED_WITHIN_MS, pollMs: POLL_MS }
    await until(p2p, ({ state }) => state === 'registered', wanted)
  }

  /** Resolves once it can be asked. */
  async startCamera(name: string): Promise<LabProgram> {
    const ring = join(this.lab.folder, `${name}-card`)
    // It is there already when the camera is started again.
    await initRing(new RealDisk(), ring, { capacityBytes: RING_BYTES }).catch(() => undefined)
    const listen = `${this.#anyHost}:0`
    const program = this.#launch(name, ['camera', 'run', '--source', SOURCE, '--ring', ring, '--listen', listen])
    await program.ready()
    return program
  }

  /** Resolves once the storage device has enrolled it and a fragment has been ACKed. */
  async pair(name: string): Promise<void> {
    const { setupCode } = (await this.program('storage').call('pair', { name })) as { setupCode: string }
    await this.program(name).call('setup', { code: setupCode, name })
    await this.until(name, 'paired', ({ seq }) => (seq?.acked ?? 0) > 0)
  }

  async status(name: string): Promise<CameraStatus> {
    return (await this.program(name).call('status')) as CameraStatus
  }

  /** Polls until `holds`; throws TIMED_OUT with the last status when it takes longer. */
  until(
    name: string,
    what: string,
    holds: (status: CameraStatus) => boolean,
    withinMs = 30_000,
  ): Promise<CameraStatus> {
    const told = ({ state, path, seq, lastAttempt }: CameraStatus) => ({ state, path, seq, lastAttempt })
    return until(() => this.status(name), holds, { what: `${what} (${name})`, withinMs, pollMs: POLL_MS, told })
  }

  /** How many frames of a camera stand in files on the disk, as any player would find them. */
  async framesOnDisk(camera: string): Promise<number> {
    const { cameras } = (await this.program('storage').call('cameras')) as {
      cameras: { name: string; folder: string }[]
    }
    const folder = cameras.find(({ name }) => name === camera)?.folder
    if (folder === undefined) return 0
    const root = join(this.#disk, folder)
    let frames = 0
    for (const path of await readdir(root, { recursive: true })) {
      if (path.endsWith('.mp4')) frames += readFrameNumbers(await readFile(join(root, path))).length
    }
    return frames
  }

  /** Kills everything that runs. The lab is left as it is. */
  async close(): Promise<void> {
    await Promise.all([...this.#programs.values()].map((program) => program.kill()))
  }

  get #disk(): string {
    return join(this.lab.folder, 'disk')
  }

  #launch(name: string, args: readonly string[]): LabProgram {
    const program = new LabProgram(this.lab, name, args)
    this.#programs.set(name, program)
    return program
  }
}

/** A home of two virtual devices: camera and storage device on one bridge, a P2P server beside them. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SOURCE } from '../image/places.ts'
import { ask, findPrompt } from '../serial/dialog.ts'
import { closePort, DEFAULT_BAUD, openPort } from '../serial/port.ts'
import { CAMERA, Device, START_WITHIN_MS, STORAGE } from './device.ts'
import { HOST, Network } from './network.ts'
import { Server } from './server.ts'

const run = promisify(execFile)

/** In emulation on two slow cores, from one state to the next. */
export const CHANGE_WITHIN_MS = 240_000
const CONSOLE_WITHIN_MS = 60_000

export const say = (text: string) => process.stderr.write(`${(performance.now() / 1000).toFixed(0)} s  ${text}\n`)

/** Fragments as the camera counts them since its agent's start. */
export interface Counts {
  readonly captured: number
  readonly acked: number
}

export const countsOf = ({ seq }: Record<string, unknown>): Counts => {
  const { captured, acked } = (seq ?? {}) as { captured?: number | null; acked?: number | null }
  return { captured: captured ?? 0, acked: acked ?? 0 }
}

export class ImageHome {
  readonly folder: string
  readonly camera: Device
  readonly storage: Device
  readonly #kept: boolean
  readonly #network: Network
  readonly #server: Server

  /** IMAGE_TEST_FOLDER keeps disks and logs for whoever wants to look into them. */
  constructor() {
    const kept = process.env.IMAGE_TEST_FOLDER
    this.#kept = kept !== undefined
    // So that emulators and the namespace go as well: they are let go of at the exit.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
    this.folder = kept ?? mkdtempSync(join(tmpdir(), 'homeward-image-'))
    mkdirSync(this.folder, { recursive: true })
    this.#network = new Network([CAMERA.tap, STORAGE.tap], this.folder)
    this.#server = new Server(this.#network, join(this.folder, 'p2p'))
    this.camera = new Device(CAMERA, this.#network, this.folder)
    this.storage = new Device(STORAGE, this.#network, this.folder)
  }

  /** Both devices on, their card and disk in use. */
  async start(): Promise<void> {
    await Promise.all([
      this.#startWith(this.camera, '/var/lib/homeward/card'),
      this.#startWith(this.storage, '/srv/homeward'),
    ])
  }

  async #startWith(device: Device, footage: string): Promise<void> {
    const tookMs = await device.start()
    say(`${device.board} has started after ${(tookMs / 1000).toFixed(1)} s`)
    await device.console.run(`until mountpoint -q ${footage}; do sleep 1; done`, START_WITHIN_MS)
  }

  /** As an owner does it: a code from the storage device's serial console, scripts/provision at the camera's. */
  async provision(): Promise<string> {
    const { storage, camera } = this
    await storage.console.run(
      `echo 'p2p = "${HOST}:${this.#server.port}"' >/data/homeward/settings.toml; sv restart /run/service/storage`,
    )
    await storage.until('storage status', () => true, CHANGE_WITHIN_MS)
    const code = (await this.serial(storage, 'setup Porch')).find((line) => line.startsWith('code: '))?.slice(6)
    if (code === undefined) throw new Error('no code in the answer to `setup`')
    await camera.until('camera status', () => true, CHANGE_WITHIN_MS)
    const port = await camera.machine.provisioningPort()
    const { stdout } = await run(join(SOURCE, 'scripts/provision'), [port, code, 'Porch'], {
      timeout: CHANGE_WITHIN_MS,
    })
    return stdout.trim()
  }

  /** The answer of a device's serial console, on its second port. Rejects when it is an error. */
  async serial(device: Device, line: string): Promise<readonly string[]> {
    const port = await openPort(await device.machine.provisioningPort(), DEFAULT_BAUD)
    try {
      await findPrompt(port, CONSOLE_WITHIN_MS)
      const answer = await ask(port, line, CONSOLE_WITHIN_MS)
      if (!answer.ok) throw new Error(`${answer.code} ${answer.text}`)
      return answer.lines
    } finally {
      await closePort(port)
    }
  }

  counts(): Promise<Counts> {
    return this.camera.ask('camera status').then(countsOf)
  }

  /** Until the camera, in its present start, has this many fragments acknowledged. */
  acked(count: number): Promise<Counts> {
    const enough = (answer: Record<string, unknown>) => (countsOf(answer).acked >= count ? countsOf(answer) : undefined)
    return this.camera.until('camera status', enough, CHANGE_WITHIN_MS)
  }

  /** Until nothing older than a few seconds waits on the card. */
  caughtUp(): Promise<true> {
    const isNear = (answer: Record<string, unknown>) => {
      const { captured, acked } = countsOf(answer)
      const { onCard } = (answer.ledger ?? {}) as { onCard?: number | null }
      return acked > 0 && captured - acked < 10 && (onCard ?? 0) < 10 ? true : undefined
    }
    return this.camera.until('camera status', isNear, CHANGE_WITHIN_MS)
  }

  /** Everything that is stored is whole and accounted for, read back by the storage device. */
  async verify(): Promise<void> {
    const answer = await this.storage.ask('storage verify --deep')
    if (answer.ok !== true) throw new Error(`verify: ${JSON.stringify(answer)}`)
  }

  async close(): Promise<void> {
    await Promise.all([this.camera.cut(), this.storage.cut()])
    await this.#server.close()
    this.#network.close()
    if (!this.#kept) rmSync(this.folder, { recursive: true, force: true })
  }
}

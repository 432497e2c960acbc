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
import { type Film, playDisk } from './film.ts'
import { filmFaults } from './film-check.ts'
import { HOST, Network } from './network.ts'
import { readStatus, type Seen } from './seen.ts'
import { Server } from './server.ts'

const run = promisify(execFile)

/** In emulation on two slow cores, from one state to the next. */
export const CHANGE_WITHIN_MS = 480_000
const CONSOLE_WITHIN_MS = 60_000

const LOOK_EVERY_MS = 2_000
/** Fragments, or seconds. */
const NEAR = 15
/** As board/qemu/camera films: a fragment is a second at ten frames. */
const PICTURE_SIZE = '320x180'
const FRAMES_EACH = 10

/** Of `storage verify`, what the tests read. */
export interface Verified {
  readonly fragments: number
  readonly gaps: readonly {
    readonly log: string
    readonly first: number
    readonly last: number
    readonly reason: string
  }[]
}

export const say = (text: string): void => {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0)} s  ${text}\n`)
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
    // So that emulators and the namespace go as well: they are let go of at the exit, which a second signal must not cut short.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
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
      `echo 'p2p = "${HOST}:${this.#server.port}"' >/data/homeward/settings.toml; sv -w 60 restart /run/service/storage`,
      CHANGE_WITHIN_MS,
    )
    await this.answers(storage)
    const code = (await this.serial(storage, 'setup Porch')).find((line) => line.startsWith('code: '))?.slice(6)
    if (code === undefined) throw new Error('no code in the answer to `setup`')
    await this.answers(camera)
    const port = await camera.machine.provisioningPort()
    const provision = () => run(join(SOURCE, 'scripts/provision'), [port, code, 'Porch'], { timeout: CHANGE_WITHIN_MS })
    const { stdout } = await provision().catch((error: Error) => {
      say(`scripts/provision, once more: ${error.message.trim()}`)
      return provision()
    })
    return stdout.trim()
  }

  /** The answer of a device's serial console, once its agent is there. */
  async answers(device: Device, line = 'help'): Promise<readonly string[]> {
    const end = performance.now() + CHANGE_WITHIN_MS
    while (performance.now() < end) {
      const lines = await this.serial(device, line).catch((error: Error) => {
        say(`${device.board}: ${error.message}`)
        return undefined
      })
      if (lines !== undefined) return lines
    }
    throw new Error(`the serial console of ${device.board} does not answer`)
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

  /** Until the camera says of itself, on its serial console, what is wanted. */
  async seen(isWanted: (seen: Seen) => boolean, withinMs = CHANGE_WITHIN_MS): Promise<Seen> {
    const end = performance.now() + withinMs
    for (;;) {
      const lines = await this.serial(this.camera, 'status').catch((error: Error) => [error.message])
      const seen = readStatus(lines)
      if (seen !== undefined && isWanted(seen)) return seen
      if (performance.now() > end) throw new Error(`the camera does not say what is wanted:\n${lines.join('\n')}`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }

  /** Until nothing older than a few seconds waits on the card. */
  caughtUp(): Promise<Seen> {
    return this.seen(
      ({ captured, acked, oldestS, cardInUse, path }) =>
        path !== undefined && cardInUse && acked > 0 && captured - acked < NEAR && oldestS < NEAR,
    )
  }

  /** Everything that is stored is whole and accounted for, read back by the storage device. */
  async verify(): Promise<Verified> {
    const answer = await this.storage.ask('storage verify --deep')
    if (answer.ok !== true) throw new Error(`verify: ${JSON.stringify(answer)}`)
    return answer as unknown as Verified
  }

  /**
   * The end of a test: the storage device says what it has and puts its disk in order, both lose their power, and what is on the
   * disk is compared with that and with what the camera showed. Throws with all that is wrong.
   */
  async checkDisk(): Promise<Film> {
    const { gaps } = await this.verify()
    await this.storage.console.run('sv -w 30 down /run/service/storage; sync', CHANGE_WITHIN_MS)
    await Promise.all([this.storage.cut(), this.camera.cut()])
    const film = playDisk(join(this.folder, STORAGE.tap, 'footage.img'), this.folder)
    const { files, fragments } = film
    const logs = new Set(fragments.map(({ log }) => log))
    const longest = Math.max(...fragments.map(({ durationMs }) => durationMs))
    say(
      `${files.length} files, ${fragments.length} fragments of ${logs.size} logs, the longest ${longest.toFixed(0)} ms`,
    )
    for (const { log, first, last, reason } of gaps) say(`gap: log ${log}, ${first} to ${last}, ${reason}`)
    const faults = filmFaults(film, gaps, PICTURE_SIZE, FRAMES_EACH)
    if (faults.length > 0) throw new Error(faults.join('\n'))
    return film
  }

  async close(): Promise<void> {
    await Promise.all([this.camera.cut(), this.storage.cut()])
    await this.#server.close()
    this.#network.close()
    if (!this.#kept) rmSync(this.folder, { recursive: true, force: true })
  }
}

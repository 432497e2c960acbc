/**
 * A board of board/qemu/ in QEMU: the system's disk, a card or a SATA disk, two serial ports, a watchdog. The emulator is a child
 * process; SIGKILL to it is a power cut. The first serial port is a socket (or the terminal), the second a pty of the host, as a
 * person's serial adapter would be.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { imageBoard } from '../image/boards.ts'
import { imageFolder } from '../image/places.ts'
import { runTool } from '../image/tool.ts'
import { writeBootSettings } from './boot-settings.ts'

const U_BOOT = '/usr/lib/u-boot/qemu_arm64/u-boot.bin'
/** Room for the slots and for data. */
const SYSTEM_DISK_SIZE = '2G'
const MONITOR_WITHIN_MS = 30_000
/** USER_HZ, the same on every Linux that Node.js runs on. */
const TICKS_PER_S = 100

export interface MachineOptions {
  /** Folder of its disks and sockets; what is missing there is made: the system's disk out of the image, the others empty. */
  readonly folder: string
  /** Size of the card or the SATA disk, as truncate(1) reads it; it takes room only as it is written. */
  readonly footageDisk: string
  /** A tap device of that name, else QEMU's own network with NAT. */
  readonly tap?: string
  readonly mac?: string
  /** A namespace to start in. */
  readonly namespace?: string
  readonly terminal?: boolean
  /** Start without the card or the SATA disk. */
  readonly withoutFootageDisk?: boolean
}

export class Machine {
  readonly board: string
  readonly folder: string
  readonly exited: Promise<void>
  readonly #child: ChildProcess
  #running = true

  /** `board`: qemu/camera or qemu/storage. Throws CONFIG_INVALID without an image. */
  constructor(board: string, options: MachineOptions) {
    this.board = board
    this.folder = options.folder
    const [program = '', ...args] = commandLine(board, options)
    this.#child = spawn(program, args, {
      stdio: options.terminal === true ? 'inherit' : ['ignore', 'ignore', 'inherit'],
      detached: options.terminal !== true,
    })
    this.exited = new Promise((resolve) => {
      const ended = () => {
        this.#running = false
        process.off('exit', this.#onExit)
        resolve()
      }
      this.#child.once('error', ended)
      this.#child.once('exit', ended)
    })
    process.once('exit', this.#onExit)
  }

  readonly #onExit = () => this.#child.kill('SIGKILL')

  /** What it took of the host's processors since power on, in seconds: time that does not depend on who else works there. */
  get processorS(): number {
    try {
      // Of everything behind the name in brackets, user and system time are the 12th and 13th (proc(5)).
      const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
    } catch {
      return Number.NaN
    }
  }

  get running(): boolean {
    return this.#running
  }

  /** The first serial port. */
  get consoleSocket(): string {
    return join(this.folder, 'console.sock')
  }

  /** One command of the monitor, and what it said. Rejects with TIMED_OUT. */
  monitor(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(join(this.folder, 'monitor.sock'))
      let text = ''
      let sent = false
      const end = (error?: Error) => {
        clearTimeout(timer)
        socket.destroy()
        if (error === undefined) resolve(text.replaceAll('\r', '').split('\n').slice(1, -1).join('\n'))
        else reject(error)
      }
      const timer = setTimeout(
        () => end(new HomewardError('TIMED_OUT', `the monitor did not answer "${command}" in time`)),
        MONITOR_WITHIN_MS,
      )
      socket.on('error', (error) => end(error))
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1')
        if (!text.endsWith('(qemu) ')) return
        if (sent) return end()
        sent = true
        text = ''
        socket.write(`${command}\n`)
      })
    })
  }

  /** Pulls the card out of its slot. */
  async eject(drive: 'footage'): Promise<void> {
    await this.monitor(`eject -f ${drive}`)
  }

  /** Puts it back. */
  async insert(drive: 'footage'): Promise<void> {
    await this.monitor(`change ${drive} ${join(this.folder, `${drive}.img`)} raw`)
  }

  /** The host's pty of the second serial port. */
  async provisioningPort(): Promise<string> {
    const said = await this.monitor('info chardev')
    const path = /provisioning: filename=pty:(\S+)/.exec(said)?.[1]
    if (path === undefined) throw new HomewardError('INTERNAL', `QEMU names no pty for the second serial port: ${said}`)
    return path
  }

  /** The power goes. */
  async cut(): Promise<void> {
    if (this.#running) this.#child.kill('SIGKILL')
    await this.exited
  }
}

function commandLine(id: string, options: MachineOptions): string[] {
  const { board } = imageBoard(id)
  const { folder, namespace, tap, mac = '52:54:00:48:57:01', terminal = false } = options
  mkdirSync(folder, { recursive: true })
  const system = join(folder, 'system.img')
  const footage = join(folder, 'footage.img')
  if (!existsSync(system)) {
    const image = join(imageFolder(id), 'homeward.img')
    if (!existsSync(image)) {
      throw new HomewardError('CONFIG_INVALID', `there is no image of ${id}`, { hint: `make BOARD=${id} image` })
    }
    runTool('cp', ['--sparse=always', image, system])
    runTool('truncate', ['-s', SYSTEM_DISK_SIZE, system])
  }
  const bootSettings = join(folder, 'boot-settings.img')
  writeBootSettings(bootSettings)
  if (!existsSync(footage)) runTool('truncate', ['-s', options.footageDisk, footage])

  const drive = (name: string, file: string) => ['-drive', `if=none,id=${name},file=${file},format=raw`]
  const footageDisk =
    board.role === 'camera'
      ? ['-device', 'sdhci-pci', ...drive('footage', footage), '-device', 'sd-card,drive=footage,id=card']
      : [
          ...['-device', 'ich9-ahci,id=ahci', ...drive('footage', footage)],
          ...['-device', 'ide-hd,drive=footage,bus=ahci.0'],
        ]
  const network = tap === undefined ? 'user,id=net' : `tap,id=net,ifname=${tap},script=no,downscript=no`
  const first = terminal
    ? ['-serial', 'mon:stdio']
    : ['-chardev', socket('console', folder), '-serial', 'chardev:console']
  return [
    ...(namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]),
    ...['nice', '-n', '15', 'qemu-system-aarch64', '-M', 'virt,gic-version=2', '-cpu', 'cortex-a53', '-smp', '2'],
    ...['-m', `${board['memory-mib']}`, '-accel', 'tcg,thread=multi', '-bios', U_BOOT, '-display', 'none'],
    ...[...first, '-chardev', socket('monitor', folder), '-mon', 'chardev=monitor'],
    ...['-drive', `if=pflash,unit=1,file=${bootSettings},format=raw,readonly=on`],
    ...[...drive('system', system), '-device', 'virtio-blk-pci,drive=system'],
    ...(options.withoutFootageDisk === true ? [] : footageDisk),
    ...['-netdev', network, '-device', `virtio-net-pci,netdev=net,mac=${mac},romfile=`],
    ...['-device', 'i6300esb', '-action', 'watchdog=reset', '-device', 'virtio-rng-pci'],
    ...['-chardev', 'pty,id=provisioning', '-device', 'pci-serial,chardev=provisioning'],
  ]
}

const socket = (name: string, folder: string) =>
  `socket,id=${name},path=${join(folder, `${name}.sock`)},server=on,wait=off`

/** A home whose devices have a serial console: one end of a cable each, at whose other end a test does what a person does. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SerialPort } from 'serialport'
import { TestHome } from '../../firmware/cli/test-home.ts'
import { openCable } from '../../firmware/platform/pty-fixture.ts'
import { type Answer, findPrompt } from './dialog.ts'
import { closePort, openPort } from './port.ts'

export const SOURCE = 'fake:fps=10,gop=10'
const PROMPT_WITHIN_MS = 10_000

export type Role = 'camera' | 'storage'

const boardFile = (role: Role, port: string) => `
name = "Test board"
role = "${role}"
soc = "none"
memory-mib = 512
offer = "rootfs"
tested = "data"
${role === 'camera' ? '[capture]\nprofile = "fake"\nsource = "fake"\n[card]\non = "system"' : '[disk]\ndevices = ["sd*"]'}
[serial]
kernel = "ttyS0"
console = "${port.slice('/dev/'.length)}"
baud = 115200
[rootfs]
state = "/var/lib/homeward"
footage = "/mnt/footage"
`

const DISK_TOOL = (tools: string) => `#!/bin/sh
echo "homeward-disk $*" >>"${tools}/disks"
case "$*" in
list) echo '/dev/sda 4096 MB photos: has something on it' ;;
*--erase) ;;
*) echo 'homeward: /dev/sda has something on it' >&2 && exit 3 ;;
esac
`

export class SerialHome {
  readonly home: TestHome
  /** What an image has, and this machine must never do: first in PATH, each run is a line of the file `done`. */
  readonly tools: string
  readonly cables = { camera: openCable(), storage: openCable() }
  readonly #path = process.env.PATH

  private constructor(home: TestHome) {
    this.home = home
    this.tools = join(home.folder, 'tools')
  }

  static async start(): Promise<SerialHome> {
    const serial = new SerialHome(await TestHome.create())
    const { home, tools, cables } = serial
    await mkdir(tools)
    for (const tool of ['reboot', 'homeward-network']) await serial.setTool(tool, '')
    await writeFile(join(tools, 'homeward-disk'), DISK_TOOL(tools), { mode: 0o755 })
    process.env.PATH = `${tools}:${process.env.PATH}`
    for (const role of ['camera', 'storage'] as const) {
      await writeFile(join(home.folder, `${role}.toml`), boardFile(role, cables[role].ends[0]))
    }
    await home.startServer()
    await serial.startStorage()
    await serial.startCamera()
    return serial
  }

  startStorage(): Promise<unknown> {
    return this.home.startStorage(['--board', join(this.home.folder, 'storage.toml')])
  }

  startCamera(): Promise<unknown> {
    return this.home.startCamera('camera', SOURCE, ['--board', join(this.home.folder, 'camera.toml')])
  }

  /** What the tool does besides saying that it was run. */
  async setTool(name: string, does: string): Promise<void> {
    await writeFile(join(this.tools, name), `#!/bin/sh\necho "${name} $*" >>"${this.tools}/done"\n${does}\n`)
    await chmod(join(this.tools, name), 0o755)
  }

  /** At the person's end of a device's line, with its prompt before one. */
  async at<Value>(role: Role, run: (port: SerialPort) => Promise<Value>): Promise<Value> {
    const port = await openPort(this.cables[role].ends[1], 115_200)
    try {
      await findPrompt(port, PROMPT_WITHIN_MS)
      return await run(port)
    } finally {
      await closePort(port)
    }
  }

  async close(): Promise<void> {
    await this.home.close()
    for (const cable of Object.values(this.cables)) cable.close()
    process.env.PATH = this.#path
  }
}

export const brief = ({ ok, code, text, lines }: Answer) => [...lines, ok ? 'OK' : `ERR ${code} ${text}`].join('\n')

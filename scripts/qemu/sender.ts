/** Sends updates to a virtual device from the host's end of its bridge, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Network } from './network.ts'

const PROGRAM = fileURLToPath(new URL('./send-process.ts', import.meta.url))

export interface Sending {
  /** What it printed, once it has ended. */
  readonly said: Promise<string>
  /** Its end, however far it is. */
  stop(): Promise<void>
}

export class Sender {
  readonly #network: Network
  readonly #folder: string

  constructor(network: Network, folder: string) {
    this.#network = network
    this.#folder = folder
  }

  /** With `version`, as `make ota` does it: until the device has kept it or gone back. */
  start(host: string, board: string, bytes: Uint8Array, version?: string): Sending {
    const file = join(this.#folder, 'update.swu')
    writeFileSync(file, bytes)
    const named = version === undefined ? [] : [version]
    const command = [process.execPath, '--import', 'tsx', PROGRAM, host, board, file, ...named]
    const [program = '', ...args] = this.#network.on(command)
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const onExit = () => child.kill('SIGKILL')
    process.once('exit', onExit)
    const said = output(child).finally(() => process.off('exit', onExit))
    return {
      said,
      stop: async () => {
        child.kill('SIGKILL')
        await said
      },
    }
  }
}

function output(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString()
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve(text.trim()))
  })
}

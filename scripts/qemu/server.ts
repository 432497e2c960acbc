/** The P2P server beside the machines, the built program. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { SOURCE } from '../image/places.ts'
import { HOST, type Network } from './network.ts'

export class Server {
  readonly port = 7440
  readonly #child: ChildProcess
  readonly #exited: Promise<void>

  constructor(network: Network, folder: string) {
    mkdirSync(folder, { recursive: true })
    const log = openSync(join(folder, 'log'), 'a')
    const address = ['--listen', `${HOST}:${this.port}`, '--tls-listen', `${HOST}:7443`, '--state', folder]
    const main = join(SOURCE, 'dist/cli/main.js')
    const [program = '', ...args] = network.on([process.execPath, main, 'p2p', ...address])
    this.#child = spawn(program, args, { stdio: ['ignore', log, log] })
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', () => resolve())
      this.#child.once('exit', () => resolve())
    })
    process.once('exit', this.#onExit)
  }

  readonly #onExit = () => this.#child.kill('SIGKILL')

  async close(): Promise<void> {
    process.off('exit', this.#onExit)
    this.#child.kill('SIGTERM')
    await this.#exited
  }
}

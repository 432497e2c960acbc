/** The TURN server coturn, as Debian builds it, on loopback: UDP only, without credentials. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Address } from '../../firmware/link/address.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'

const PROGRAM = 'turnserver'
const LOOPBACK = '127.0.0.1'

export class Coturn {
  readonly address: Address
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  /** With this process ends what it started. */
  readonly #onExit = () => this.#child.kill('SIGKILL')

  private constructor(child: ChildProcess, address: Address) {
    this.#child = child
    this.address = address
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()))
    process.once('exit', this.#onExit)
  }

  /** Such as `4.6.1`; undefined when it is not installed. */
  static version(): string | undefined {
    const { status, stdout } = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' })
    return status === 0 ? stdout.trim().split('\n').at(-1) : undefined
  }

  /** It may take a moment to answer. `folder`: for what it writes. */
  static async start(folder: string): Promise<Coturn> {
    const port = await freePort()
    const args = [
      // Without the system's configuration.
      '-n',
      ...['--listening-ip', LOOPBACK, '--relay-ip', LOOPBACK, '--listening-port', String(port)],
      ...['--no-auth', '--no-tcp', '--no-tls', '--no-dtls', '--no-cli', '--allow-loopback-peers'],
      ...['--realm', 'bench', '--userdb', join(folder, 'turndb'), '--pidfile', join(folder, 'turnserver.pid')],
      ...['--log-file', join(folder, 'turnserver.log'), '--simple-log'],
    ]
    const child = spawn(PROGRAM, args, { stdio: 'ignore' })
    await once(child, 'spawn')
    return new Coturn(child, { host: LOOPBACK, port })
  }

  /** Throws INTERNAL when it has ended by itself. */
  get pid(): number {
    const { pid, exitCode } = this.#child
    if (pid === undefined || exitCode !== null) throw new HomewardError('INTERNAL', `${PROGRAM} has ended: ${exitCode}`)
    return pid
  }

  async close(): Promise<void> {
    process.off('exit', this.#onExit)
    this.#child.kill('SIGKILL')
    await this.#exited
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, LOOPBACK)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** One bridge in a network namespace of its own, with a tap for each machine; addresses come from dnsmasq. Nothing is seen outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { runTool } from '../image/tool.ts'

/** The host's address on the bridge: the P2P server is there. */
export const HOST = '10.77.0.1'

export class Network {
  readonly namespace = `hw-image-${randomBytes(3).toString('hex')}`
  readonly #dnsmasq: ChildProcess
  #closed = false

  /** Throws INTERNAL with what a tool said. */
  constructor(taps: readonly string[], folder: string) {
    this.#ip('netns', 'add', this.namespace)
    process.once('exit', this.#onExit)
    const inside = (...args: string[]) => this.#ip('-n', this.namespace, ...args)
    inside('link', 'add', 'br0', 'type', 'bridge')
    inside('addr', 'add', `${HOST}/24`, 'dev', 'br0')
    inside('link', 'set', 'br0', 'up')
    inside('link', 'set', 'lo', 'up')
    for (const tap of taps) {
      inside('tuntap', 'add', tap, 'mode', 'tap')
      inside('link', 'set', tap, 'master', 'br0', 'up')
    }
    const options = [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--port=0',
      '--interface=br0',
      '--bind-interfaces',
    ]
    const leases = ['--dhcp-range=10.77.0.50,10.77.0.99,1h', `--dhcp-leasefile=${join(folder, 'leases')}`]
    const [program = '', ...args] = this.on(['dnsmasq', '--user=root', ...options, ...leases])
    this.#dnsmasq = spawn(program, args, { stdio: 'ignore' })
    this.#dnsmasq.on('error', () => undefined)
  }

  readonly #onExit = () => this.close()

  /** The command that runs `command` beside the machines. */
  on(command: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.namespace, ...command]
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    process.off('exit', this.#onExit)
    this.#dnsmasq.kill('SIGKILL')
    this.#ip('netns', 'del', this.namespace)
  }

  #ip(...args: string[]): void {
    runTool('ip', args)
  }
}

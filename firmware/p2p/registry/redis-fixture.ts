/** A real Redis on loopback, which can be stopped for a while, killed and started again. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'

const PROGRAM = 'redis-server'

export function hasRedis(): boolean {
  const isThere = spawnSync(PROGRAM, ['--version']).status === 0
  if (!isThere) process.stdout.write('skipped: redis-server is not installed\n')
  return isThere
}

export class RedisServer {
  readonly port: number
  #child: ChildProcess | undefined
  readonly #onExit = () => this.#child?.kill('SIGKILL')

  private constructor(port: number) {
    this.port = port
    process.once('exit', this.#onExit)
  }

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort())
    await server.startAgain()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Empty, as it keeps nothing on disk. Resolves when it takes connections. */
  async startAgain(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    const child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`${PROGRAM} ended`)))
      child.stdout?.on('data', (chunk: Buffer) => {
        if (chunk.includes('Ready to accept connections')) resolve()
      })
    })
  }

  /** It is there, and answers nothing any more. */
  hang(): void {
    this.#child?.kill('SIGSTOP')
  }

  goOn(): void {
    this.#child?.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await ended
  }

  async close(): Promise<void> {
    process.off('exit', this.#onExit)
    await this.stop()
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

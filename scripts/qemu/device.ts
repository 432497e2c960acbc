/** One virtual device of a test: its machine, which may be cut and started again, and the shell on its console. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Console } from './console.ts'
import { Machine, type MachineOptions } from './machine.ts'
import type { Network } from './network.ts'

/** The promise is 25 s on a machine with nothing else to do; the log of a test says what it took. */
export const START_WITHIN_MS = 300_000

export interface DeviceKind {
  readonly board: string
  readonly tap: string
  readonly mac: string
  /** As truncate(1) reads it. An archive leaves a GiB of its disk alone, so that one is larger. */
  readonly footageDisk: string
}

export const CAMERA: DeviceKind = { board: 'qemu/camera', tap: 'camera', mac: '52:54:00:48:57:0c', footageDisk: '256M' }
export const STORAGE: DeviceKind = {
  board: 'qemu/storage',
  tap: 'storage',
  mac: '52:54:00:48:57:05',
  footageDisk: '4G',
}

export class Device {
  readonly console: Console
  readonly board: string
  readonly #options: MachineOptions
  #machine: Machine | undefined
  #onAtMs = 0

  constructor({ board, tap, mac, footageDisk }: DeviceKind, network: Network, folder: string) {
    const home = join(folder, tap)
    this.board = board
    this.#options = { folder: home, footageDisk, tap, mac, namespace: network.namespace }
    mkdirSync(home, { recursive: true })
    this.console = new Console(join(home, 'console.log'), () => this.#stamp())
  }

  /** Seconds since power on: by the clock, and of the host's processors. */
  #stamp(): string {
    return `[${this.onForS.toFixed(2)} ${this.#machine?.processorS.toFixed(2)}] `
  }

  get machine(): Machine {
    if (this.#machine === undefined) throw new Error(`${this.board} is not on`)
    return this.#machine
  }

  /** Power on, until its shell answers; milliseconds that took. An emulator that hangs gets one more try, which is told of. */
  async start(changes: Partial<MachineOptions> = {}): Promise<number> {
    try {
      return await this.#start(changes)
    } catch (error) {
      process.stderr.write(`${this.board} did not start, once more: ${(error as Error).message}\n`)
      await this.cut()
      return this.#start(changes)
    }
  }

  async #start(changes: Partial<MachineOptions>): Promise<number> {
    this.#onAtMs = performance.now()
    this.console.forget()
    this.#machine = new Machine(this.board, { ...this.#options, ...changes })
    await this.console.open(this.#machine.consoleSocket)
    await this.console.seen(/homeward: started \S+ for \S+, slot [AB]/, START_WITHIN_MS)
    await this.console.seen(/# \S*$/, START_WITHIN_MS)
    return performance.now() - this.#onAtMs
  }

  /** Seconds since power on. */
  get onForS(): number {
    return (performance.now() - this.#onAtMs) / 1000
  }

  /** Until it has started again by itself, from the moment of this call on. */
  async restarted(withinMs = START_WITHIN_MS): Promise<void> {
    this.console.forget()
    await this.console.seen(/homeward: started \S+ for \S+, slot [AB]/, withinMs)
    await this.console.seen(/# \S*$/, withinMs)
  }

  /** Its address on the bridge. */
  async address(): Promise<string> {
    const said = await this.console.run('until ip -4 addr show eth0 | grep inet; do sleep 1; done', START_WITHIN_MS)
    return /inet ([\d.]+)/.exec(said)?.[1] ?? ''
  }

  async cut(): Promise<void> {
    await this.#machine?.cut()
    this.console.close()
  }

  /** The answer of a command of `homeward` on the device. */
  async ask(command: string): Promise<Record<string, unknown>> {
    const text = await this.console.run(`homeward ${command} --json`, 60_000)
    return JSON.parse(text.slice(text.indexOf('{'))) as Record<string, unknown>
  }

  /** Until a command's answer is as wanted. */
  async until<T>(
    command: string,
    take: (answer: Record<string, unknown>) => T | undefined,
    withinMs: number,
  ): Promise<T> {
    const end = performance.now() + withinMs
    for (;;) {
      const answer = await this.ask(command).catch((error: Error) => ({ error: error.message }))
      const found = 'error' in answer ? undefined : take(answer)
      if (found !== undefined) return found
      if (performance.now() > end) throw new Error(`${command}: not as wanted in time: ${JSON.stringify(answer)}`)
      // Each answer costs an emulated processor the start of a program.
      await new Promise((resolve) => setTimeout(resolve, 5_000))
    }
  }
}

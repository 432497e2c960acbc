/** One of the programs as a child process: its own process group, its log in a file, reached through its control socket. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { callControl } from '../platform/control.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'

const MAIN = fileURLToPath(new URL(`./main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
/** A program that has not answered its control socket by now has a reason, and its log says it. */
const READY_WITHIN_MS = 30_000
/** SIGTERM stops an agent cleanly within 5 s; later than this it hangs. */
const STOP_WITHIN_MS = 8_000
const LOG_LINES_SHOWN = 5
const POLL_MS = 50

export interface ProgramExit {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ProgramRuntime {
  /** The program's first module. */
  readonly main?: string
  readonly nodeFlags?: readonly string[]
  /** What to run instead of a command line, such as the same one somewhere else; it has to turn into that process. */
  readonly launch?: (command: readonly string[]) => readonly string[]
  /** How often `ready` asks. */
  readonly pollMs?: number
}

export class Program {
  readonly name: string
  readonly state: string
  readonly log: string
  readonly exited: Promise<ProgramExit>
  readonly #child: ChildProcess
  readonly #pollMs: number
  #hasExited = false

  /**
   * Starts `homeward ARGS… --state STATE`; what it prints goes to the end of the file `log`. By default Node's own flags (a
   * loader, memory limits) apply to the child as well.
   */
  constructor(
    name: string,
    args: readonly string[],
    state: string,
    log: string,
    { main = MAIN, nodeFlags = process.execArgv, launch = (command) => command, pollMs = POLL_MS }: ProgramRuntime = {},
  ) {
    this.#pollMs = pollMs
    this.name = name
    this.state = state
    this.log = log
    const output = openSync(log, 'a')
    const [command = '', ...rest] = launch([process.execPath, ...nodeFlags, main, ...args, '--state', state])
    // A group of its own: Ctrl-C is for us.
    this.#child = spawn(command, rest, { stdio: ['ignore', output, output], detached: true })
    closeSync(output)
    this.exited = new Promise((resolve) => {
      this.#child.on('error', () => resolve({ status: 1, signal: null }))
      this.#child.on('exit', (status, signal) => resolve({ status, signal }))
    })
    void this.exited.then(() => {
      this.#hasExited = true
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get running(): boolean {
    return !this.#hasExited
  }

  call(command: string, args: unknown = {}): Promise<unknown> {
    return callControl(join(this.state, 'control.sock'), command, args)
  }

  /** Resolves with the answer to `status` once the program answers; rejects when it ends first. */
  async ready(): Promise<unknown> {
    const until = performance.now() + READY_WITHIN_MS
    while (performance.now() < until) {
      if (!this.running) throw await this.#endedEarly()
      try {
        return await this.call('status')
      } catch (error) {
        if (!isHomewardError(error, 'AGENT_NOT_RUNNING')) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, this.#pollMs))
    }
    throw new HomewardError(
      'TIMED_OUT',
      `${this.name} did not answer within ${READY_WITHIN_MS / 1000} s; see ${this.log}`,
    )
  }

  /** SIGTERM, then SIGKILL when that was not enough. */
  async stop(): Promise<ProgramExit> {
    if (this.running) this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_WITHIN_MS)
    const exit = await this.exited
    clearTimeout(timer)
    return exit
  }

  /** To the program and all it started. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal)
    } catch {
      // It has ended by itself.
    }
  }

  async #endedEarly(): Promise<HomewardError> {
    const { status, signal } = await this.exited
    const lines = readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN)
    return new HomewardError(
      'INTERNAL',
      `${this.name} ended (${signal ?? `exit status ${status}`}):\n${lines.join('\n')}\n`,
    )
  }
}

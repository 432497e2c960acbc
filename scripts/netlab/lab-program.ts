/** One of the programs as a process on a node of a lab, its log in a file, reached through its control socket. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { callControl } from '../../firmware/platform/control.ts'
import { HomewardError, isHomewardError } from '../../firmware/wire/errors.ts'
import type { Lab } from './lab.ts'
import { pause } from './tool.ts'

/** What is shipped is what is tested: the built program. */
const BUILT = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** A program that has not answered its control socket by now has a reason, and its log says it. */
const READY_WITHIN_MS = 30_000
const READY_POLL_MS = 10
/** SIGTERM stops an agent cleanly within 5 s; later than this it hangs. */
const STOP_WITHIN_MS = 8_000
const LOG_LINES_SHOWN = 5

export class LabProgram {
  readonly name: string
  readonly state: string
  readonly log: string
  /** `performance.now()` of its start. */
  readonly startedMs = performance.now()
  readonly #child: ChildProcess
  readonly #exited: Promise<void>

  /** Starts `homeward ARGS… --state STATE` on the node of its own name, state and log in the lab's folder. */
  constructor(lab: Lab, name: string, args: readonly string[]) {
    this.name = name
    this.state = join(lab.folder, name)
    this.log = join(lab.folder, `${name}.log`)
    const output = openSync(this.log, 'a')
    const [program = '', ...rest] = lab.on(name, [process.execPath, BUILT, ...args, '--state', this.state])
    // A group of its own: Ctrl-C is for us. `ip netns exec` turns into the program, so its id is the child's.
    this.#child = spawn(program, rest, { stdio: ['ignore', output, output], detached: true })
    closeSync(output)
    this.#exited = new Promise((resolve) => {
      this.#child.on('error', () => resolve())
      this.#child.on('exit', () => resolve())
    })
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  call(command: string, args: unknown = {}): Promise<unknown> {
    return callControl(join(this.state, 'control.sock'), command, args)
  }

  /** Resolves with the answer to `status` once the program answers; rejects when it ends first. */
  async ready(): Promise<unknown> {
    const deadline = performance.now() + READY_WITHIN_MS
    for (;;) {
      if (!this.running) throw new HomewardError('INTERNAL', `${this.name} has ended:\n${this.lastLines()}`)
      try {
        return await this.call('status')
      } catch (error) {
        if (!isHomewardError(error, 'AGENT_NOT_RUNNING')) throw error
      }
      if (performance.now() > deadline)
        throw new HomewardError('TIMED_OUT', `${this.name} does not answer; see ${this.log}`)
      await pause(READY_POLL_MS)
    }
  }

  /** SIGTERM, then SIGKILL when that was not enough. */
  async stop(): Promise<void> {
    if (this.running) this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS)
    await this.#exited
    clearTimeout(timer)
  }

  /** As when its power is cut. */
  async kill(): Promise<void> {
    if (this.running) this.#child.kill('SIGKILL')
    await this.#exited
  }

  lastLines(): string {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n')
  }
}

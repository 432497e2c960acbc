/**
 * A small process of a bench, which does one thing after the other as it is told over its IPC channel. This file is both
 * ends of that channel.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { HomewardError } from '../../firmware/wire/errors.ts'

/** An order that takes longer hangs: those that may take their time have a shorter one of their own. */
const ORDER_WITHIN_MS = 60_000

type Answer = { readonly done: unknown } | { readonly failed: string }

/** What one kind of process does: an order's name, what it is given, what comes of it. */
export type Orders = Readonly<Record<string, (given: never) => unknown>>

type Given<O extends Orders, Name extends keyof O> = Parameters<O[Name]>[0]
type Done<O extends Orders, Name extends keyof O> = Awaited<ReturnType<O[Name]>>

export class Child<O extends Orders> {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  /** With this process ends what it started. */
  readonly #onExit = () => this.#child.kill('SIGKILL')

  /** `module`: beside this one. `on`: the command that runs a command somewhere else, a node of a lab. */
  constructor(module: string, on: (command: readonly string[]) => readonly string[] = (command) => command) {
    const path = fileURLToPath(new URL(module, import.meta.url))
    const [program = '', ...args] = on([process.execPath, ...process.execArgv, path])
    // Keys are bytes: JSON would make objects of them.
    this.#child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', () => resolve())
      this.#child.once('exit', () => resolve())
    })
    process.once('exit', this.#onExit)
    void this.#exited.then(() => process.off('exit', this.#onExit))
  }

  /** One order at a time. Rejects with what went wrong there, or with TIMED_OUT. */
  async ask<Name extends keyof O & string>(name: Name, given: Given<O, Name>): Promise<Done<O, Name>> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      const late = () => reject(new HomewardError('TIMED_OUT', `"${name}" took longer than ${ORDER_WITHIN_MS} ms`))
      const timer = setTimeout(late, ORDER_WITHIN_MS)
      this.#child.once('message', (message) => {
        clearTimeout(timer)
        resolve(message as Answer)
      })
      void this.#exited.then(() => {
        clearTimeout(timer)
        reject(new HomewardError('INTERNAL', `the process that was told to ${name} has ended`))
      })
      this.#child.send({ name, given })
    })
    if ('failed' in answer) throw new HomewardError('INTERNAL', `"${name}" failed: ${answer.failed}`)
    return answer.done as Done<O, Name>
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }
}

/** The other end: this process does what it is told until its parent is gone. */
export function obey(orders: Orders): void {
  process.on('message', async ({ name, given }: { name: string; given: never }) => {
    process.send?.(await attempt(async () => orders[name]?.(given)))
  })
  process.on('disconnect', () => process.exit())
}

async function attempt(work: () => Promise<unknown>): Promise<Answer> {
  try {
    return { done: await work() }
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) }
  }
}

/** Commands as a person types them: arguments to the built program, lines and exit status back. For tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'

/** What is shipped is what is tested. `make test` builds it first. */
const BUILT = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** A command that takes longer hangs. */
const LIMIT_MS = 40_000

export interface Answer {
  readonly args: readonly string[]
  /** Null when a signal ended it. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly tookMs: number
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export class CommandRun {
  readonly child: ChildProcess
  readonly done: Promise<Answer>
  stdout = ''
  stderr = ''

  constructor(args: readonly string[], { env = {}, cwd }: CommandOptions = {}) {
    const started = performance.now()
    this.child = spawn(process.execPath, [BUILT, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    })
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
    const timer = setTimeout(() => this.child.kill('SIGKILL'), LIMIT_MS)
    this.done = new Promise((resolve) => {
      this.child.on('close', (status, signal) => {
        clearTimeout(timer)
        const { stdout, stderr } = this
        resolve({ args, status, signal, stdout, stderr, tookMs: performance.now() - started })
      })
    })
  }

  /** Resolves once `text` was printed, on either side. */
  async printed(text: string): Promise<void> {
    const until = performance.now() + LIMIT_MS
    while (!`${this.stdout}${this.stderr}`.includes(text)) {
      assert.ok(this.child.exitCode === null && performance.now() < until, `"${text}" was not printed: ${this.stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Answer> {
    this.child.kill(signal)
    return this.done
  }
}

export function homeward(args: readonly string[], options: CommandOptions = {}): Promise<Answer> {
  return new CommandRun(args, options).done
}

/** The answer of a command that must work, as JSON. */
export async function answerOf<T>(args: readonly string[], options: CommandOptions = {}): Promise<T> {
  const answer = await homeward([...args, '--json'], options)
  assert.is(answer.status, 0, told(answer))
  assert.is(answer.stderr, '', told(answer))
  return JSON.parse(answer.stdout) as T
}

/** Refused with this status, and one line on stderr that fits. */
export function assertRefused(answer: Answer, status: 1 | 2, line: RegExp): void {
  assert.is(answer.status, status, told(answer))
  assert.is(answer.stdout, '', told(answer))
  // Agents log in JSON until they give up.
  const lines = answer.stderr.split('\n').filter((each) => each !== '' && !each.startsWith('{"level"'))
  assert.is(lines.length, 1, `one line: ${told(answer)}`)
  assert.match(lines[0] ?? '', /^homeward: /, told(answer))
  assert.match(lines[0] ?? '', line, told(answer))
}

/** The same with --json: an object on stdout, nothing on stderr. */
export function assertRefusedJson(answer: Answer, status: 1 | 2, code: string): void {
  assert.is(answer.status, status, told(answer))
  assert.is(answer.stderr, '', told(answer))
  const { error, ...rest } = JSON.parse(answer.stdout) as { error: Record<string, unknown> }
  assert.equal(rest, {})
  assert.is(error.code, code, told(answer))
  assert.type(error.message, 'string')
  for (const key of Object.keys(error)) assert.ok(['code', 'message', 'hint'].includes(key), key)
}

function told({ args, status, signal, stdout, stderr }: Answer): string {
  return `homeward ${args.join(' ')}: status ${status ?? signal}\n${stdout}\n${stderr}`
}

/** A few at a time: each is a process, and the machine is small. */
export async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>, atOnce = 3): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
    }),
  )
}

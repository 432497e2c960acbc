/**
 * The serial console: lines in, answers out, for hands and for scripts. An answer is any number of lines and then exactly one
 * that begins with `OK` or with `ERR CODE`; a script waits for that one. Nothing else begins so. What is typed while a
 * command works waits for its turn; Ctrl-C ends the command.
 */
import { errorLine, HomewardError, isHomewardError } from '../../wire/errors.ts'
import { type Clock, sleep } from '../clock.ts'
import type { SerialLine } from '../serial.ts'
import { type EditorEvent, LINE_MAX_BYTES, LineEditor } from './line-editor.ts'
import { splitWords } from './words.ts'

export interface ConsoleCommand {
  /** What may follow the name, such as `CODE [NAME]`. */
  readonly usage: string
  /** One sentence. */
  readonly help: string
  /** What is typed after this beginning of the line is echoed as stars. */
  readonly secretAfter?: RegExp
  /**
   * Resolves with the lines to show. Throws a HomewardError; USAGE shows the usage. What it still does after `signal` aborts
   * is its own affair: nobody waits for it.
   */
  run(args: readonly string[], signal: AbortSignal): Promise<readonly string[]> | readonly string[]
}

export type ConsoleCommands = Readonly<Record<string, ConsoleCommand>>

export interface SerialConsoleOptions {
  readonly line: SerialLine
  readonly clock: Clock
  /** `camera` or `storage`: stands in the prompt. */
  readonly role: string
  readonly commands: ConsoleCommands
}

/** The longest work is getting an address from a slow network. */
const COMMAND_WITHIN_MS = 40_000
/** Lines that may wait while a command works. */
const WAITING_MAX = 16

const HELP = { usage: '', help: 'this list' }

type Typed = Exclude<EditorEvent, { event: 'echo' } | { event: 'interrupt' }>

export class SerialConsole {
  readonly #options: SerialConsoleOptions
  readonly #editor: LineEditor
  readonly #waiting: Typed[] = []
  #running: AbortController | undefined
  #closed = false

  constructor(options: SerialConsoleOptions) {
    this.#options = options
    const secrets = Object.values(options.commands).flatMap(({ secretAfter }) => secretAfter ?? [])
    this.#editor = new LineEditor((typed) => secrets.some((secret) => secret.test(typed)))
  }

  /** Shows the prompt. */
  start(): void {
    this.#options.line.onData((bytes) => {
      if (!this.#closed) for (const event of this.#editor.push(bytes)) this.#take(event)
    })
    this.#write('\r\n')
    this.#prompt()
  }

  /** Idempotent; the line stays open, it is its owner's. */
  close(): void {
    this.#closed = true
    this.#running?.abort()
  }

  #take(event: EditorEvent): void {
    if (event.event === 'echo') this.#options.line.write(event.bytes)
    else if (event.event === 'interrupt') this.#interrupt()
    else if (this.#running === undefined) void this.#answer(event)
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(event)
  }

  #interrupt(): void {
    this.#waiting.length = 0
    if (this.#running === undefined) this.#prompt()
    else this.#running.abort()
  }

  async #answer(typed: Typed): Promise<void> {
    const controller = new AbortController()
    this.#running = controller
    const lines = await this.#linesFor(typed, controller)
    if (this.#closed) return
    this.#write(lines.map((line) => `${line}\r\n`).join(''))
    this.#prompt()
    this.#running = undefined
    const next = this.#waiting.shift()
    if (next !== undefined) void this.#answer(next)
  }

  async #linesFor(typed: Typed, controller: AbortController): Promise<string[]> {
    try {
      if (typed.event === 'too-long') {
        throw new HomewardError('USAGE', `the line is longer than ${LINE_MAX_BYTES} bytes, nothing was done`)
      }
      if (typed.event === 'unreadable') throw new HomewardError('USAGE', 'the line is not UTF-8, nothing was done')
      const [name, ...args] = splitWords(typed.text)
      if (name === undefined) return []
      const lines = await this.#run(name, args, controller)
      return [...lines.map(asText), 'OK']
    } catch (error) {
      return [errorAnswer(error)]
    }
  }

  async #run(name: string, args: readonly string[], controller: AbortController): Promise<readonly string[]> {
    const { commands, clock } = this.#options
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined) {
      if (name === 'help') return this.#help()
      throw new HomewardError('USAGE', `there is no command "${name.slice(0, 40)}"`, { hint: 'Type: help' })
    }
    const { signal } = controller
    const given = new AbortController()
    const late = sleep(clock, COMMAND_WITHIN_MS, given.signal).then(() => {
      if (!given.signal.aborted) controller.abort(tookTooLong(name))
    })
    const ended = new Promise<never>((_, reject) => {
      const end = () =>
        reject(isHomewardError(signal.reason) ? signal.reason : new HomewardError('CANCELLED', 'cancelled'))
      signal.addEventListener('abort', end, { once: true })
    })
    // A command that throws at once leaves it to nobody, and Ctrl-C may come right behind.
    ended.catch(() => undefined)
    try {
      return await Promise.race([command.run(args, signal), ended])
    } catch (error) {
      if (isHomewardError(error, 'USAGE')) {
        throw new HomewardError('USAGE', error.message, { hint: error.hint ?? `Type: ${name} ${command.usage}`.trim() })
      }
      throw error
    } finally {
      given.abort()
      await late
    }
  }

  #help(): string[] {
    const rows = Object.entries({ help: HELP, ...this.#options.commands }).map(([name, { usage, help }]) => ({
      left: `${name} ${usage}`.trim(),
      help,
    }))
    const width = Math.max(...rows.map(({ left }) => left.length))
    return rows.map(({ left, help }) => `${left.padEnd(width)}  ${help}`)
  }

  #prompt(): void {
    this.#write(`${this.#options.role}> `)
  }

  #write(text: string): void {
    this.#options.line.write(new Uint8Array(Buffer.from(text)))
  }
}

function tookTooLong(name: string): HomewardError {
  return new HomewardError('TIMED_OUT', `${name} took longer than ${COMMAND_WITHIN_MS / 1000} s`, {
    hint: 'See `log`, and try again.',
  })
}

function errorAnswer(error: unknown): string {
  if (!isHomewardError(error)) return clean(`ERR INTERNAL ${error instanceof Error ? error.message : String(error)}`)
  return clean(`ERR ${error.code} ${errorLine(error)}`)
}

/** A line that looked like the end of an answer would mislead a script. */
function asText(line: string): string {
  return clean(/^(?:OK|ERR)\b/.test(line) ? `  ${line}` : line)
}

/** Control characters would end the line, or move the reader's cursor. */
function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').trimEnd()
}

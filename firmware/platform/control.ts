/**
 * How a command reaches a running agent: a Unix socket in its state folder, one JSON object a line.
 *
 *   → {"command": "status", "args": {…}}
 *   ← {"progress": …}            as often as the agent likes
 *   ← {"result": …}  or  {"error": {"code", "message", "hint"}}
 *
 * One request for each connection; hanging up cancels it.
 */
import { chmod, unlink } from 'node:fs/promises'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { HomewardError, isErrorCode, isHomewardError, systemCode } from '../wire/errors.ts'

/** sun_path of unix(7) holds 108 bytes with its closing zero. */
const PATH_MAX_BYTES = 107
const REQUEST_MAX_BYTES = 64 * 1024

export interface ControlContext {
  /** Aborts when the caller hangs up or the agent stops. */
  readonly signal: AbortSignal
  progress(value: unknown): void
}

export type ControlHandler = (args: unknown, context: ControlContext) => unknown
export type ControlHandlers = Readonly<Record<string, ControlHandler>>

export class ControlServer {
  readonly #path: string
  readonly #handlers: ControlHandlers | Promise<ControlHandlers>
  readonly #open = new Map<Socket, AbortController>()
  #server: Server | undefined

  /** Requests wait for handlers that are promised; when they never come, the reason is the answer. */
  constructor(path: string, handlers: ControlHandlers | Promise<ControlHandlers>) {
    this.#path = path
    this.#handlers = handlers
  }

  /** Rejects with AGENT_RUNNING when another process answers on the socket; a dead one's socket is taken over. */
  async start(): Promise<void> {
    if (Buffer.byteLength(this.#path) > PATH_MAX_BYTES) {
      throw new HomewardError('CONFIG_INVALID', `the path ${this.#path} is longer than ${PATH_MAX_BYTES} bytes`, {
        hint: 'Choose a state folder with a shorter path.',
      })
    }
    if (await answers(this.#path)) {
      throw new HomewardError(
        'AGENT_RUNNING',
        `another agent is running with the state folder ${dirname(this.#path)}`,
        {
          hint: 'Stop it first, or give this one a folder of its own with --state.',
        },
      )
    }
    await unlink(this.#path).catch(() => undefined)
    const server = createServer((socket) => this.#serve(socket))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#path, resolve)
    })
    await chmod(this.#path, 0o600)
    this.#server = server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const [socket, controller] of this.#open) {
      controller.abort()
      socket.destroy()
    }
    await closed
  }

  #serve(socket: Socket): void {
    const controller = new AbortController()
    this.#open.set(socket, controller)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      controller.abort()
      this.#open.delete(socket)
    })
    let text = ''
    const onData = (chunk: Buffer) => {
      text += chunk.toString()
      const end = text.indexOf('\n')
      if (end < 0 && text.length <= REQUEST_MAX_BYTES) return
      socket.off('data', onData)
      socket.resume()
      void this.#answer(end < 0 ? '' : text.slice(0, end), controller.signal, (line) => writeLine(socket, line)).then(
        () => socket.end(),
      )
    }
    socket.on('data', onData)
  }

  async #answer(request: string, signal: AbortSignal, reply: (line: unknown) => void): Promise<void> {
    try {
      const { command, args } = parseRequest(request)
      const handlers = await this.#handlers
      const handler = Object.hasOwn(handlers, command) ? handlers[command] : undefined
      if (handler === undefined) {
        throw new HomewardError('USAGE', `the running agent knows no command "${command}"`, {
          hint: 'Agent and command are of different versions: restart the agent.',
        })
      }
      const result = await handler(args, { signal, progress: (value) => reply({ progress: value }) })
      reply({ result: result ?? null })
    } catch (error) {
      reply({ error: describeError(error) })
    }
  }
}

export interface ErrorDescription {
  readonly code: string
  readonly message: string
  readonly hint?: string
}

/** An error as it is shown in `--json` answers and crosses the control socket. */
export function describeError(error: unknown): ErrorDescription {
  if (isHomewardError(error)) {
    return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
  }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) }
}

export interface CallOptions {
  readonly signal?: AbortSignal
  onProgress?(value: unknown): void
}

/** Asks a running agent. Rejects with AGENT_NOT_RUNNING, CANCELLED, or the error that the agent answered. */
export async function callControl(
  path: string,
  command: string,
  args: unknown,
  options: CallOptions = {},
): Promise<unknown> {
  const socket = await connect(path)
  const abort = () => socket.destroy()
  options.signal?.addEventListener('abort', abort, { once: true })
  try {
    writeLine(socket, { command, args })
    const lines = createInterface({ input: socket })
    // A destroyed socket never ends, and readline waits for the end.
    socket.once('close', () => lines.close())
    for await (const line of lines) {
      const answer = JSON.parse(line) as { progress?: unknown; result?: unknown; error?: ErrorDescription }
      if (answer.error !== undefined) throw errorFrom(answer.error)
      if ('result' in answer) return answer.result
      options.onProgress?.(answer.progress)
    }
  } catch (error) {
    // A reset connection or half a line: the agent was killed.
    const isDeath = error instanceof SyntaxError || systemCode(error) !== undefined
    if (isHomewardError(error) || !isDeath) throw error
  } finally {
    options.signal?.removeEventListener('abort', abort)
    socket.destroy()
  }
  if (options.signal?.aborted) throw new HomewardError('CANCELLED', 'cancelled')
  throw new HomewardError('AGENT_NOT_RUNNING', 'the agent stopped before it answered', { hint: 'See its log.' })
}

function errorFrom(description: ErrorDescription): HomewardError {
  const code = isErrorCode(description.code) ? description.code : 'INTERNAL'
  return new HomewardError(code, description.message, description.hint === undefined ? {} : { hint: description.hint })
}

/** One line of a caller, without its end. Throws USAGE. */
export function parseRequest(line: string): { command: string; args: unknown } {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null && 'command' in value && typeof value.command === 'string') {
    return { command: value.command, args: 'args' in value ? value.args : undefined }
  }
  throw new HomewardError('USAGE', 'expected one line of JSON with a "command"')
}

function writeLine(socket: Socket, value: unknown): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(value)}\n`)
}

async function answers(path: string): Promise<boolean> {
  try {
    const socket = await connect(path)
    socket.destroy()
    return true
  } catch {
    return false
  }
}

function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.on('error', () => socket.destroy())
      resolve(socket)
    })
    socket.once('error', (cause) => {
      const why = systemCode(cause) === 'EACCES' ? 'may not be reached by this user' : 'is not running'
      reject(new HomewardError('AGENT_NOT_RUNNING', `the agent of ${dirname(path)} ${why}`, { cause }))
    })
  })
}

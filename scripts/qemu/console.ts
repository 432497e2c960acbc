/** The shell on a machine's first serial port, for tests: commands and what they print, as text. */
import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { HomewardError } from '../../firmware/wire/errors.ts'

const LINES_SHOWN = 25
const RETRY_MS = 200
const NUDGE_MS = 5_000

export class Console {
  readonly #log: string
  readonly #stamp: () => string
  #socket: Socket | undefined
  #text = ''
  #watchers = new Set<() => void>()

  /** What comes over the line is also written to the file `log`, each line with what `stamp` says when it begins. */
  constructor(log: string, stamp: () => string = () => '') {
    this.#log = log
    this.#stamp = stamp
  }

  /** Connects as soon as the emulator listens. Rejects with TIMED_OUT. */
  async open(path: string, withinMs = 10_000): Promise<void> {
    const until = performance.now() + withinMs
    for (;;) {
      try {
        this.#socket = await new Promise<Socket>((resolve, reject) => {
          const socket = connect(path)
          socket.once('connect', () => resolve(socket))
          socket.once('error', reject)
        })
        break
      } catch (cause) {
        if (performance.now() > until) throw new HomewardError('TIMED_OUT', `nothing listens at ${path}`, { cause })
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
    this.#socket.on('error', () => undefined)
    this.#socket.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1').replaceAll('\r', '')
      appendFileSync(this.#log, this.#stamped(text))
      this.#text += text
      for (const watcher of this.#watchers) watcher()
    })
  }

  #lineIsNew = true

  #stamped(text: string): string {
    const lines = text.split(/(?<=\n)/)
    return lines
      .map((line) => {
        const stamp = this.#lineIsNew ? this.#stamp() : ''
        this.#lineIsNew = line.endsWith('\n')
        return stamp + line
      })
      .join('')
  }

  /** What was seen so far does not count any more. */
  forget(): void {
    this.#text = ''
  }

  /** Until `pattern` has been seen since the last command. Rejects with TIMED_OUT and the last lines. */
  seen(pattern: RegExp, withinMs: number): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.#text)
        if (match === null) return
        end()
        resolve(match)
      }
      const end = () => {
        clearTimeout(timer)
        this.#watchers.delete(look)
      }
      const timer = setTimeout(() => {
        end()
        const last = this.#text.split('\n').slice(-LINES_SHOWN).join('\n')
        reject(new HomewardError('TIMED_OUT', `${pattern} was not seen within ${withinMs / 1000} s:\n${last}`))
      }, withinMs)
      this.#watchers.add(look)
      look()
    })
  }

  /** What a shell command printed, standard error too. Rejects with INTERNAL when it fails. */
  async run(command: string, withinMs = 30_000): Promise<string> {
    const mark = randomBytes(4).toString('hex')
    this.#text = ''
    // The shell shows the line that it is given, which must not look like the answer.
    const [a, b] = [mark.slice(0, 4), mark.slice(4)]
    this.#socket?.write(`echo "${a}""${b} begins"; { ${command}; } 2>&1; echo "${a}""${b} $?"\n`)
    // QEMU's UART may keep what came while the machine was idle until something more comes.
    const nudge = setInterval(() => {
      if (this.#text === '') this.#socket?.write('\n')
    }, NUDGE_MS)
    const answer = new RegExp(`${mark} begins\n([\\s\\S]*?)${mark} (\\d+)\n`)
    const match = await this.seen(answer, withinMs).finally(() => clearInterval(nudge))
    const text = match[1] ?? ''
    if (match[2] === '0') return text.trim()
    throw new HomewardError('INTERNAL', `"${command}" ended with status ${match[2]}:\n${text}`)
  }

  close(): void {
    this.#socket?.destroy()
  }
}

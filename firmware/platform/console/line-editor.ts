/**
 * Typed bytes into lines, without I/O: echo, backspace (0x08 and 0x7f), Ctrl-U, Ctrl-C, and CR, LF or CRLF at the end. Other
 * control characters, and the escape sequences of cursor keys, are passed over.
 */

export const LINE_MAX_BYTES = 256

export type EditorEvent =
  | { readonly event: 'echo'; readonly bytes: Uint8Array }
  | { readonly event: 'line'; readonly text: string }
  /** The line was longer than LINE_MAX_BYTES: nothing of it is kept. */
  | { readonly event: 'too-long' }
  /** Not UTF-8. */
  | { readonly event: 'unreadable' }
  | { readonly event: 'interrupt' }

const CTRL_C = 0x03
const BACKSPACE = 0x08
const LF = 0x0a
const CR = 0x0d
const CTRL_U = 0x15
const ESC = 0x1b
const SPACE = 0x20
const DELETE = 0x7f
const STAR = 0x2a

const CRLF = bytesOf('\r\n')
const RUBBED = bytesOf('\b \b')

/** `ESC [` parameters, then a letter or `~`; or `ESC` and one character. */
type Escape = 'none' | 'started' | 'sequence'

export class LineEditor {
  readonly #isSecret: (typed: string) => boolean
  #line: number[] = []
  #tooLong = false
  #afterCr = false
  #escape: Escape = 'none'

  /** What is typed after a beginning that `isSecret` is echoed as stars. */
  constructor(isSecret: (typed: string) => boolean = () => false) {
    this.#isSecret = isSecret
  }

  push(bytes: Uint8Array): EditorEvent[] {
    return joinEchoes([...bytes].flatMap((byte) => this.#take(byte)))
  }

  /** Forgets what was typed. */
  clear(): void {
    this.#line = []
    this.#tooLong = false
    this.#escape = 'none'
  }

  #take(byte: number): EditorEvent[] {
    const afterCr = this.#afterCr
    this.#afterCr = byte === CR
    if (this.#escape !== 'none' && byte !== CTRL_C && byte !== CR && byte !== LF) return this.#inEscape(byte)
    this.#escape = 'none'
    switch (byte) {
      case CR:
        return this.#end()
      case LF:
        return afterCr ? [] : this.#end()
      case CTRL_C:
        this.clear()
        return [{ event: 'echo', bytes: bytesOf('^C\r\n') }, { event: 'interrupt' }]
      case CTRL_U:
        return this.#rub(this.#characters())
      case BACKSPACE:
      case DELETE:
        return this.#rub(Math.min(1, this.#characters()))
      case ESC:
        this.#escape = 'started'
        return []
    }
    return byte < SPACE ? [] : this.#type(byte)
  }

  #inEscape(byte: number): EditorEvent[] {
    if (this.#escape === 'started') this.#escape = byte === 0x5b || byte === 0x4f ? 'sequence' : 'none'
    else if (byte >= 0x40 && byte <= 0x7e) this.#escape = 'none'
    return []
  }

  #type(byte: number): EditorEvent[] {
    if (this.#tooLong) return []
    if (this.#line.length === LINE_MAX_BYTES) {
      this.#line = []
      this.#tooLong = true
      return []
    }
    const secret = this.#isSecret(Buffer.from(this.#line).toString())
    this.#line.push(byte)
    // One star for a character, however many bytes it has.
    if (secret) return isContinuation(byte) ? [] : [{ event: 'echo', bytes: Uint8Array.of(STAR) }]
    return [{ event: 'echo', bytes: Uint8Array.of(byte) }]
  }

  #characters(): number {
    return this.#line.filter((byte) => !isContinuation(byte)).length
  }

  #rub(characters: number): EditorEvent[] {
    for (let left = characters; left > 0; left--) {
      while (isContinuation(this.#line.at(-1) ?? 0)) this.#line.pop()
      this.#line.pop()
    }
    return Array.from({ length: characters }, () => ({ event: 'echo', bytes: RUBBED }))
  }

  #end(): EditorEvent[] {
    const bytes = Uint8Array.from(this.#line)
    const tooLong = this.#tooLong
    this.clear()
    const echo: EditorEvent = { event: 'echo', bytes: CRLF }
    if (tooLong) return [echo, { event: 'too-long' }]
    try {
      return [echo, { event: 'line', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }]
    } catch {
      return [echo, { event: 'unreadable' }]
    }
  }
}

/** One write for all that is shown in a row. */
function joinEchoes(events: readonly EditorEvent[]): EditorEvent[] {
  const joined: EditorEvent[] = []
  let echo: Uint8Array[] = []
  const flush = () => {
    if (echo.length > 0) joined.push({ event: 'echo', bytes: new Uint8Array(Buffer.concat(echo)) })
    echo = []
  }
  for (const event of events) {
    if (event.event === 'echo') echo.push(event.bytes)
    else {
      flush()
      joined.push(event)
    }
  }
  flush()
  return joined
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

/** Asks a device's serial console and waits for the line that ends the answer. */
import { HomewardError } from '../../firmware/wire/errors.ts'

/** The part of a serial port that a dialog needs. */
export interface Wire {
  write(bytes: Buffer): unknown
  on(event: 'data', listener: (bytes: Buffer) => void): unknown
  off(event: 'data', listener: (bytes: Buffer) => void): unknown
}

export interface Answer {
  readonly ok: boolean
  /** Of an error. */
  readonly code: string | undefined
  /** What stood behind `OK` or `ERR CODE`. */
  readonly text: string
  readonly lines: readonly string[]
}

/** The prompt that follows our Ctrl-C, not one that stood there before. */
const PROMPT = /\^C\n(?:.*\n)*(camera|storage)> $/
const END = /^(?:OK|ERR ([A-Z_]+))(?: (.*))?$/
/** A console that is not asked anything says nothing. */
const QUIET_MS = 300
const CTRL_C = '\x03'

/** What is half typed is forgotten. Resolves with the role in the prompt; rejects with TIMED_OUT when there is none. */
export async function findPrompt(wire: Wire, withinMs: number): Promise<string> {
  await quiet(wire, withinMs)
  const found = await listen(wire, CTRL_C, withinMs, (text) => PROMPT.exec(text.replaceAll('\r', ''))?.[1])
  if (found !== undefined) return found
  throw new HomewardError('TIMED_OUT', 'no console answers on this line', {
    hint: 'Is the device on and started, the cable in the right port, and the speed that of its readme? Is another program on the port?',
  })
}

/** Rejects with TIMED_OUT. An answer of `ERR` resolves. */
export async function ask(wire: Wire, line: string, withinMs: number): Promise<Answer> {
  const answer = await listen(wire, `${line}\r`, withinMs, parseAnswer)
  if (answer !== undefined) return answer
  throw new HomewardError('TIMED_OUT', `the device did not answer "${line.split(' ', 1)[0]}" in ${withinMs / 1000} s`, {
    hint: 'Look at it with `make console`.',
  })
}

/** Undefined while the end has not come. The first line is the echo of the question. */
export function parseAnswer(text: string): Answer | undefined {
  const [, ...lines] = text.split(/\r?\n/)
  // The last one may still be growing.
  for (const [index, line] of lines.slice(0, -1).entries()) {
    const end = END.exec(line)
    if (end !== null) {
      return { ok: end[1] === undefined, code: end[1], text: end[2] ?? '', lines: lines.slice(0, index) }
    }
  }
  return undefined
}

/** Waits until what is still under way from before has arrived; not for ever. */
function quiet(wire: Wire, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(still)
      clearTimeout(late)
      wire.off('data', onData)
      resolve()
    }
    let still = setTimeout(done, QUIET_MS)
    const late = setTimeout(done, withinMs)
    const onData = () => {
      clearTimeout(still)
      still = setTimeout(done, QUIET_MS)
    }
    wire.on('data', onData)
  })
}

function listen<Found>(
  wire: Wire,
  send: string,
  withinMs: number,
  find: (text: string) => Found | undefined,
): Promise<Found | undefined> {
  return new Promise((resolve) => {
    let text = ''
    const done = (found: Found | undefined) => {
      clearTimeout(timer)
      wire.off('data', onData)
      resolve(found)
    }
    const onData = (bytes: Buffer) => {
      text += bytes.toString()
      const found = find(text)
      if (found !== undefined) done(found)
    }
    const timer = setTimeout(() => done(undefined), withinMs)
    wire.on('data', onData)
    wire.write(Buffer.from(send))
  })
}

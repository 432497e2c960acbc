/** Sets a camera up over its serial console: `scripts/provision PORT CODE [NAME]`. */
import { parseArgs } from 'node:util'
import { parseSetupCode } from '../../firmware/link/setup-code.ts'
import { errorLine, HomewardError, isHomewardError, isUsageError } from '../../firmware/wire/errors.ts'
import { type Answer, ask, findPrompt, type Wire } from './dialog.ts'
import { closePort, DEFAULT_BAUD, openPort } from './port.ts'

const HELP = `usage: scripts/provision PORT CODE [NAME] [--baud N] [--wifi NETWORK] [--discard] [--no-wait]

Sets the camera at the serial PORT (such as /dev/ttyUSB0) up with the setup CODE of \`homeward storage pair\`.
  --baud N        speed of the line (default ${DEFAULT_BAUD}; the board's readme says it)
  --wifi NETWORK  joins this Wi-Fi network first; its passphrase stands in the variable WIFI_PASSPHRASE
  --discard       gives up footage on the card that waits for another storage device
  --no-wait       does not wait until the camera has reached the storage device`

const PROMPT_WITHIN_MS = 10_000
const ANSWER_WITHIN_MS = 45_000
const CONNECTED_WITHIN_MS = 90_000
const LOOK_EVERY_MS = 2_000

interface Wish {
  readonly port: string
  readonly code: string
  readonly name: string | undefined
  readonly baud: number
  readonly wifi: string | undefined
  readonly discard: boolean
  readonly wait: boolean
}

/** Throws USAGE, and SETUP_CODE_INVALID before anything is sent. */
function readWish(): Wish {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (error) {
    throw new HomewardError('USAGE', (error as Error).message, { hint: `\n${HELP}` })
  }
  const { values, positionals } = parsed
  const [port, code, name, more] = positionals
  if (port === undefined || code === undefined || more !== undefined) throw new HomewardError('USAGE', HELP)
  const baud = Number(values.baud ?? DEFAULT_BAUD)
  if (!Number.isInteger(baud) || baud <= 0) throw new HomewardError('USAGE', `--baud: "${values.baud}" is no speed`)
  parseSetupCode(code)
  return {
    ...{ port, code, name, baud },
    wifi: values.wifi,
    discard: values.discard === true,
    wait: values['no-wait'] !== true,
  }
}

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      baud: { type: 'string' },
      wifi: { type: 'string' },
      discard: { type: 'boolean' },
      'no-wait': { type: 'boolean' },
    },
  })
}

async function provision(wish: Wish): Promise<void> {
  const port = await openPort(wish.port, wish.baud)
  try {
    const role = await findPrompt(port, PROMPT_WITHIN_MS)
    if (role !== 'camera') throw new HomewardError('USAGE', `the device at ${wish.port} is a storage device, no camera`)
    for (const line of okay(await ask(port, 'info', ANSWER_WITHIN_MS), 'info').lines) say(line)
    if (wish.wifi !== undefined) {
      const passphrase = process.env.WIFI_PASSPHRASE
      const words = ['network wifi', quoted(wish.wifi), ...(passphrase === undefined ? [] : [quoted(passphrase)])]
      okay(await ask(port, words.join(' '), ANSWER_WITHIN_MS), 'network')
      say(`joined ${wish.wifi}`)
    }
    const words = ['setup', wish.code, ...(wish.name === undefined ? [] : [quoted(wish.name)])]
    if (wish.discard) words.push('--discard')
    for (const line of okay(await ask(port, words.join(' '), ANSWER_WITHIN_MS), 'setup').lines) say(line)
    if (wish.wait) await waitConnected(port)
    else say('set up')
  } finally {
    await closePort(port)
  }
}

/** A word for the console, which knows no way to put a quote into quotes of its own kind. */
function quoted(text: string): string {
  return text.includes('"') ? `'${text}'` : `"${text}"`
}

function okay(answer: Answer, command: string): Answer {
  if (answer.ok) return answer
  throw new HomewardError('INTERNAL', `the camera refused "${command}": ${answer.code} ${answer.text}`)
}

async function waitConnected(wire: Wire): Promise<void> {
  const until = performance.now() + CONNECTED_WITHIN_MS
  let shown = ''
  for (;;) {
    const { lines } = okay(await ask(wire, 'status', ANSWER_WITHIN_MS), 'status')
    const link = lines.find((line) => line.startsWith('Link ')) ?? ''
    if (link !== shown) say(link)
    shown = link
    if (/^Link +connected\b/.test(link)) return say('set up, and connected with the storage device')
    if (performance.now() > until) break
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
  throw new HomewardError('STORAGE_UNREACHABLE', 'the camera is set up, but has not reached the storage device yet', {
    hint: 'It goes on trying. Is the storage device running? `make console`, then `status`, says what was tried.',
  })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

if (process.argv.includes('--help')) say(HELP)
else {
  try {
    await provision(readWish())
  } catch (error) {
    if (!isHomewardError(error)) throw error
    process.stderr.write(`${error.message.startsWith('usage:') ? error.message : errorLine(error)}\n`)
    process.exitCode = isUsageError(error) ? 2 : 1
  }
}

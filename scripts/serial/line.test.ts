// time-out: 120 s
/** The console over a real line: every error there is comes as one line with its code, and whatever arrives, it goes on answering. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RealClock } from '../../firmware/platform/clock-real.ts'
import { type ConsoleCommands, SerialConsole } from '../../firmware/platform/console/console.ts'
import { openCable } from '../../firmware/platform/pty-fixture.ts'
import { type Random, randomBelow, seededRandom } from '../../firmware/platform/random.ts'
import { SerialPortLine } from '../../firmware/platform/serial-port.ts'
import { ERROR_CODES, HomewardError } from '../../firmware/wire/errors.ts'
import { ask, findPrompt } from './dialog.ts'
import { closePort, openPort } from './port.ts'

const BYTES = Number(process.env.HOMEWARD_CONSOLE_BYTES ?? 100_000)
const SEED = Number(process.env.HOMEWARD_SEED ?? Date.now() % 1_000_000)
const BAUD = 115_200
const WITHIN_MS = 10_000
/** More than a keyboard gives at once, and more than a line holds. */
const BURST_MAX_BYTES = 4096
const TYPED = [
  'fail ',
  'USAGE',
  'help',
  'secret ',
  '\r',
  '\r\n',
  '\n',
  '\x03',
  '\x15',
  '\x7f',
  '\x1b[',
  '"',
  "'",
  'x'.repeat(260),
]

interface Context {
  cable: ReturnType<typeof openCable>
  line: SerialPortLine
  panel: SerialConsole
  runs: number
}

const test = suite<Context>('line')

test.before.each((context) => {
  context.cable = openCable()
  context.runs = 0
  const clock = new RealClock()
  const onTrouble = (problem: HomewardError) => {
    throw problem
  }
  context.line = new SerialPortLine({ path: context.cable.ends[0], baud: BAUD, clock, onTrouble })
  const commands: ConsoleCommands = {
    fail: {
      usage: 'CODE',
      help: 'fails with it',
      run: ([code]) => {
        context.runs += 1
        const known = ERROR_CODES.find((one) => one === code)
        throw new HomewardError(known ?? 'USAGE', 'it\nwent wrong', { hint: 'Do this.' })
      },
    },
    secret: { usage: '', help: 'takes long', secretAfter: /^secret\s/, run: () => new Promise(() => {}) },
    works: { usage: '', help: 'works', run: () => ['yes'] },
  }
  context.panel = new SerialConsole({ line: context.line, clock, role: 'camera', commands })
  context.panel.start()
})

test.after.each(async ({ cable, line, panel }) => {
  panel.close()
  await line.close()
  cable.close()
})

async function at(
  { cable }: Context,
  run: (port: Awaited<ReturnType<typeof openPort>>) => Promise<void>,
): Promise<void> {
  const port = await openPort(cable.ends[1], BAUD)
  try {
    await run(port)
  } finally {
    await closePort(port)
  }
}

test('every error code', (context) =>
  at(context, async (port) => {
    await findPrompt(port, WITHIN_MS)
    for (const code of ERROR_CODES) {
      const answer = await ask(port, `fail ${code}`, WITHIN_MS)
      assert.equal(answer, { ok: false, code, text: 'it | went wrong. Do this.', lines: [] })
    }
    assert.is(context.runs, ERROR_CODES.length)
    assert.is((await ask(port, 'works', WITHIN_MS)).ok, true)
  }))

async function flood(context: Context, next: (random: Random) => Uint8Array): Promise<void> {
  const random = seededRandom(SEED)
  await at(context, async (port) => {
    port.resume()
    for (let left = BYTES; left > 0; ) {
      const bytes = Buffer.from(next(random)).subarray(0, left)
      left -= bytes.length
      await new Promise((resolve) => port.write(bytes, () => port.drain(resolve)))
    }
    assert.is(await findPrompt(port, 6 * WITHIN_MS), 'camera', `seed ${SEED}`)
    const answer = await ask(port, 'works', WITHIN_MS)
    assert.equal([answer.ok, answer.lines], [true, ['yes']], `seed ${SEED}`)
  })
}

test(`${BYTES} random bytes, seed ${SEED}`, (context) =>
  flood(context, (random) => random.bytes(1 + randomBelow(random, BURST_MAX_BYTES))))

test(`${BYTES} bytes of what people and terminals send, in any order, seed ${SEED}`, (context) =>
  flood(context, (random) => {
    const parts = Array.from({ length: 1 + randomBelow(random, 40) }, () =>
      randomBelow(random, 4) === 0
        ? random.bytes(1 + randomBelow(random, 8))
        : Buffer.from(TYPED[randomBelow(random, TYPED.length)] ?? ''),
    )
    return Buffer.concat(parts)
  }))

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HomewardError } from '../../wire/errors.ts'
import { FakeClock } from '../clock-fake.ts'
import { randomBelow, seededRandom } from '../random.ts'
import { FakeSerial } from '../serial-fake.ts'
import { type ConsoleCommands, SerialConsole } from './console.ts'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

function consoleWith(commands: ConsoleCommands) {
  const line = new FakeSerial()
  const clock = new FakeClock()
  const panel = new SerialConsole({ line, clock, role: 'camera', commands })
  panel.start()
  line.taken()
  const say = async (text: string) => {
    line.type(text)
    await settle()
    return line.taken()
  }
  return { line, clock, panel, say }
}

const COMMANDS: ConsoleCommands = {
  two: { usage: '', help: 'two lines', run: () => ['one', 'two'] },
  words: { usage: 'A [B]', help: 'its words', run: (args) => args.map((word) => `<${word}>`) },
  secret: {
    usage: 'CODE',
    help: 'keeps it',
    secretAfter: /^\s*secret\s+/,
    run: ([code]) => {
      if (code === undefined) throw new HomewardError('USAGE', 'the code is missing')
      throw new HomewardError('SETUP_CODE_INVALID', 'not a code', { hint: 'Type it again.' })
    },
  },
  sly: { usage: '', help: 'looks like an end', run: () => ['OK so far', 'ERR none', 'OKAY', 'a\r\nOK b'] },
  broken: {
    usage: '',
    help: 'throws',
    run: () => {
      throw new Error('of no\nkind')
    },
  },
  slow: { usage: '', help: 'never ends', run: () => new Promise(() => {}) },
}

const ANSWERS: [string, string][] = [
  ['two\r', 'two\r\none\r\ntwo\r\nOK\r\ncamera> '],
  ['\r', '\r\ncamera> '],
  [`words a "b c" 'd "e'\r`, `words a "b c" 'd "e'\r\n<a>\r\n<b c>\r\n<d "e>\r\nOK\r\ncamera> `],
  ['words "a\r', 'words "a\r\nERR USAGE a " has no end.\r\ncamera> '],
  ['nix\r', 'nix\r\nERR USAGE there is no command "nix". Type: help\r\ncamera> '],
  ['toString\r', 'toString\r\nERR USAGE there is no command "toString". Type: help\r\ncamera> '],
  ['secret\r', 'secret\r\nERR USAGE the code is missing. Type: secret CODE\r\ncamera> '],
  ['secret HW1ABC\r', 'secret ******\r\nERR SETUP_CODE_INVALID not a code. Type it again.\r\ncamera> '],
  ['sly\r', 'sly\r\n  OK so far\r\n  ERR none\r\nOKAY\r\na OK b\r\nOK\r\ncamera> '],
  ['broken\r', 'broken\r\nERR INTERNAL of no kind\r\ncamera> '],
]

for (const [input, output] of ANSWERS) {
  test(JSON.stringify(input), async () => assert.is(await consoleWith(COMMANDS).say(input), output))
}

test('help names every command', async () => {
  const answer = await consoleWith(COMMANDS).say('help\r')
  for (const name of ['help', ...Object.keys(COMMANDS)]) assert.match(answer, new RegExp(`\\n${name} `))
  assert.match(answer, /\r\nOK\r\ncamera> $/)
})

test('a line that is too long changes nothing and says so', async () => {
  assert.match(
    await consoleWith(COMMANDS).say(`two ${'x'.repeat(300)}\r`),
    /\r\nERR USAGE the line is longer than 256 bytes/,
  )
})

test('what is typed while a command works waits for its turn', async () => {
  let finish = (_: string[]) => {}
  const commands = {
    work: {
      usage: '',
      help: '',
      run: () =>
        new Promise<string[]>((resolve) => {
          finish = resolve
        }),
    },
    two: COMMANDS.two ?? assert.unreachable(),
  } as ConsoleCommands
  const { say, line } = consoleWith(commands)
  assert.is(await say('work\r'), 'work\r\n')
  assert.is(await say('two\rtwo\r'), 'two\r\ntwo\r\n')
  finish(['done'])
  await settle()
  assert.is(line.taken(), 'done\r\nOK\r\ncamera> one\r\ntwo\r\nOK\r\ncamera> one\r\ntwo\r\nOK\r\ncamera> ')
})

test('Ctrl-C ends a command and what waits behind it', async () => {
  const { say } = consoleWith(COMMANDS)
  await say('slow\rtwo\r')
  assert.is(await say('\x03'), '^C\r\nERR CANCELLED cancelled.\r\ncamera> ')
  assert.match(await say('two\r'), /OK\r\ncamera> $/)
})

test('Ctrl-C right behind a command that has failed already harms nothing', async () => {
  const { say } = consoleWith(COMMANDS)
  assert.match(await say('secret\r\x03'), /ERR USAGE the code is missing|ERR CANCELLED/)
  assert.match(await say('\x03two\r'), /one\r\ntwo\r\nOK\r\ncamera> $/)
})

test('a command that takes too long is answered for', async () => {
  const { say, clock, line } = consoleWith(COMMANDS)
  await say('slow\r')
  await clock.advance(40_000)
  await settle()
  assert.match(line.taken(), /^ERR TIMED_OUT slow took longer than 40 s\. .*\r\ncamera> $/)
  assert.is(clock.pendingTimers, 0)
})

test('closed, it neither answers nor shows a prompt', async () => {
  const { panel, say } = consoleWith(COMMANDS)
  await say('slow\r')
  panel.close()
  assert.is(await say('two\r'), '')
})

test('a million random bytes: it still answers', async () => {
  const seed = Date.now() % 1_000_000
  const random = seededRandom(seed)
  const { line, say } = consoleWith({ two: COMMANDS.two ?? assert.unreachable() } as ConsoleCommands)
  for (let left = 1_000_000; left > 0; ) {
    const bytes = random.bytes(Math.min(left, 1 + randomBelow(random, 4096)))
    left -= bytes.length
    line.type(bytes)
    await new Promise((resolve) => setImmediate(resolve))
    line.taken()
  }
  await settle()
  // Whatever was half typed, or half of an escape, is forgotten.
  await say('\x03')
  assert.is(await say('two\r'), 'two\r\none\r\ntwo\r\nOK\r\ncamera> ', `seed ${seed}`)
})

test.run()

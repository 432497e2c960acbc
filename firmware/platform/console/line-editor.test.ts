import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LINE_MAX_BYTES, LineEditor } from './line-editor.ts'

function typed(editor: LineEditor, input: string | Uint8Array) {
  const events = editor.push(typeof input === 'string' ? Buffer.from(input) : input)
  const echo = events.flatMap((event) => (event.event === 'echo' ? [...event.bytes] : []))
  const rest = events.filter((event) => event.event !== 'echo')
  return {
    echo: Buffer.from(echo).toString(),
    events: rest.map((event) => (event.event === 'line' ? `line ${event.text}` : event.event)),
  }
}

const CASES: [string, string | Uint8Array, string, string[]][] = [
  ['a line ended by CR', 'help\r', 'help\r\n', ['line help']],
  ['a line ended by LF', 'help\n', 'help\r\n', ['line help']],
  ['CRLF is one end', 'a\r\nb\r\n', 'a\r\nb\r\n', ['line a', 'line b']],
  ['two LF are two ends', 'a\n\n', 'a\r\n\r\n', ['line a', 'line ']],
  ['backspace', 'hellp\b\bp\r', 'hellp\b \b\b \bp\r\n', ['line help']],
  ['delete is the same', 'ab\x7f\r', 'ab\b \b\r\n', ['line a']],
  ['backspace at the beginning does nothing', '\b\x7fa\r', 'a\r\n', ['line a']],
  ['backspace takes a whole character', 'é\ba\r', 'é\b \ba\r\n', ['line a']],
  ['Ctrl-U empties the line', 'abc\x15x\r', 'abc\b \b\b \b\b \bx\r\n', ['line x']],
  ['Ctrl-C forgets the line', 'abc\x03x\r', 'abc^C\r\nx\r\n', ['interrupt', 'line x']],
  ['cursor keys are passed over', 'a\x1b[A\x1b[1;5Db\x1bOPc\x1bxd\r', 'abcd\r\n', ['line abcd']],
  ['control characters are passed over', 'a\0\x01\tb\r', 'ab\r\n', ['line ab']],
  ['not UTF-8', Uint8Array.of(0x61, 0xff, 0x0d), 'a\ufffd\r\n', ['unreadable']],
  [
    'the longest line',
    `${'x'.repeat(LINE_MAX_BYTES)}\r`,
    `${'x'.repeat(LINE_MAX_BYTES)}\r\n`,
    [`line ${'x'.repeat(LINE_MAX_BYTES)}`],
  ],
  [
    'a longer one is dropped, the next is not',
    `${'x'.repeat(LINE_MAX_BYTES + 1)}yz\rok\r`,
    `${'x'.repeat(LINE_MAX_BYTES)}\r\nok\r\n`,
    ['too-long', 'line ok'],
  ],
]

for (const [name, input, echo, events] of CASES) {
  test(name, () => assert.equal(typed(new LineEditor(), input), { echo, events }))
  test(`${name}, byte by byte`, () => {
    const editor = new LineEditor()
    const bytes = typeof input === 'string' ? Buffer.from(input) : input
    const parts = [...bytes].flatMap((byte) => editor.push(Uint8Array.of(byte)))
    const lines = parts
      .filter(({ event }) => event !== 'echo')
      .map((event) => (event.event === 'line' ? `line ${event.text}` : event.event))
    assert.equal(lines, events)
  })
}

test('a secret is echoed as stars, and what stands before it is not', () => {
  const editor = new LineEditor((line) => line.startsWith('setup '))
  assert.equal(typed(editor, 'setup HWé1\x7f\r'), { echo: 'setup ****\b \b\r\n', events: ['line setup HWé'] })
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAnswer } from './dialog.ts'

const CASES: [string, string, ReturnType<typeof parseAnswer>][] = [
  ['an answer', 'info\r\nrole: camera\r\nOK\r\n', { ok: true, code: undefined, text: '', lines: ['role: camera'] }],
  ['an error', 'x\r\nERR USAGE no such thing.\r\n', { ok: false, code: 'USAGE', text: 'no such thing.', lines: [] }],
  ['the end is still coming', 'info\r\nrole: camera\r\nOK', undefined],
  ['no end yet', 'info\r\nrole: camera\r\n', undefined],
  ['only the first line is the echo', 'OK\r\nOK\r\n', { ok: true, code: undefined, text: '', lines: [] }],
  [
    'a line that only begins like an end',
    'x\r\n  OK so far\r\nOKAY\r\nOK\r\n',
    { ok: true, code: undefined, text: '', lines: ['  OK so far', 'OKAY'] },
  ],
]

for (const [name, text, answer] of CASES) test(name, () => assert.equal(parseAnswer(text), answer))

test.run()

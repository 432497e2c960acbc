import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatEntry } from './log-lines.ts'

const time = Date.UTC(2026, 4, 1, 13, 46, 52, 500)
const formatted = (entry: object) => formatEntry(`${JSON.stringify({ time, ...entry })}\n`)

test('a line for a person', () => {
  const cases: [object, string][] = [
    [{ level: 30, msg: 'up' }, '13:46:52Z  up\n'],
    [{ level: 40, code: 'DISK_FULL', msg: 'no space' }, '13:46:52Z  warning: no space  code=DISK_FULL\n'],
    [
      { level: 50, n: 3, listen: { host: '0.0.0.0', port: 7441 }, msg: 'x' },
      '13:46:52Z  error: x  n=3 listen=0.0.0.0:7441\n',
    ],
    [{ level: 30, listen: { host: '::', port: 1 }, msg: 'x' }, '13:46:52Z  x  listen=[::]:1\n'],
    [
      { level: 50, err: { type: 'Error', message: 'broken', stack: 'Error: broken\n at' }, msg: 'x' },
      '13:46:52Z  error: x  err=broken\n',
    ],
  ]
  for (const [entry, line] of cases) assert.is(formatted(entry), line)
})

test('what is no entry stays as it is', () => assert.is(formatEntry('plain\n'), 'plain\n'))

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatBytes, formatDuration } from './output.ts'

test('bytes', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [200 * 2 ** 20, '200 MiB'],
    [2 ** 41, '2.0 TiB'],
  ]
  for (const [bytes, text] of cases) assert.is(formatBytes(bytes), text)
})

test('durations', () => {
  const cases: [number, string][] = [
    [0, '0 s'],
    [999, '1 s'],
    [61_000, '1 min 1 s'],
    [3_600_000, '1 h'],
    [93_784_000, '1 d 2 h'],
  ]
  for (const [ms, text] of cases) assert.is(formatDuration(ms), text)
})

test.run()

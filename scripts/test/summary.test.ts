import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSummary } from './summary.ts'

const lines = (total: number, passed: number, skipped: number) =>
  `• •   (${passed} / ${total})\n\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n\n`

test('all passed', () => {
  assert.equal(parseSummary(lines(6, 6, 0)), { total: 6, passed: 6, skipped: 0, failed: 0 })
})

test('failed and skipped ones are told apart', () => {
  assert.equal(parseSummary(lines(5, 4, 2)), { total: 7, passed: 4, skipped: 2, failed: 1 })
})

test('a file without tests, and one that crashed before the end, ran nothing', () => {
  assert.is(parseSummary(lines(0, 0, 0)).total, 0)
  assert.is(parseSummary('Error: boom').total, 0)
})

test.run()

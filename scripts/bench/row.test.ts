import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { figure, judge, type Row, spreadOf, tableOf } from './row.ts'

const row: Row = {
  ...{ name: 'speed', unit: 'MB/s', rivalName: 'bare', target: { least: 0.6 }, by: 'median', notes: ['a note'] },
  ours: [60, 50, 90],
  rival: [100, 100, 100],
}

test('median and extremes, of odd and even counts', () => {
  assert.equal(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 })
  assert.equal(spreadOf([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 })
})

test('the median of the pairs decides, not the best and not the worst', () => {
  assert.equal(judge(row), { ratio: { median: 0.6, min: 0.5, max: 0.9 }, holds: true })
  assert.is(judge({ ...row, ours: [59, 50, 90] }).holds, false)
  assert.is(judge({ ...row, ours: [2, 3], rival: [2], target: { most: 1.2 } }).holds, false)
  assert.is(judge({ ...row, ours: [2, 2.4], rival: [2], target: { most: 1.2 } }).holds, true)
})

test('where the worst decides, one is enough', () => {
  assert.is(judge({ ...row, by: 'worst' }).holds, false)
  assert.is(judge({ ...row, by: 'worst', ours: [60, 61, 62] }).holds, true)
  assert.is(judge({ ...row, by: 'worst', ours: [1, 3], rival: [2], target: { most: 1.2 } }).holds, false)
})

test('nothing measured is nothing held', () => {
  assert.is(judge({ ...row, ours: [] }).holds, false)
  assert.is(judge({ ...row, rival: [], target: { most: 1 } }).holds, false)
})

test('the table names what does not hold and ends with the notes', () => {
  const lines = tableOf([row, { ...row, name: 'slow', ours: [1], rival: [2], notes: [] }]).split('\n')
  assert.match(lines[2] ?? '', /^speed \| 60\.0 \(50\.0–90\.0\) MB\/s \| bare 100 MB\/s +\| .*≥ 0\.6 +\| yes$/)
  assert.match(lines[3] ?? '', /^slow .* 0\.500 .*\| NO$/)
  assert.is(lines.at(-1), 'speed: a note')
})

test('figures', () => {
  assert.equal([1234.5, 99.94, 3.456, 1.0456, 0.61].map(figure), ['1235', '99.9', '3.46', '1.046', '0.610'])
})

test.run()

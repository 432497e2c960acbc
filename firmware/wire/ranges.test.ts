import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addRange, containsRange, countRanges, missingFrom, type Range } from './ranges.ts'

function rangesOf(numbers: Set<number>): Range[] {
  let result: Range[] = []
  for (const number of [...numbers].sort((a, b) => a - b)) result = addRange(result, number, number)
  return result
}

function numbersOf(ranges: readonly Range[]): number[] {
  return ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index))
}

test('adding merges what overlaps and what touches', () => {
  const table: [before: Range[], add: Range, after: Range[]][] = [
    [[], [3, 5], [[3, 5]]],
    [
      [[3, 5]],
      [7, 9],
      [
        [3, 5],
        [7, 9],
      ],
    ],
    [
      [[3, 5]],
      [0, 1],
      [
        [0, 1],
        [3, 5],
      ],
    ],
    [[[3, 5]], [6, 6], [[3, 6]]],
    [[[3, 5]], [0, 2], [[0, 5]]],
    [[[3, 5]], [4, 4], [[3, 5]]],
    [
      [
        [0, 1],
        [3, 5],
        [9, 9],
      ],
      [2, 8],
      [[0, 9]],
    ],
    [
      [
        [0, 1],
        [3, 5],
        [9, 9],
      ],
      [7, 7],
      [
        [0, 1],
        [3, 5],
        [7, 7],
        [9, 9],
      ],
    ],
    [
      [
        [0, 0],
        [9, 9],
      ],
      [0, 9],
      [[0, 9]],
    ],
  ]
  for (const [before, [first, last], after] of table) {
    assert.equal(addRange(before, first, last), after, `${JSON.stringify(before)} + ${first}…${last}`)
  }
})

test('what is missing', () => {
  const held: Range[] = [
    [2, 4],
    [8, 8],
  ]
  const table: [first: number, last: number, missing: Range[]][] = [
    [0, 1, [[0, 1]]],
    [2, 4, []],
    [3, 3, []],
    [
      0,
      10,
      [
        [0, 1],
        [5, 7],
        [9, 10],
      ],
    ],
    [4, 8, [[5, 7]]],
    [9, 9, [[9, 9]]],
  ]
  for (const [first, last, missing] of table) {
    assert.equal(missingFrom(held, first, last), missing, `${first}…${last}`)
    assert.is(containsRange(held, first, last), missing.length === 0, `${first}…${last}`)
  }
})

test('inputs stay as they were', () => {
  const held: Range[] = [[2, 4]]
  addRange(held, 5, 9)
  missingFrom(held, 0, 9)
  assert.equal(held, [[2, 4]])
})

test('ranges behave as the set of numbers they stand for', () => {
  const span = fc.tuple(fc.nat(40), fc.nat(8)).map(([first, length]): Range => [first, first + length])
  fc.assert(
    fc.property(fc.array(span, { maxLength: 12 }), span, (added, [first, last]) => {
      let ranges: Range[] = []
      const numbers = new Set<number>()
      for (const [low, high] of added) {
        ranges = addRange(ranges, low, high)
        for (const number of numbersOf([[low, high]])) numbers.add(number)
      }
      assert.equal(ranges, rangesOf(numbers))
      assert.is(countRanges(ranges), numbers.size)
      const missing = numbersOf([[first, last]]).filter((number) => !numbers.has(number))
      assert.equal(numbersOf(missingFrom(ranges, first, last)), missing)
      for (const [index, [low]] of ranges.entries()) {
        assert.ok(index === 0 || low > (ranges[index - 1]?.[1] ?? 0) + 1, 'ranges touch')
      }
    }),
    { numRuns: 500 },
  )
})

test.run()

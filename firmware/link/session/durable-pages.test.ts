import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../../wire/errors.ts'
import { addRange, missingFrom, type Range } from '../../wire/ranges.ts'
import { ASKS_AT_ONCE, RANGES_PER_MESSAGE } from '../../wire/session.ts'
import { type DurablePage, DurablePages, pagesOf } from './durable-pages.ts'

const LOG = 'aaaaaaaaaaaaaaaa'

test('pages cover the question, once and in order', () => {
  const cases: [found: Range[], pages: [number, number, number][]][] = [
    [[], [[0, 9999, 0]]],
    [[[0, 9999]], [[0, 9999, 1]]],
    [Array.from({ length: RANGES_PER_MESSAGE }, (_, at): Range => [at * 2, at * 2]), [[0, 9999, RANGES_PER_MESSAGE]]],
    [
      Array.from({ length: RANGES_PER_MESSAGE + 1 }, (_, at): Range => [at * 2, at * 2]),
      [
        [0, 1998, RANGES_PER_MESSAGE],
        [1999, 9999, 1],
      ],
    ],
  ]
  for (const [found, expected] of cases) {
    const pages = pagesOf(LOG, 0, 9999, found)
    assert.equal(
      pages.map(({ first, last, ranges }) => [first, last, ranges.length]),
      expected,
    )
  }
})

test('what is found is cut to the question, and what touches is one', () => {
  assert.equal(
    pagesOf(LOG, 5, 20, [
      [0, 6],
      [7, 8],
      [8, 9],
      [12, 12],
      [20, 30],
    ]),
    [
      {
        log: LOG,
        first: 5,
        last: 20,
        ranges: [
          [5, 9],
          [12, 12],
          [20, 20],
        ],
      },
    ],
  )
  assert.equal(
    pagesOf(LOG, 5, 20, [
      [0, 4],
      [21, 30],
    ]),
    [{ log: LOG, first: 5, last: 20, ranges: [] }],
  )
})

test('pages say neither more nor less than what was found', () => {
  const span = fc.tuple(fc.nat(6000), fc.nat(3)).map(([first, length]): Range => [first, first + length])
  fc.assert(
    fc.property(
      fc.array(span, { maxLength: 2000, size: 'max' }),
      fc.nat(3000),
      fc.nat(4000),
      (spans, first, length) => {
        const found = spans.reduce<Range[]>((all, [low, high]) => addRange(all, low, high), [])
        const last = first + length
        const pages = pagesOf(LOG, first, last, found)
        let next = first
        for (const page of pages) {
          assert.is(page.first, next)
          assert.ok(page.ranges.length <= RANGES_PER_MESSAGE)
          for (const [low, high] of page.ranges) assert.ok(low >= page.first && high <= page.last)
          next = page.last + 1
        }
        assert.is(next, last + 1)
        const missing = missingFrom(found, first, last)
        assert.equal(
          missingFrom(
            pages.flatMap(({ ranges }) => ranges),
            first,
            last,
          ),
          missing,
        )
      },
    ),
    { numRuns: 30 },
  )
})

test('answers come in order and at the pace of the channel', async () => {
  const told: DurablePage[] = []
  let room = 2
  const pages = new DurablePages({
    lookUp: async (log) => (log === LOG ? Array.from({ length: 3500 }, (_, at): Range => [at * 2, at * 2]) : []),
    tell: (page) => {
      told.push(page)
      return --room > 0
    },
    failed: () => assert.unreachable(),
  })
  pages.ask(LOG, 0, 9999)
  pages.ask('bbbbbbbbbbbbbbbb', 0, 0)
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(told.length, 2)
  room = 100
  pages.resume()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(
    told.map(({ log, first }) => `${log[0]} ${first}`),
    ['a 0', 'a 1999', 'a 3999', 'a 5999', 'b 0'],
  )
})

test('nothing is told after the end, and there is an end to questions', async () => {
  const told: DurablePage[] = []
  let answer = (_: Range[]) => {}
  const pages = new DurablePages({
    lookUp: () =>
      new Promise<Range[]>((resolve) => {
        answer = resolve
      }),
    tell: (page) => told.push(page) > 0,
    failed: () => assert.unreachable(),
  })
  for (let count = 0; count < ASKS_AT_ONCE; count++) pages.ask(LOG, 0, 9)
  assert.throws(
    () => pages.ask(LOG, 0, 9),
    (error: unknown) => isHomewardError(error, 'FRAME_MALFORMED'),
  )
  pages.close()
  answer([])
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(told, [])
})

test.run()

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { containsRange, countRanges, type Range } from '../../wire/ranges.ts'
import { accountOf, countStates, outagesOf } from './accounts.ts'
import type { LedgerRow } from './rows.ts'

const LOG = '00000000000000a1'
const SEED = Number(process.env.HOMEWARD_SEED ?? Math.trunc(Math.random() * 2 ** 31))

function row(kind: LedgerRow['kind'], first: number, last: number, reason = 'ring-full'): LedgerRow {
  return {
    kind,
    log: LOG,
    first,
    last,
    dated: true,
    boot: '',
    startUs: 10,
    endUs: 20,
    reason,
    note: '',
    path: '',
    atUs: 0,
  }
}

function waiting(first: number, last: number) {
  const times = { fromMonoUs: 0, toMonoUs: 0, fromWallUs: 0, toWallUs: 0 }
  return { log: LOG, boot: LOG, first, last, ...times, clock: 'none' as const }
}

test('what is known best counts', () => {
  const ledger = [
    row('gap', 5, 20),
    row('gap', 5, 8),
    row('gap', 21, 21, 'camera-off'),
    row('quarantine', 12, 12, 'forged'),
    row('expired', 0, 4, 'age'),
    row('conflict', 30, 30, 'another one'),
  ]
  const account = accountOf({
    log: LOG,
    stored: [
      [6, 7],
      [30, 30],
    ],
    ledger,
    onCard: [waiting(25, 40)],
  })
  assert.equal(
    [...account.states],
    [
      [
        'stored',
        [
          [6, 7],
          [30, 30],
        ],
      ],
      ['quarantined', [[12, 12]]],
      ['expired', [[0, 4]]],
      [
        'ring-full',
        [
          [5, 5],
          [8, 11],
          [13, 20],
        ],
      ],
      ['camera-off', [[21, 21]]],
      [
        'on-card',
        [
          [25, 29],
          [31, 40],
        ],
      ],
    ],
  )
  assert.equal(countStates([account, account])['ring-full'], 26)
  assert.equal(outagesOf(ledger), [{ reason: 'camera-off', fromUs: 10, toUs: 20 }])
})

test(`every number is in exactly one state, whatever overlaps, seed ${SEED}`, () => {
  const range = fc.tuple(fc.nat(60), fc.nat(9)).map(([first, more]): Range => [first, first + more])
  const kinds = fc.constantFrom('gap' as const, 'quarantine' as const, 'expired' as const)
  const reasons = fc.constantFrom(
    'ring-full',
    'card-gone',
    'damaged-on-card',
    'encoder-down',
    'camera-off',
    'discarded',
  )
  const entry = fc.tuple(kinds, range, reasons).map(([kind, [first, last], reason]) => row(kind, first, last, reason))
  const all = fc.tuple(fc.array(range), fc.array(entry), fc.array(range))
  const run = ([stored, ledger, onCard]: [Range[], LedgerRow[], Range[]]) => {
    const waits = onCard.map(([first, last]) => waiting(first, last))
    const { states } = accountOf({ log: LOG, stored, ledger, onCard: waits })
    const known = [...stored, ...ledger.map(({ first, last }): Range => [first, last]), ...onCard]
    const numbers = new Set(
      known.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at)),
    )
    for (const number of numbers) {
      const holding = [...states].filter(([, ranges]) => containsRange(ranges, number, number))
      assert.is(holding.length, 1, `${number}: ${holding.map(([state]) => state)}`)
      if (stored.some(([first, last]) => first <= number && number <= last)) assert.is(holding[0]?.[0], 'stored')
    }
    assert.is(
      [...states.values()].reduce((sum, ranges) => sum + countRanges(ranges), 0),
      numbers.size,
    )
  }
  fc.assert(fc.property(all, run), { seed: SEED, numRuns: 500 })
})

test.run()

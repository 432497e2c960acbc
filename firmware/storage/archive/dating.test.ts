import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BootClock } from './boot-clock.ts'
import { dated, SKEW_US, sightingOf } from './dating.ts'
import { isDated, type Stamp } from './names.ts'

const SECOND = 1_000_000
const DAY = 86_400 * SECOND
const NOW = Date.UTC(2026, 2, 14, 10) * 1000
const SEED = Number(process.env.HOMEWARD_SEED ?? Math.trunc(Math.random() * 2 ** 31))
const LIMITS = { earliestUs: NOW - DAY, latestUs: NOW }

/** UTC of the boot's monotonic zero is `zeroUs`. */
function clockFrom(zeroUs: number, source: BootClock['source'] = 'session'): BootClock {
  return { source, anchors: [{ monoUs: 0, wallUs: zeroUs, earlyUs: zeroUs - 1000, lateUs: zeroUs + 1000 }] }
}

function stamp(wallUs: number, clock: Stamp['clock'] = 'synchronised', monoUs = 100 * SECOND): Stamp {
  return { boot: 'b007000000000001', monoUs, wallUs, clock }
}

const AN_HOUR_AGO = NOW - 3600 * SECOND
const ZERO = AN_HOUR_AGO - 100 * SECOND

const TABLE: readonly [string, Stamp, BootClock | undefined, number | undefined][] = [
  ['a claim that can be, and no clock', stamp(AN_HOUR_AGO), undefined, AN_HOUR_AGO],
  ['a hardware clock that can be, and no clock', stamp(AN_HOUR_AGO, 'rtc'), undefined, AN_HOUR_AGO],
  ['no claim, no clock', stamp(0, 'none'), undefined, undefined],
  ['no claim, a clock', stamp(0, 'none'), clockFrom(ZERO), AN_HOUR_AGO],
  ['a claim near the clock', stamp(AN_HOUR_AGO + 90_000), clockFrom(ZERO), AN_HOUR_AGO + 90_000],
  ['a claim far from the clock', stamp(AN_HOUR_AGO - 600 * SECOND), clockFrom(ZERO), AN_HOUR_AGO],
  ['1970', stamp(5 * SECOND), clockFrom(ZERO), AN_HOUR_AGO],
  ['1970 and no clock', stamp(5 * SECOND), undefined, undefined],
  ['after its receipt', stamp(NOW + DAY), undefined, undefined],
  ['after its receipt, with a clock', stamp(NOW + DAY), clockFrom(ZERO), AN_HOUR_AGO],
  ['before the boot before it ended', stamp(NOW - 2 * DAY), undefined, undefined],
  ['a clock by claims that cannot be', stamp(0, 'none'), clockFrom(NOW + DAY, 'synchronised'), undefined],
  ['two right clocks differ a little', stamp(NOW + SECOND), undefined, NOW + SECOND],
]

for (const [what, from, clock, expected] of TABLE) {
  test(`dated: ${what}`, () => {
    const result = dated(from, SECOND, clock, LIMITS)
    assert.is(isDated(result) ? result.wallUs : undefined, expected)
    assert.equal([result.boot, result.monoUs], [from.boot, from.monoUs], 'what is certain stays')
  })
}

test('a storage device that does not know the time sets no limit', () => {
  const future = stamp(NOW + 400 * DAY)
  assert.is(
    dated(future, SECOND, undefined, { earliestUs: 0, latestUs: Number.POSITIVE_INFINITY }).wallUs,
    NOW + 400 * DAY,
  )
})

test('only a claim that can be says something about its boot', () => {
  assert.is(sightingOf(stamp(NOW + DAY), SECOND, LIMITS), undefined)
  assert.is(sightingOf(stamp(0, 'none'), SECOND, LIMITS), undefined)
  assert.is(sightingOf(stamp(AN_HOUR_AGO), SECOND, LIMITS)?.source, 'synchronised')
})

test(`no date is after the receipt or before the boot before; within a boot later is never earlier, seed ${SEED}`, () => {
  const arbitrary = fc.record({
    claims: fc.array(
      fc.record({
        wallUs: fc.oneof(fc.integer({ min: 0, max: 2 * NOW }), fc.integer({ min: NOW - DAY, max: NOW + DAY })),
        clock: fc.constantFrom('none' as const, 'rtc' as const, 'synchronised' as const),
      }),
      { minLength: 2, maxLength: 50 },
    ),
    clock: fc.option(fc.integer({ min: NOW - DAY, max: NOW - 100 * SECOND }).map((zero) => clockFrom(zero))),
  })
  const run = ({ claims, clock }: { claims: Pick<Stamp, 'wallUs' | 'clock'>[]; clock: BootClock | null }) => {
    let before = Number.NEGATIVE_INFINITY
    for (const [index, { wallUs, clock: quality }] of claims.entries()) {
      const result = dated(stamp(wallUs, quality, index * SECOND), SECOND, clock ?? undefined, LIMITS)
      if (!isDated(result)) {
        assert.is(clock, null, 'with a clock everything has a date')
        continue
      }
      assert.ok(result.wallUs + SECOND <= LIMITS.latestUs + SKEW_US)
      assert.ok(result.wallUs >= LIMITS.earliestUs - SKEW_US)
      if (clock === null) continue
      assert.ok(result.wallUs > before, 'in the order of the boot')
      before = result.wallUs
    }
  }
  fc.assert(fc.property(arbitrary, run), { seed: SEED, numRuns: 500 })
})

test.run()

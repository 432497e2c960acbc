import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { agoText, bytesText, durationText, rateText } from './text.ts'
import { boundsOf, clockMs, clockText, dayAt, HOUR_MS, isDay, isRepeated, offsetAt, shiftDay } from './zone.ts'

const at = (text: string) => Date.parse(text)

const DAYS: readonly (readonly [zone: string, day: string, from: string, hours: number, why: string])[] = [
  ['UTC', '2026-05-01', '2026-05-01T00:00:00Z', 24, 'an ordinary day'],
  ['Europe/Berlin', '2026-05-01', '2026-04-30T22:00:00Z', 24, 'an ordinary day in summer'],
  ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00Z', 23, 'summer time begins'],
  ['Europe/Berlin', '2026-10-25', '2026-10-24T22:00:00Z', 25, 'summer time ends'],
  ['America/New_York', '2026-03-08', '2026-03-08T05:00:00Z', 23, 'summer time begins'],
  ['America/New_York', '2026-11-01', '2026-11-01T04:00:00Z', 25, 'summer time ends'],
  ['Australia/Lord_Howe', '2026-04-05', '2026-04-04T13:00:00Z', 24.5, 'half an hour'],
  ['Asia/Kathmandu', '2026-01-01', '2025-12-31T18:15:00Z', 24, 'three quarters of an hour'],
  ['America/Sao_Paulo', '2018-11-04', '2018-11-04T03:00:00Z', 23, 'midnight does not exist: it begins at 01:00'],
  ['Africa/Cairo', '2026-04-24', '2026-04-23T22:00:00Z', 23, 'midnight does not exist'],
  ['Pacific/Apia', '2011-12-31', '2011-12-30T10:00:00Z', 24, 'behind a day that was left out'],
]

for (const [zone, day, from, hours, why] of DAYS) {
  test(`${day} in ${zone}: ${why}`, () => {
    const { fromMs, toMs } = boundsOf(day, zone)
    assert.is(new Date(fromMs).toISOString().replace('.000', ''), from)
    assert.is((toMs - fromMs) / HOUR_MS, hours)
    assert.is(dayAt(fromMs, zone), day)
    assert.is(dayAt(toMs - 1, zone), day)
    assert.is.not(dayAt(fromMs - 1, zone), day)
    assert.is(dayAt(toMs, zone), shiftDay(day, 1))
  })
}

test('the clock on the wall, where an hour comes twice', () => {
  const zone = 'Europe/Berlin'
  const [first, second] = [at('2026-10-25T00:30:00Z'), at('2026-10-25T01:30:00Z')]
  assert.is(clockText(first, zone), '02:30:00')
  assert.is(clockText(second, zone), '02:30:00')
  assert.is(isRepeated(first, zone), false)
  assert.is(isRepeated(second, zone), true)
  assert.is(isRepeated(at('2026-10-25T02:00:00Z'), zone), false)
  assert.is(clockMs(second, zone), 2.5 * HOUR_MS)
  assert.is(offsetAt(first, zone) - offsetAt(second, zone), HOUR_MS)
})

test('days', () => {
  assert.is(shiftDay('2028-02-28', 1), '2028-02-29')
  assert.is(shiftDay('2026-01-01', -1), '2025-12-31')
  assert.equal(['2026-02-29', '2026-2-1', '', 'today', '2026-02-28'].map(isDay), [false, false, false, false, true])
})

test('durations, sizes and rates', () => {
  assert.equal([0, 250, 59_400, 125_000, 3_600_000, 15_000_000, 90_000_000].map(durationText), [
    ...['0 s', '0.3 s', '59 s', '2 min 5 s', '1 h', '4 h 10 min', '1 day 1 h'],
  ])
  assert.equal([500, 61_000, 7_300_000].map(agoText), ['just now', '1 min ago', '2 h ago'])
  assert.equal([0, 999, 1000, 4_200_000_000, 999_600_000].map(bytesText), [
    ...['0 bytes', '999 bytes', '1 KB', '4.2 GB', '1 GB'],
  ])
  assert.equal([500_000, 1000].map(rateText), ['4.0 Mbit/s', '8 kbit/s'])
})

test.run()

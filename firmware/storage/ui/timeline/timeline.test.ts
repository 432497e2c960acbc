import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { boundsOf, HOUR_MS } from '../time/zone.ts'
import { blocksOf, holesOf, nextStored, pieceStart, type Span, spanAt, spanText } from './spans.ts'
import { ticksOf } from './ticks.ts'
import { follow, lengthOf, pan, timeAt, VIEW_MIN_MS, xAt, zoom } from './view.ts'

const DAY = { fromMs: 0, toMs: 24 * HOUR_MS }
const SPANS: readonly Span[] = [
  { state: 'stored', fromMs: 0, toMs: 10_000 },
  { state: 'lost', fromMs: 10_000, toMs: 12_000, reason: 'ring-full', fragments: 2 },
  { state: 'stored', fromMs: 12_000, toMs: 20_000 },
  { state: 'camera-off', fromMs: 30_000, toMs: 50_000, reason: 'camera-off' },
  { state: 'stored', fromMs: 50_000, toMs: 60_000 },
  { state: 'on-card', fromMs: 60_000, toMs: 61_000 },
]

test('zoom keeps the moment under the finger, and stays within the day', () => {
  const near = zoom(DAY, DAY, 0.5, 6 * HOUR_MS)
  assert.equal(near, { fromMs: 3 * HOUR_MS, toMs: 15 * HOUR_MS })
  assert.is(xAt(near, 6 * HOUR_MS, 1000), 250)
  assert.equal(zoom(near, DAY, 10, 6 * HOUR_MS), DAY)
  assert.is(lengthOf(zoom(DAY, DAY, 1e-9, HOUR_MS)), VIEW_MIN_MS)
  assert.equal(zoom(DAY, DAY, 0.5, 0), { fromMs: 0, toMs: 12 * HOUR_MS })
  assert.equal(pan(near, DAY, 100 * HOUR_MS), { fromMs: 12 * HOUR_MS, toMs: 24 * HOUR_MS })
  assert.equal(pan(near, DAY, -100 * HOUR_MS), { fromMs: 0, toMs: 12 * HOUR_MS })
  assert.is(timeAt(near, 250, 1000), 6 * HOUR_MS)
})

test('a view follows what plays only when it leaves', () => {
  const view = { fromMs: 0, toMs: HOUR_MS }
  assert.is(follow(view, DAY, HOUR_MS / 2), view)
  const moved = follow(view, DAY, HOUR_MS + 1000)
  assert.ok(moved.fromMs <= HOUR_MS + 1000 && moved.toMs > HOUR_MS + 1000 && lengthOf(moved) === HOUR_MS)
})

test('ticks are at round times of the local clock on days of 23, 24 and 25 hours', () => {
  const labels = (day: string, zone: string, width: number) =>
    ticksOf(boundsOf(day, zone), width, zone).map(({ label }) => label)
  const eight = ['00:00', '03:00', '06:00', '09:00', '12:00', '15:00', '18:00', '21:00', '00:00']
  assert.equal(labels('2026-05-01', 'Europe/Berlin', 600), eight)
  assert.is(labels('2026-05-01', 'Europe/Berlin', 1700).length, 25)
  const short = labels('2026-03-29', 'Europe/Berlin', 1700)
  assert.not.ok(short.includes('02:00'))
  assert.is(short.length, 24)
  const long = labels('2026-10-25', 'Europe/Berlin', 1700)
  assert.is(long.length, 26)
  const twos = long.filter((label) => label.startsWith('02:00'))
  assert.is(twos[0], '02:00')
  assert.match(twos[1] ?? '', /^02:00 .+/)
  assert.ok(labels('2026-01-01', 'Asia/Kathmandu', 1700).every((label) => label.endsWith(':00')))
})

test('what is where', () => {
  assert.equal(
    [0, 9_999, 10_000, 25_000, 60_500, 61_000].map((ms) => spanAt(SPANS, ms)?.state),
    [...(['stored', 'stored', 'lost', undefined, 'on-card', undefined] as const)],
  )
  assert.equal(
    [5_000, 11_000, 25_000, 59_999, 60_000].map((ms) => nextStored(SPANS, ms)),
    [...[5_000, 12_000, 50_000, 59_999, undefined]],
  )
  assert.is(pieceStart(SPANS, 5_000, 1), 12_000)
  assert.is(pieceStart(SPANS, 55_000, -1), 50_000)
  assert.is(spanText(SPANS[1] as Span), 'Lost for 2 s: the card was full of footage that was not safe yet')
  assert.is(spanText(SPANS[3] as Span), 'Camera off for 20 s')
})

test('holes are what is known to be missing, and what nobody knows anything about', () => {
  assert.equal(
    holesOf(SPANS).map(({ fromMs, toMs, span }) => [fromMs, toMs, span?.state]),
    [
      [10_000, 12_000, 'lost'],
      [20_000, 30_000, undefined],
      [30_000, 50_000, 'camera-off'],
      [60_000, 61_000, 'on-card'],
    ],
  )
})

test('a lost second can be seen on a whole day, and is drawn over what lies beside it', () => {
  const blocks = blocksOf(SPANS, DAY, 800)
  const lost = blocks.at(-1)
  assert.is(lost?.state, 'lost')
  assert.ok((lost?.width ?? 0) >= 3 && (lost?.x ?? -1) >= 0)
  const edge: Span = { state: 'lost', fromMs: 24 * HOUR_MS - 1, toMs: 24 * HOUR_MS }
  const [last] = blocksOf([edge], DAY, 800)
  assert.is((last?.x ?? 0) + (last?.width ?? 0), 800)
})

test('a day of a thousand pieces is as few blocks as the screen tells apart', () => {
  const pieces = Array.from(
    { length: 40_000 },
    (_, at): Span => ({ state: 'stored', fromMs: at * 2000, toMs: at * 2000 + 1900 }),
  )
  assert.is(blocksOf(pieces, DAY, 800).length, 1)
  assert.is(blocksOf(pieces, { fromMs: 0, toMs: 30_000 }, 800).length, 15)
})

test.run()

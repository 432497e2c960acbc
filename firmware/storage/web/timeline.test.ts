/** What the archive knows of a span of time, in the words of the API. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { WaitingSpan } from '../../wire/session.ts'
import { BOOT, CAMERA, headerOf, LOG, LOG2, SECOND } from '../archive/archive-fixture.ts'
import type { TimelineSpan, UndatedSpan } from '../archive/timeline.ts'
import type { ExportPlan, Timeline } from './api.ts'
import { STILL_TIME_HEADER } from './constants.ts'
import { timelineSpans, undatedBoots } from './timeline.ts'
import { nowUs, type WebHome, withHome } from './web-fixture.ts'

const AT = '/api/v1/cameras/Front-door'
const UNDATED = { clock: 'none', wallUs: 0 } as const

function span(state: TimelineSpan['state'], fromS: number, toS: number, more: Partial<TimelineSpan> = {}) {
  const times = { fromUs: fromS * SECOND, toUs: toS * SECOND }
  return { state, ...times, reason: '', note: '', log: LOG, firstSeq: 0, lastSeq: 9, ...more }
}

async function timelineOf(home: WebHome, fromUs: number, toUs: number): Promise<Timeline> {
  const answer = await home.asOwner(`${AT}/timeline?from=${fromUs / 1000}&to=${toUs / 1000}`)
  assert.is(answer.status, 200, answer.text)
  return answer.json<Timeline>()
}

test('neighbours of the same kind are one span; states and reasons keep them apart', () => {
  const lost = { reason: 'ring-full', firstSeq: 10, lastSeq: 14 }
  assert.equal(
    timelineSpans([
      span('stored', 0, 10),
      span('stored', 10.5, 20, { log: LOG2 }),
      span('lost', 20, 25, lost),
      span('lost', 25, 30, { ...lost, log: LOG2, note: 'why' }),
      span('onCard', 30, 40),
      span('cameraOff', 40, 50, { reason: 'camera-off' }),
      span('expired', 60, 70, { reason: 'age' }),
    ]),
    [
      { state: 'stored', fromMs: 0, toMs: 20_000 },
      { state: 'lost', fromMs: 20_000, toMs: 25_000, reason: 'ring-full', fragments: 5 },
      { state: 'lost', fromMs: 25_000, toMs: 30_000, reason: 'ring-full', note: 'why', fragments: 5 },
      { state: 'on-card', fromMs: 30_000, toMs: 40_000 },
      { state: 'camera-off', fromMs: 40_000, toMs: 50_000, reason: 'camera-off' },
      { state: 'expired', fromMs: 60_000, toMs: 70_000, reason: 'age' },
    ],
  )
})

test('a loss that footage divides counts its fragments once', () => {
  const lost = { reason: 'damaged', firstSeq: 3, lastSeq: 6 }
  const spans = timelineSpans([span('lost', 0, 2, lost), span('stored', 2, 3), span('lost', 3, 5, lost)])
  assert.equal(
    spans.map(({ fragments }) => fragments),
    [4, undefined, undefined],
  )
})

test('rounding to milliseconds makes no overlap, and nothing of no length', () => {
  const us = (state: TimelineSpan['state'], fromUs: number, toUs: number) => ({ ...span(state, 0, 0), fromUs, toUs })
  const spans = timelineSpans([us('stored', 0, 1_600), us('lost', 1_600, 1_900), us('onCard', 1_900, 9_000)])
  assert.equal(
    spans.map(({ state, fromMs, toMs }) => [state, fromMs, toMs]),
    [
      ['stored', 0, 2],
      ['on-card', 2, 9],
    ],
  )
})

test('undated footage: a line for each boot, with its bounds', () => {
  const one = (state: UndatedSpan['state'], boot: string, fromS: number, fragments: number): UndatedSpan => ({
    ...{ state, boot, fromUs: fromS * SECOND, toUs: 100 * SECOND, durationUs: fragments * SECOND, fragments },
    ...{ log: LOG, firstSeq: 0, lastSeq: 9 },
  })
  assert.equal(undatedBoots([one('stored', 'b', 50, 3), one('stored', 'a', 0, 2), one('onCard', 'b', 50, 4)]), [
    { boot: 'a', fragments: 2, onCard: 0, durationMs: 2000, afterMs: null, beforeMs: 100_000 },
    { boot: 'b', fragments: 3, onCard: 4, durationMs: 7000, afterMs: 50_000, beforeMs: 100_000 },
  ])
})

test('what waits on the card is where the camera says it is, and gone from there once it is stored', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 3600 * SECOND
    const bootUs = startUs - 100 * SECOND
    const waiting: WaitingSpan = {
      ...{ log: LOG2, boot: BOOT, first: 5, last: 8, clock: 'synchronised' },
      ...{ fromMonoUs: 105 * SECOND, toMonoUs: 109 * SECOND },
      ...{ fromWallUs: startUs + 5 * SECOND, toWallUs: startUs + 9 * SECOND },
    }
    await home.store({ log: LOG2, seq: 0, wallUs: startUs, monoUs: startUs - bootUs })
    const moment = { boot: BOOT, monoUs: 3700 * SECOND, wallUs: bootUs + 3700 * SECOND, clock: 'synchronised' } as const
    await home.agent.archive.archive.moment(CAMERA, { ...moment, backlog: [waiting] }, bootUs + 3700 * SECOND)
    const shown = async () => (await timelineOf(home, startUs, startUs + 60 * SECOND)).spans
    const states = (await shown()).map(({ state, fromMs, toMs }) => [
      state,
      Math.round(fromMs / 1000 - startUs / 1e6),
      Math.round(toMs / 1000 - startUs / 1e6),
    ])
    assert.equal(states, [
      ['stored', 0, 1],
      ['on-card', 5, 9],
    ])
    for (let seq = 5; seq <= 8; seq += 1) {
      const atUs = startUs + seq * SECOND
      await home.store({ log: LOG2, seq, wallUs: atUs, monoUs: atUs - bootUs })
    }
    assert.equal(
      (await shown()).map(({ state }) => state),
      ['stored', 'stored'],
    )
  })
})

test('footage that was dated later is where it belongs: timeline, playlist, still and export', async () => {
  await withHome(async (home) => {
    const { archive } = home.agent.archive
    const startUs = nowUs() - 600 * SECOND
    const monoUs = 50 * SECOND
    for (let seq = 0; seq < 4; seq += 1) {
      await home.store({ log: LOG2, seq, ...UNDATED, monoUs: monoUs + seq * SECOND })
    }
    const before = await timelineOf(home, startUs, startUs + 60 * SECOND)
    assert.equal(before.spans, [])
    assert.equal(
      before.undated.map(({ boot, fragments, onCard, durationMs }) => [boot, fragments, onCard, durationMs]),
      [[headerOf({ seq: 0 }).boot, 4, 0, 4000]],
    )
    assert.is((await home.asOwner(`${AT}/still?at=${startUs / 1000}`)).status, 404)

    const toldUs = startUs + 300 * SECOND
    const heard = { wallUs: toldUs - 2000, monoUs: monoUs + 300 * SECOND - 1000 }
    const told = { boot: BOOT, monoUs: monoUs + 300 * SECOND, wallUs: 0, clock: 'none', heard } as const
    await archive.moment(CAMERA, told, toldUs + 1000)
    await archive.settledDates()

    const span = `from=${startUs / 1000 + 1200}&to=${startUs / 1000 + 2800}`
    const near = (atMs: number, wantedMs: number, what: string) =>
      assert.ok(Math.abs(atMs - wantedMs) <= 10, `${what}: ${atMs - wantedMs} ms off`)
    const after = await timelineOf(home, startUs, startUs + 60 * SECOND)
    assert.equal([after.undated, after.spans.map(({ state }) => state)], [[], ['stored']])
    near(after.spans[0]?.fromMs ?? 0, startUs / 1000, 'timeline')

    const playlist = (await home.asOwner(`${AT}/playlist.m3u8?from=${startUs / 1000}&to=${startUs / 1000 + 60_000}`))
      .text
    const [, date = ''] = /#EXT-X-PROGRAM-DATE-TIME:(.*)/.exec(playlist) ?? []
    near(Date.parse(date), startUs / 1000, 'playlist')
    const [, uri = ''] = /#EXT-X-BYTERANGE:.*\n(.*)/.exec(playlist) ?? []
    assert.is((await home.asOwner(`${AT}/${uri}`)).status, 200, 'its bytes are under the new name')

    const cookie = await home.signIn()
    const at = startUs / 1000 + 2500
    const still = await fetch(`http://127.0.0.1:${home.port}${AT}/still?at=${at}`, { headers: { cookie } })
    assert.is(still.status, 200)
    near(Number(still.headers.get(STILL_TIME_HEADER)), startUs / 1000 + 2000, 'still')
    await still.arrayBuffer()

    const plan = (await home.asOwner(`${AT}/export?${span}`)).json<ExportPlan>()
    near(plan.pieces[0]?.fromMs ?? 0, startUs / 1000 + 1000, 'export')
    assert.equal([plan.fragments, plan.pieces.length, plan.gaps, plan.damaged], [2, 1, [], []])
  })
})

test.run()

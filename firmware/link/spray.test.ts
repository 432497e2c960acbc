import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Timer } from '../platform/clock.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import { SPRAY_AT_ONCE, SPRAY_EVERY_MS, SPRAY_FIRST_PORT, SPRAY_MADE_UP_MAX, SPRAY_PROBES } from './port-search.ts'
import { Spray } from './spray.ts'

const SEED = 5

function spray(onSend: (port: number) => void = () => undefined, clock = new FakeClock()) {
  const sent: { readonly port: number; readonly atMs: number }[] = []
  const send = (port: number) => {
    sent.push({ port, atMs: clock.monoUs() / 1000 })
    onSend(port)
  }
  return { clock, sent, spray: new Spray({ clock, random: seededRandom(SEED), send }) }
}

test(`sends so many probes and no more, at its pace, each to another port (seed ${SEED})`, async () => {
  const { clock, sent } = spray()
  await clock.advance(600_000)
  assert.is(sent.length, SPRAY_PROBES)
  assert.is(new Set(sent.map(({ port }) => port)).size, SPRAY_PROBES)
  for (const [index, { port, atMs }] of sent.entries()) {
    assert.ok(port >= SPRAY_FIRST_PORT && port < 65_536, `port ${port}`)
    assert.is(atMs, Math.floor(index / SPRAY_AT_ONCE) * SPRAY_EVERY_MS)
  }
  assert.is(clock.pendingTimers, 0)
})

/** A busy process: its timers come late. */
class LateClock extends FakeClock {
  lateMs = 0

  override after(delayMs: number, callback: () => void): Timer {
    return super.after(delayMs + this.lateMs, callback)
  }
}

test('keeps its pace where timers come late, and makes up for a long hold-up few at a time', async () => {
  for (const [lateMs, total, perTurn] of [
    [15, 200, 8],
    [480, 36, SPRAY_MADE_UP_MAX],
  ] as const) {
    const clock = new LateClock()
    clock.lateMs = lateMs
    const { sent, spray: running } = spray(undefined, clock)
    await clock.advance(1_000)
    assert.ok(Math.abs(sent.length - total) <= perTurn, `${sent.length} within a second`)
    const turns = new Map<number, number>()
    for (const { atMs } of sent) turns.set(atMs, (turns.get(atMs) ?? 0) + 1)
    for (const [, count] of turns) assert.ok(count <= perTurn, `${count} at once`)
    running.close()
  }
})

test(`spreads over all ports that NATs give out (seed ${SEED})`, async () => {
  const { clock, sent } = spray()
  await clock.advance(600_000)
  const [parts, width] = [8, (65_536 - SPRAY_FIRST_PORT) / 8]
  for (let part = 0; part < parts; part++) {
    const inPart = sent.filter(({ port }) => Math.floor((port - SPRAY_FIRST_PORT) / width) === part).length
    assert.ok(Math.abs(inPart - SPRAY_PROBES / parts) < 60, `${inPart} of ${SPRAY_PROBES} in part ${part}`)
  }
})

test('closed it sends nothing more and leaves no timer, also from within a send', async () => {
  const first = spray()
  await first.clock.advance(100)
  const { length } = first.sent
  first.spray.close()
  first.spray.close()
  await first.clock.advance(10_000)
  assert.is(first.sent.length, length)
  assert.is(first.clock.pendingTimers, 0)
  let close = () => {}
  const second = spray(() => close())
  close = () => {
    if (second.sent.length === 6) second.spray.close()
  }
  await second.clock.advance(10_000)
  assert.is(second.sent.length, 6)
})

test.run()

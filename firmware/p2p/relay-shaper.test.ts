import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { RelayShaper } from './relay-shaper.ts'
import { RELAY_LIMITS, RelayShares } from './relay-shares.ts'

const PACKET_BYTES = 1000
const TICK_MS = 10

function scene(uidBytesPerSecond: number) {
  const clock = new FakeClock()
  const shares = new RelayShares(clock, { ...RELAY_LIMITS, uidBytesPerSecond })
  const sent: number[] = []
  const claim = () => {
    const share = shares.open('a')
    if (share === undefined) throw new Error('no share')
    const shaper = new RelayShaper(share, (packet) => sent.push(packet[0] ?? -1))
    return { share, shaper }
  }
  return { clock, sent, claim }
}

const packet = (number: number) => new Uint8Array(PACKET_BYTES).fill(number % 256)

/** What goes out of `shapers` in `seconds`, each offered so many packets in every tick. */
async function run(clock: FakeClock, shapers: readonly RelayShaper[], perTick: number, seconds: number) {
  const through = shapers.map(() => 0)
  for (let tick = 0; tick < (seconds * 1000) / TICK_MS; tick++) {
    for (const shaper of shapers) for (let index = 0; index < perTick; index++) shaper.push(packet(index))
    for (let any = true; any; ) {
      any = false
      for (const [index, shaper] of shapers.entries()) {
        if (!shaper.sendOne()) continue
        through[index] = (through[index] ?? 0) + PACKET_BYTES
        any = true
      }
    }
    await clock.advance(TICK_MS)
  }
  return through.map((bytes) => bytes / seconds)
}

test('just above the budget, what goes through is the budget, in every second', async () => {
  const { clock, claim } = scene(1_000_000)
  const { share, shaper } = claim()
  share.spend(250_000)
  for (let second = 0; second < 5; second++) {
    // 1.1 MB/s are offered.
    const [through = 0] = await run(clock, [shaper], 11, 1)
    assert.ok(through > 970_000 && through < 1_030_000, `${through} bytes in second ${second}`)
  }
})

test('far above the budget it is the budget, too, and two relays of one storage device share it evenly', async () => {
  const { clock, claim } = scene(1_000_000)
  const [one, other] = [claim(), claim()]
  one.share.spend(250_000)
  const [first = 0, second = 0] = await run(clock, [one.shaper, other.shaper], 100, 5)
  assert.ok(first + second > 970_000 && first + second < 1_030_000, `${first} and ${second} bytes a second`)
  assert.ok(Math.abs(first - second) < 50_000, `${first} and ${second} bytes a second`)
})

test('packets keep their order, none waits longer than a tenth of a second, and what finds no room is lost', async () => {
  const { clock, sent, claim } = scene(1_000_000)
  const { share, shaper } = claim()
  share.spend(250_000)
  const taken = Array.from({ length: 200 }, (_, index) => index).filter((index) => shaper.push(packet(index)))
  assert.equal(
    taken,
    Array.from({ length: 100 }, (_, index) => index),
  )
  assert.is(shaper.waitingBytes, 100 * PACKET_BYTES)
  await clock.advance(1)
  while (shaper.sendOne());
  assert.ok(sent.length >= 1 && sent.length <= 3, `${sent.length} packets in a millisecond`)
  await clock.advance(110)
  while (shaper.sendOne());
  assert.equal(sent, taken)
  assert.is(shaper.waitingBytes, 0)
})

test('a flood is told apart from a sender that is a little too fast', () => {
  const { claim } = scene(1_000_000)
  const { shaper } = claim()
  for (let index = 0; index < 150; index++) shaper.push(packet(index))
  assert.is(shaper.takeFlooded(), false)
  for (let index = 0; index < 101; index++) shaper.push(packet(index))
  assert.is(shaper.takeFlooded(), true)
  assert.is(shaper.takeFlooded(), false)
})

test.run()

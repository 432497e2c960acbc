import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { RELAY_LIMITS, type RelayLimits, RelayShares, type Share } from './relay-shares.ts'

function scene(limits: Partial<RelayLimits>) {
  const clock = new FakeClock()
  const shares = new RelayShares(clock, { ...RELAY_LIMITS, ...limits })
  return { clock, shares }
}

function claim(shares: RelayShares, uid: string): Share {
  const share = shares.open(uid)
  if (share === undefined) throw new Error(`no share for ${uid}`)
  return share
}

/** What each would get through in `seconds`, each trying `chunk` bytes every 10 ms while it is allowed. */
async function carried(clock: FakeClock, wanted: readonly [Share, number][], seconds: number): Promise<number[]> {
  const sums = wanted.map(() => 0)
  for (let step = 0; step < seconds * 100; step++) {
    for (const [index, [share, chunk]] of wanted.entries()) {
      if (!share.allows()) continue
      share.spend(chunk)
      sums[index] = (sums[index] ?? 0) + chunk
    }
    await clock.advance(10)
  }
  return sums.map((sum) => Math.round(sum / seconds))
}

test('one storage device gets its own rate, over all its relays together', async () => {
  const { clock, shares } = scene({ uidBytesPerSecond: 1_000_000 })
  const [one, other] = [claim(shares, 'a'), claim(shares, 'a')]
  const [first = 0, second = 0] = await carried(
    clock,
    [
      [one, 50_000],
      [other, 50_000],
    ],
    5,
  )
  assert.ok(first + second > 900_000 && first + second < 1_200_000, `${first} and ${second} bytes a second`)
})

test('when the whole is not enough, each active one gets its part at least, and who wants less gets all of it', async () => {
  const { clock, shares } = scene({ uidBytesPerSecond: 10_000_000, totalBytesPerSecond: 3_000_000 })
  const wanted: [Share, number][] = [
    [claim(shares, 'a'), 100_000],
    [claim(shares, 'b'), 100_000],
    [claim(shares, 'c'), 1_000],
  ]
  const [a = 0, b = 0, c = 0] = await carried(clock, wanted, 10)
  assert.is(c, 100_000, 'the small one is never held up')
  // What the small one leaves goes to whoever asks first.
  assert.ok(Math.min(a, b) > 950_000, `${a} and ${b}`)
  assert.ok(a + b + c > 2_800_000 && a + b + c < 3_300_000, `${a + b + c} in all`)
})

test('who is alone gets the whole, and who comes later his part of it', async () => {
  const { clock, shares } = scene({ uidBytesPerSecond: 10_000_000, totalBytesPerSecond: 2_000_000 })
  const first = claim(shares, 'a')
  const [alone = 0] = await carried(clock, [[first, 50_000]], 5)
  assert.ok(alone > 1_800_000, `${alone} bytes a second`)
  const second = claim(shares, 'b')
  const [, later = 0] = await carried(
    clock,
    [
      [first, 50_000],
      [second, 50_000],
    ],
    5,
  )
  assert.ok(later > 600_000, `${later} bytes a second`)
})

test('a debt, however large, is paid back within a moment', async () => {
  const { clock, shares } = scene({ uidBytesPerSecond: 1000 })
  const share = claim(shares, 'a')
  share.spend(1e9)
  assert.is(share.allows(), false)
  await clock.advance(600)
  assert.is(share.allows(), true)
})

test('so many relays each, so many in all, and closed ones count no more', async () => {
  const { clock, shares } = scene({ relays: 3, relaysPerUid: 2 })
  const [first, second] = [claim(shares, 'a'), claim(shares, 'a')]
  assert.is(shares.open('a'), undefined)
  const third = claim(shares, 'b')
  assert.is(shares.open('c'), undefined)
  assert.is(shares.relays, 3)
  first.close()
  first.close()
  assert.is(shares.relays, 2)
  assert.ok(shares.open('c'))
  second.close()
  third.close()
  await clock.advance(2000)
  assert.ok(shares.open('a'))
})

test('a relay that is closed and opened again brings no fresh budget', async () => {
  const { clock, shares } = scene({ uidBytesPerSecond: 1_000_000 })
  const share = claim(shares, 'a')
  share.spend(10_000_000)
  share.close()
  await clock.advance(50)
  assert.is(claim(shares, 'a').allows(), false)
})

test('who carries little can be left alone for long, who carries much must be looked at soon', async () => {
  const { clock, shares } = scene({ uidBytesPerSecond: 10_000_000 })
  const share = claim(shares, 'a')
  assert.is(shares.restMs(), 0, 'who is new is watched')
  await clock.advance(3_000)
  assert.is(shares.restMs(), Number.POSITIVE_INFINITY, 'nothing flows')
  const restAt = async (bytesPerSecond: number) => {
    shares.restMs()
    await clock.advance(100)
    share.spend(bytesPerSecond / 10)
    assert.is(share.allows(), true)
    return shares.restMs()
  }
  const [little, much] = [await restAt(1_000_000), await restAt(9_000_000)]
  assert.ok(little > 500, `${little} ms`)
  assert.ok(much > 10 && much < 100, `${much} ms`)
  // In such a time nobody who goes four times as fast has used up more than there was.
  assert.ok(((little / 1000) * 4 * 1_000_000) / 10_000_000 <= 0.25)
})

test('the budget of all counts too, and who was over his is watched until he has kept to it for a while', async () => {
  const { clock, shares } = scene({ uidBytesPerSecond: 10_000_000, totalBytesPerSecond: 4_000_000 })
  const [a, b] = [claim(shares, 'a'), claim(shares, 'b')]
  await clock.advance(3_000)
  shares.restMs()
  await clock.advance(100)
  for (const share of [a, b]) share.spend(200_000)
  const shared = shares.restMs()
  assert.ok(shared > 0 && shared < 50, `${shared} ms`)
  a.spend(5_000_000)
  assert.is(a.allows(), false)
  assert.is(a.isCalm(), false)
  assert.is(shares.restMs(), 0)
  await clock.advance(2_500)
  assert.is(a.allows(), true)
  assert.is(a.isCalm(), true)
  assert.is(shares.restMs(), Number.POSITIVE_INFINITY)
})

test.run()

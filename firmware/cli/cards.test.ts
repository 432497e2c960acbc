// time-out: 180 s
/**
 * Cards that are cut, garbled, restored, swapped or not there at all, in the real programs: what the storage device calls
 * safe it holds or has in its ledger, and everything that could be read is there exactly once.
 */
import { randomBytes } from 'node:crypto'
import { rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BLOCK_BYTES } from '../camera/ring/card-record.ts'
import { isHomewardError } from '../wire/errors.ts'
import {
  acked,
  finish,
  homeTest,
  kill,
  logOf,
  pileUp,
  recordOf,
  type ShownStatus,
  SOURCE,
  say,
  upTo,
  waitingIn,
} from './card-home-fixture.ts'
import { cardRecords, fingerprint, footageSeqs, ledgerOf, overwrite, readBooks, storedSeqs } from './cards-fixture.ts'
import { runProgram } from './media-fixture.ts'

homeTest(
  'a cut and garbled tail: what is left arrives, what is lost is in the ledger, nothing else is',
  async (home) => {
    await home.startCamera('camera', SOURCE)
    await home.pair('camera')
    await acked(home, 'camera', 5)
    await pileUp(home, 'camera', 20)
    await kill(home, 'camera')

    const dir = home.ring('camera')
    const before = await cardRecords(dir)
    const { log, last } = logOf(before)
    // The last record is torn in the middle and the slab's file ends there; two before it are noise; one more has a bad bit.
    const torn = recordOf(before, last)
    for (const seq of [last - 2, last - 3]) {
      const { slab, offset, bytes } = recordOf(before, seq)
      await overwrite(slab, offset, randomBytes(Math.ceil(bytes.byteLength / BLOCK_BYTES) * BLOCK_BYTES))
    }
    const flipped = recordOf(before, last - 6)
    await overwrite(flipped.slab, flipped.offset + 2000, Uint8Array.of(~(flipped.bytes[2000 - 16] ?? 0)))
    await truncate(torn.slab, torn.offset + BLOCK_BYTES)
    const lost = [last - 6, last - 3, last - 2]

    await home.startStorage()
    await home.startCamera('camera', SOURCE)
    await acked(home, 'camera', 10)
    const books = await finish(home, 'camera')
    const whole = upTo(last).filter((seq) => !lost.includes(seq))
    assert.equal(
      storedSeqs(books, log).toSorted((a, b) => a - b),
      whole,
      'every record that was not hit',
    )
    const entered = ledgerOf(books, log)
    assert.ok(entered.every(({ kind, reason }) => kind === 'gap' && reason === 'damaged-on-card'))
    const numbers = entered.flatMap(({ first, last: end }) => upTo(end - first + 1).map((at) => first + at))
    // Of the torn one nobody can know that it was ever written to its end.
    assert.equal(
      numbers.filter((seq) => seq !== last).toSorted((x, y) => x - y),
      lost,
      'what was hit is in the ledger',
    )
    const later = [...new Set(books.fragments.map((fragment) => fragment.log))].filter((other) => other !== log)
    assert.is(later.length, 1)
    const since = storedSeqs(books, later[0] ?? '')
    assert.equal(since, footageSeqs(books, later[0] ?? '', since.length))
    say(`cut and garbled: ${whole.length} of ${last + 1} stored, ${lost.length} in the ledger, 1 torn`)
  },
)

homeTest('an older copy of the card: nothing is taken for what came after it', async (home) => {
  const dir = home.ring('camera')
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await acked(home, 'camera', 5)
  await pileUp(home, 'camera', 10)
  await kill(home, 'camera')
  const first = logOf(await cardRecords(dir))
  const copy = `${dir}.copy`
  const copied = await runProgram('cp', ['-a', '--sparse=always', dir, copy])
  assert.is(copied.status, 0, copied.stderr)

  await home.startStorage()
  await home.startCamera('camera', SOURCE)
  await acked(home, 'camera', 15)
  // What waits now is on the newer card only, and goes with it.
  await pileUp(home, 'camera', 10)
  await kill(home, 'camera')
  const second = (await cardRecords(dir)).map(({ header }) => header).filter(({ log }) => log !== first.log)
  await rm(dir, { recursive: true })
  await rename(copy, dir)

  await home.startStorage()
  await home.startCamera('camera', SOURCE)
  await acked(home, 'camera', 30)
  const books = await finish(home, 'camera')
  const logs = [...new Set(books.fragments.map(({ log }) => log))]
  assert.is(logs.length, 3, 'every opening of the card has a log of its own')
  assert.equal(storedSeqs(books, first.log), upTo(first.last + 1), 'what the copy held is there once')
  const kept = storedSeqs(books, second[0]?.log ?? '')
  assert.equal(kept, footageSeqs(books, second[0]?.log ?? '', kept.length))
  assert.ok(kept.length >= 15 && kept.length < second.length, `${kept.length} of ${second.length} of the second log`)
  const third = logs.find((log) => log !== first.log && log !== second[0]?.log) ?? ''
  const fresh = storedSeqs(books, third)
  assert.equal(fresh, footageSeqs(books, third, fresh.length), 'what came after it is new')
  assert.equal(books.ledger, [], 'nothing else is said')
  say(
    `older copy: ${first.last + 1} + ${kept.length} (of ${second.length}) + ${storedSeqs(books, third).length} stored`,
  )
})

homeTest(
  "another camera's card is not written, filming goes on from memory, and both cards come home",
  async (home) => {
    for (const name of ['one', 'two']) {
      await home.startCamera(name, SOURCE)
      await home.pair(name)
      await acked(home, name, 5)
    }
    await pileUp(home, 'one', 10)
    for (const name of ['one', 'two']) await kill(home, name)
    const [one, two, aside] = [home.ring('one'), home.ring('two'), join(home.folder, 'aside')]
    const onCards = { one: await cardRecords(one), two: await cardRecords(two) }
    await rename(two, aside)
    await rename(one, two)
    const before = await fingerprint(two)

    await home.startStorage()
    await home.startCamera('two', SOURCE)
    const status = (await acked(home, 'two', 10)) as ShownStatus
    assert.is(status.ring.card, 'gone')
    assert.match(status.ring.problem ?? '', /belongs to camera/)
    assert.is(await fingerprint(two), before, 'nothing was written to it')

    await rename(two, one)
    await rename(aside, two)
    await home.until('two', 'on its card again', ({ ring }) => ring.card === 'ok')
    await home.startCamera('one', SOURCE)
    await acked(home, 'one', 5)
    await acked(home, 'two', status.seq.acked + 5)
    await finish(home, 'one')
    // The life of camera two that began in memory has two logs: its frames go on from the one to the other.
    await home.drain('two')
    await home.program('two').stop()
    const books = await readBooks(home)
    for (const records of Object.values(onCards)) {
      const { log, last } = logOf(records)
      assert.equal(storedSeqs(books, log), upTo(last + 1), 'what was on the card before')
    }
    const runs = new Map<string, number[]>()
    for (const { runId, frames } of books.fragments) runs.set(runId, [...(runs.get(runId) ?? []), ...frames])
    for (const frames of runs.values())
      assert.equal(
        frames.toSorted((a, b) => a - b),
        upTo(frames.length),
      )
    assert.is(runs.size, 4)
    assert.equal(books.ledger, [])
    say(`swapped: ${books.fragments.length} fragments of 4 camera lives, the foreign card untouched`)
  },
)

homeTest("a camera that never had a card refuses another one's and says so", async (home) => {
  await home.startCamera('one', SOURCE)
  await home.pair('one')
  await acked(home, 'one', 5)
  await kill(home, 'one')
  const before = await fingerprint(home.ring('one'))
  await home.startCamera('new', SOURCE, ['--ring', home.ring('one')])
  const refused = await home.pair('new').then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(isHomewardError(refused, 'RING_FOREIGN'), String(refused))
  assert.match(refused.message, /belongs to camera/)
  assert.ok((refused.hint ?? '').length > 0)
  await home.program('new').stop()
  const again = await home.startCamera('new', SOURCE, ['--ring', home.ring('one')]).then(
    () => '',
    (error: unknown) => String(error),
  )
  assert.match(again, /belongs to camera/, 'the program ends with the reason')
  assert.is((await home.program('new').exited).status, 1)
  assert.is(await fingerprint(home.ring('one')), before, 'nothing was written to it')
})

homeTest('a camera without a card: memory is sent once, and what was lost with it is not called safe', async (home) => {
  const memory = ['--ring', 'none']
  await home.startCamera('camera', SOURCE, memory)
  await home.pair('camera')
  await acked(home, 'camera', 5)
  await pileUp(home, 'camera', 10)
  await home.startStorage()
  await acked(home, 'camera', 25)

  const killed = await pileUp(home, 'camera', 10)
  await kill(home, 'camera')
  await home.startCamera('camera', SOURCE, memory)
  const stopped = await home.until('camera', '10 waiting', (status) => waitingIn(status) >= 10)
  await home.program('camera').stop()
  await home.startCamera('camera', SOURCE, memory)
  await home.startStorage()
  await acked(home, 'camera', 20)
  const books = await finish(home, 'camera', { card: false })
  const logs = [...new Set(books.fragments.map(({ log }) => log))]
  assert.is(logs.length, 2, 'the second life sent nothing')
  const [first = [], last = []] = logs.map((log) => storedSeqs(books, log).toSorted((a, b) => a - b))
  assert.equal(first, upTo(first.length))
  assert.ok(first.length >= killed.seq.acked && first.length < killed.seq.captured, `${first.length} of the first life`)
  // The second life ended in good order and left a note of what it lost: the third one enters it.
  const [gap, ...others] = books.ledger
  assert.equal([gap?.kind, gap?.reason, gap?.log, gap?.first, others], ['gap', 'never-sent', logs[1], 0, []])
  const missed = (gap?.last ?? 0) + 1
  assert.ok(
    missed >= stopped.seq.captured && missed <= stopped.seq.captured + 5,
    `${missed} of ${stopped.seq.captured}`,
  )
  assert.equal(
    last,
    upTo(last.length).map((seq) => seq + missed),
  )
  say(
    `no card: ${first.length} + ${last.length} stored, ${killed.seq.captured - first.length} gone with a kill, gap of ${missed}`,
  )
})

test.run()

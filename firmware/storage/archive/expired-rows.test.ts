import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBelow, seededRandom } from '../../platform/random.ts'
import { BOOT, CAMERA, LOG, LOG2, makeRig, type Rig, ROOT, SECOND, T0 } from './archive-fixture.ts'
import { EXPIRED_ROW_US, withExpired } from './expired-rows.ts'
import type { IndexedFile } from './index.ts'
import { FakeIndexHome } from './index-store-fake.ts'
import { reindexArchive } from './reindex.ts'
import type { LedgerRow } from './rows.ts'

const SEED = Number(process.env.HOMEWARD_SEED ?? Math.trunc(Math.random() * 2 ** 31))

function row(first: number, last: number, more: Partial<LedgerRow> = {}): LedgerRow {
  const times = { dated: true, boot: BOOT, startUs: T0 + first * SECOND, endUs: T0 + (last + 1) * SECOND }
  return { kind: 'expired', log: LOG, first, last, ...times, reason: 'old', note: '', path: 'p', atUs: last, ...more }
}

test('what follows on goes on in the same row, up to a day; what is said already is not said again', () => {
  const before = row(0, 9)
  assert.equal(withExpired([], before), before)
  assert.equal(withExpired([row(100, 109), before], row(10, 19)), row(0, 19, { path: '' }))
  assert.is(withExpired([row(0, 19)], before), undefined)
  for (const apart of [
    row(11, 19),
    row(10, 19, { boot: 'b007000000000002' }),
    row(10, 19, { reason: 'the disk needed room' }),
    row(10, 19, { startUs: T0 + 60 * SECOND }),
    row(10, 19, { endUs: T0 + EXPIRED_ROW_US + 1 }),
    row(10, 19, { dated: false }),
  ]) {
    assert.equal(withExpired([before], apart), apart, JSON.stringify(apart))
  }
})

function ledgerRows({ archive }: Rig): number {
  return archive.dumpIndex().filter((line) => line.startsWith('ledger')).length
}

async function isRebuiltEqual({ archive, disk, clock }: Rig, what: string): Promise<void> {
  const [account] = (await archive.verify({ deep: false })).accounts
  await archive.close()
  const rows = archive.dumpIndex()
  const home = new FakeIndexHome()
  await reindexArchive({ disk, clock, root: ROOT, minFreeBytes: 0, commitDelayMs: 0, index: home })
  const again = await makeRig({ disk, home })
  assert.equal(again.archive.dumpIndex(), rows, what)
  assert.equal((await again.archive.verify({ deep: false })).accounts[0], account, what)
  await again.archive.close()
}

/** Each in a file of its own, without a pause in between. */
async function filmed(count: number): Promise<{ rig: Rig; files: IndexedFile[] }> {
  const rig = await makeRig()
  for (let seq = 0; seq < count; seq++) {
    await rig.store({ seq, run: seq })
    await rig.store({ seq, run: seq, log: LOG2, wallUs: T0 + (5000 + seq) * SECOND })
  }
  return { rig, files: rig.archive.files(CAMERA, 0, T0 * 2) }
}

test('files that expire oldest first leave one row, and each number is accounted for', async () => {
  const { rig, files } = await filmed(30)
  for (const file of files) await rig.archive.expire(file, 'old')
  assert.is(ledgerRows(rig), 2)
  const [account] = (await rig.archive.verify({ deep: false })).accounts
  assert.equal(account?.counts, { expired: 60 })
  await isRebuiltEqual(rig, 'oldest first')
})

test(`in any order, together and twice, the rows are those of a rebuilt index (HOMEWARD_SEED=${SEED})`, async () => {
  const random = seededRandom(SEED)
  for (let round = 0; round < 8; round++) {
    const { rig, files } = await filmed(14)
    const busy: Promise<unknown>[] = []
    while (files.length > 0) {
      const at = randomBelow(random, 3) === 0 ? randomBelow(random, files.length) : 0
      const [file] = randomBelow(random, 5) === 0 ? files.slice(at, at + 1) : files.splice(at, 1)
      if (file !== undefined) busy.push(rig.archive.expire(file, randomBelow(random, 9) === 0 ? 'room' : 'old'))
      if (randomBelow(random, 3) === 0) await Promise.all(busy)
    }
    await Promise.all(busy)
    await isRebuiltEqual(rig, `round ${round}, seed ${SEED}`)
  }
})

test.run()

/** The index on both stores; the fake is held to what LMDB does. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addRange, type Range } from '../../wire/ranges.ts'
import { ArchiveIndex } from './index.ts'
import { IndexBatch } from './index-batch.ts'
import type { Change, IndexStore } from './index-store.ts'
import { FakeIndexHome, FakeIndexStore } from './index-store-fake.ts'
import { afterPrefix, fileKey, fragmentKey, parseFileKey, parseFragmentKey } from './keys.ts'
import { LmdbHome } from './lmdb-store.ts'
import { decodeFragmentRow, encodeFragmentRow, type FragmentRow } from './rows.ts'

const CAMERA = new Uint8Array(32).fill(7)
const LOG = '00000000000000a1'

const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
const home = new LmdbHome(join(folder, 'index'))
let store: IndexStore

test.before(async () => {
  store = await home.open()
})

test.after(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

const bytes = (...values: number[]) => Uint8Array.from(values)

test('both stores answer every query alike', async () => {
  const fake = new FakeIndexStore()
  const key = fc.uint8Array({ minLength: 1, maxLength: 3 })
  const changes = fc.array(fc.record({ key, value: fc.option(fc.uint8Array({ maxLength: 9 }), { nil: undefined }) }), {
    maxLength: 12,
  })
  const query = fc.record(
    { from: key, until: key, reverse: fc.boolean(), limit: fc.integer({ min: 1, max: 5 }) },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(changes, fc.array(query), async (some, queries) => {
      const table = 'ledger' as const
      const batch = some.map((change): Change => ({ table, ...change }))
      await Promise.all([fake.commit(batch), store.commit(batch)])
      for (const { key: at } of some) assert.equal(store.get(table, at), fake.get(table, at))
      for (const one of [...queries, {}]) assert.equal(store.range(table, one), fake.range(table, one))
    }),
    { numRuns: 60 },
  )
})

test('a commit is there after the database is closed and opened again', async () => {
  await store.commit([{ table: 'meta', key: bytes(1), value: bytes(9, 9) }])
  await store.close()
  store = await home.open()
  assert.equal(store.get('meta', bytes(1)), bytes(9, 9))
})

test('a commit is whole or not at all', async () => {
  const tooLong = new Uint8Array(5000).fill(1)
  const batch: Change[] = [
    { table: 'meta', key: bytes(2), value: bytes(1) },
    { table: 'meta', key: tooLong, value: bytes(1) },
  ]
  const [result] = await Promise.allSettled([store.commit(batch)])
  assert.is(result?.status, 'rejected')
})

test('a new index takes the place of the old one, and a half-done exchange is undone', async () => {
  await store.commit([{ table: 'meta', key: bytes(3), value: bytes(1) }])
  const next = await home.openNew()
  assert.is(next.get('meta', bytes(3)), undefined)
  await next.commit([{ table: 'meta', key: bytes(3), value: bytes(2) }])
  await next.close()
  await home.dropNew()
  assert.equal(store.get('meta', bytes(3)), bytes(1))
  const again = await home.openNew()
  await again.commit([{ table: 'meta', key: bytes(3), value: bytes(2) }])
  await again.close()
  await store.close()
  await home.replace()
  store = await home.open()
  assert.equal(store.get('meta', bytes(3)), bytes(2))
})

test('durable ranges are what adding numbers one by one gives', async () => {
  const add = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 8 }))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(add, { minLength: 1, maxLength: 6 }), { maxLength: 8 }),
      add,
      async (commits, ask) => {
        const index = new ArchiveIndex(new FakeIndexStore())
        let model: Range[] = []
        for (const commit of commits) {
          const batch = new IndexBatch(index)
          for (const [first, length] of commit) {
            batch.addDurable(CAMERA, LOG, first, first + length)
            model = addRange(model, first, first + length)
          }
          // Ranges of another log are never touched.
          batch.addDurable(CAMERA, '00000000000000a2', 1000, 1000)
          await index.commit(batch.changes())
        }
        assert.equal(index.durable(CAMERA, LOG, 0, 1e9), model)
        const [first, last] = [ask[0], ask[0] + ask[1]]
        const clipped = model.flatMap(([low, high]): Range[] =>
          high < first || low > last ? [] : [[Math.max(low, first), Math.min(high, last)]],
        )
        assert.equal(index.durable(CAMERA, LOG, first, last), clipped)
      },
    ),
  )
})

test('keys keep the order of numbers', () => {
  const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  fc.assert(
    fc.property(safe, safe, (a, b) => {
      const [keyA, keyB] = [fragmentKey(CAMERA, LOG, a), fragmentKey(CAMERA, LOG, b)]
      assert.is(Math.sign(Buffer.compare(keyA, keyB)), Math.sign(a - b))
      assert.equal(parseFragmentKey(keyA), { camera: CAMERA, log: LOG, seq: a })
      const id = { camera: CAMERA, startUs: a, log: LOG, firstSeq: b }
      assert.equal(parseFileKey(fileKey(id)), id)
    }),
  )
  assert.equal(afterPrefix(bytes(1, 255, 255)), bytes(2))
  assert.is(afterPrefix(bytes(255, 255)), undefined)
})

test('fragment rows come back as they were', () => {
  const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  const rows: fc.Arbitrary<FragmentRow> = fc.record(
    {
      fileStartUs: safe,
      fileFirstSeq: safe,
      offset: safe,
      bytes: fc.nat(0xffffffff),
      headerBytes: fc.nat(0xffff),
      startUs: safe,
      durationUs: safe,
      ticks: safe,
      trafNumber: fc.nat(255),
      receivedUs: safe,
      hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    },
    { noNullPrototype: true },
  )
  fc.assert(fc.property(rows, (row) => assert.equal(decodeFragmentRow(encodeFragmentRow(row)), row)))
})

test('a fake home hands out what it was given', async () => {
  const fake = new FakeIndexHome()
  await (await fake.openNew()).commit([{ table: 'meta', key: bytes(1), value: bytes(1) }])
  await fake.replace()
  assert.equal((await fake.open()).get('meta', bytes(1)), bytes(1))
})

test.run()

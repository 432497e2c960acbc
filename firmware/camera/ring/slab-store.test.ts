/** Reading from slabs: one file is kept open, and never for longer than it is the slab's. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { seededRandom } from '../../platform/random.ts'
import { isHomewardError, systemCode } from '../../wire/errors.ts'
import { BLOCK_BYTES, encodeCardRecord } from './card-record.ts'
import type { Entry } from './log-index.ts'
import { Patience } from './patience.ts'
import { DIR, fragmentMeta, SLAB_BYTES } from './ring-fixture.ts'
import { FakeSealer, unsealFake } from './sealer-fake.ts'
import { SlabStore } from './slab-store.ts'

const STALL_MS = 1000

function storeOn(disk: FakeDisk, clock = new FakeClock()): SlabStore {
  return new SlabStore(disk, DIR, SLAB_BYTES, new Patience(clock, STALL_MS))
}

/** Slabs 0 and 1 with three records each, of their first use. */
async function scene() {
  const disk = new FakeDisk()
  const clock = new FakeClock()
  await disk.makeDir(DIR)
  const store = storeOn(disk, clock)
  const sealer = new FakeSealer()

  async function write(slab: number, place: number, seq: number, epoch: number): Promise<Entry> {
    const meta = { ...fragmentMeta(seq), kind: 'fragment', seq, span: 1 } as const
    const record = sealer.seal(meta, [Buffer.from(`record ${seq} of epoch ${epoch}`)])
    const offset = place * BLOCK_BYTES
    await store.select(slab)
    await store.write(encodeCardRecord(record, epoch), offset)
    return { ...meta, log: sealer.log, bytes: record.byteLength, slab, offset }
  }

  const entries: Entry[] = []
  for (const slab of [0, 1]) {
    await store.create(slab)
    for (const place of [0, 1, 2]) entries.push(await write(slab, place, 3 * slab + place, 1))
  }
  disk.calls.length = 0
  /** What was done to the files, reads left out. */
  const files = () => {
    const seen = disk.calls.filter(({ operation }) => operation === 'open' || operation === 'close')
    return seen.map(({ operation, path }) => `${operation} ${path.slice(-8, -4)}`)
  }
  return { disk, clock, store, write, entries, files }
}

/** What the record says, or undefined when it is not there as it was. */
async function textOf(store: SlabStore, entry: Entry, epoch: number): Promise<string | undefined> {
  const record = await store.read(entry, epoch)
  return record && Buffer.from(unsealFake(record)).toString()
}

function entryAt(entries: readonly Entry[], at: number): Entry {
  const entry = entries[at]
  if (entry === undefined) throw new Error(`no entry ${at}`)
  return entry
}

test('a slab is opened once for all that is read of it, and closed when another one is read', async () => {
  const { store, entries, files } = await scene()
  for (const entry of entries) assert.is(await textOf(store, entry, 1), `record ${entry.seq} of epoch 1`)
  assert.equal(files(), ['open 0000', 'open 0001', 'close 0000'])
  store.close()
  await Promise.resolve()
  assert.equal(files().slice(3), ['close 0001', 'close 0001'], 'the one that was read and the one that was written')
})

test('a slab that is written anew in its place: the old record is not there any more, the new one is', async () => {
  const { store, write, entries, files } = await scene()
  const old = entryAt(entries, 0)
  assert.is(await textOf(store, old, 1), 'record 0 of epoch 1')
  const fresh = await write(0, 0, 9, 2)
  assert.is(await textOf(store, old, 1), undefined)
  assert.is(await textOf(store, old, 2), undefined, 'another number stands there')
  assert.is(await textOf(store, fresh, 2), 'record 9 of epoch 2')
  assert.is(await textOf(store, fresh, 1), undefined, 'the epoch is another one')
  assert.is(files().filter((line) => line === 'open 0000').length, 2, 'once to read, once to write')
})

test('a slab that was removed and made again is another file', async () => {
  const { store, write, entries } = await scene()
  const old = entryAt(entries, 0)
  assert.is(await textOf(store, old, 1), 'record 0 of epoch 1')
  await store.remove(0)
  const gone = await textOf(store, old, 1).catch((error: unknown) => systemCode(error))
  assert.is(gone, 'ENOENT')
  await store.create(0)
  assert.is(await textOf(store, old, 1), undefined)
  const fresh = await write(0, 0, 0, 2)
  assert.is(await textOf(store, fresh, 2), 'record 0 of epoch 2')
})

test('a slab that is read while it is being removed is not taken for the next one of its number', async () => {
  const { disk, store, write, entries } = await scene()
  const hang = disk.arm({ on: 'remove', hang: true })
  const removing = store.remove(0)
  assert.is(await textOf(store, entryAt(entries, 0), 1), 'record 0 of epoch 1')
  hang.release()
  await removing
  await store.create(0)
  const fresh = await write(0, 0, 0, 2)
  assert.is(await textOf(store, fresh, 2), 'record 0 of epoch 2')
})

test('after an error the file is opened anew, and so is one that could not be opened', async () => {
  for (const on of ['read', 'open'] as const) {
    const { disk, store, entries, files } = await scene()
    disk.arm({ on, code: 'EIO' })
    const error = await store.read(entryAt(entries, 0), 1).catch((reason: unknown) => systemCode(reason))
    assert.is(error, 'EIO')
    for (const entry of entries.slice(0, 3)) assert.is(await textOf(store, entry, 1), `record ${entry.seq} of epoch 1`)
    assert.equal(files(), on === 'read' ? ['open 0000', 'close 0000', 'open 0000'] : ['open 0000', 'open 0000'])
  }
})

test('what is being read is not closed under the reader', async () => {
  const { disk, store, entries, files } = await scene()
  const hang = disk.arm({ on: 'read', path: 'slab-0000', hang: true })
  const slow = textOf(store, entryAt(entries, 0), 1)
  assert.is(await textOf(store, entryAt(entries, 4), 1), 'record 4 of epoch 1')
  assert.not.ok(files().includes('close 0000'))
  hang.release()
  assert.is(await slow, 'record 0 of epoch 1')
  await Promise.resolve()
  assert.ok(files().includes('close 0000'))
})

test('an open that hangs is given up, and what it opens after all is closed', async () => {
  const { disk, clock, store, entries, files } = await scene()
  const hang = disk.arm({ on: 'open', path: 'slab-0000', hang: true })
  const stuck = store.read(entryAt(entries, 0), 1).catch((error: unknown) => error)
  await clock.advance(STALL_MS)
  assert.ok(isHomewardError(await stuck, 'RING_FAILED'))
  hang.release()
  assert.is(await textOf(store, entryAt(entries, 0), 1), 'record 0 of epoch 1')
  assert.equal(files(), ['open 0000', 'open 0000', 'close 0000'])
})

test('on a card that nothing is written to, nothing stays open', async () => {
  const { disk, clock, entries, files } = await scene()
  const store = new SlabStore(disk, DIR, SLAB_BYTES, new Patience(clock, STALL_MS))
  await store.read(entryAt(entries, 0), 1)
  await store.reader(1).read(0, 10)
  assert.equal(files(), ['open 0000', 'close 0000', 'open 0001', 'close 0001'])
})

test('a power cut in the middle of an ACK mark leaves the one before', async () => {
  const { disk, store } = await scene()
  // Long enough to be torn.
  const mark = (counter: number) => {
    const acked = Array.from({ length: 200 }, (_, at): [number, number] => [at * 30, at * 30 + counter])
    const log = { log: '00000000000000aa', recipient: new Uint8Array(32), end: 6000, acked }
    return { counter, epoch: 1, complete: true, slabs: new Map(), logs: [log] }
  }
  await store.writeMark(mark(1))
  for (const folder of ['/', '/card', DIR]) await disk.syncDir(folder)
  for (let counter = 2; counter < 6; counter++) {
    const cuts: FakeDisk[] = []
    const stop = disk.watch(({ operation, path }) => {
      if (operation === 'write' && path.endsWith('acks')) cuts.push(disk.fork())
    })
    await store.writeMark(mark(counter))
    stop()
    for (let seed = 1; seed <= 30; seed++) {
      const cut = cuts[0]?.fork()
      cut?.crash(seededRandom(seed), 'mixed')
      const found = cut && (await storeOn(cut).readMark()).mark
      assert.ok(
        found !== undefined && found.counter >= counter - 1,
        `counter ${counter}, seed ${seed}: ${found?.counter}`,
      )
    }
  }
  store.close()
})

test.run()

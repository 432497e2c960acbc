import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cardBytes, encodeCardRecord } from './card-record.ts'
import { fragmentMeta, KIB } from './ring-fixture.ts'
import { reserveStart, type SlabContents, type SlabReader, scanSlab } from './scan.ts'
import { FakeSealer } from './sealer-fake.ts'

const SLAB = 512 * KIB
const sealer = new FakeSealer({ log: 'ab'.repeat(8) })

/** A slab in memory, read through a counter; blocks in `unreadable` fail. */
class MemorySlab implements SlabReader {
  readonly content = new Uint8Array(SLAB)
  readonly bytes = SLAB
  readonly unreadable = new Set<number>()
  reads = 0
  readBytes = 0

  async read(position: number, bytes: number): Promise<Uint8Array | undefined> {
    this.reads++
    this.readBytes += bytes
    for (let at = position - (position % 4096); at < position + bytes; at += 4096) {
      if (this.unreadable.has(at)) return undefined
    }
    return this.content.slice(position, position + bytes)
  }

  /** Writes records of these sizes one behind the other; returns where each stands. */
  write(epoch: number, seq: number, sizes: readonly number[], from = 0): number[] {
    let at = from
    return sizes.map((size, index) => {
      const record = sealer.seal({ ...fragmentMeta(0), kind: 'fragment', seq: seq + index, span: 1 }, [
        new Uint8Array(size).fill(epoch),
      ])
      const offset = at
      this.content.set(Buffer.concat(encodeCardRecord(record, epoch)), offset)
      at += cardBytes(record.byteLength - 312)
      return offset
    })
  }

  gap(epoch: number, seq: number, span: number, slot: number): void {
    const record = sealer.seal({ ...fragmentMeta(0), kind: 'gap', seq, span }, [new Uint8Array(10)])
    this.content.set(Buffer.concat(encodeCardRecord(record, epoch)), reserveStart(SLAB) + slot * 4096)
  }

  spoil(offset: number): void {
    this.content[offset + 100] = (this.content[offset + 100] ?? 0) ^ 1
  }
}

const all = (slab: SlabReader, epoch = 0) => scanSlab(slab, { epoch, complete: () => false })
const seqs = ({ records }: SlabContents) => records.map(({ header }) => header.seq)

test('an unbroken slab is read header by header', async () => {
  const slab = new MemorySlab()
  slab.write(3, 10, Array(10).fill(40 * KIB))
  const found = await scanSlab(slab, { epoch: 0, complete: ({ records }) => records.length === 10 })
  assert.equal([found.epoch, seqs(found)], [3, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]])
  assert.is(slab.reads, 12)
  assert.ok(slab.readBytes < 80 * KIB, `${slab.readBytes} bytes`)
})

test('damage in the middle, at the start, twice: everything else is found', async () => {
  for (const bad of [[0], [3], [3, 4], [0, 5], [1, 3, 5], [9]]) {
    const slab = new MemorySlab()
    const offsets = slab.write(3, 0, [10, 9000, 40_000, 4000, 5, 60_000, 100, 4096, 30_000, 20])
    for (const at of bad) slab.spoil(offsets[at] ?? 0)
    const expected = Array.from({ length: 10 }, (_, at) => at).filter((at) => !bad.includes(at))
    assert.equal(seqs(await all(slab)), expected, `damaged: ${bad}`)
  }
})

test('blocks that cannot be read are stepped over', async () => {
  const slab = new MemorySlab()
  const offsets = slab.write(3, 0, Array(6).fill(50 * KIB))
  slab.unreadable.add(offsets[2] ?? 0)
  assert.equal(seqs(await all(slab)), [0, 1, 3, 4, 5])
})

test('records of an earlier use are left out, wherever the newer ones begin', async () => {
  for (const sizes of [[10], [20_000, 20_000], [70_000], [100, 100, 100_000]]) {
    const slab = new MemorySlab()
    slab.write(3, 100, Array(9).fill(40 * KIB))
    slab.write(5, 0, sizes)
    const found = await all(slab)
    assert.equal([found.epoch, seqs(found)], [5, sizes.map((_, at) => at)], `${sizes}`)
  }
})

test('an old record at the start does not hide newer ones behind it', async () => {
  const slab = new MemorySlab()
  slab.write(3, 100, Array(9).fill(40 * KIB))
  const old = slab.content.slice(0, 4096)
  slab.write(5, 0, [30_000, 30_000, 30_000])
  slab.content.set(old)
  const found = await all(slab)
  assert.equal([found.epoch, seqs(found)], [5, [1, 2]])
})

test('the mark of a newer use rules the old ones out, even when nothing of the new one is there', async () => {
  const slab = new MemorySlab()
  slab.write(3, 100, Array(9).fill(40 * KIB))
  const found = await all(slab, 4)
  assert.equal([found.epoch, seqs(found)], [4, []])
})

test('a record inside the payload of another is not taken for one', async () => {
  const slab = new MemorySlab()
  const inner = new MemorySlab()
  inner.write(3, 50, [100])
  const record = sealer.seal({ ...fragmentMeta(0), kind: 'fragment', seq: 0, span: 1 }, [inner.content.slice(0, 8192)])
  slab.content.set(Buffer.concat(encodeCardRecord(record, 3)))
  assert.equal(seqs(await all(slab)), [0])
})

test('gap records of the reserve: whole ones of this use', async () => {
  const slab = new MemorySlab()
  slab.write(3, 0, [100])
  slab.gap(3, 1, 1, 0)
  slab.gap(3, 1, 2, 1)
  slab.gap(2, 77, 2, 5)
  slab.gap(3, 9, 9, 15)
  slab.content[reserveStart(SLAB) + 15 * 4096 + 330] = 1
  const found = await all(slab)
  assert.equal(
    found.reserve.map(({ header, offset }) => [header.seq, header.span, offset - reserveStart(SLAB)]),
    [
      [1, 1, 0],
      [1, 2, 4096],
    ],
  )
})

test('noise is searched to the end and nothing is made of it', async () => {
  const slab = new MemorySlab()
  for (let at = 0; at < SLAB; at++) slab.content[at] = (at * 2654435761) >>> 13
  assert.equal(await all(slab), { epoch: 0, records: [], reserve: [] })
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { randomBelow, seededRandom } from '../../platform/random.ts'
import { Journal, readJournal } from './journal.ts'
import type { JournalEntry } from './journal-entry.ts'
import { decodeLine, encodeLine } from './journal-entry.ts'

const PATH = '/journal.log'
const SEED = 99

function note(index: number, length = 10): JournalEntry {
  return { type: 'cut', atUs: index, path: 'p'.repeat(length), bytes: index, reason: 'line\nbreak' }
}

async function open(disk: FakeDisk, from = 0): Promise<{ journal: Journal; replayed: JournalEntry[] }> {
  const replayed: JournalEntry[] = []
  const journal = await Journal.open(disk, PATH, from, (entries) => {
    replayed.push(...entries)
  })
  return { journal, replayed }
}

async function readAll(
  disk: FakeDisk,
  path = PATH,
): Promise<{ entries: JournalEntry[]; bytes: number; damaged: number }> {
  const entries: JournalEntry[] = []
  const read = await readJournal(disk, path, (found) => void entries.push(...found))
  assert.is(read.entries, entries.length)
  return { ...read, entries }
}

test('a line comes back, and no changed one does', () => {
  const line = encodeLine(note(1))
  assert.equal(decodeLine(line.subarray(0, -1)), note(1))
  assert.is(line.indexOf(10), line.byteLength - 1)
  for (let bit = 0; bit < (line.byteLength - 1) * 8; bit++) {
    const changed = new Uint8Array(line.subarray(0, -1))
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.is(decodeLine(changed), undefined, `bit ${bit}`)
  }
})

test('what was appended is replayed from any line on', async () => {
  const disk = new FakeDisk()
  const { journal } = await open(disk)
  await journal.append([note(0), note(1)])
  const middle = journal.bytes
  await journal.append([note(2)])
  assert.equal((await open(disk)).replayed, [note(0), note(1), note(2)])
  assert.equal((await open(disk, middle)).replayed, [note(2)])
  assert.equal((await open(disk, journal.bytes)).replayed, [])
  assert.equal(await readAll(disk, '/none'), { entries: [], bytes: 0, damaged: 0 })
})

test('what an append that failed left behind never counts', async () => {
  const disk = new FakeDisk()
  const { journal } = await open(disk)
  await journal.append([note(0)])
  disk.arm({ on: 'datasync', code: 'EIO' })
  const [failed] = await Promise.allSettled([journal.append([note(1, 200), note(2), note(3)])])
  assert.is(failed?.status, 'rejected')
  await journal.append([note(4)])
  assert.equal((await readAll(disk)).entries, [note(0), note(4)])
})

test('after a power cut every synced line is there, and a torn one is gone', async () => {
  const random = seededRandom(SEED)
  for (let round = 0; round < 60; round++) {
    const disk = new FakeDisk()
    const { journal } = await open(disk)
    await disk.syncDir('/')
    const synced = 1 + randomBelow(random, 5)
    for (let index = 0; index < synced; index++) await journal.append([note(index, randomBelow(random, 900))])
    // The last append is under way when the power goes.
    disk.arm({ on: 'datasync', hang: true })
    void journal.append([note(77, 1500), note(78)])
    for (let turn = 0; turn < 9; turn++) await Promise.resolve()
    disk.crash(random)
    const { journal: again, replayed } = await open(disk)
    const found = replayed.map((entry) => entry.atUs)
    const before = Array.from({ length: synced }, (_, index) => index)
    assert.equal(found.slice(0, synced), before, `seed ${SEED}, round ${round}`)
    await again.append([note(99)])
    const all = await readAll(disk)
    assert.equal(
      [...found, 99],
      all.entries.map((entry) => entry.atUs),
    )
    // Of the two lines under way the second may have survived alone.
    assert.ok(all.damaged <= 1, `seed ${SEED}, round ${round}`)
    assert.is(all.bytes, again.bytes)
  }
})

test('a journal of many pieces is read whole', async () => {
  const disk = new FakeDisk()
  const { journal } = await open(disk)
  const entries = Array.from({ length: 90 }, (_, index) => note(index, 100_000))
  await journal.append(entries)
  await journal.append([note(500, 9_000_000), note(501)])
  const { replayed } = await open(disk)
  assert.equal(
    replayed.map((entry) => entry.atUs),
    [...entries.keys(), 500, 501],
  )
})

test.run()

/** What must be there after a power cut in the life of an archive (archive-life-fixture.ts). */
import * as assert from 'uvu/assert'
import { readBoxHeader } from '../../media/boxes.ts'
import type { FakeDisk } from '../../platform/disk-fake.ts'
import { type Random, seededRandom } from '../../platform/random.ts'
import { equalBytes, fromHex, toHex } from '../../wire/bytes.ts'
import type { RecordHeader } from '../../wire/record.ts'
import type { Archive } from './archive.ts'
import { bytesOf } from './archive-fixture.ts'
import { allFiles, CAMERAS, type DiskScene, nameOf, openArchiveOn, payloadOf } from './archive-life-fixture.ts'
import { sha256 } from './hash.ts'
import type { FakeIndexHome } from './index-store-fake.ts'

/** Crashes disk and index, starts again, and holds what is found against what was answered for. */
export async function checkDisk({ disk, home, told }: DiskScene, random: Random, way: number): Promise<void> {
  disk.crash(random)
  home.crash(random)
  const archive = await openArchiveOn(disk, home)
  await isKept(archive, disk, told)
  if (way === 1) await takesTheRest(archive, disk, told)
  await archive.close()
  if (way === 2) await isRebuilt(disk, home, told)
}

/** Each promise held against files, index and ledger. */
async function isKept(archive: Archive, disk: FakeDisk, told: DiskScene['told']): Promise<void> {
  const { damaged, missing, unindexed, gaps } = await archive.verify({ deep: true })
  assert.equal({ damaged, missing, unindexed }, { damaged: [], missing: [], unindexed: [] })
  // What was to be dated when the power went is dated now, meanwhile.
  await archive.settledDates()
  const stored = new Map<string, string>()
  for (const camera of CAMERAS) {
    for (const file of allFiles(archive, camera)) {
      const bytes = await bytesOf(disk, file.row.path)
      for (const { log, seq, row } of archive.fragmentsOf(file)) {
        const name = nameOf(camera, log, seq)
        assert.not.ok(stored.has(name), `${name} is in two files`)
        stored.set(name, toHex(row.hash))
        const one = told.get(name)
        assert.is(one?.what, 'fragment', `${name} was never sent`)
        assert.is(toHex(row.hash), one?.hash, `${name} is not what was captured`)
        assert.is.not(one?.expired, 'done', `${name} was deleted and is back`)
        if (one !== undefined) isData(bytes.subarray(row.offset, row.offset + row.bytes), one.header, name)
      }
    }
  }
  const entered = new Map<string, string>()
  for (const { camera, log, first, last, kind, path } of gaps) {
    if (kind === 'conflict') continue
    for (let seq = first; seq <= last; seq++) {
      const name = nameOf(fromHex(camera), log, seq)
      assert.not.ok(stored.has(name), `${name} is stored and entered as ${kind}`)
      assert.not.ok(entered.has(name), `${name} is entered twice: ${kind} and ${entered.get(name)}`)
      entered.set(name, kind)
      const one = told.get(name)
      assert.is(kind, one?.what === 'fragment' ? 'expired' : one?.what, `${name} in the ledger`)
      if (kind === 'quarantine') assert.is(toHex(sha256(await bytesOf(disk, path))), one?.hash, `${name} set apart`)
      if (kind === 'expired') assert.is.not(one?.expired, 'no', `${name} was never to be deleted`)
    }
  }
  for (const [name, { answered, expired }] of told) {
    if (answered) assert.ok(stored.has(name) || entered.has(name), `${name} was answered for and is not there`)
    if (answered && expired === 'no') assert.is.not(entered.get(name), 'expired', `${name} was deleted`)
  }
  // What the camera would be told to let go of is exactly what is there or entered.
  for (const camera of CAMERAS) {
    for (const { log, ranges } of archive.logs(camera)) {
      for (const [first, last] of ranges) {
        for (let seq = first; seq <= last; seq++) {
          const name = nameOf(camera, log, seq)
          assert.ok(stored.has(name) || entered.has(name), `${name} is called durable and is nowhere`)
        }
      }
    }
  }
  for (const name of [...stored.keys(), ...entered.keys()]) {
    const [camera = '', log = '', seq = ''] = name.split('/')
    const durable = archive.durable(fromHex(camera), log, Number(seq), Number(seq))
    assert.is(durable.length, 1, `${name} is there and not called durable`)
  }
}

/** Seen without the archive's own checks: behind the times in its moof a fragment stands in the file as it was captured. */
function isData(entry: Uint8Array, header: RecordHeader, name: string): void {
  const { fragment } = payloadOf(header)
  const data = fragment.subarray(readBoxHeader(fragment)?.sizeBytes ?? 0)
  assert.ok(data.byteLength > 0)
  assert.ok(
    equalBytes(entry.subarray(entry.byteLength - data.byteLength), data),
    `${name} is not in its file as it was`,
  )
}

/** What was not answered for is sent again and takes its place, whatever the crash left in it. */
async function takesTheRest(archive: Archive, disk: FakeDisk, told: DiskScene['told']): Promise<void> {
  const all = new Map([...told].map(([name, one]) => [name, { ...one }]))
  const open = [...all.values()].filter(({ what, expired }) => what === 'fragment' && expired === 'no')
  await Promise.all(
    open.map(async (one) => {
      const result = await archive.store(one.header.camera, one.header, payloadOf(one.header), 1)
      assert.ok(result === 'stored' || result === 'duplicate', `${result} of what was sent before`)
      one.answered = true
    }),
  )
  disk.crash(seededRandom(1), 'everything')
  await isKept(archive, disk, all)
}

/** The index is lost as well: files and journal have all that was answered for. */
async function isRebuilt(disk: FakeDisk, home: FakeIndexHome, told: DiskScene['told']): Promise<void> {
  const archive = await openArchiveOn(disk, home)
  await archive.reindex()
  await isKept(archive, disk, told)
  await archive.close()
}

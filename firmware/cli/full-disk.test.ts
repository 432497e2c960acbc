/** A real file system filled to its last byte, with the real index on it: deleting works all the same, and ACKs go on. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { handmadeFragment } from '../media/sample-streams.ts'
import { RealClock } from '../platform/clock-real.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { realRandom } from '../platform/random.ts'
import { openArchive } from '../storage/archive/archive.ts'
import { CAMERA, headerOf, INIT, SECOND, T0 } from '../storage/archive/archive-fixture.ts'
import { initRoot } from '../storage/archive/root.ts'
import { ArchiveSlot } from '../storage/archive-slot.ts'
import { Retention } from '../storage/retention/retention.ts'
import { isHomewardError, systemCode } from '../wire/errors.ts'
import { mountTest } from './bad-disk-fixture.ts'
import { cannotMount } from './mount-fixture.ts'

const MIB = 2 ** 20

mountTest('a disk that something else filled to the last byte', await cannotMount(), async (home, mounts) => {
  const { folder: root } = await mounts.tmpfs(join(home.folder, 'full'), '40m')
  const [disk, clock] = [new RealDisk(), new RealClock()]
  await initRoot(disk, root, realRandom, T0)
  const slot = await ArchiveSlot.start({
    open: () => openArchive({ disk, clock, root, minFreeBytes: 2 * MIB }),
    clock,
    onReleased: () => {},
    onReopened: () => {},
  })
  const options = { slot, disk, clock, root, minFreeBytes: 2 * MIB, roomLeavesUs: 0 }
  const retention = new Retention({ ...options, defaults: { days: null, bytes: null } })
  await retention.start()
  const store = (seq: number) => {
    const sizes = [200_000, 40, 41, 42]
    const fragment = handmadeFragment([{ id: 1, decodeTime: 90_000 + seq * 1000, sampleTicks: 250, sizes }], 7)
    const header = headerOf({ seq, wallUs: T0 + seq * 600 * SECOND, monoUs: seq * 600 * SECOND })
    return slot.store(CAMERA, header, { init: INIT, fragment }, clock.wallUs())
  }
  for (let seq = 0; seq < 60; seq++) await store(seq)
  const filler = await open(join(root, 'filler'), 'w')
  const block = Buffer.alloc(64 * 1024, 1)
  for (let size = block.byteLength; size >= 1; ) {
    await filler.write(block, 0, size).catch((error: unknown) => {
      assert.is(systemCode(error), 'ENOSPC')
      size = Math.floor(size / 2)
    })
  }
  await filler.close()
  assert.is((await disk.space(root)).freeBytes, 0)
  retention.poke()
  for (let tries = 0; tries < 100 && (await disk.space(root)).freeBytes < 2 * MIB; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.ok((await disk.space(root)).freeBytes >= 2 * MIB)
  // More may still be going, for this one too; a camera asks again.
  const stored = async () =>
    store(60).catch((error: unknown) => {
      assert.ok(isHomewardError(error, 'DISK_FULL'))
      return undefined
    })
  let outcome = await stored()
  for (let tries = 0; tries < 100 && outcome === undefined; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    outcome = await stored()
  }
  assert.is(outcome, 'stored')
  await retention.close()
  const { damaged, missing, unindexed, gaps } = await slot.archive.verify({ deep: true })
  assert.equal([damaged, missing, unindexed], [[], [], []])
  const left = slot.archive.filesAfter(CAMERA, undefined, 99)
  assert.is(left.length + gaps.length, 61, 'each is there or in the ledger')
  assert.ok(gaps.length > 5 && gaps.every(({ kind, last }) => kind === 'expired' && last < 57), `${gaps.length} went`)
  await slot.close()
})

test.run()

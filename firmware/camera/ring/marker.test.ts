import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { readWhole, writeAtomic } from '../../platform/disk-files.ts'
import { seededRandom } from '../../platform/random.ts'
import { type ErrorCode, isHomewardError } from '../../wire/errors.ts'
import { initRing, readMarker } from './marker.ts'
import { contentsOf, DIR, fragmentAt, KIB, openFake, prepareCard, SLAB_BYTES } from './ring-fixture.ts'

const MIB = 1024 * KIB

async function rejects(promise: Promise<unknown>, code: ErrorCode, pattern = /./): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(isHomewardError(error, code), `expected ${code}, got ${error}`)
  if (isHomewardError(error)) assert.match(error.message, pattern)
}

test('a marked folder survives a crash right after', async () => {
  const disk = new FakeDisk()
  const marker = await initRing(disk, '/a/b/ring', { capacityBytes: 900 * MIB, random: seededRandom(5) })
  disk.crash(seededRandom(1), 'nothing')
  assert.equal(await readMarker(disk, '/a/b/ring'), marker)
  assert.equal([marker.slabBytes, marker.capacityBytes, marker.owner], [64 * MIB, 900 * MIB, undefined])
  assert.match(marker.ring, /^[0-9a-f]{16}$/)
})

test('a crash on the way leaves an unmarked folder that can be marked again', async () => {
  const disk = new FakeDisk()
  const forks: FakeDisk[] = []
  disk.watch(() => forks.push(disk.fork()))
  await initRing(disk, DIR)
  for (const [at, fork] of forks.entries()) {
    fork.crash(seededRandom(at))
    await readMarker(fork, DIR).catch(async (error: unknown) => {
      assert.ok(isHomewardError(error, 'RING_UNMARKED'), `call ${at}: ${error}`)
      await initRing(fork, DIR)
    })
    const ring = await openFake(fork)
    assert.is(await ring.append(fragmentAt(0)), 'kept')
    await ring.close()
  }
})

test('a marked folder is refused, as it is or used', async () => {
  const disk = new FakeDisk()
  await prepareCard(disk)
  await rejects(initRing(disk, DIR), 'RING_MARKED', /marked as a ring already/)
  const ring = await openFake(disk)
  await ring.close()
  assert.is((await readMarker(disk, DIR)).owner, 'CAMERA-A')
  await rejects(initRing(disk, DIR), 'RING_MARKED')
})

test('sizes that cannot be are refused', async () => {
  const disk = new FakeDisk()
  for (const slabBytes of [0, 1, 6 * MIB, 4 * MIB + 1, Number.NaN]) {
    await rejects(initRing(disk, DIR, { slabBytes }), 'CONFIG_INVALID', /multiple of 4194304/)
  }
  await rejects(initRing(disk, DIR, { capacityBytes: 63 * MIB }), 'CONFIG_INVALID', /at least 67108864/)
  assert.is(await disk.stat(DIR), undefined)
})

test('a damaged marker: refused on opening, made anew by init, the slabs kept', async () => {
  const disk = new FakeDisk()
  await prepareCard(disk)
  const ring = await openFake(disk)
  await ring.append(fragmentAt(0))
  await ring.close()
  await writeAtomic(disk, `${DIR}/ring.json`, new Uint8Array(200))
  await rejects(openFake(disk), 'RING_UNMARKED', /damaged/)
  const short = await disk.open(`${DIR}/slab-0001.hwr`, 'create')
  await short.truncate(4096)
  await short.close()
  await initRing(disk, DIR, { slabBytes: 4 * MIB })
  const again = await openFake(disk, { capacityBytes: 2 * SLAB_BYTES })
  assert.equal(await contentsOf(again, ring.log), ['0:0'])
  for (let at = 0; at < 8; at++) assert.is(await again.append(fragmentAt(at)), 'kept')
  assert.equal(
    (await disk.list(DIR)).filter(({ name }) => name.startsWith('slab')).map(({ bytes }) => bytes),
    [SLAB_BYTES, SLAB_BYTES],
  )
  await again.close()
})

test('a marker of a version to come is refused, and left alone', async () => {
  const disk = new FakeDisk()
  await prepareCard(disk)
  const text = Buffer.from(JSON.stringify({ version: 2, anything: true }))
  await writeAtomic(disk, `${DIR}/ring.json`, text)
  await rejects(openFake(disk), 'RING_FOREIGN', /version 1/)
  await rejects(initRing(disk, DIR), 'RING_MARKED')
  assert.ok(text.equals((await readWhole(disk, `${DIR}/ring.json`, 999)) ?? new Uint8Array(0)))
})

test.run()

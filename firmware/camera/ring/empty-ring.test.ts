import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { emptyRing } from './empty-ring.ts'
import { readMarker } from './marker.ts'
import { CAMERA, DIR, fragmentAt, openFake, prepareCard, readAll } from './ring-fixture.ts'

const OTHER = { publicKey: new Uint8Array(32).fill(0xcb), uid: 'CAMERA-B' }

async function usedCard(): Promise<FakeDisk> {
  const disk = new FakeDisk()
  await prepareCard(disk, 4)
  const ring = await openFake(disk)
  const { meta, init, fragment } = fragmentAt(0)
  await ring.append({ meta, init, fragment })
  await ring.close()
  return disk
}

test('what was on it is gone, its sizes stay, and another camera may use it', async () => {
  const disk = await usedCard()
  const before = await readMarker(disk, DIR)
  assert.is(before.owner, CAMERA.uid)
  try {
    await openFake(disk, { camera: OTHER })
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'RING_FOREIGN'))
  }
  await emptyRing(disk, DIR)
  const after = await readMarker(disk, DIR)
  assert.equal([after.owner, after.slabBytes, after.capacityBytes], [undefined, before.slabBytes, before.capacityBytes])
  assert.is.not(after.ring, before.ring)
  const ring = await openFake(disk, { camera: OTHER })
  assert.equal([...(await readAll(ring))], [])
  await ring.append(fragmentAt(1))
  assert.is((await readAll(ring)).size, 1)
  await ring.close()
})

test('a folder that is no ring is left alone', async () => {
  const disk = new FakeDisk()
  await disk.makeDir(DIR)
  try {
    await emptyRing(disk, DIR)
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'RING_UNMARKED'))
  }
  assert.equal(await disk.list(DIR), [])
})

test.run()

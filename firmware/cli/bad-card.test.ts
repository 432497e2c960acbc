// time-out: 180 s
/** A camera's card that is read-only or not mounted: filming goes on in memory, and nothing that was on the card is lost. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { assertRecovers, mountTest, SOURCE, shown, startAll, state } from './bad-disk-fixture.ts'
import { assertRefused, homeward } from './command-fixture.ts'
import { cannotBreak, cannotMount } from './mount-fixture.ts'
import type { CameraStatus, TestHome } from './test-home.ts'

const trouble = await cannotMount()
const breakTrouble = trouble ?? (await cannotBreak())

const CARD_BYTES = 400 * 2 ** 20

const onCard = ({ ring }: CameraStatus) => ring.card === 'ok'

/** Footage goes on reaching the storage device, around the card. */
async function assertGoesOn(home: TestHome): Promise<void> {
  const { seq } = await home.status('camera')
  const now = await home.until('camera', 'storing on', ({ seq: { acked } }) => acked > seq.acked + 4)
  assert.is(now.seq.lost, 0)
}

mountTest(
  'a card that is read-only at the start: what is on it is sent all the same',
  trouble,
  async (home, mounts) => {
    const card = await mounts.tmpfs(home.ring('camera'), '400m')
    await startAll(home)
    await home.program('storage').stop()
    const before = await home.status('camera')
    await home.until('camera', 'piling up', ({ seq }) => seq.captured > before.seq.captured + 6)
    await home.program('camera').stop()
    await card.remount('ro')
    await home.startCamera('camera', SOURCE)
    const waiting = await home.status('camera')
    assert.is(waiting.ring.card, 'read-only')
    assert.ok(waiting.ring.unackedBytes > 2 ** 20, 'what is on the card is known')
    assert.match(await shown(home, 'camera'), /\nCard {6}can be read but not written: recording to memory/)
    await home.startStorage()
    await assertGoesOn(home)
    await card.remount('rw')
    await assertRecovers(home, onCard)
  },
)

mountTest('a card that goes read-only is checked and put back', breakTrouble, async (home, mounts) => {
  const card = await mounts.ext4(home.ring('camera'), join(home.folder, 'card.img'), CARD_BYTES)
  await startAll(home)
  await card.breakDisk()
  await home.until('camera', 'off its card', ({ ring }) => ring.card !== 'ok')
  await assertGoesOn(home)
  await home.until('camera', 'known to be read-only', ({ ring }) => ring.card === 'read-only')
  assert.match(await shown(home, 'camera'), /\nCard {6}can be read but not written: recording to memory/)
  await assertGoesOn(home)
  await card.unmount()
  await card.mountRepaired()
  await assertRecovers(home, onCard)
})

mountTest('a card that is not mounted, at the first start and later', trouble, async (home, mounts) => {
  const ring = home.ring('camera')
  const card = await mounts.removable(ring, '300m')
  await startAll(home)
  await home.program('camera').stop()
  await card.unmount()
  const run = ['camera', 'run', '--ring', ring, '--source', SOURCE, '--listen', '127.0.0.1:0']
  assertRefused(
    await homeward([...run, ...state(home, 'new')]),
    1,
    /is not marked as a ring\. Is the card mounted there\?/,
  )
  await home.startCamera('camera', SOURCE)
  await assertGoesOn(home)
  assert.is((await home.status('camera')).ring.card, 'gone')
  assert.match(
    await shown(home, 'camera'),
    /\nCard {6}is not there: recording to memory;.*\n {10}.* is not marked as a ring\. Is the card mounted/,
  )
  assert.equal(await readdir(ring), [], 'the empty mount point is left alone')
  await card.mountAgain()
  await assertRecovers(home, onCard)
})

mountTest('a card that cannot be prepared', trouble, async (home, mounts) => {
  const small = await mounts.tmpfs(join(home.folder, 'small'), '1m')
  await small.remount('ro')
  const dir = join(small.folder, 'card')
  assertRefused(await homeward(['camera', 'ring', 'init', dir]), 2, /cannot be made a ring \(EROFS\)/)
})

test.run()

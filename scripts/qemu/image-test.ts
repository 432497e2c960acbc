/**
 * `make test-image`: two virtual machines from the two images on one bridge, a P2P server beside them. Slow, as everything is
 * emulated, and therefore no part of `make test`. IMAGE_TEST_FOLDER keeps disks and logs for whoever wants to look into them; each
 * line of a console's log begins with the seconds since power on, by the clock and of the host's processors.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { imageFolder, SOURCE } from '../image/places.ts'
import { CAMERA, START_WITHIN_MS, STORAGE } from './device.ts'
import { CHANGE_WITHIN_MS, ImageHome, say } from './home.ts'

const FRAGMENTS = 5
const RSS_MAX_KIB = 110 * 1024
const IDLE_S = 60
/** From power on, where the emulator has the processors for itself: then HOMEWARD_QUIET=1 makes it a condition. */
const FIRST_FRAGMENT_MAX_S = 25

assert.ok(existsSync(join(SOURCE, 'dist/cli/main.js')), 'make build')
for (const { board } of [CAMERA, STORAGE]) {
  assert.ok(existsSync(join(imageFolder(board), 'homeward.img')), `make BOARD=${board} image`)
}
const home = new ImageHome()
const { camera, storage } = home

test.after(() => home.close())

test('both devices start, make their data partition, and their empty card and disk ready', async () => {
  await home.start()
  for (const { console } of [camera, storage]) {
    assert.match(await console.run('mount'), / on \/data type ext4 \(rw,nosuid,nodev,noatime/)
    assert.match(await console.run('mount'), / on \/ type squashfs \(ro/)
  }
})

test('set up over the serial lines, the footage lands on the SATA disk', async () => {
  const said = await home.provision()
  assert.match(said, /set up, and connected with the storage device$/)
  const { acked, path } = await home.seen((seen) => seen.acked >= FRAGMENTS)
  say(`safe: ${acked} fragments, path ${path}`)
  await home.verify()
})

test('on one bridge the devices end up on the direct path', async () => {
  const { path } = await home.seen((seen) => seen.path === 'lan')
  assert.is(path, 'lan')
})

test('while it films, the camera takes little memory and writes nothing but its ring', async () => {
  const rss = await camera.console.run(
    'sed -n "s/^VmRSS:[^0-9]*//p" "/proc/$(cat /run/service/camera/supervise/pid)/status"',
  )
  say(`camera agent: ${rss}`)
  // Whatever set-up left behind is written by then.
  await camera.console.run('sync; sleep 15; sync', CHANGE_WITHIN_MS)
  // An empty flush counts as a write of no sectors.
  const written = 'read -r _ _ _ _ _ _ sectors _ </sys/block/vda/stat; echo "$sectors"'
  const system = await camera.console.run(`${written}; sleep ${IDLE_S}; sync; ${written}`, CHANGE_WITHIN_MS)
  const [before, after] = system.split('\n')
  say(`sectors written to the system's disk: ${before}, a minute later ${after}`)
  assert.is(after, before)
  assert.ok(Number.parseInt(rss, 10) <= RSS_MAX_KIB, rss)
})

test('after a power cut the camera films again by itself, and nothing on its card is lost', async () => {
  await camera.cut()
  const startedS = (await camera.start()) / 1000
  // A small program, so that asking takes little from the camera. After a power cut the log begins anew.
  await camera.console.run(
    'until grep -s "the first fragment is kept" /data/log/camera/current; do usleep 200000; done',
    START_WITHIN_MS,
  )
  const [tookS, processorS] = [camera.onForS, camera.machine.processorS]
  say(
    `first fragment on the card ${tookS.toFixed(1)} s after power on, ${processorS.toFixed(1)} s of processor time; started after ${startedS.toFixed(1)} s`,
  )
  if (process.env.HOMEWARD_QUIET === '1') assert.ok(tookS <= FIRST_FRAGMENT_MAX_S, `${tookS} s`)
  await home.caughtUp()
  await home.verify()
})

test('after a power cut of the storage device it takes up where it was', async () => {
  await storage.cut()
  await storage.start()
  await home.caughtUp()
  await home.verify()
})

test('the files on the disk play, show the camera its test picture, and hold every fragment once', async () => {
  await home.checkDisk()
})

test.run()

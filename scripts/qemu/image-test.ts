/**
 * `make test-image`: two virtual machines from the two images on one bridge, a P2P server beside them. Slow, as everything is
 * emulated, and therefore no part of `make test`. IMAGE_TEST_FOLDER keeps disks and logs for whoever wants to look into them.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { imageFolder, SOURCE } from '../image/places.ts'
import { CAMERA, STORAGE } from './device.ts'
import { playDisk } from './film.ts'
import { CHANGE_WITHIN_MS, countsOf, ImageHome, say } from './home.ts'

const FRAGMENTS = 5
/** A fragment is a second at ten frames. */
const FRAMES_EACH = 10
const RSS_MAX_KIB = 110 * 1024
const IDLE_S = 60

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
  const { acked } = await home.acked(FRAGMENTS)
  say(`safe: ${acked} fragments`)
  await home.verify()
})

test('while it films, the camera takes little memory and writes nothing but its ring', async () => {
  const rss = await camera.console.run(
    'sed -n "s/^VmRSS:[^0-9]*//p" "/proc/$(cat /run/service/camera/supervise/pid)/status"',
  )
  say(`camera agent: ${rss}`)
  // Whatever set-up left behind is written by then.
  await camera.console.run('sync; sleep 15; sync', CHANGE_WITHIN_MS)
  const written = 'read -r _ _ _ _ writes _ sectors _ </sys/block/vda/stat; echo "$writes $sectors"'
  const system = await camera.console.run(`${written}; sleep ${IDLE_S}; sync; ${written}`, CHANGE_WITHIN_MS)
  const [before, after] = system.split('\n')
  say(`system's disk, writes and sectors: ${before}, a minute later ${after}`)
  assert.is(after, before)
  assert.ok(Number.parseInt(rss, 10) <= RSS_MAX_KIB, rss)
})

test('after a power cut the camera films again by itself, and nothing on its card is lost', async () => {
  await camera.cut()
  const from = performance.now()
  await camera.start()
  const captured = await camera.until(
    'camera status',
    (answer) => (countsOf(answer).captured > 0 ? countsOf(answer).captured : undefined),
    CHANGE_WITHIN_MS,
  )
  const tookS = (performance.now() - from) / 1000
  // One each second since then: asking costs an emulated processor some of them.
  say(
    `first fragment on the card ${(tookS - (captured - 1)).toFixed(1)} s after power on (asked at ${tookS.toFixed(1)} s)`,
  )
  await home.caughtUp()
  await home.verify()
})

test('after a power cut of the storage device it takes up where it was', async () => {
  await storage.cut()
  await storage.start()
  await home.caughtUp()
  await home.verify()
})

test('the files on the disk play, and show the camera its test picture', async () => {
  await storage.console.run('sv -w 30 down /run/service/storage; sync', CHANGE_WITHIN_MS)
  await storage.cut()
  await camera.cut()
  const { files, frames, columns, size } = playDisk(join(home.folder, STORAGE.tap, 'footage.img'), home.folder)
  say(`${files} files, ${frames} frames of ${size}, ${JSON.stringify(columns[0])}`)
  assert.ok(files > 0, 'no footage')
  assert.is(size, '320x180')
  assert.ok(frames >= FRAGMENTS * FRAMES_EACH, `${frames} frames in ${FRAGMENTS} fragments of ten`)
})

test.run()

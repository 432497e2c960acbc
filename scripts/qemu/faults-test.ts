/**
 * Faults of the two virtual devices, each seen from outside: afterwards everything that was captured is on the disk once, or in a gap
 * that is told of. HOMEWARD_FAULTS=all: every fault; otherwise a few. IMAGE_TEST_FOLDER keeps disks and logs.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { imageFolder, SOURCE } from '../image/places.ts'
import { CAMERA, type Device, STORAGE } from './device.ts'
import { CHANGE_WITHIN_MS, ImageHome, say } from './home.ts'

const AWAY_S = 20

assert.ok(existsSync(join(SOURCE, 'dist/cli/main.js')), 'make build')
for (const { board } of [CAMERA, STORAGE]) {
  assert.ok(existsSync(join(imageFolder(board), 'homeward.img')), `make BOARD=${board} image`)
}
const home = new ImageHome()
const { camera, storage } = home
const all = process.env.HOMEWARD_FAULTS === 'all'
const pause = (s: number) => new Promise((resolve) => setTimeout(resolve, s * 1000))
const bootOf = (device: Device) => device.console.run('cat /proc/sys/kernel/random/boot_id')

test.after(() => home.close())

test('both devices start and are set up', async () => {
  await home.start()
  await home.provision()
  await home.seen((seen) => seen.acked > 5)
})

test('a card that is pulled and returned: filming goes on in memory, then on the card again', async () => {
  const boot = await bootOf(camera)
  await camera.machine.eject('footage')
  const without = await home.seen((seen) => !seen.cardInUse)
  say(`without its card: ${without.captured} captured, ${without.acked} safe, ${without.lost} lost`)
  await pause(AWAY_S)
  await camera.machine.insert('footage')
  const { lost } = await home.caughtUp()
  say(`with its card again: ${lost} lost`)
  assert.is(await bootOf(camera), boot, 'the camera was not started again')
  await home.verify()
})

test('a cable that is pulled and put back: nothing is lost, and nothing starts again', async () => {
  const boot = await bootOf(camera)
  const before = await home.caughtUp()
  await camera.machine.monitor('set_link net off')
  await home.seen((seen) => seen.path === undefined)
  await pause(AWAY_S)
  await camera.machine.monitor('set_link net on')
  const { lost } = await home.caughtUp()
  assert.is(lost, before.lost)
  assert.is(await bootOf(camera), boot)
  await home.verify()
})

if (all) {
  test('an agent that hangs is caught by the watchdog, on the camera', async () => {
    const boot = await bootOf(camera)
    camera.console.forget()
    await camera.console.run('kill -STOP "$(cat /run/service/camera/supervise/pid)"')
    const restarted = camera.restarted(CHANGE_WITHIN_MS)
    await restarted
    assert.is.not(await bootOf(camera), boot)
    await home.caughtUp()
    await home.verify()
  })

  test('and on the storage device', async () => {
    await storage.console.run('kill -STOP "$(cat /run/service/storage/supervise/pid)"')
    await storage.restarted(CHANGE_WITHIN_MS)
    await home.caughtUp()
    await home.verify()
  })

  test('a SATA disk that is missing at boot: the camera keeps its footage, the console says why, and all is sent afterwards', async () => {
    const before = await home.caughtUp()
    await storage.cut()
    await storage.start({ withoutFootageDisk: true })
    const lines = await home.answers(storage, 'status')
    assert.match(lines.join('\n'), /no disk for footage is there/)
    assert.match((await home.serial(storage, 'disk')).join('\n'), /no card or disk for footage is there/)
    await pause(AWAY_S)
    await storage.cut()
    await storage.start()
    const { lost } = await home.caughtUp()
    assert.is(lost, before.lost)
    await home.verify()
  })

  test('both lose their power at once', async () => {
    await Promise.all([camera.cut(), storage.cut()])
    await Promise.all([camera.start(), storage.start()])
    await home.caughtUp()
    await home.verify()
  })
}

test('every fragment is on the disk once, or in a gap that is told of', async () => {
  await home.checkDisk()
})

test.run()

/**
 * `make test-image`: two virtual machines from the two images on one bridge, a P2P server beside them. Slow, as everything is
 * emulated, and therefore no part of `make test`. IMAGE_TEST_FOLDER keeps disks and logs for whoever wants to look into them.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { imageFolder, SOURCE } from '../image/places.ts'
import { runTool } from '../image/tool.ts'
import { CAMERA, Device, START_WITHIN_MS, STORAGE } from './device.ts'
import { HOST, Network } from './network.ts'
import { Server } from './server.ts'

const ACKED_WITHIN_MS = 240_000
const FRAGMENTS = 5

const kept = process.env.IMAGE_TEST_FOLDER
const folder = kept ?? mkdtempSync(join(tmpdir(), 'homeward-image-'))
mkdirSync(folder, { recursive: true })
const say = (text: string) => process.stderr.write(`${(performance.now() / 1000).toFixed(0)} s  ${text}\n`)

const network = new Network([CAMERA.tap, STORAGE.tap], folder)
const server = new Server(network, join(folder, 'p2p'))
const camera = new Device(CAMERA, network, folder)
const storage = new Device(STORAGE, network, folder)

const fragments = (answer: Record<string, unknown>) =>
  (answer.seq as { captured: number; acked: number } | undefined) ?? { captured: 0, acked: 0 }

test.after(async () => {
  await Promise.all([camera.cut(), storage.cut()])
  await server.close()
  network.close()
  if (kept === undefined) rmSync(folder, { recursive: true, force: true })
})

test('both images are there', () => {
  for (const { board } of [CAMERA, STORAGE]) {
    assert.ok(existsSync(join(imageFolder(board), 'homeward.img')), `make BOARD=${board} image`)
  }
})

test('both devices start, make their data partition, and their empty card and disk ready', async () => {
  const took = await Promise.all([camera.start(), storage.start()])
  say(`started: camera ${(took[0] / 1000).toFixed(1)} s, storage device ${(took[1] / 1000).toFixed(1)} s`)
  for (const { console } of [camera, storage]) {
    assert.match(await console.run('mount'), / on \/data type ext4 \(rw,nosuid,nodev,noatime/)
    assert.match(await console.run('mount'), / on \/ type squashfs \(ro/)
  }
  await camera.console.run('until mountpoint -q /var/lib/homeward/card; do sleep 1; done', START_WITHIN_MS)
  await storage.console.run('until mountpoint -q /srv/homeward; do sleep 1; done', START_WITHIN_MS)
})

test('set up, the footage lands on the SATA disk', async () => {
  await storage.console.run(
    `echo 'p2p = "${HOST}:${server.port}"' >/data/homeward/settings.toml; sv restart storage`.replace(
      'sv restart storage',
      'sv restart /run/service/storage',
    ),
  )
  const code = await storage.until(
    'storage pair --name Porch',
    ({ setupCode }) => (typeof setupCode === 'string' ? setupCode : undefined),
    ACKED_WITHIN_MS,
  )
  await camera.console.run(`homeward camera setup ${code}`, 60_000)
  const acked = await camera.until(
    'camera status',
    (answer) => (fragments(answer).acked >= FRAGMENTS ? fragments(answer).acked : undefined),
    ACKED_WITHIN_MS,
  )
  say(`safe: ${acked} fragments`)
  const verified = await storage.ask('storage verify --deep')
  assert.is(verified.ok, true)
})

test('after a power cut the camera films again by itself, and nothing on its card is lost', async () => {
  await camera.cut()
  const from = performance.now()
  await camera.start()
  const captured = await camera.until(
    'camera status',
    (answer) => (fragments(answer).captured > 0 ? fragments(answer).captured : undefined),
    ACKED_WITHIN_MS,
  )
  say(`films again ${((performance.now() - from) / 1000).toFixed(1)} s after power on, ${captured} fragments then`)
  const { process: used } = await camera.ask('camera status')
  say(`camera agent: ${JSON.stringify(used)}`)
  await camera.until('camera status', (answer) => (fragments(answer).acked > 0 ? true : undefined), ACKED_WITHIN_MS)
  assert.is((await storage.ask('storage verify --deep')).ok, true)
})

test('the files on the disk play', async () => {
  await storage.console.run(
    'sv down /run/service/storage; while pgrep -f "storage run" >/dev/null; do sleep 1; done; sync',
    60_000,
  )
  await storage.cut()
  await camera.cut()
  const disk = join(folder, STORAGE.tap, 'footage.img')
  const tree = join(folder, 'tree')
  mkdirSync(tree)
  // Status 1: the journal was played back, as after any power cut.
  runTool('sh', ['-c', 'e2fsck -fp "$1" || [ $? -eq 1 ]', 'sh', disk])
  runTool('debugfs', ['-R', `rdump / ${tree}`, disk])
  const files = readdirSync(tree, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.mp4'))
  assert.ok(files.length > 0, 'no footage')
  let frames = 0
  for (const file of files) {
    const count = [
      '-v',
      'error',
      '-count_frames',
      '-select_streams',
      'v',
      '-show_entries',
      'stream=nb_read_frames,width,height',
    ]
    const said = runTool('ffprobe', [...count, '-of', 'csv=p=0', join(tree, file)])
    assert.match(said, /^320,180,\d+/)
    frames += Number(said.trim().split(',')[2])
  }
  say(`${files.length} files, ${frames} frames`)
  assert.ok(frames >= FRAGMENTS * 10, `${frames} frames in ${FRAGMENTS} fragments of ten`)
})

assert.ok(existsSync(join(SOURCE, 'dist/cli/main.js')), 'make build')
test.run()

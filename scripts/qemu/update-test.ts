/**
 * `make test-image`, the updates: what is not for this device is refused, a good one is kept, one that does not start is left again.
 * One virtual camera; the updates carry the system of its image.
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { imageFolder } from '../image/places.ts'
import { runTool } from '../image/tool.ts'
import { makeBundle } from '../ota/bundle.ts'
import { updateKey } from '../ota/key.ts'
import { CAMERA, Device, START_WITHIN_MS } from './device.ts'
import { Network } from './network.ts'

const SEND = fileURLToPath(new URL('./send-process.ts', import.meta.url))
const slot = join(imageFolder(CAMERA.board), 'slot.ext4')
const folder = mkdtempSync(join(tmpdir(), 'homeward-update-'))
const network = new Network([CAMERA.tap], folder)
const camera = new Device(CAMERA, network, folder)
const key = updateKey()
const good = { board: CAMERA.board, version: '9.0.0.1', slot, key }
const say = (text: string) => process.stderr.write(`${(performance.now() / 1000).toFixed(0)} s  ${text}\n`)

let address = ''

function send(bytes: Uint8Array): string {
  const file = join(folder, 'update.swu')
  writeFileSync(file, bytes)
  const [program = '', ...args] = network.on([process.execPath, '--import', 'tsx', SEND, address, CAMERA.board, file])
  const said = runTool(program, args).trim()
  say(said)
  return said
}

const slotNow = () => camera.console.run('homeward-slot current; homeward-slot trial; homeward-slot pending')

test.after(async () => {
  await camera.cut()
  network.close()
  rmSync(folder, { recursive: true, force: true })
})

test('the device listens for updates', async () => {
  await camera.start()
  address = await camera.address()
  assert.is(await slotNow(), 'A\nno\nno')
  await camera.console.run('until netstat -ltn | grep -q :7445; do sleep 1; done', START_WITHIN_MS)
})

const whole = makeBundle(good)
const stranger = updateKey(join(folder, 'another-key'))
const REFUSED: [string, Uint8Array][] = [
  ['signed with another key', makeBundle({ ...good, key: stranger })],
  ['for another board', makeBundle({ ...good, board: 'qemu/storage' })],
  ['older', makeBundle({ ...good, version: '0.0.0.1' })],
  ['cut off', whole.subarray(0, Math.floor(whole.length / 2))],
  ['with a changed byte in the system', changed(whole, whole.length - 5_000_000)],
  ['no update at all', Buffer.alloc(100_000, 'x')],
]

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 0xff
  return copy
}

for (const [what, bytes] of REFUSED) {
  test(`refused: ${what}`, async () => {
    await camera.console.run('until netstat -ltn | grep -q :7445; do sleep 1; done', START_WITHIN_MS)
    assert.match(send(bytes), /^INTERNAL the device refused the update: /)
    assert.is(await slotNow(), 'A\nno\nno')
  })
}

test('a good one runs from the other slot, on trial, and is kept once its agent works', async () => {
  await camera.console.run('echo kept >/data/homeward/mark')
  await camera.console.run('until netstat -ltn | grep -q :7445; do sleep 1; done', START_WITHIN_MS)
  assert.match(send(whole), /^OK written/)
  await camera.restarted()
  assert.match(await slotNow(), /^B\n/)
  await camera.console.run('until [ "$(homeward-slot trial)" = no ]; do sleep 2; done', START_WITHIN_MS)
  assert.is(await camera.console.run('cat /data/homeward/mark'), 'kept')
  say('kept in slot B')
})

test('one that does not start is left again', async () => {
  const broken = join(folder, 'broken.ext4')
  copyFileSync(slot, broken)
  runTool('debugfs', ['-w', '-R', 'rm /root.squashfs', broken])
  await camera.console.run('until netstat -ltn | grep -q :7445; do sleep 1; done', START_WITHIN_MS)
  assert.match(send(makeBundle({ ...good, version: '9.0.0.2', slot: broken })), /^OK written/)
  await camera.restarted()
  assert.is(await slotNow(), 'B\nno\nno')
})

test.run()

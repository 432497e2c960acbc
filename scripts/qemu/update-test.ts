/**
 * `make test-image`, the updates: what is not for this device is refused with a reason, a good one is kept, one that does not start or
 * whose agent does not work is left again, and the device says so. One virtual camera; the updates carry the system of its image.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { imageFolder } from '../image/places.ts'
import { runTool } from '../image/tool.ts'
import { makeBundle } from '../ota/bundle.ts'
import { updateKey } from '../ota/key.ts'
import { alteredSlot, breakAgent, setVersion } from './altered-slot.ts'
import { CAMERA, Device, START_WITHIN_MS } from './device.ts'
import { Network } from './network.ts'
import { Sender } from './sender.ts'

const slot = join(imageFolder(CAMERA.board), 'slot.ext4')
const folder = mkdtempSync(join(tmpdir(), 'homeward-update-'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const network = new Network([CAMERA.tap], folder)
const sender = new Sender(network, folder)
const camera = new Device(CAMERA, network, folder)
const key = updateKey()
const good = { board: CAMERA.board, version: '9.0.0.1', slot, key }
const say = (text: string) => process.stderr.write(`${(performance.now() / 1000).toFixed(0)} s  ${text}\n`)

let address = ''

/** What the sender printed. `version`: as `make ota`, until the device is settled. */
async function send(bytes: Uint8Array, version?: string): Promise<string> {
  await camera.console.run('until netstat -ltn | grep -q :7445; do sleep 1; done', START_WITHIN_MS)
  const said = await sender.start(address, CAMERA.board, bytes, version).said
  say(said)
  return said
}

const slotNow = () => camera.console.run('homeward-slot current; homeward-slot trial; homeward-slot pending')
const running = () => camera.console.run("sed -n 's/^VERSION=//p' /etc/homeward/image")

test.after(async () => {
  await camera.cut()
  network.close()
})

test('the device listens for updates', async () => {
  await camera.start()
  address = await camera.address()
  assert.is(await slotNow(), 'A\nno\nno')
  await camera.console.run('echo kept >/data/homeward/mark')
})

const whole = makeBundle(good)
const stranger = updateKey(join(folder, 'another-key'))
const REFUSED: [string, () => Uint8Array, RegExp][] = [
  [
    'signed with another key',
    () => makeBundle({ ...good, key: stranger }),
    /it is not signed with the key that this device trusts/,
  ],
  [
    'for another board',
    () => makeBundle({ ...good, board: 'qemu/storage' }),
    /it is for another board, expected one for qemu\/camera/,
  ],
  [
    'older',
    () => makeBundle({ ...good, version: '0.0.0.1' }),
    /it is version 0\.0\.0\.1, older than \S+, which runs here/,
  ],
  ['cut off', () => whole.subarray(0, Math.floor(whole.length / 2)), /it did not arrive whole; send it again/],
  ['with a changed byte in the system', () => changed(whole, whole.length - 5_000_000), /it did not arrive whole/],
  ['with a changed byte in the description', () => changed(whole, 200), /it did not arrive whole/],
  ['no update at all', () => Buffer.alloc(100_000, 'x'), /that is no update/],
]

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 0xff
  return copy
}

for (const [what, make, words] of REFUSED) {
  test(`refused: ${what}`, async () => {
    const said = await send(make())
    assert.match(said, /^NOT_ALLOWED the device refused the update: /)
    assert.match(said, words)
    assert.is(await slotNow(), 'A\nno\nno')
  })
}

test('refused: the version that runs', async () => {
  assert.match(
    await send(makeBundle({ ...good, version: await running() })),
    /it is version \S+, which runs here already/,
  )
  assert.is(await slotNow(), 'A\nno\nno')
})

test('a good one runs from the other slot, on trial, and is kept once its agent works', async () => {
  const newer = alteredSlot(slot, folder, 'newer', (root) => setVersion(root, good.version))
  const said = await send(makeBundle({ ...good, slot: newer }), good.version)
  assert.match(said, /^OK written/m)
  assert.match(said, /^kept$/m)
  assert.is(await slotNow(), 'B\nno\nno')
  assert.is(await running(), good.version)
  assert.is(
    await camera.console.run('cat /data/homeward/mark; ls /data/update 2>&1 | head -n 1'),
    'kept\nls: /data/update: No such file or directory',
  )
})

/** Sends one that will be left again: as told by `make ota`, the slots and the device's own note. What was said. */
async function sendInVain(version: string, file: string, why: RegExp): Promise<string> {
  const [slots, old] = [await slotNow(), await running()]
  await camera.console.run('echo kept >/data/homeward/mark')
  const said = await send(makeBundle({ ...good, version, slot: file }), version)
  const plain = (text: string) => text.replaceAll('.', '\\.')
  assert.match(said, new RegExp(`INTERNAL \\S+ went back to ${plain(old)}: ${plain(version)} did not work there`))
  assert.equal([await slotNow(), await running()], [slots, old])
  const note = await camera.console.run(
    'until cat /run/homeward/update-note 2>/dev/null; do sleep 1; done',
    START_WITHIN_MS,
  )
  assert.match(note, new RegExp(`^the update to ${plain(version)} did not stay, ${plain(old)} runs again: `))
  assert.match(note, why)
  say(note)
  assert.is(await camera.console.run('cat /data/homeward/mark'), 'kept')
  return said
}

test('one that does not start is left again, and the device says so', async () => {
  const broken = join(folder, 'broken.ext4')
  copyFileSync(slot, broken)
  runTool('debugfs', ['-w', '-R', 'rm /root.squashfs', broken])
  await sendInVain('9.0.0.2', broken, /it did not start/)
})

test('one that starts but whose agent never works is left again by itself, and the device says why', async () => {
  const sick = alteredSlot(slot, folder, 'sick', (root) => {
    setVersion(root, '9.0.0.3')
    breakAgent(root)
  })
  const why = /its camera agent did not work within 240 s; its last words: .*broken on purpose/
  assert.match(await sendInVain('9.0.0.3', sick, why), /runs 9\.0\.0\.3 on trial/)
  await camera.console.run('until homeward camera status --json; do sleep 1; done', START_WITHIN_MS)
})

test.run()

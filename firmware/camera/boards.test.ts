/** Every board of the source tree: its data fits the schema, its source the capture profile, and the readme is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CAPTURE_PROFILES, parseBoard } from '../platform/board.ts'
import { isHomewardError } from '../wire/errors.ts'
import { boardSource } from './board-source.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const BOARDS = join(ROOT, 'board')
const NAMES = readdirSync(BOARDS, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('board.toml'))
  .map((path) => path.slice(0, -'/board.toml'.length))
  .sort()

const read = (name: string) => parseBoard(readFileSync(join(BOARDS, name, 'board.toml'), 'utf8'), name)
const QEMU = readFileSync(join(BOARDS, 'qemu/camera/board.toml'), 'utf8')

test('the boards that are promised are there', () => {
  assert.equal(NAMES, [
    'generic/rv1126b',
    'hardkernel/odroid-hc4',
    'hardkernel/odroid-m1',
    'qemu/camera',
    'qemu/storage',
    'radxa/zero3',
    'raspberrypi/zero2w',
  ])
})

for (const name of NAMES) {
  test(`${name} fits the schema, and its source the capture profile`, () => {
    const board = read(name)
    if (board.role === 'camera') boardSource(board)
  })

  test(`${name} has a readme with all a person needs`, () => {
    const path = join(BOARDS, name, 'readme.md')
    assert.ok(existsSync(path), `${name}/readme.md is missing`)
    const text = readFileSync(path, 'utf8')
    const { offer, serial } = read(name)
    const parts = ['## Build', '## Serial', '## First start', ...(offer === 'image' ? ['## Files made'] : [])]
    for (const part of parts) assert.ok(text.includes(part), `${name}/readme.md has no part "${part}"`)
    assert.ok(text.includes(`BOARD=${name}`), `${name}/readme.md does not say BOARD=${name}`)
    assert.ok(text.includes(`${serial.baud}`), `${name}/readme.md does not say ${serial.baud} baud`)
  })
}

const WRONG: [string, string, string, RegExp][] = [
  ['an unknown key', 'memory-mib = 512', 'memory-mib = 512\nmemory = 512', /memory/],
  ['an unknown role', 'role = "camera"', 'role = "toaster"', /role/],
  ['a missing key', 'soc = "virt, Cortex-A53"\n', '', /soc/],
  ['an unknown profile', 'profile = "test"', 'profile = "magic"', new RegExp(`${CAPTURE_PROFILES.join(', ')}`)],
  ['too little memory', 'memory-mib = 512', 'memory-mib = 64', /memory-mib/],
  ['an image without [image]', 'offer = "image"', 'offer = "rootfs"', /offer = "image" goes with \[image\]/],
  ['a port that is none', 'console = "ttyS0"', 'console = "/dev/ttyS0"', /serial\.console: expected the name/],
  ['no TOML', 'role = "camera"', 'role = camera', /line \d+, column \d+: not valid TOML/],
]
for (const [what, from, to, message] of WRONG) {
  test(`refused by its key: ${what}`, () => {
    assert.ok(QEMU.includes(from))
    assert.throws(
      () => parseBoard(QEMU.replace(from, to), 'b.toml'),
      (error: unknown) => isHomewardError(error, 'CONFIG_INVALID') && message.test(error.message),
    )
  })
}

test('a source that does not go with the profile is refused', () => {
  const board = parseBoard(QEMU.replace('profile = "test"', 'profile = "v4l2-copy"'), 'b.toml')
  if (board.role !== 'camera') throw new Error('a camera')
  assert.throws(
    () => boardSource(board),
    (error: unknown) => isHomewardError(error, 'CONFIG_INVALID') && /does not go with/.test(error.message),
  )
})

test('the overlay holds no board literals', () => {
  const words = NAMES.flatMap((name) => {
    const board = read(name)
    const { serial, soc, led, button, watchdog, image } = board
    const lines = [led, button].flatMap((part) => (part !== undefined && 'gpio' in part ? [part.gpio.chip] : []))
    const disks = board.role === 'storage' ? board.disk.devices : board.card.on === 'slot' ? board.card.devices : []
    return [
      ...[...name.split('/').slice(1), serial.kernel, serial.console, soc.split(',')[0] ?? '', ...lines],
      ...(led !== undefined && 'class' in led ? [led.class] : []),
      ...(button !== undefined && 'input' in button ? [button.input] : []),
      ...[watchdog?.device ?? '', image?.['device-tree'] ?? '', ...(image?.modules ?? [])],
      ...disks.map((device) => device.replaceAll('*', '')),
    ].map((word) => word.split(' ')[0] ?? '')
  }).filter((word) => !['', 'camera', 'storage'].includes(word))
  const files = readdirSync(join(ROOT, 'rootfs-overlay'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  assert.ok(files.length > 10)
  const found = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    return words
      .filter((word) => new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(text))
      .map((word) => `${file}: ${word}`)
  })
  assert.equal(found, [])
})

test.run()

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fileFolder, fileName, foldersDownTo, isDated, parentOf, type Stamp, safeFolder, windowOf } from './names.ts'

const BOOT = 'b007000000000001'
const LOG = '00000000000000a1'
const camera = new Uint8Array(32).fill(0xab)

function stamp(wallUs: number, clock: Stamp['clock'] = 'synchronised', monoUs = 0): Stamp {
  return { boot: BOOT, monoUs, wallUs, clock }
}

test('files are named by the UTC time of their first fragment', () => {
  const first = stamp(Date.UTC(2026, 11, 31, 23, 59, 59, 7) * 1000 + 999)
  assert.is(fileFolder('Door', first), 'Door/2026-12-31/23')
  assert.is(fileName(first, LOG, 42), '59-59.007Z.00000000000000a1-42.mp4')
})

test('without a clock, or with one that was never set, they are filed by boot and uptime', () => {
  for (const first of [stamp(0, 'none', 36_061_001_000), stamp(Date.UTC(1970, 5) * 1000, 'rtc', 36_061_001_000)]) {
    assert.is(isDated(first), false)
    assert.is(fileFolder('Door', first), `Door/undated/${BOOT}`)
    assert.is(fileName(first, LOG, 0), '00010-01-01.001.00000000000000a1-0.mp4')
  }
  assert.is(isDated(stamp(Date.UTC(9999, 0) * 1000)), true)
  assert.is(isDated(stamp(Date.UTC(10000, 0) * 1000)), false)
})

test('windows begin on the clock', () => {
  const ten = Date.UTC(2026, 2, 14, 10) * 1000
  assert.is(windowOf(ten), windowOf(ten + 599_999_999))
  assert.is(windowOf(ten) + 1, windowOf(ten + 600_000_000))
})

test('folders from the top down', () => {
  assert.equal(foldersDownTo('a/b/c'), ['a', 'a/b', 'a/b/c'])
  assert.is(parentOf('a/b/c'), 'a/b')
  assert.is(parentOf('a'), '')
})

test('names of cameras become safe folders', () => {
  const cases: [string, string][] = [
    ['Front door', 'Front door'],
    ['  ../../etc/passwd ', 'etc passwd'],
    ['a\u0000b\tc\u202ed', 'a b c d'],
    ['CON', 'camera CON'],
    ['lpt1.mp4', 'camera lpt1.mp4'],
    ['Küche', 'Küche'],
    ['Ku\u0308che', 'Küche'],
    ['', 'camera-abababab'],
    ['...', 'camera-abababab'],
    ['quarantine', 'quarantine abababab'],
    ['.homeward', 'homeward'],
    ['homeward.json', 'homeward.json abababab'],
  ]
  for (const [name, folder] of cases) assert.is(safeFolder(name, camera, []), folder, name)
  assert.is(safeFolder('Hall', camera, ['hall']), 'Hall abababab')
  assert.is(safeFolder('Hall', camera, ['hall', 'HALL ABABABAB']), 'Hall abababab-2')
})

test('whatever the owner types, the folder stays below the root and is short enough', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (name) => {
      const folder = safeFolder(name, camera, [])
      assert.ok(folder.length > 0 && Buffer.byteLength(folder) <= 200)
      assert.not.match(folder, /[/\\:*?"<>|]|^\.|[. ]$/)
      assert.is(safeFolder(folder, camera, []), folder)
    }),
  )
})

test.run()

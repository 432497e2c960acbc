import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cleanName, folderNameFor } from './names.ts'

test('names as people give them', () => {
  const names: [string, string][] = [
    ['Front door', 'Front-door'],
    ['Überwachung Süd', 'Überwachung-Süd'],
    ['門口 1', '門口-1'],
    ['दरवाज़ा', 'दरवाज़ा'.normalize('NFC')],
    ['a/b\\c:d*e', 'a-b-c-d-e'],
    ['..', 'camera'],
    ['../../etc/passwd', 'etc-passwd'],
    ['.hidden', 'hidden'],
    ['-rf', 'rf'],
    ['trailing. . ', 'trailing'],
    ['', 'camera'],
    ['\u0000\n', 'camera'],
    ['😀', 'camera'],
    ['v1.2_final', 'v1.2_final'],
  ]
  for (const [name, folder] of names) assert.is(folderNameFor(name, []), folder, name)
})

test('names that the archive or another system uses', () => {
  for (const name of [
    'lost+found',
    'quarantine',
    'Quarantine',
    'homeward.json',
    'homeward',
    'undated',
    'CON',
    'nul.txt',
    'com1',
    'index',
  ]) {
    assert.match(folderNameFor(name, []), /^camera-/, name)
  }
  assert.is(folderNameFor('console', []), 'console')
})

test('different from all that are taken, upper case or not', () => {
  assert.is(folderNameFor('Door', ['door']), 'Door-2')
  assert.is(folderNameFor('door', ['Door', 'door-2']), 'door-3')
  assert.is(folderNameFor('Ü', ['u\u0308']), 'Ü-2')
})

test('a numbered name stays within the limit', () => {
  const first = folderNameFor('門'.repeat(100), [])
  const second = folderNameFor('門'.repeat(100), [first])
  assert.is(first, '門'.repeat(21))
  assert.is(second, `${'門'.repeat(20)}-2`)
})

test('whatever the name, the folder is safe, and it is its own folder name', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 120 }),
      fc.array(fc.string(), { maxLength: 3 }),
      (name, taken) => {
        const folder = folderNameFor(name, taken)
        assert.match(folder, /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}._-]*$/u)
        assert.not.match(folder, /[.-]$/)
        assert.ok(Buffer.byteLength(folder) <= 64)
        assert.is(folderNameFor(folder, []), folder)
        assert.not.ok(taken.includes(folder))
      },
    ),
    { numRuns: 2000 },
  )
})

test('shown names are one clean line', () => {
  assert.is(cleanName('  Front\n\tdoor '), 'Front door')
  assert.is(cleanName('a\u202eb'), 'a b')
  assert.is(cleanName('e\u0301'), 'é')
  assert.is(cleanName('x'.repeat(100)).length, 64)
  assert.is(Buffer.byteLength(cleanName('😀'.repeat(30))), 64)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const clean = cleanName(name)
      assert.is(cleanName(clean), clean)
      assert.ok(Buffer.byteLength(clean) <= 64)
    }),
  )
})

test.run()

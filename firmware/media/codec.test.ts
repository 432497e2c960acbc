import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import { box } from './boxes.ts'
import { codecString } from './codec.ts'

const malformed = (error: unknown): boolean => isHomewardError(error, 'MEDIA_MALFORMED')

const table: [name: string, type: string, configuration: string, hex: string, expected: string][] = [
  ['high profile', 'avc1', 'avcC', '01 64 00 28 ff', 'avc1.640028'],
  ['constrained baseline, letters upper case', 'avc3', 'avcC', '01 42 c0 1e ff', 'avc3.42C01E'],
  ['main: flags 1 and 2 become 6', 'hvc1', 'hvcC', '01 01 60000000 b00000000000 5d', 'hvc1.1.6.L93.B0'],
  ['main 10', 'hev1', 'hvcC', '01 02 20000000 900000000000 7b', 'hev1.2.4.L123.90'],
  ['flag 31 is the highest bit', 'hvc1', 'hvcC', '01 01 00000001 900000000000 7b', 'hvc1.1.80000000.L123.90'],
  ['space A, high tier, two bytes', 'hvc1', 'hvcC', '01 64 82000000 b02300000000 78', 'hvc1.A4.41.H120.B0.23'],
  ['space C', 'hvc1', 'hvcC', '01 c1 60000000 b00000000000 5d', 'hvc1.C1.6.L93.B0'],
  ['only trailing zeros are trimmed', 'hvc1', 'hvcC', '01 01 60000000 b00001000000 5d', 'hvc1.1.6.L93.B0.0.1'],
  ['no constraint at all', 'hvc1', 'hvcC', '01 01 60000000 000000000000 5d', 'hvc1.1.6.L93'],
  [
    'AAC-LC, long descriptor sizes',
    'mp4a',
    'esds',
    '00000000 03 80808025 0001 00 04 80808017 40 15 000000 00000000 00000000 05 80808005 1208 56e500 06 80808001 02',
    'mp4a.40.2',
  ],
  [
    'AAC-LC, short sizes',
    'mp4a',
    'esds',
    '00000000 03 16 0001 00 04 11 40 15 000000 00000000 00000000 05 02 1208',
    'mp4a.40.2',
  ],
  ['HE-AAC', 'mp4a', 'esds', '00000000 03 16 0001 00 04 11 40 15 000000 00000000 00000000 05 02 2b11', 'mp4a.40.5'],
  [
    'escaped object type',
    'mp4a',
    'esds',
    '00000000 03 16 0001 00 04 11 40 15 000000 00000000 00000000 05 02 f94a',
    'mp4a.40.42',
  ],
  ['no specific info', 'mp4a', 'esds', '00000000 03 12 0001 00 04 0d 40 15 000000 00000000 00000000', 'mp4a.40'],
  ['MP3', 'mp4a', 'esds', '00000000 03 12 0001 00 04 0d 6b 15 000000 00000000 00000000', 'mp4a.6B'],
  [
    'optional fields of the stream',
    'mp4a',
    'esds',
    '00000000 03 1d 0001 e0 0007 02 6162 0009 04 11 40 15 000000 00000000 00000000 05 02 1208',
    'mp4a.40.2',
  ],
]

for (const [name, type, configuration, hex, expected] of table) {
  test(`${expected}: ${name}`, () => {
    const body = fromHex(hex.replaceAll(' ', ''))
    assert.is(codecString({ type, children: box(configuration, body) }), expected)
  })
}

test('any other codec goes by its four characters', () => {
  assert.is(codecString({ type: 'Opus', children: new Uint8Array(3) }), 'Opus')
  assert.is(codecString({ type: 'av1 ', children: new Uint8Array() }), 'av1')
  assert.is(codecString({ type: 'ms\x00\x02', children: new Uint8Array() }), '0x6d730002')
})

test('a configuration that is missing or cut anywhere is refused or read, never an accident', () => {
  assert.throws(() => codecString({ type: 'avc1', children: new Uint8Array() }), malformed)
  for (const [, type, configuration, hex] of table) {
    const body = fromHex(hex.replaceAll(' ', ''))
    const needed = { avcC: 4, hvcC: 13, esds: 9 }[configuration] ?? 0
    for (let length = 0; length < body.byteLength; length += 1) {
      const children = box(configuration, body.subarray(0, length))
      if (length < needed) assert.throws(() => codecString({ type, children }), malformed, `${hex} cut at ${length}`)
      else {
        try {
          codecString({ type, children })
        } catch (error) {
          assert.ok(malformed(error), `${hex} cut at ${length}: ${error}`)
        }
      }
    }
  }
})

test('a descriptor whose size never ends is refused', () => {
  const children = box('esds', fromHex('00000000038080808080808001'))
  assert.throws(() => codecString({ type: 'mp4a', children }), malformed)
})

test.run()

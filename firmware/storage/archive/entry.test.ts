import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readBoxes } from '../../media/boxes.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { FRAGMENT_MAX_BYTES } from '../../wire/limits.ts'
import { CLOCK_QUALITIES } from '../../wire/record.ts'
import { decodeEntry, ENTRY_HEADER_MAX_BYTES, type Entry, encodeEntry, entryBoxBytes, findEntry } from './entry.ts'

const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const hex = bytes(8).map((value) => Buffer.from(value).toString('hex'))
const u32 = fc.integer({ min: 0, max: 0xffffffff })

const entries: fc.Arbitrary<Entry> = fc.record(
  {
    camera: bytes(32),
    log: hex,
    seq: safe,
    run: u32,
    boot: hex,
    monoUs: safe,
    wallUs: safe,
    clock: fc.constantFrom(...CLOCK_QUALITIES),
    keyFrame: fc.boolean(),
    runStart: fc.boolean(),
    durationUs: safe,
    receivedUs: safe,
    fragmentBytes: fc.integer({ min: 0, max: FRAGMENT_MAX_BYTES }),
    fragmentHash: bytes(32),
    initHash: bytes(32),
    bases: fc.array(fc.record({ track: u32, ticks: safe }, { noNullPrototype: true }), { maxLength: 16 }),
  },
  { noNullPrototype: true },
)

test('an entry comes back as it was, and is one whole box to every reader', () => {
  fc.assert(
    fc.property(entries, (entry) => {
      const box = encodeEntry(entry)
      assert.equal(decodeEntry(box), entry)
      assert.is(entryBoxBytes(box), box.byteLength)
      assert.ok(box.byteLength <= ENTRY_HEADER_MAX_BYTES)
      assert.equal(
        readBoxes(box).map(({ type }) => type),
        ['uuid'],
      )
    }),
  )
})

test('an entry with any bit turned over is refused', () => {
  fc.assert(
    fc.property(entries, fc.nat(), (entry, where) => {
      const box = encodeEntry(entry)
      const bit = where % (box.byteLength * 8)
      box[bit >> 3] = (box[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.throws(
        () => decodeEntry(box),
        (error: unknown) => isHomewardError(error, 'MEDIA_MALFORMED'),
      )
    }),
    { numRuns: 300 },
  )
})

test('no bytes make the reader throw anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (noise) => {
      assert.throws(
        () => decodeEntry(noise),
        (error: unknown) => isHomewardError(error, 'MEDIA_MALFORMED'),
      )
    }),
  )
})

test('the next entry is found behind anything', () => {
  fc.assert(
    fc.property(entries, fc.uint8Array({ maxLength: 2000 }), (entry, noise) => {
      const box = encodeEntry(entry)
      const stream = new Uint8Array([...noise, ...box, ...noise, ...box])
      assert.is(findEntry(stream, 0), noise.byteLength)
      assert.is(findEntry(stream, noise.byteLength + 1), 2 * noise.byteLength + box.byteLength)
      assert.is(findEntry(noise, 0), -1)
    }),
  )
})

test.run()

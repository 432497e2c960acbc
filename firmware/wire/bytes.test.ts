import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, equalBytes, fromHex, toHex } from './bytes.ts'
import { codeThrown } from './error-code-fixture.ts'

test('numbers are little-endian, both ways', () => {
  const bytes = new Uint8Array(1 + 2 + 4 + 8 + 3 + 2 + 2)
  const writer = new ByteWriter(bytes)
  writer
    .u8(0x01)
    .u16(0x0302)
    .u32(0x07060504)
    .u64(2 ** 53 - 1)
    .bytes(new Uint8Array([8, 9, 10]), 3)
    .hex('0b0c', 2)
    .zeros(2)
  assert.is(toHex(bytes), '01020304050607ffffffffffff1f0008090a0b0c0000')
  assert.is(writer.position, bytes.byteLength)

  const reader = new ByteReader(bytes)
  assert.is(reader.u8(), 0x01)
  assert.is(reader.u16(), 0x0302)
  assert.is(reader.u32(), 0x07060504)
  assert.is(reader.u64(), Number.MAX_SAFE_INTEGER)
  assert.equal([...reader.bytes(3)], [8, 9, 10])
  assert.is(reader.hex(2), '0b0c')
  assert.is(reader.remaining, 2)
  assert.equal([...reader.rest()], [0, 0])
  assert.is(reader.remaining, 0)
})

test('zeros overwrite what was there', () => {
  const bytes = new Uint8Array([1, 2, 3, 4])
  new ByteWriter(bytes).u8(9).zeros(2)
  assert.equal([...bytes], [9, 0, 0, 4])
})

test('reading past the end is FRAME_TRUNCATED, and consumes nothing', () => {
  const reads: [needed: number, read: (reader: ByteReader) => unknown][] = [
    [1, (reader) => reader.u8()],
    [2, (reader) => reader.u16()],
    [4, (reader) => reader.u32()],
    [8, (reader) => reader.u64()],
    [5, (reader) => reader.bytes(5)],
    [3, (reader) => reader.hex(3)],
  ]
  for (const [needed, read] of reads) {
    for (let length = 0; length < needed; length++) {
      const reader = new ByteReader(new Uint8Array(length))
      assert.is(
        codeThrown(() => read(reader)),
        'FRAME_TRUNCATED',
        `${length} of ${needed}`,
      )
      assert.is(reader.remaining, length)
    }
    assert.is(
      codeThrown(() => read(new ByteReader(new Uint8Array(needed)))),
      'no error',
    )
  }
})

test('a 64-bit number beyond 2^53-1 is refused', () => {
  assert.is(
    codeThrown(() => new ByteReader(fromHex('0000000000002000')).u64()),
    'FRAME_MALFORMED',
  )
  assert.is(
    codeThrown(() => new ByteReader(fromHex('ffffffffffffffff')).u64()),
    'FRAME_MALFORMED',
  )
})

test('a reader of a part of a buffer stays inside it', () => {
  const whole = new Uint8Array([9, 9, 1, 2, 9, 9])
  const reader = new ByteReader(whole.subarray(2, 4))
  assert.is(reader.u16(), 0x0201)
  assert.is(
    codeThrown(() => reader.u8()),
    'FRAME_TRUNCATED',
  )
})

test('a field of the wrong length is a fault of the caller', () => {
  assert.is(
    codeThrown(() => new ByteWriter(new Uint8Array(8)).bytes(new Uint8Array(3), 4)),
    'INTERNAL',
  )
  assert.is(
    codeThrown(() => new ByteWriter(new Uint8Array(8)).hex('0102', 4)),
    'INTERNAL',
  )
})

test('hex and comparison', () => {
  assert.is(toHex(new Uint8Array([0, 15, 255]).subarray(1)), '0fff')
  assert.equal([...fromHex('00ff')], [0, 255])
  assert.ok(equalBytes(new Uint8Array([1, 2]), new Uint8Array([0, 1, 2]).subarray(1)))
  assert.not(equalBytes(new Uint8Array([1, 2]), new Uint8Array([1, 3])))
  assert.not(equalBytes(new Uint8Array([1, 2]), new Uint8Array([1])))
})

test.run()

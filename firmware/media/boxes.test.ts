import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { box, fullBox, onlyBox, optionalBox, readBoxes, readBoxHeader, readFullBox } from './boxes.ts'
import { u32, u64 } from './fields.ts'

const malformed = (error: unknown): boolean => isHomewardError(error, 'MEDIA_MALFORMED')
const bytesOf = (...parts: (Uint8Array | string)[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))))

test('what is written is read back', () => {
  const type = fc.string({ unit: fc.constantFrom(...'abcdEFGH0189 '), minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(fc.tuple(type, fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }), (plan) => {
      const bytes = bytesOf(...plan.map(([name, body]) => box(name, body.subarray(0, 3), body.subarray(3))))
      const boxes = readBoxes(bytes)
      assert.equal(
        boxes.map((found) => [found.type, new Uint8Array(found.body)]),
        plan.map(([name, body]) => [name, new Uint8Array(body)]),
      )
      assert.is(boxes.at(-1)?.end ?? 0, bytes.byteLength)
    }),
  )
})

test('a 64-bit size is read', () => {
  const bytes = bytesOf(u32(1), 'mdat', u64(19), 'abc')
  assert.equal(readBoxHeader(bytes), { type: 'mdat', sizeBytes: 19, headerBytes: 16 })
  const [mdat] = readBoxes(bytes)
  assert.is(mdat?.headerBytes, 16)
  assert.is(Buffer.from(mdat?.body ?? []).toString(), 'abc')
})

test('a header that is not all there is told from one that is wrong', () => {
  const bytes = bytesOf(u32(1), 'mdat', u64(19))
  for (let length = 0; length < 16; length += 1) assert.is(readBoxHeader(bytes.subarray(0, length)), undefined)
  for (const size of [2, 7]) assert.throws(() => readBoxHeader(bytesOf(u32(size), 'moov')), malformed)
  assert.throws(() => readBoxHeader(bytesOf(u32(1), 'mdat', u64(15))), malformed)
  assert.throws(() => readBoxHeader(bytesOf(u32(1), 'mdat', new Uint8Array(8).fill(255))), malformed)
})

test('size 0 runs to the end, and only where that is allowed', () => {
  const bytes = bytesOf(box('free'), u32(0), 'mdat', 'rest')
  assert.throws(() => readBoxes(bytes), malformed)
  const boxes = readBoxes(bytes, { openEnd: true })
  assert.is(Buffer.from(boxes[1]?.body ?? []).toString(), 'rest')
})

test('nothing is read past the end', () => {
  const whole = bytesOf(box('free', u32(1)), box('moov', box('mvhd')))
  const seams = [0, 12, whole.byteLength]
  for (let length = 0; length <= whole.byteLength; length += 1) {
    if (seams.includes(length)) readBoxes(whole.subarray(0, length))
    else assert.throws(() => readBoxes(whole.subarray(0, length)), malformed, `cut at ${length}`)
  }
  assert.throws(() => readBoxes(bytesOf(u32(0xffffffff), 'mdat')), malformed)
})

test('a container full of empty boxes is refused', () => {
  assert.is(readBoxes(bytesOf(...Array.from({ length: 4096 }, () => box('free')))).length, 4096)
  assert.throws(() => readBoxes(bytesOf(...Array.from({ length: 4097 }, () => box('free')))), malformed)
})

test('a child that must be there once is asked for by name', () => {
  const boxes = readBoxes(bytesOf(box('tfhd'), box('trun'), box('trun')))
  assert.is(onlyBox(boxes, 'tfhd', 'traf').start, 0)
  assert.is(optionalBox(boxes, 'tfdt'), undefined)
  assert.throws(() => onlyBox(boxes, 'tfdt', 'traf'), malformed)
  assert.throws(() => onlyBox(boxes, 'trun', 'traf'), malformed)
})

test('a full box has version and flags', () => {
  const [found] = readBoxes(fullBox('tfhd', 1, 0x020038, u32(7)))
  assert.ok(found)
  const { version, flags, fields } = readFullBox(found)
  assert.equal([version, flags, fields.u32(), fields.remaining], [1, 0x020038, 7, 0])
  const [short] = readBoxes(box('tfhd', new Uint8Array(3)))
  assert.ok(short)
  assert.throws(() => readFullBox(short), malformed)
})

test('a box type has four characters', () => {
  for (const type of ['', 'abc', 'abcde', 'a\0cd']) {
    assert.throws(
      () => box(type),
      (error: unknown) => isHomewardError(error, 'INTERNAL'),
    )
  }
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { box, readBoxes } from './boxes.ts'
import { uuidBody, uuidBox } from './uuid.ts'

const OURS = Uint8Array.from({ length: 16 }, (_, index) => index + 1)
const THEIRS = Uint8Array.from({ length: 16 }, (_, index) => index + 2)
const only = (bytes: Uint8Array) => {
  const [found] = readBoxes(bytes)
  assert.ok(found)
  return found
}

test('a box of our own type is found, another one is passed over', () => {
  const bytes = uuidBox(OURS, Uint8Array.of(1, 2), Uint8Array.of(3))
  assert.is(bytes.byteLength, 27)
  assert.equal([...(uuidBody(only(bytes), OURS) ?? [])], [1, 2, 3])
  assert.is(uuidBody(only(bytes), THEIRS), undefined)
  assert.is(uuidBody(only(box('free', OURS)), OURS), undefined)
})

test('too short a box is malformed, too short a type a mistake of the caller', () => {
  assert.throws(
    () => uuidBody(only(box('uuid', OURS.subarray(1))), OURS),
    (error: unknown) => isHomewardError(error, 'MEDIA_MALFORMED'),
  )
  assert.throws(
    () => uuidBox(OURS.subarray(1)),
    (error: unknown) => isHomewardError(error, 'INTERNAL'),
  )
})

test.run()

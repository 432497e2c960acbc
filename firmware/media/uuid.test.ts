import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { codeThrown } from '../wire/error-code-fixture.ts'
import { readBoxes } from './boxes.ts'
import { uuidBox } from './uuid.ts'

const OURS = Uint8Array.from({ length: 16 }, (_, index) => index + 1)

test('the type comes first, then what is in the box', () => {
  const [found, ...more] = readBoxes(uuidBox(OURS, Uint8Array.of(1, 2), Uint8Array.of(3)))
  assert.equal([found?.type, more], ['uuid', []])
  assert.equal([...(found?.body ?? [])], [...OURS, 1, 2, 3])
})

test('too short a type is a mistake of the caller', () => {
  assert.is(
    codeThrown(() => uuidBox(OURS.subarray(1))),
    'INTERNAL',
  )
})

test.run()

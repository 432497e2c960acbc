import fc from 'fast-check'
import { pack } from 'msgpackr'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeMessage, encodeMessage, MESSAGE_VERSION } from './codec.ts'
import { codeThrown } from './error-code-fixture.ts'

const MAX = 64 * 1024

function framed(body: Uint8Array): Uint8Array {
  return Uint8Array.from([MESSAGE_VERSION, ...body])
}

const sample = {
  type: 'hello',
  name: 'Front door',
  numbers: [0, 1, -1, 127, 128, 255, 65536, 2 ** 40, -(2 ** 40), 1.5],
  flags: { a: true, b: false, c: null },
  key: new Uint8Array([1, 2, 3]),
}

test('a message comes back as it was', () => {
  const back = decodeMessage(encodeMessage(sample, MAX), MAX) as typeof sample
  assert.equal({ ...back, key: [...back.key] }, { ...sample, key: [1, 2, 3] })
})

test('bytes of a decoded message are its own', () => {
  const frame = encodeMessage(sample, MAX)
  const back = decodeMessage(frame, MAX) as typeof sample
  frame.fill(0)
  assert.equal([...back.key], [1, 2, 3])
})

test('every truncation is refused with a code', () => {
  const frame = encodeMessage(sample, MAX)
  for (let length = 0; length < frame.byteLength; length++) {
    assert.is(
      codeThrown(() => decodeMessage(frame.subarray(0, length), MAX)),
      'FRAME_TRUNCATED',
      `${length} bytes`,
    )
  }
})

test('refused whatever msgpackr would make of it', () => {
  const bodies: [string, Uint8Array, string][] = [
    ['trailing bytes', Uint8Array.from([...pack({ a: 1 }), 0]), 'FRAME_MALFORMED'],
    ['a date', pack({ a: new Date(0) }), 'FRAME_MALFORMED'],
    ['a set', new Uint8Array([0xd4, 0x73, 0]), 'FRAME_MALFORMED'],
    ['a record definition', new Uint8Array([0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]), 'FRAME_MALFORMED'],
    ['a number as key', new Uint8Array([0x81, 0x01, 0x01]), 'FRAME_MALFORMED'],
    ['a long key', pack({ ['k'.repeat(40)]: 1 }), 'FRAME_MALFORMED'],
    ['an array of 65535 claimed', new Uint8Array([0xdc, 0xff, 0xff]), 'FRAME_TRUNCATED'],
    ['an array of 4 billion claimed', new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff]), 'FRAME_MALFORMED'],
    ['9 deep', new Uint8Array([...new Array(10).fill(0x91), 0x01]), 'FRAME_MALFORMED'],
    ['another version', Uint8Array.from([]), 'FRAME_TRUNCATED'],
  ]
  for (const [what, body, code] of bodies) {
    assert.is(
      codeThrown(() => decodeMessage(framed(body), MAX)),
      code,
      what,
    )
  }
  assert.is(
    codeThrown(() => decodeMessage(Uint8Array.from([9, 0x80]), MAX)),
    'FRAME_VERSION',
  )
  assert.is(
    codeThrown(() => decodeMessage(new Uint8Array(MAX + 1), MAX)),
    'FRAME_TOO_LONG',
  )
  assert.is(
    codeThrown(() => encodeMessage('x'.repeat(100), 50)),
    'FRAME_TOO_LONG',
  )
})

test('a __proto__ key pollutes nothing', () => {
  const body = new Uint8Array([0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x78, 0x01])
  const value = decodeMessage(framed(body), MAX) as Record<string, unknown>
  assert.is(Reflect.get({}, 'x'), undefined)
  assert.is(Object.getPrototypeOf(value), Object.prototype)
})

test('random frames give a value or a code, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      codeThrown(() => decodeMessage(bytes, MAX))
      codeThrown(() => decodeMessage(framed(bytes), MAX))
    }),
    { numRuns: 3000 },
  )
})

test.run()

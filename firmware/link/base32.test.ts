import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeBase32, encodeBase32, tidyBase32 } from './base32.ts'

test('the vectors of RFC 4648 section 10, without padding', () => {
  const vectors = {
    '': '',
    f: 'MY',
    fo: 'MZXQ',
    foo: 'MZXW6',
    foob: 'MZXW6YQ',
    fooba: 'MZXW6YTB',
    foobar: 'MZXW6YTBOI',
  }
  for (const [text, base32] of Object.entries(vectors)) {
    assert.is(encodeBase32(Buffer.from(text)), base32)
    assert.equal(Buffer.from(decodeBase32(base32) ?? []).toString(), text)
  }
})

test('any bytes survive', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(decodeBase32(encodeBase32(bytes)), bytes)
    }),
  )
})

test('each text is the only one for its bytes', () => {
  // Bits past the last byte, impossible lengths, foreign characters.
  for (const text of ['MZ', 'A', 'AAA', 'AAAAAA', 'M1', 'my', 'MY=', 'MY '])
    assert.is(decodeBase32(text), undefined, text)
})

test('typed text becomes canonical', () => {
  assert.is(tidyBase32(' my-0 1\t8\n—z '), 'MYOIBZ')
})

test.run()

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HomewardError } from '../wire/errors.ts'
import { type Address, canonicalAddress } from './address.ts'
import { BASE32_ALPHABET, decodeBase32, encodeBase32 } from './base32.ts'
import { createIdentity } from './identity.ts'
import { concat, domain } from './pair.ts'
import {
  formatSetupCode,
  parseSetupCode,
  SETUP_CODE_HOST_MAX_BYTES,
  SETUP_CODE_MAX_CHARACTERS,
  type SetupCode,
} from './setup-code.ts'
import { hash, randomBytes } from './sodium.ts'

const storage = createIdentity()
const token = randomBytes(16)
const server = { host: 'p2p.example.org', port: 7440, key: randomBytes(32) }
const v4: Address = { host: '192.168.1.20', port: 7441 }
const v6: Address = { host: 'fd00::1234:5678', port: 7441 }
const bare: SetupCode = { storage: storage.publicKey, token, addresses: [] }
const full: SetupCode = { ...bare, server, addresses: [v4, v6] }

function messageOf(text: string): string {
  try {
    parseSetupCode(text)
  } catch (error) {
    assert.instance(error, HomewardError, String(error))
    assert.is((error as HomewardError).code, 'SETUP_CODE_INVALID')
    assert.ok((error as HomewardError).hint)
    return (error as HomewardError).message
  }
  return 'accepted'
}

test('what goes in comes out', () => {
  for (const code of [bare, full, { ...bare, server }, { ...bare, addresses: [v4, v4, v6, v6] }]) {
    const text = formatSetupCode(code)
    assert.match(text, /^HW1[A-Z2-7]+$/)
    assert.ok(text.length <= SETUP_CODE_MAX_CHARACTERS)
    assert.equal(parseSetupCode(text), code)
  }
  assert.is(formatSetupCode(bare).length, 93)
})

test('any server and addresses: at most 240 characters, addresses left out from the end', () => {
  const anyHost = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()).filter((host) => host.length <= SETUP_CODE_HOST_MAX_BYTES)
  const anyAddress = fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65535 }))
  fc.assert(
    fc.property(fc.option(anyHost), fc.array(anyAddress, { maxLength: 8 }), (host, list) => {
      const addresses = list.flatMap(([ip, port]) => canonicalAddress(ip, port) ?? [])
      const text = formatSetupCode({ ...bare, addresses, ...(host === null ? {} : { server: { ...server, host } }) })
      assert.ok(text.length <= SETUP_CODE_MAX_CHARACTERS, `${text.length}`)
      const back = parseSetupCode(text)
      assert.is(back.server?.host, host ?? undefined)
      assert.ok(back.addresses.length <= 4)
      if (addresses.length > 0) assert.equal(back.addresses[0], addresses[0])
    }),
  )
})

test('a host that does not fit is refused, never cut', () => {
  const long = `${'a'.repeat(SETUP_CODE_HOST_MAX_BYTES - 3)}.org`
  for (const host of [long, '', 'two words', 'a_b', 'x..y', '-a']) {
    assert.throws(() => formatSetupCode({ ...bare, server: { ...server, host } }), /P2P server/, host)
  }
  assert.throws(() => formatSetupCode({ ...bare, server: { ...server, port: 0 } }))
})

test('accepts what people paste and type', () => {
  const text = formatSetupCode(full)
  const typed = text.toLowerCase().replaceAll('o', '0').replaceAll('b', '8')
  const wrapped = `\n  ${typed.slice(0, 60)}\n${typed.slice(60, 100)}-${typed.slice(100)} `
  assert.equal(parseSetupCode(wrapped), full)
})

test('every single typo is caught and says so', () => {
  const text = formatSetupCode(full)
  for (let at = 3; at < text.length; at++) {
    const random = BASE32_ALPHABET.charAt((BASE32_ALPHABET.indexOf(text.charAt(at)) + 1 + (at % 31)) % 32)
    // The length stands in characters 5 and 6; a typo there looks like a missing or a surplus part.
    assert.match(messageOf(text.slice(0, at) + random + text.slice(at + 1)), /typo|incomplete|too many/)
    if (at > 6) assert.match(messageOf(text.slice(0, at) + random + text.slice(at + 1)), /typo/)
    const next = text.charAt(at + 1)
    if (next !== '' && next !== text[at]) {
      assert.is.not(messageOf(text.slice(0, at) + next + text.charAt(at) + text.slice(at + 2)), 'accepted')
    }
  }
})

test('a code cut off anywhere is incomplete, and one with more behind it is not this code', () => {
  const text = formatSetupCode(full)
  for (let length = 3; length < text.length; length++) assert.match(messageOf(text.slice(0, length)), /incomplete/)
  assert.match(messageOf(`${text}A`), /1 characters too many/)
  assert.match(messageOf(text.slice(0, -7)), new RegExp(`7 of ${text.length} characters are missing`))
})

test('wrong things have messages of their own', () => {
  assert.match(messageOf('hello'), /does not begin with HW1/)
  assert.match(messageOf(''), /does not begin with HW1/)
  assert.match(messageOf('HW'), /does not begin with HW1/)
  assert.match(messageOf(`HW2${'A'.repeat(100)}`), /version 2, this camera knows version 1/)
  assert.match(messageOf(`${formatSetupCode(full).slice(0, -1)}!`), /"!" is in no setup code/)
  try {
    parseSetupCode(storage.uid)
    assert.unreachable()
  } catch (error) {
    assert.match((error as HomewardError).hint ?? '', /looks like a UID/)
  }
})

/** A code with a body of the test's making and a check that fits it. */
function crafted(change: (body: Uint8Array) => void): string {
  const body = (decodeBase32(formatSetupCode(full).slice(3)) ?? new Uint8Array(0)).slice(0, -5)
  change(body)
  return `HW1${encodeBase32(concat(body, hash(16, [domain('homeward setup code'), body]).slice(0, 5)))}`
}

test('a right check does not excuse wrong content', () => {
  assert.is(messageOf(crafted(() => {})), 'accepted')
  assert.match(messageOf(crafted((body) => body.set([9]))), /version 9/)
  assert.match(messageOf(crafted((body) => body.fill(255, 2, 34))), /not its content/) // no point of the curve
  assert.match(messageOf(crafted((body) => body.set([0b0010_0011], 50))), /not its content/) // unknown part
  assert.match(messageOf(crafted((body) => body.set([0b1111_0001], 50))), /not its content/) // addresses missing
  assert.match(messageOf(crafted((body) => body.set([0b0001_0001], 50))), /not its content/) // bytes left over
  assert.match(messageOf(crafted((body) => body.set([0, 0], 51))), /not its content/) // port 0
})

test('random texts are refused, and nothing else is thrown', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 250 }), (text) => {
      assert.is.not(messageOf(text), 'accepted')
      assert.is.not(messageOf(`HW1${text}`), 'accepted')
    }),
  )
})

test.run()

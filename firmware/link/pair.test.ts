import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import { createIdentity } from './identity.ts'
import { concat, domain, hashToken, PairKeys, TokenKeys, tokenTags } from './pair.ts'
import { randomBytes } from './sodium.ts'

const [camera, storage, other] = [createIdentity(), createIdentity(), createIdentity()]

test('both sides compute the same keys, directions crossed', () => {
  const [a, b] = [new PairKeys(camera, storage.publicKey), new PairKeys(storage, camera.publicKey)]
  assert.equal(a.lookupTag, b.lookupTag)
  assert.equal(a.shortTag, b.shortTag)
  assert.is(a.shortTagHex, toHex(a.shortTag))
  assert.equal(a.sendKey('datagram'), b.receiveKey('datagram'))
  assert.equal(a.receiveKey('datagram'), b.sendKey('datagram'))
  assert.equal(a.secret('relay', 32, Uint8Array.of(1)), b.secret('relay', 32, Uint8Array.of(1)))
  assert.is(a.lookupTag.byteLength, 16)
  assert.is(a.shortTag.byteLength, 8)
})

test('every direction, purpose, context and pair has keys of its own', () => {
  const a = new PairKeys(camera, storage.publicKey)
  const all = [
    a.sendKey('one'),
    a.receiveKey('one'),
    a.sendKey('two'),
    a.secret('one'),
    a.secret('one', 32, Uint8Array.of(0)),
    a.secret('one', 32, Uint8Array.of(0, 0)),
    new PairKeys(camera, other.publicKey).sendKey('one'),
    new PairKeys(other, storage.publicKey).sendKey('one'),
  ].map(toHex)
  assert.is(new Set(all).size, all.length)
  // The purpose carries its length: moving its end into the context gives another key.
  assert.not.equal(a.secret('ab', 32, Buffer.from('c')), a.secret('a', 32, Buffer.from('bc')))
})

test('tags tell nothing about keys and are no prefix of each other', () => {
  const a = new PairKeys(camera, storage.publicKey)
  assert.not.equal(a.lookupTag.slice(0, 8), a.shortTag)
  assert.not.ok(toHex(storage.publicKey).includes(a.shortTagHex))
})

test('no key, no pair', () => {
  for (const bad of [new Uint8Array(32), new Uint8Array(32).fill(255), new Uint8Array(31)]) {
    try {
      new PairKeys(camera, bad)
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'UID_INVALID'))
    }
  }
})

test('a token and its hash give the same tags and secrets', () => {
  const token = randomBytes(16)
  const [byToken, byHash] = [TokenKeys.of(token), new TokenKeys(hashToken(token))]
  assert.equal(byToken.shortTag, byHash.shortTag)
  assert.equal(byToken.secret('relay'), byHash.secret('relay'))
  assert.equal(tokenTags(token), { lookupTag: byToken.lookupTag, shortTag: byToken.shortTag })
  assert.not.equal(tokenTags(randomBytes(16)).shortTag, byToken.shortTag)
  assert.throws(() => hashToken(new Uint8Array(15)))
})

test('domains are prefix-free', () => {
  assert.equal(domain('ab'), Uint8Array.of(2, 97, 98))
  assert.equal(concat(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2)), Uint8Array.of(1, 2))
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../platform/random.ts'
import { MAX_CANDIDATES } from '../wire/signal.ts'
import { encodeAddress } from './address.ts'
import { createIdentity } from './identity.ts'
import { lookUpKey, openAnswer, openStatement, readObserved, signAnswer, signStatement } from './signal-proof.ts'

const random = seededRandom(7)
const storage = createIdentity(random.bytes(32))
const server = createIdentity(random.bytes(32))
const other = createIdentity(random.bytes(32))
const serverKey = server.publicKey
const uid = storage.publicKey
const candidates = [
  { host: '192.168.1.5', port: 7441 },
  { host: 'fd00::5', port: 7441 },
]
const terms = { cookie: random.bytes(22), part: 1, parts: 3, tags: random.bytes(48) }
const signed = signStatement(storage, serverKey, { serial: 9, candidates }, terms)

/** Each of these bytes, one after the other, with one bit changed. */
function* flips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at++) {
    const changed = bytes.slice()
    changed[at] = (changed[at] ?? 0) ^ 1
    yield changed
  }
}

test('the server that knows the terms, and the camera that knows the UID, both read it', () => {
  const expected = { uid, serial: 9, candidates }
  for (const opened of [openStatement(signed, { serverKey, terms }), openStatement(signed, { uid })]) {
    assert.equal(opened && { ...opened, uid: new Uint8Array(opened.uid) }, expected)
  }
})

test('other terms, another server, another UID: refused', () => {
  for (const changed of [
    { ...terms, cookie: random.bytes(22) },
    { ...terms, part: 2 },
    { ...terms, parts: 4 },
    { ...terms, tags: random.bytes(48) },
    { ...terms, tags: terms.tags.subarray(16) },
  ]) {
    assert.is(openStatement(signed, { serverKey, terms: changed }), undefined)
  }
  assert.is(openStatement(signed, { serverKey: other.publicKey, terms }), undefined)
  assert.is(openStatement(signed, { uid: other.publicKey }), undefined)
})

test('one changed bit of statement or signature: refused', () => {
  for (const statement of flips(signed.statement)) {
    assert.is(openStatement({ ...signed, statement }, { uid }), undefined)
  }
  for (const signature of flips(signed.signature)) {
    assert.is(openStatement({ ...signed, signature }, { uid }), undefined)
  }
})

test('candidates beyond the limit are cut off, noise is refused', () => {
  const tooMany = Array.from({ length: 20 }, (_, index) => ({ host: `10.0.0.${index}`, port: 1 }))
  const cut = openStatement(signStatement(storage, serverKey, { serial: 1, candidates: tooMany }, terms), { uid })
  assert.is(cut?.candidates.length, MAX_CANDIDATES)
  assert.is(openStatement({ statement: random.bytes(100), signature: random.bytes(64) }, { uid }), undefined)
})

test('an answer is the pinned server’s, to this nonce', () => {
  const nonce = random.bytes(16)
  const body = { t: 'refused', reason: 'server-full' } as const
  const answer = signAnswer(server, nonce, body)
  assert.equal(openAnswer(answer, serverKey), body)
  assert.is(openAnswer(answer, other.publicKey), undefined)
  assert.is(openAnswer({ ...answer, nonce: random.bytes(16) }, serverKey), undefined)
  for (const changed of flips(answer.body)) assert.is(openAnswer({ ...answer, body: changed }, serverKey), undefined)
  assert.is(openAnswer({ ...answer, body: random.bytes(20) }, serverKey), undefined)
})

test('a storage device’s signature is never taken for a server’s', () => {
  const nonce = random.bytes(16)
  const { signature } = signStatement(server, serverKey, { serial: 1, candidates: [] }, terms)
  assert.is(openAnswer({ t: 'signed', nonce, body: signed.statement, signature }, serverKey), undefined)
})

test('a look-up key belongs to one UID and one tag', () => {
  const tag = random.bytes(16)
  assert.equal(lookUpKey(uid, tag), lookUpKey(uid, tag))
  assert.not.equal(lookUpKey(uid, tag), lookUpKey(other.publicKey, tag))
  assert.not.equal(lookUpKey(uid, tag), lookUpKey(uid, random.bytes(16)))
  assert.is(lookUpKey(uid, tag).byteLength, 16)
})

test('one address is one address', () => {
  const [first = { host: '', port: 0 }, second = first] = candidates
  assert.equal(readObserved(encodeAddress(second)), second)
  assert.is(readObserved(new Uint8Array(0)), undefined)
  assert.is(readObserved(Uint8Array.from([...encodeAddress(first), ...encodeAddress(second)])), 'malformed')
  assert.is(readObserved(encodeAddress(first).subarray(0, 6)), 'malformed')
})

test.run()

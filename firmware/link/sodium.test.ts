import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex, toHex } from '../wire/bytes.ts'
import * as sodium from './sodium.ts'

test('Ed25519: the first vector of RFC 8032 section 7.1', () => {
  const keys = sodium.signingKeyPair(fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'))
  assert.is(toHex(keys.publicKey), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  const signature = sodium.sign(new Uint8Array(0), keys.secretKey)
  assert.match(toHex(signature), /^e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155/)
  assert.ok(sodium.verifySignature(signature, new Uint8Array(0), keys.publicKey))
  assert.not.ok(sodium.verifySignature(signature, new Uint8Array(1), keys.publicKey))
  const longer = Uint8Array.from([...signature, 0])
  assert.not.ok(sodium.verifySignature(longer, new Uint8Array(0), keys.publicKey))
})

test('X25519: the Diffie-Hellman of RFC 7748 section 6.1', () => {
  const alice = fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a')
  const bob = fromHex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
  assert.is(
    toHex(sodium.x25519(alice, bob) ?? new Uint8Array(0)),
    '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
  )
})

test('keys convert, and both sides agree', () => {
  const [a, b] = [sodium.signingKeyPair(), sodium.signingKeyPair()]
  const [ax, bx] = [sodium.toX25519KeyPair(a.secretKey), sodium.toX25519KeyPair(b.secretKey)]
  assert.equal(sodium.toX25519Public(a.publicKey), ax.publicKey)
  assert.equal(sodium.x25519(ax.secretKey, bx.publicKey), sodium.x25519(bx.secretKey, ax.publicKey))
})

test('bad points are refused, not computed with', () => {
  for (const bad of [new Uint8Array(32), new Uint8Array(32).fill(255), Uint8Array.of(1, ...new Uint8Array(31))]) {
    assert.is(sodium.toX25519Public(bad), undefined)
  }
  assert.is(sodium.x25519(sodium.randomBytes(32), new Uint8Array(32)), undefined)
})

test('sealed boxes open for their owner only', () => {
  const owner = sodium.toX25519KeyPair(sodium.signingKeyPair().secretKey)
  const other = sodium.toX25519KeyPair(sodium.signingKeyPair().secretKey)
  const box = sodium.sealBox(Uint8Array.of(1, 2, 3), owner.publicKey)
  assert.equal(sodium.openSealedBox(box, owner), Uint8Array.of(1, 2, 3))
  assert.is(sodium.openSealedBox(box, other), undefined)
  for (let at = 0; at < box.byteLength; at++) {
    const bent = box.with(at, (box[at] ?? 0) ^ 1)
    assert.is(sodium.openSealedBox(bent, owner), undefined)
    assert.is(sodium.openSealedBox(box.subarray(0, at), owner), undefined)
  }
})

test('XChaCha20-Poly1305 in place: the vector of draft-irtf-cfrg-xchacha-03 A.3.1', () => {
  const text =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
  const buffer = new Uint8Array(text.length + sodium.AEAD_TAG_BYTES)
  buffer.set(Buffer.from(text))
  const associated = fromHex('50515253c0c1c2c3c4c5c6c7')
  const key = Uint8Array.from({ length: 32 }, (_, at) => 0x80 + at)
  const nonce = Uint8Array.from({ length: 24 }, (_, at) => 0x40 + at)
  sodium.encryptInPlace(buffer, associated, nonce, key)
  assert.match(toHex(buffer), /^bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb/)
  assert.match(toHex(buffer), /c0875924c1c7987947deafd8780acf49$/)
  assert.is(Buffer.from(sodium.decrypt(buffer, associated, nonce, key) ?? []).toString(), text)
})

test('a box with one bit changed anywhere does not open', () => {
  const buffer = sodium.randomBytes(40)
  const [associated, nonce, key] = [sodium.randomBytes(11), sodium.randomBytes(24), sodium.randomBytes(32)]
  sodium.encryptInPlace(buffer, associated, nonce, key)
  const bend = (bytes: Uint8Array, bit: number) => bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)))
  for (let bit = 0; bit < 40 * 8; bit++) assert.is(sodium.decrypt(bend(buffer, bit), associated, nonce, key), undefined)
  for (let bit = 0; bit < 11 * 8; bit++) assert.is(sodium.decrypt(buffer, bend(associated, bit), nonce, key), undefined)
  for (let bit = 0; bit < 24 * 8; bit++) assert.is(sodium.decrypt(buffer, associated, bend(nonce, bit), key), undefined)
  for (let length = 0; length < 40; length++) {
    assert.is(sodium.decrypt(buffer.subarray(0, length), associated, nonce, key), undefined)
  }
})

test('BLAKE2b: RFC 7693 "abc", parts run together, the key counts', () => {
  const abc = Buffer.from('abc')
  assert.match(toHex(sodium.hash(64, [abc])), /^ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b7/)
  assert.equal(sodium.hash(32, [abc.subarray(0, 1), new Uint8Array(0), abc.subarray(1)]), sodium.hash(32, [abc]))
  assert.not.equal(sodium.hash(32, [abc], new Uint8Array(32)), sodium.hash(32, [abc]))
})

test('secrets: wiping and comparing', () => {
  const secret = sodium.randomBytes(32)
  const copy = secret.slice()
  assert.ok(sodium.equalSecrets(secret, copy))
  assert.not.ok(sodium.equalSecrets(secret, copy.with(31, (copy[31] ?? 0) ^ 1)))
  assert.not.ok(sodium.equalSecrets(secret, copy.subarray(1)))
  sodium.wipe(secret)
  assert.equal(secret, new Uint8Array(32))
})

test('a passphrase gives the same key for the same salt and cost only', async () => {
  const [word, salt] = [Buffer.from('correct horse'), new Uint8Array(16)]
  const key = await sodium.passwordKey(word, salt, sodium.PASSWORD_COST_MIN)
  assert.equal(await sodium.passwordKey(word, salt, sodium.PASSWORD_COST_MIN), key)
  assert.not.equal(await sodium.passwordKey(word, salt.with(0, 1), sodium.PASSWORD_COST_MIN), key)
  assert.not.equal(await sodium.passwordKey(word, salt, { ...sodium.PASSWORD_COST_MIN, operations: 2 }), key)
  assert.is(sodium.PASSWORD_COST.memoryBytes, 256 * 1024 * 1024)
})

test.run()

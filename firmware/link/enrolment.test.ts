import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import { REQUEST_BYTES, readHead } from './datagram.ts'
import { buildEnrol, type EnrolOffer, enrolmentUnanswered, openEnrol } from './enrolment.ts'
import { createIdentity } from './identity.ts'
import { NAME_MAX_BYTES } from './names.ts'
import { hashToken, TokenKeys } from './pair.ts'
import { openSealedBox, randomBytes, sealBox, toX25519KeyPair } from './sodium.ts'

const [camera, storage, stranger] = [createIdentity(), createIdentity(), createIdentity()]
const token = randomBytes(16)
const fresh = { boot: 7, seq: 3 }
const offer: EnrolOffer = { camera, storage: storage.publicKey, token, tx: '00112233445566ff', name: 'Tür', fresh }

const known = (...tokens: Uint8Array[]) => {
  const byTag = new Map(tokens.map((one) => [TokenKeys.of(one).shortTagHex, hashToken(one)]))
  return (tag: string) => byTag.get(tag)
}

test('storage reads what the camera offers', () => {
  for (const name of ['', 'Tür', 'x'.repeat(NAME_MAX_BYTES)]) {
    const bytes = buildEnrol({ ...offer, name })
    assert.is(bytes.byteLength, REQUEST_BYTES)
    assert.equal(openEnrol(storage, bytes, known(token)), {
      camera: camera.publicKey,
      tokenHash: toHex(hashToken(token)),
      tx: offer.tx,
      name,
      fresh,
    })
  }
})

test('neither key, token nor name can be read on the way, and no two look alike', () => {
  const [one, two] = [buildEnrol(offer), buildEnrol(offer)]
  for (const secret of [camera.publicKey, storage.publicKey, token, Buffer.from('Tür')]) {
    assert.is(Buffer.from(one).indexOf(secret), -1)
  }
  assert.not.equal(one.subarray(11), two.subarray(11))
  assert.is(readHead(one)?.type, 'enrol')
})

test('an unknown tag is not decrypted', () => {
  let asked = 0
  const nobody = () => {
    asked += 1
    return undefined
  }
  assert.is(openEnrol(storage, buildEnrol(offer), nobody), undefined)
  assert.is(asked, 1)
})

test('only for the storage device it was sealed for', () => {
  assert.is(openEnrol(stranger, buildEnrol(offer), known(token)), undefined)
})

test('the token inside must be the one of the tag', () => {
  const other = randomBytes(16)
  const bytes = buildEnrol({ ...offer, token: other })
  bytes.set(TokenKeys.of(token).shortTag, 3)
  assert.is(openEnrol(storage, bytes, known(token, other)), undefined)
})

test('cut off or changed anywhere: silence', () => {
  const bytes = buildEnrol(offer)
  for (let at = 0; at < bytes.byteLength; at++) {
    assert.is(openEnrol(storage, bytes.subarray(0, at), known(token)), undefined)
    assert.is(openEnrol(storage, bytes.with(at, (bytes[at] ?? 0) ^ 1), known(token)), undefined, `byte ${at}`)
  }
  assert.is(openEnrol(storage, Buffer.concat([bytes, Uint8Array.of(0)]), known(token)), undefined)
})

/** The content of a genuine enrol datagram, got back by its sender: it is sealed for a key that the test holds. */
function plainOf(from: EnrolOffer): Uint8Array {
  const keys = toX25519KeyPair((from.storage === stranger.publicKey ? stranger : storage).secretKey)
  return openSealedBox(buildEnrol(from).subarray(11), keys) ?? new Uint8Array(0)
}

/** An enrol datagram changed inside by somebody who knows the token and the UID. */
function resealed(change: (plain: Uint8Array) => void): Uint8Array {
  const plain = plainOf(offer)
  change(plain)
  const bytes = buildEnrol(offer)
  bytes.set(sealBox(plain, toX25519KeyPair(storage.secretKey).publicKey), 11)
  return bytes
}

test('whoever knows the code cannot enrol a key that is not theirs', () => {
  assert.ok(
    openEnrol(
      storage,
      resealed(() => {}),
      known(token),
    ),
  )
  const changes: ((plain: Uint8Array) => void)[] = [
    (plain) => plain.set(stranger.publicKey),
    (plain) => plain.set(storage.publicKey),
    (plain) => plain.fill(255, 0, 32),
    (plain) => plain.set([1], 48),
    (plain) => plain.set([1], 56),
    (plain) => plain.set([9], 60),
    (plain) => plain.set([120], 133),
    (plain) => plain.set([65], 132),
    (plain) => plain.set([1], plain.byteLength - 1),
  ]
  for (const [at, change] of changes.entries()) {
    assert.is(openEnrol(storage, resealed(change), known(token)), undefined, `change ${at}`)
  }
})

test('a storage device does not enrol itself', () => {
  assert.is(openEnrol(storage, buildEnrol({ ...offer, camera: storage }), known(token)), undefined)
})

test('a storage device cannot pass a camera’s enrolment on to another', () => {
  const forStranger = plainOf({ ...offer, storage: stranger.publicKey })
  const bytes = buildEnrol(offer)
  bytes.set(sealBox(forStranger, toX25519KeyPair(storage.secretKey).publicKey), 11)
  assert.is(openEnrol(storage, bytes, known(token)), undefined)
})

const SEED = 8

test(`random datagrams with a known tag never throw (seed ${SEED})`, () => {
  const x25519 = toX25519KeyPair(storage.secretKey).publicKey
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 197, maxLength: 197 }), (plain) => {
      const bytes = buildEnrol(offer)
      bytes.set(sealBox(plain, x25519), 11)
      assert.is(openEnrol(storage, bytes, known(token)), undefined)
    }),
    { seed: SEED, numRuns: 200 },
  )
})

test('no enrolment for what is no key', () => {
  try {
    buildEnrol({ ...offer, storage: new Uint8Array(32) })
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'UID_INVALID'))
  }
  assert.throws(() => buildEnrol({ ...offer, name: 'x'.repeat(NAME_MAX_BYTES + 1) }))
})

test('an unanswered camera says what may be the reason', () => {
  const { code, hint } = enrolmentUnanswered()
  assert.is(code, 'STORAGE_UNREACHABLE')
  assert.match(hint ?? '', /expired.*used by another camera.*off.*path/)
})

test.run()

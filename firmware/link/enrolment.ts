/**
 * First contact. The camera proves the setup token, and that it owns its key, inside a message that only the storage
 * device can open. Layout of the datagram, REQUEST_BYTES in all: the 11-byte head with the token's short tag, then a
 * sealed box of
 *
 *   camera key 32, token 16, tx 8, boot u32, seq u64, signature 64, name length u8, name, zeros
 *
 * The answer is an ordinary `enrolled` datagram of the pair, which proves the storage device's key. There is no answer
 * that says no.
 */
import { ByteReader, ByteWriter, equalBytes, fromHex, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { readText, writeText } from '../wire/text.ts'
import { type Freshness, REQUEST_BYTES, readHead, writeHead } from './datagram.ts'
import type { Identity } from './identity.ts'
import { NAME_MAX_BYTES } from './names.ts'
import { concat, domain, hashToken, SHORT_TAG_BYTES, TOKEN_BYTES, TokenKeys } from './pair.ts'
import {
  equalSecrets,
  openSealedBox,
  SEALED_BOX_EXTRA_BYTES,
  SIGNATURE_BYTES,
  sealBox,
  sign,
  toX25519KeyPair,
  toX25519Public,
  verifySignature,
} from './sodium.ts'

const SIGNATURE_DOMAIN = domain('homeward enrol v1')
const BOX_AT = 3 + SHORT_TAG_BYTES
const PLAIN_BYTES = REQUEST_BYTES - BOX_AT - SEALED_BOX_EXTRA_BYTES
const TX_BYTES = 8

export interface EnrolOffer {
  readonly camera: Identity
  /** The storage device's key, from the setup code. */
  readonly storage: Uint8Array
  readonly token: Uint8Array
  /** 16 hex digits, echoed in the answer. */
  readonly tx: string
  /** What the camera would like to be called; empty for no wish. At most NAME_MAX_BYTES in UTF-8. */
  readonly name: string
  readonly fresh: Freshness
}

export interface EnrolRequest {
  readonly camera: Uint8Array
  /** Hex; {@link hashToken}. */
  readonly tokenHash: string
  readonly tx: string
  readonly name: string
  readonly fresh: Freshness
}

/** The datagram of a camera that is not enrolled yet. Throws UID_INVALID when `storage` is no usable key. */
export function buildEnrol(offer: EnrolOffer): Uint8Array {
  const point = toX25519Public(offer.storage)
  if (point === undefined) throw new HomewardError('UID_INVALID', 'the setup code names no usable key')
  const { publicKey, secretKey } = offer.camera
  const signature = sign(signedBytes(offer.storage, publicKey, offer), secretKey)
  const plain = new Uint8Array(PLAIN_BYTES)
  const writer = new ByteWriter(plain)
    .bytes(publicKey, 32)
    .bytes(offer.token, TOKEN_BYTES)
    .hex(offer.tx, TX_BYTES)
    .u32(offer.fresh.boot)
    .u64(offer.fresh.seq)
    .bytes(signature, SIGNATURE_BYTES)
  writeText(writer, offer.name, NAME_MAX_BYTES)
  const datagram = new Uint8Array(REQUEST_BYTES)
  const head = new ByteWriter(datagram)
  writeHead(head, 'enrol', TokenKeys.of(offer.token).shortTag)
  head.bytes(sealBox(plain, point))
  return datagram
}

/**
 * The request in an enrol datagram. `findTokenHash` maps a short tag (hex) to the hash of a token that was given out, in
 * whatever state it is now; without one nothing is decrypted. Undefined for anything not authentic and exact.
 */
export function openEnrol(
  storage: Identity,
  datagram: Uint8Array,
  findTokenHash: (shortTag: string) => Uint8Array | undefined,
): EnrolRequest | undefined {
  if (datagram.byteLength !== REQUEST_BYTES) return undefined
  const head = readHead(datagram)
  const expected = head?.type === 'enrol' ? findTokenHash(head.tag) : undefined
  if (expected === undefined) return undefined
  const plain = openSealedBox(datagram.subarray(BOX_AT), toX25519KeyPair(storage.secretKey))
  if (plain === undefined) return undefined
  try {
    return readRequest(storage.publicKey, new ByteReader(plain), expected)
  } catch (error) {
    if (error instanceof HomewardError) return undefined
    throw error
  }
}

function readRequest(storage: Uint8Array, reader: ByteReader, expected: Uint8Array): EnrolRequest | undefined {
  const camera = reader.bytes(32).slice()
  const token = reader.bytes(TOKEN_BYTES)
  const tx = reader.hex(TX_BYTES)
  const fresh = { boot: reader.u32(), seq: reader.u64() }
  const signature = reader.bytes(SIGNATURE_BYTES)
  const name = readText(reader, NAME_MAX_BYTES)
  const tokenHash = hashToken(token)
  if (!equalSecrets(tokenHash, expected) || reader.rest().some((byte) => byte !== 0)) return undefined
  // A device does not enrol with itself, and a key that cannot make a pair would be found out only later.
  if (equalBytes(camera, storage) || toX25519Public(camera) === undefined) return undefined
  if (!verifySignature(signature, signedBytes(storage, camera, { token, tx, name, fresh }), camera)) return undefined
  return { camera, tokenHash: toHex(tokenHash), tx, name, fresh }
}

type Signed = Pick<EnrolOffer, 'token' | 'tx' | 'name' | 'fresh'>

function signedBytes(storage: Uint8Array, camera: Uint8Array, { token, tx, name, fresh }: Signed): Uint8Array {
  const numbers = new Uint8Array(12)
  new ByteWriter(numbers).u32(fresh.boot).u64(fresh.seq)
  return concat(SIGNATURE_DOMAIN, storage, token, camera, fromHex(tx), numbers, Buffer.from(name, 'utf8'))
}

/** What a camera reports while its enrol datagrams stay unanswered: silence has many reasons and gives none. */
export function enrolmentUnanswered(): HomewardError {
  return new HomewardError('STORAGE_UNREACHABLE', 'the storage device has not answered this setup code yet', {
    hint:
      'The code may have expired or have been used by another camera (`homeward storage cameras` and the storage page ' +
      'say so; make a new one with `homeward storage pair`), the storage device may be off, or no path leads to it.',
  })
}

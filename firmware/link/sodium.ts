/**
 * The libsodium functions in use, with types, over sodium-native. Inputs of a wrong length throw (a bug of the caller);
 * what a stranger can cause, a bad point, a forged box, comes back as `undefined` or `false`.
 */
import sodium from 'sodium-native'
import { unfilled } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'

const PUBLIC_KEY_BYTES = 32
const SECRET_KEY_BYTES = 64
export const SIGNATURE_BYTES = 64
export const NONCE_BYTES = 24
export const AEAD_TAG_BYTES = 16
/** What a sealed box adds: an ephemeral public key and a tag. */
export const SEALED_BOX_EXTRA_BYTES = 48

export interface KeyPair {
  readonly publicKey: Uint8Array
  readonly secretKey: Uint8Array
}

export function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  sodium.randombytes_buf(bytes)
  return bytes
}

/** Overwrites a secret with zeros, in a way no compiler leaves out. */
export function wipe(bytes: Uint8Array): void {
  sodium.sodium_memzero(bytes)
}

/** In constant time for equal lengths. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && sodium.sodium_memcmp(a, b)
}

/** A new Ed25519 key pair, or the one of a 32-byte seed (the first half of the secret key is its seed). */
export function signingKeyPair(seed?: Uint8Array): KeyPair {
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES)
  const secretKey = new Uint8Array(SECRET_KEY_BYTES)
  if (seed === undefined) sodium.crypto_sign_keypair(publicKey, secretKey)
  else sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
  return { publicKey, secretKey }
}

export function sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const signature = new Uint8Array(SIGNATURE_BYTES)
  sodium.crypto_sign_detached(signature, message, secretKey)
  return signature
}

export function verifySignature(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  // The binding accepts a longer signature and reads its first 64 bytes.
  return signature.byteLength === SIGNATURE_BYTES && sodium.crypto_sign_verify_detached(signature, message, publicKey)
}

/** The X25519 form of an Ed25519 public key; undefined when it is no point of the main subgroup. */
export function toX25519Public(ed25519: Uint8Array): Uint8Array | undefined {
  const x25519 = new Uint8Array(PUBLIC_KEY_BYTES)
  try {
    sodium.crypto_sign_ed25519_pk_to_curve25519(x25519, ed25519)
  } catch {
    return undefined
  }
  return x25519
}

export function toX25519Secret(ed25519: Uint8Array): Uint8Array {
  const x25519 = new Uint8Array(32)
  sodium.crypto_sign_ed25519_sk_to_curve25519(x25519, ed25519)
  return x25519
}

/** An X25519 key pair from an Ed25519 secret key. */
export function toX25519KeyPair(ed25519Secret: Uint8Array): KeyPair {
  const secretKey = toX25519Secret(ed25519Secret)
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES)
  sodium.crypto_scalarmult_base(publicKey, secretKey)
  return { publicKey, secretKey }
}

/** X25519 (RFC 7748). Undefined when the result would be all zeros: a point of small order. */
export function x25519(secret: Uint8Array, point: Uint8Array): Uint8Array | undefined {
  const shared = new Uint8Array(32)
  try {
    sodium.crypto_scalarmult(shared, secret, point)
  } catch {
    return undefined
  }
  return shared
}

/** A libsodium sealed box: only the owner of the X25519 key opens it; who made it stays unknown. */
export function sealBox(message: Uint8Array, x25519Public: Uint8Array): Uint8Array {
  const box = new Uint8Array(message.byteLength + SEALED_BOX_EXTRA_BYTES)
  sodium.crypto_box_seal(box, message, x25519Public)
  return box
}

export function openSealedBox(box: Uint8Array, keys: KeyPair): Uint8Array | undefined {
  if (box.byteLength < SEALED_BOX_EXTRA_BYTES) return undefined
  const message = new Uint8Array(box.byteLength - SEALED_BOX_EXTRA_BYTES)
  return sodium.crypto_box_seal_open(message, box, keys.publicKey, keys.secretKey) ? message : undefined
}

/**
 * XChaCha20-Poly1305 in place: `buffer` holds the message and AEAD_TAG_BYTES spare bytes behind it, and the box after.
 * libsodium documents that message and box may be the same memory.
 */
export function encryptInPlace(buffer: Uint8Array, associated: Uint8Array, nonce: Uint8Array, key: Uint8Array): void {
  const message = buffer.subarray(0, buffer.byteLength - AEAD_TAG_BYTES)
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(buffer, message, associated, null, nonce, key)
}

/** The message in `box`, in memory of its own; undefined when box, associated data, nonce or key differ in one bit. */
export function decrypt(
  box: Uint8Array,
  associated: Uint8Array,
  nonce: Uint8Array,
  key: Uint8Array,
): Uint8Array | undefined {
  if (box.byteLength < AEAD_TAG_BYTES) return undefined
  const message = unfilled(box.byteLength - AEAD_TAG_BYTES)
  try {
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(message, null, box, associated, nonce, key)
  } catch {
    return undefined
  }
  return message
}

/** BLAKE2b over the parts one after the other, 16 to 64 bytes long; keyed with 16 to 64 bytes when `key` is given. */
export function hash(bytes: number, parts: readonly Uint8Array[], key?: Uint8Array): Uint8Array {
  const digest = new Uint8Array(bytes)
  sodium.crypto_generichash_batch(digest, [...parts], key)
  return digest
}

/** Work that one guess of a passphrase costs (argon2id, RFC 9106). */
export interface PasswordCost {
  readonly operations: number
  readonly memoryBytes: number
}

/** libsodium's "moderate": about a second, 256 MiB. */
export const PASSWORD_COST: PasswordCost = {
  operations: sodium.crypto_pwhash_OPSLIMIT_MODERATE,
  memoryBytes: sodium.crypto_pwhash_MEMLIMIT_MODERATE,
}

/** The least libsodium accepts: for tests. */
export const PASSWORD_COST_MIN: PasswordCost = {
  operations: sodium.crypto_pwhash_OPSLIMIT_MIN,
  memoryBytes: sodium.crypto_pwhash_MEMLIMIT_MIN,
}

/** A 32-byte key from a passphrase and a 16-byte salt, computed on a worker thread. Throws INTERNAL when memory is short. */
export async function passwordKey(
  passphrase: Uint8Array,
  salt: Uint8Array,
  cost: PasswordCost = PASSWORD_COST,
): Promise<Uint8Array> {
  const key = new Uint8Array(32)
  try {
    await sodium.crypto_pwhash_async(
      key,
      passphrase,
      salt,
      cost.operations,
      cost.memoryBytes,
      sodium.crypto_pwhash_ALG_ARGON2ID13,
    )
  } catch (cause) {
    throw new HomewardError(
      'INTERNAL',
      `a passphrase needs ${cost.memoryBytes / 2 ** 20} MiB of memory, and there is less`,
      {
        hint: 'Stop other programs for a moment, or do it on another machine.',
        cause,
      },
    )
  }
  return key
}

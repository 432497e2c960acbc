/**
 * What two devices share because each knows the other's key, and what a camera and a storage device share through a setup
 * token before that. Everything comes from BLAKE2b keyed with the shared secret, with a domain string per purpose.
 */
import { toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import type { Identity } from './identity.ts'
import { hash, toX25519Public, toX25519Secret, wipe, x25519 } from './sodium.ts'

const LOOKUP_TAG_BYTES = 16
export const SHORT_TAG_BYTES = 8
export const TOKEN_BYTES = 16

const PAIR_DOMAIN = domain('homeward pair v1')
const TOKEN_DOMAIN = domain('homeward token v1')

export interface Tags {
  /** 16 bytes; the storage device registers it, the camera looks it up: to the P2P server it is noise. */
  readonly lookupTag: Uint8Array
  /** 8 bytes at the front of every datagram: found in a map before any cryptography. */
  readonly shortTag: Uint8Array
}

/** Keys of one pair of devices. Both sides compute the same ones; only directions differ. */
export class PairKeys implements Tags {
  readonly remote: Uint8Array
  readonly lookupTag: Uint8Array
  readonly shortTag: Uint8Array
  /** `shortTag` in hex, for maps. */
  readonly shortTagHex: string
  readonly #own: Uint8Array
  readonly #shared: Uint8Array

  /** One X25519 operation. Throws UID_INVALID when `remote` is no usable public key. */
  constructor(own: Identity, remote: Uint8Array) {
    this.#own = Uint8Array.from(own.publicKey)
    this.remote = Uint8Array.from(remote)
    this.#shared = sharedSecret(own, remote)
    this.lookupTag = this.secret('lookup tag', LOOKUP_TAG_BYTES)
    this.shortTag = this.secret('short tag', 16).slice(0, SHORT_TAG_BYTES)
    this.shortTagHex = toHex(this.shortTag)
  }

  /** A secret of 16 to 64 bytes that both sides compute, apart for every `purpose` and `context`. */
  secret(purpose: string, bytes = 32, context: Uint8Array = new Uint8Array(0)): Uint8Array {
    return hash(bytes, [domain(purpose), context], this.#shared)
  }

  /** The key under which this side sends for `purpose`: the other side's `receiveKey`. */
  sendKey(purpose: string): Uint8Array {
    return this.secret(purpose, 32, concat(this.#own, this.remote))
  }

  receiveKey(purpose: string): Uint8Array {
    return this.secret(purpose, 32, concat(this.remote, this.#own))
  }

  /** Forgets the shared secret; the object is of no use afterwards. */
  close(): void {
    wipe(this.#shared)
  }
}

/**
 * What the knowledge of an open setup token gives. Made from the token's hash, for that is all the storage device keeps
 * of it: its state file opens no window to whoever reads it.
 */
export class TokenKeys implements Tags {
  readonly lookupTag: Uint8Array
  readonly shortTag: Uint8Array
  readonly shortTagHex: string
  readonly #hash: Uint8Array

  constructor(tokenHash: Uint8Array) {
    this.#hash = Uint8Array.from(tokenHash)
    this.lookupTag = this.secret('lookup tag', LOOKUP_TAG_BYTES)
    this.shortTag = this.secret('short tag', 16).slice(0, SHORT_TAG_BYTES)
    this.shortTagHex = toHex(this.shortTag)
  }

  static of(token: Uint8Array): TokenKeys {
    return new TokenKeys(hashToken(token))
  }

  /** As {@link PairKeys.secret}, shared by whoever knows the token. */
  secret(purpose: string, bytes = 32, context: Uint8Array = new Uint8Array(0)): Uint8Array {
    return hash(bytes, [TOKEN_DOMAIN, domain(purpose), context], this.#hash)
  }
}

/** 32 bytes; from 128 random bits, so that it cannot be guessed back. */
export function hashToken(token: Uint8Array): Uint8Array {
  if (token.byteLength !== TOKEN_BYTES) {
    throw new HomewardError('INTERNAL', `a token has ${TOKEN_BYTES} bytes, not ${token.byteLength}`)
  }
  return hash(32, [TOKEN_DOMAIN, token])
}

export function tokenTags(token: Uint8Array): Tags {
  const { lookupTag, shortTag } = TokenKeys.of(token)
  return { lookupTag, shortTag }
}

/** A domain string with its length in front, so that no two inputs run into the same bytes. */
export function domain(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8')
  return Uint8Array.from([bytes.byteLength, ...bytes])
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function sharedSecret(own: Identity, remote: Uint8Array): Uint8Array {
  const point = remote.byteLength === 32 ? toX25519Public(remote) : undefined
  const secret = toX25519Secret(own.secretKey)
  const dh = point === undefined ? undefined : x25519(secret, point)
  wipe(secret)
  if (dh === undefined) {
    throw new HomewardError('UID_INVALID', 'the UID has valid check characters but is no public key')
  }
  const [low, high] = Buffer.compare(own.publicKey, remote) < 0 ? [own.publicKey, remote] : [remote, own.publicKey]
  const shared = hash(32, [PAIR_DOMAIN, low, high], dh)
  wipe(dh)
  return shared
}

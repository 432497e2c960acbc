/**
 * Who signs what in signalling. Every signature and hash starts with a domain string of its own.
 *
 * - A storage device signs its statement. One field of it, `proof`, is a hash of the server's key, the cookie, the part
 *   numbers and the tags it is registered with. So one signature convinces the server (which knows all of these) that
 *   the registration is fresh and meant for it, and convinces a camera (which sees the hash only) that the addresses are
 *   the device's own, while nobody can register the statement a second time or at another server.
 * - A server signs its answers together with the request's nonce: they cannot be kept for later.
 * - Over TLS it also signs what the connection's two ends have in common: no certificate has to be trusted.
 */
import { ByteReader, ByteWriter, equalBytes } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import {
  type AnswerBody,
  decodeAnswerBody,
  decodeStatement,
  encodeAnswerBody,
  encodeStatement,
  MAX_CANDIDATES,
  type SignalOf,
  TAG_BYTES,
  type TlsProof,
} from '../wire/signal.ts'
import { type Address, addressBytes, readAddress, writeAddress } from './address.ts'
import type { Identity } from './identity.ts'
import { concat, domain } from './pair.ts'
import { hash, sign, verifySignature } from './sodium.ts'

const STATEMENT_DOMAIN = domain('homeward statement v1')
const PROOF_DOMAIN = domain('homeward registration v1')
const ANSWER_DOMAIN = domain('homeward answer v1')
const TLS_DOMAIN = domain('homeward tls v1')
const LOOK_UP_DOMAIN = domain('homeward look-up v1')

/** What a registration is tied to. */
export interface RegistrationTerms {
  readonly cookie: Uint8Array
  readonly part: number
  readonly parts: number
  /** Tags of 16 bytes one after the other. */
  readonly tags: Uint8Array
}

/** What a storage device says about itself, checked. */
export interface Announcement {
  readonly uid: Uint8Array
  readonly serial: number
  readonly candidates: readonly Address[]
}

export interface SignedStatement {
  readonly statement: Uint8Array
  readonly signature: Uint8Array
}

/** `announcement.uid` is the identity's own. More than MAX_CANDIDATES addresses are cut off. */
export function signStatement(
  identity: Identity,
  serverKey: Uint8Array,
  announcement: Omit<Announcement, 'uid'>,
  terms: RegistrationTerms,
): SignedStatement {
  const statement = encodeStatement({
    uid: identity.publicKey,
    serial: announcement.serial,
    candidates: packAddresses(announcement.candidates.slice(0, MAX_CANDIDATES)),
    proof: proofOf(serverKey, terms),
  })
  return { statement, signature: sign(concat(STATEMENT_DOMAIN, statement), identity.secretKey) }
}

/** The statement if the key it names signed it. With `terms` it must also have been made for this server and for them. */
export function openStatement(
  signed: SignedStatement,
  expected: { uid: Uint8Array } | { serverKey: Uint8Array; terms: RegistrationTerms },
): Announcement | undefined {
  return unlessMalformed(() => {
    const { uid, serial, candidates, proof } = decodeStatement(signed.statement)
    if ('uid' in expected && !equalBytes(uid, expected.uid)) return undefined
    if ('terms' in expected && !equalBytes(proof, proofOf(expected.serverKey, expected.terms))) return undefined
    const addresses = unpackAddresses(candidates)
    if (!verifySignature(signed.signature, concat(STATEMENT_DOMAIN, signed.statement), uid)) return undefined
    return { uid, serial, candidates: addresses }
  })
}

export function signAnswer(server: Identity, nonce: Uint8Array, body: AnswerBody): SignalOf<'signed'> {
  const bytes = encodeAnswerBody(body)
  const signature = sign(concat(ANSWER_DOMAIN, nonce, bytes), server.secretKey)
  return { t: 'signed', nonce, body: bytes, signature }
}

/** A box for a storage device; `nonce` is that of the carry. */
export function signCarried(
  server: Identity,
  nonce: Uint8Array,
  body: Extract<AnswerBody, { t: 'carried' }>,
): SignalOf<'carried'> {
  return { ...signAnswer(server, nonce, body), t: 'carried' }
}

/** Says over a TLS connection which server is at its end; `exported` is what only the two ends of it know (RFC 8446, 7.5). */
export function signTls(server: Identity, exported: Uint8Array): TlsProof {
  return { t: 'tls-proof', key: server.publicKey, signature: sign(concat(TLS_DOMAIN, exported), server.secretKey) }
}

/** True when the key it names signed for this very connection. */
export function isTlsProven(proof: TlsProof, exported: Uint8Array): boolean {
  return verifySignature(proof.signature, concat(TLS_DOMAIN, exported), proof.key)
}

/** The answer if the pinned server gave it to the request with this nonce. */
export function openAnswer(message: SignalOf<'signed' | 'carried'>, serverKey: Uint8Array): AnswerBody | undefined {
  const covered = concat(ANSWER_DOMAIN, message.nonce, message.body)
  if (!verifySignature(message.signature, covered, serverKey)) return undefined
  return unlessMalformed(() => decodeAnswerBody(message.body))
}

/**
 * Under what a storage device is looked up. Bound to the UID, so that whoever sees a look-up cannot register the same key
 * for a UID of his own; made from the tag, so that the UID alone finds nothing.
 */
export function lookUpKey(uid: Uint8Array, tag: Uint8Array): Uint8Array {
  return hash(TAG_BYTES, [LOOK_UP_DOMAIN, uid, tag])
}

/** One address that stands by itself, or undefined for none at all: of somebody who was seen over TLS. */
export function readObserved(bytes: Uint8Array): Address | undefined | 'malformed' {
  if (bytes.byteLength === 0) return undefined
  const addresses = unlessMalformed(() => unpackAddresses(bytes))
  return addresses?.length === 1 && addresses[0] !== undefined ? addresses[0] : 'malformed'
}

function proofOf(serverKey: Uint8Array, { cookie, part, parts, tags }: RegistrationTerms): Uint8Array {
  return hash(32, [PROOF_DOMAIN, serverKey, cookie, Uint8Array.of(part, parts), tags])
}

function packAddresses(addresses: readonly Address[]): Uint8Array {
  const bytes = new Uint8Array(addresses.reduce((sum, address) => sum + addressBytes(address), 0))
  const writer = new ByteWriter(bytes)
  for (const address of addresses) writeAddress(writer, address)
  return bytes
}

function unpackAddresses(bytes: Uint8Array): Address[] {
  const reader = new ByteReader(bytes)
  const addresses: Address[] = []
  while (reader.remaining > 0) addresses.push(readAddress(reader))
  return addresses
}

/** What strangers send is not worth an exception further up. */
function unlessMalformed<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isHomewardError(error, 'FRAME_MALFORMED', 'FRAME_TRUNCATED', 'FRAME_TOO_LONG', 'FRAME_VERSION'))
      return undefined
    throw error
  }
}

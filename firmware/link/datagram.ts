/**
 * Authenticated datagrams between the two devices of a pair, over the socket that also carries udx (whose packets begin
 * with 0xFF) and signalling. Layout, little-endian:
 *
 *   0  kind 0x48     3  short tag of the pair 8       35  XChaCha20-Poly1305 box of
 *   1  version       11 nonce 24                          boot u32, seq u64, body, (requests) zeros
 *   2  type
 *
 * The first 11 bytes are associated data. Requests are padded to one size, and no answer is larger. Whatever does not
 * belong to a known pair costs one map look-up and gets no answer.
 */
import { ByteReader, ByteWriter, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { SIGNAL_FRAME_MAX_BYTES } from '../wire/limits.ts'
import {
  ANSWER_BODY_MAX_BYTES,
  bodyBytes,
  type Datagram,
  type DatagramType,
  readBody,
  writeBody,
} from './datagram-body.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { SHORT_TAG_BYTES } from './pair.ts'
import { AEAD_TAG_BYTES, decrypt, encryptInPlace, NONCE_BYTES, randomBytes } from './sodium.ts'

const DATAGRAM_VERSION = 1

/** Every probe, open and enrol has this size: what they ask for cannot be told from it, and no answer is larger. */
export const REQUEST_BYTES = 256

/** Numbers on the wire. `enrol` has a layout of its own: enrolment.ts. */
export const TYPE_NUMBERS = {
  probe: 1,
  'probe-answer': 2,
  open: 3,
  opened: 4,
  refuse: 5,
  bye: 6,
  enrolled: 7,
  enrol: 8,
  punch: 9,
  'relay-call': 10,
  punched: 11,
} as const satisfies Readonly<Record<DatagramType | 'enrol', number>>

/** Place in time without a clock: boots are counted and remembered, datagrams are counted within a boot. */
export interface Freshness {
  /** 32 bits. */
  readonly boot: number
  /** From 1; 48 bits are more than any boot sends. */
  readonly seq: number
}

/** What stands readable at the front of every datagram. */
export interface DatagramHead {
  readonly type: DatagramType | 'enrol'
  /** 16 hex digits: {@link PairKeys.shortTagHex}, or that of a token for `enrol`. */
  readonly tag: string
}

const HEAD_BYTES = 3 + SHORT_TAG_BYTES
const BOX_AT = HEAD_BYTES + NONCE_BYTES
const FRESHNESS_BYTES = 12
const EXTRA_BYTES = BOX_AT + AEAD_TAG_BYTES + FRESHNESS_BYTES

/** Undefined for anything that is not a datagram of this version. Costs nothing. */
export function readHead(bytes: Uint8Array): DatagramHead | undefined {
  if (bytes.byteLength < HEAD_BYTES || bytes.byteLength > SIGNAL_FRAME_MAX_BYTES) return undefined
  if (bytes[0] !== PAIR_KIND || bytes[1] !== DATAGRAM_VERSION) return undefined
  const type = typeOf(bytes[2])
  return type === undefined ? undefined : { type, tag: toHex(bytes.subarray(3, HEAD_BYTES)) }
}

/** The first 11 bytes of a datagram. */
export function writeHead(writer: ByteWriter, type: DatagramType | 'enrol', shortTag: Uint8Array): void {
  writer.u8(PAIR_KIND).u8(DATAGRAM_VERSION).u8(TYPE_NUMBERS[type]).bytes(shortTag, SHORT_TAG_BYTES)
}

/** Seals one message for the other side of the pair under `key`, the pair's send key for datagrams. */
export function sealDatagram(message: Datagram, fresh: Freshness, shortTag: Uint8Array, key: Uint8Array): Uint8Array {
  const bodyLength = bodyBytes(message)
  const total = isRequest(message.type) ? REQUEST_BYTES : EXTRA_BYTES + bodyLength
  const bytes = new Uint8Array(total)
  const writer = new ByteWriter(bytes)
  writeHead(writer, message.type, shortTag)
  writer.bytes(randomBytes(NONCE_BYTES)).u32(fresh.boot).u64(fresh.seq)
  writeBody(writer, message)
  encryptInPlace(bytes.subarray(BOX_AT), bytes.subarray(0, HEAD_BYTES), bytes.subarray(HEAD_BYTES, BOX_AT), key)
  return bytes
}

/**
 * The reverse, under the pair's receive key. Undefined when the datagram is not the other side's, or not exactly as
 * {@link sealDatagram} writes it. Freshness is for the caller to judge.
 */
export function openDatagram(bytes: Uint8Array, key: Uint8Array): { message: Datagram; fresh: Freshness } | undefined {
  const type = readHead(bytes)?.type
  if (type === undefined || type === 'enrol') return undefined
  if (isRequest(type) && bytes.byteLength !== REQUEST_BYTES) return undefined
  const head = bytes.subarray(0, HEAD_BYTES)
  const plain = decrypt(bytes.subarray(BOX_AT), head, bytes.subarray(HEAD_BYTES, BOX_AT), key)
  if (plain === undefined) return undefined
  try {
    const reader = new ByteReader(plain)
    const fresh = { boot: reader.u32(), seq: reader.u64() }
    const message = readBody(reader, type)
    const padding = reader.rest()
    if (isRequest(type) ? padding.some((byte) => byte !== 0) : padding.byteLength > 0) return undefined
    return { message, fresh }
  } catch (error) {
    // The other side is authentic but of another mind about the layout: as good as not heard.
    if (error instanceof HomewardError) return undefined
    throw error
  }
}

function isRequest(type: DatagramType): boolean {
  return type === 'probe' || type === 'open' || type === 'punch' || type === 'relay-call'
}

function typeOf(number: number | undefined): DatagramType | 'enrol' | undefined {
  for (const [type, value] of Object.entries(TYPE_NUMBERS)) {
    if (value === number) return type as DatagramType | 'enrol'
  }
  return undefined
}

/** Room that the largest answer takes; a request is never smaller. */
export const ANSWER_MAX_BYTES = EXTRA_BYTES + ANSWER_BODY_MAX_BYTES

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
import { type ErrorCode, HomewardError, isErrorCode } from '../wire/errors.ts'
import { SIGNAL_FRAME_MAX_BYTES } from '../wire/limits.ts'
import { ADDRESS_MAX_BYTES, type Address, addressBytes, readAddress, writeAddress } from './address.ts'
import type { ChannelPath } from './channel.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { NAME_MAX_BYTES } from './names.ts'
import type { NatKind } from './nat.ts'
import { SHORT_TAG_BYTES } from './pair.ts'
import { PATHS } from './path-rank.ts'
import type { SearchAnswer } from './port-search.ts'
import { AEAD_TAG_BYTES, decrypt, encryptInPlace, NONCE_BYTES, randomBytes } from './sodium.ts'

export const DATAGRAM_VERSION = 1

/** Every probe, open and enrol has this size: what they ask for cannot be told from it, and no answer is larger. */
export const REQUEST_BYTES = 256

/** Noise IK with Ed25519 keys: an ephemeral key, a sealed static key, a tag; and an ephemeral key, a tag. */
export const NOISE_OPEN_BYTES = 96
export const NOISE_OPENED_BYTES = 48

/** Name of a relay: random, and known to the two ends and the server alone. */
export const RELAY_KEY_BYTES = 16
export const NO_RELAY = new Uint8Array(RELAY_KEY_BYTES)
/** As many long addresses as a request has room for. */
export const PUNCH_CANDIDATES_MAX = 8

/** Asks "are you there", to find a path, to open a NAT and to keep it alive. */
export interface Probe {
  readonly type: 'probe'
  /** 16 hex digits, chosen by the asker, echoed in the answer. */
  readonly tx: string
  /** The asker's number for the address it sent this to; echoed. */
  readonly candidate: number
  /** The asker's monotonic time; echoed, so that the round trip needs no memory. */
  readonly sentUs: number
}

export interface ProbeAnswer {
  readonly type: 'probe-answer'
  readonly tx: string
  readonly candidate: number
  readonly sentUs: number
  /** Where the probe came from, as the answering side saw it. */
  readonly observed: Address
}

/** Camera to storage, through the P2P server: send me something, so that our NATs let us through. */
export interface Punch {
  readonly type: 'punch'
  /** 16 hex digits: what is sent carries it. */
  readonly tx: string
  /** The camera's own addresses, PUNCH_CANDIDATES_MAX at most; the server adds where it sees the camera. */
  readonly candidates: readonly Address[]
  /** What the camera's NAT does. */
  readonly nat: NatKind
  /** Not only punch: search for a port, see port-search.ts. */
  readonly search: boolean
  /** Where the server sees the camera, as it told the camera: nothing is searched for anywhere else. */
  readonly seen?: Address
}

/** Storage to camera, through the P2P server: I punch. */
export interface Punched {
  readonly type: 'punched'
  readonly tx: string
  /** What the storage device's NAT does. */
  readonly nat: NatKind
  readonly search: SearchAnswer
}

/** Camera to storage, through the P2P server: meet me at the relay by TLS; the rest is said there. */
export interface RelayCall {
  readonly type: 'relay-call'
  readonly attempt: string
  /** Names the relay to the server. */
  readonly relay: Uint8Array
}

/** Camera to storage: open a channel, on the path this came by or at a relay. */
export interface Open {
  readonly type: 'open'
  /** 16 hex digits: names the attempt, and the channel it becomes. */
  readonly attempt: string
  readonly path: ChannelPath
  /** The sender's id of the udx stream; 0 when the channel is to be made of the stream that this came on. */
  readonly stream: number
  /** Names the relay to the server; of use for `relay-udp` alone, all zeros otherwise. */
  readonly relay: Uint8Array
  /** First message of Noise IK. */
  readonly noise: Uint8Array
}

export interface Opened {
  readonly type: 'opened'
  readonly attempt: string
  readonly stream: number
  /** Second message of Noise IK. */
  readonly noise: Uint8Array
}

/** The other side is known, heard, and will not open a channel now. */
export interface Refuse {
  readonly type: 'refuse'
  readonly attempt: string
  readonly code: ErrorCode
}

/** The channel is being closed on purpose: no need to wait for silence. */
export interface Bye {
  readonly type: 'bye'
  readonly attempt: string
}

/** Answer to an enrol datagram: this camera is now known, under this name. */
export interface Enrolled {
  readonly type: 'enrolled'
  readonly tx: string
  readonly name: string
}

export type Datagram = Probe | ProbeAnswer | Punch | Punched | RelayCall | Open | Opened | Refuse | Bye | Enrolled
export type DatagramType = Datagram['type']

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

/** Numbers on the wire. */
const PATH_NUMBERS = { lan: 0, punched: 1, 'relay-udp': 2, 'relay-tls': 3 } as const satisfies Record<
  ChannelPath,
  number
>

/** Numbers on the wire. */
const NAT_NUMBERS = { unknown: 0, none: 1, cone: 2, symmetric: 3 } as const satisfies Record<NatKind, number>
const SEARCH_NUMBERS = { unasked: 0, no: 1, running: 2, busy: 3 } as const satisfies Record<SearchAnswer, number>
/** Flags of a punch: it searches; the address where the camera is seen follows. */
const [SEARCHES, SEEN] = [1, 2] as const

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
const ID_BYTES = 8
const CODE_MAX_BYTES = 40

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

function bodyBytes(message: Datagram): number {
  switch (message.type) {
    case 'probe':
      return ID_BYTES + 2 + 8
    case 'probe-answer':
      return ID_BYTES + 2 + 8 + addressBytes(message.observed)
    case 'punch':
      return [...message.candidates, ...(message.seen === undefined ? [] : [message.seen])].reduce(
        (sum, address) => sum + addressBytes(address),
        ID_BYTES + 1 + 2,
      )
    case 'punched':
      return ID_BYTES + 2
    case 'relay-call':
      return ID_BYTES + RELAY_KEY_BYTES
    case 'open':
      return ID_BYTES + 1 + 4 + RELAY_KEY_BYTES + NOISE_OPEN_BYTES
    case 'opened':
      return ID_BYTES + 4 + NOISE_OPENED_BYTES
    case 'refuse':
      return ID_BYTES + 1 + message.code.length
    case 'bye':
      return ID_BYTES
    case 'enrolled':
      return ID_BYTES + 1 + Buffer.byteLength(message.name)
  }
}

function writeBody(writer: ByteWriter, message: Datagram): void {
  switch (message.type) {
    case 'probe':
      writer.hex(message.tx, ID_BYTES).u16(message.candidate).u64(message.sentUs)
      return
    case 'probe-answer':
      writer.hex(message.tx, ID_BYTES).u16(message.candidate).u64(message.sentUs)
      writeAddress(writer, message.observed)
      return
    case 'punch':
      writer.hex(message.tx, ID_BYTES).u8(message.candidates.length)
      for (const address of message.candidates) writeAddress(writer, address)
      writer.u8(NAT_NUMBERS[message.nat])
      writer.u8((message.search ? SEARCHES : 0) | (message.seen === undefined ? 0 : SEEN))
      if (message.seen !== undefined) writeAddress(writer, message.seen)
      return
    case 'punched':
      writer.hex(message.tx, ID_BYTES).u8(NAT_NUMBERS[message.nat]).u8(SEARCH_NUMBERS[message.search])
      return
    case 'relay-call':
      writer.hex(message.attempt, ID_BYTES).bytes(message.relay, RELAY_KEY_BYTES)
      return
    case 'open':
      writer.hex(message.attempt, ID_BYTES).u8(PATH_NUMBERS[message.path]).u32(message.stream)
      writer.bytes(message.relay, RELAY_KEY_BYTES).bytes(message.noise, NOISE_OPEN_BYTES)
      return
    case 'opened':
      writer.hex(message.attempt, ID_BYTES).u32(message.stream).bytes(message.noise, NOISE_OPENED_BYTES)
      return
    case 'refuse':
      writer.hex(message.attempt, ID_BYTES)
      writeText(writer, message.code, CODE_MAX_BYTES)
      return
    case 'bye':
      writer.hex(message.attempt, ID_BYTES)
      return
    case 'enrolled':
      writer.hex(message.tx, ID_BYTES)
      writeText(writer, message.name, NAME_MAX_BYTES)
      return
  }
}

function readBody(reader: ByteReader, type: DatagramType): Datagram {
  const id = reader.hex(ID_BYTES)
  switch (type) {
    case 'probe':
      return { type, tx: id, candidate: reader.u16(), sentUs: reader.u64() }
    case 'probe-answer':
      return { type, tx: id, candidate: reader.u16(), sentUs: reader.u64(), observed: readAddress(reader) }
    case 'punch':
      return { type, tx: id, ...readPunch(reader) }
    case 'punched':
      return { type, tx: id, nat: readName(reader, NAT_NUMBERS), search: readName(reader, SEARCH_NUMBERS) }
    case 'relay-call':
      return { type, attempt: id, relay: reader.bytes(RELAY_KEY_BYTES) }
    case 'open':
      return { type, attempt: id, ...readOpen(reader) }
    case 'opened':
      return { type, attempt: id, stream: reader.u32(), noise: reader.bytes(NOISE_OPENED_BYTES) }
    case 'refuse': {
      const code = readText(reader, CODE_MAX_BYTES)
      // A newer version's code is still a refusal.
      return { type, attempt: id, code: isErrorCode(code) ? code : 'INTERNAL' }
    }
    case 'bye':
      return { type, attempt: id }
    case 'enrolled':
      return { type, tx: id, name: readText(reader, NAME_MAX_BYTES) }
  }
}

function readPunch(reader: ByteReader): Omit<Punch, 'type' | 'tx'> {
  const candidates = readCandidates(reader)
  const nat = readName(reader, NAT_NUMBERS)
  const flags = reader.u8()
  if (flags > (SEARCHES | SEEN)) throw new HomewardError('FRAME_MALFORMED', `flags ${flags}`)
  const seen = (flags & SEEN) === 0 ? {} : { seen: readAddress(reader) }
  return { candidates, nat, search: (flags & SEARCHES) !== 0, ...seen }
}

/** Throws FRAME_MALFORMED for a number that stands for nothing. */
function readName<Name extends string>(reader: ByteReader, numbers: Readonly<Record<Name, number>>): Name {
  const number = reader.u8()
  const found = Object.entries<number>(numbers).find(([, value]) => value === number)
  if (found === undefined) throw new HomewardError('FRAME_MALFORMED', `${number}, which stands for nothing`)
  return found[0] as Name
}

function readCandidates(reader: ByteReader): Address[] {
  const count = reader.u8()
  if (count > PUNCH_CANDIDATES_MAX) throw new HomewardError('FRAME_MALFORMED', `${count} addresses`)
  return Array.from({ length: count }, () => readAddress(reader))
}

function readOpen(reader: ByteReader): Omit<Open, 'type' | 'attempt'> {
  const number = reader.u8()
  const path = PATHS.find((known) => PATH_NUMBERS[known] === number)
  if (path === undefined) throw new HomewardError('FRAME_MALFORMED', 'an open for an unknown path')
  const stream = reader.u32()
  return { path, stream, relay: reader.bytes(RELAY_KEY_BYTES), noise: reader.bytes(NOISE_OPEN_BYTES) }
}

/** A length byte and UTF-8. Throws INTERNAL when the text is too long. */
export function writeText(writer: ByteWriter, text: string, maxBytes: number): void {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.byteLength > maxBytes) {
    throw new HomewardError('INTERNAL', `a text of ${bytes.byteLength} bytes where ${maxBytes} are allowed`)
  }
  writer.u8(bytes.byteLength).bytes(bytes)
}

/** Throws FRAME_MALFORMED when the length is above `maxBytes` or the bytes are not UTF-8. */
export function readText(reader: ByteReader, maxBytes: number): string {
  const length = reader.u8()
  if (length > maxBytes) throw new HomewardError('FRAME_MALFORMED', `a text of ${length} bytes, at most ${maxBytes}`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(reader.bytes(length))
  } catch (cause) {
    if (cause instanceof HomewardError) throw cause
    throw new HomewardError('FRAME_MALFORMED', 'a text is not UTF-8', { cause })
  }
}

/** Room that the largest answer takes; a request is never smaller. */
export const ANSWER_MAX_BYTES =
  EXTRA_BYTES +
  ID_BYTES +
  Math.max(10 + ADDRESS_MAX_BYTES, 4 + NOISE_OPENED_BYTES, 1 + CODE_MAX_BYTES, 1 + NAME_MAX_BYTES)

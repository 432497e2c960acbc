/** What two devices of a pair say to each other in datagrams, and how each message stands in its box (see datagram.ts). */
import type { ByteReader, ByteWriter } from '../wire/bytes.ts'
import { type ErrorCode, HomewardError, isErrorCode } from '../wire/errors.ts'
import { readText, writeText } from '../wire/text.ts'
import { ADDRESS_MAX_BYTES, type Address, addressBytes, readAddress, writeAddress } from './address.ts'
import type { ChannelPath } from './channel.ts'
import { NAME_MAX_BYTES } from './names.ts'
import type { NatKind } from './nat.ts'
import { PATHS } from './path-rank.ts'
import type { SearchAnswer } from './port-search.ts'

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

const ID_BYTES = 8
const CODE_MAX_BYTES = 40

/** Room that the body of the largest answer takes. */
export const ANSWER_BODY_MAX_BYTES =
  ID_BYTES + Math.max(10 + ADDRESS_MAX_BYTES, 4 + NOISE_OPENED_BYTES, 1 + CODE_MAX_BYTES, 1 + NAME_MAX_BYTES)

export function bodyBytes(message: Datagram): number {
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

export function writeBody(writer: ByteWriter, message: Datagram): void {
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

/** Throws FRAME_MALFORMED for what {@link writeBody} would not have written. */
export function readBody(reader: ByteReader, type: DatagramType): Datagram {
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

/** The few messages of TURN (RFC 8656) over UDP and IPv4 that one relayed stream needs. Pure. */
import type { Address } from '../../firmware/link/address.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'

const COOKIE = 0x2112a442
const HEADER_BYTES = 20
export const TRANSACTION_BYTES = 12

const ALLOCATE = 0x0003
const CHANNEL_BIND = 0x0009
const CLASS = 0x0110
const SUCCESS = 0x0100

const CHANNEL_NUMBER = 0x000c
const XOR_PEER_ADDRESS = 0x0012
const XOR_RELAYED_ADDRESS = 0x0016
const REQUESTED_TRANSPORT = 0x0019

const UDP = 17
const IPV4 = 1

/** The one channel there is. */
const CHANNEL = 0x4000
export const CHANNEL_HEADER_BYTES = 4

export function allocateRequest(transaction: Uint8Array): Uint8Array {
  return request(ALLOCATE, transaction, [attribute(REQUESTED_TRANSPORT, [UDP, 0, 0, 0])])
}

export function channelBindRequest(transaction: Uint8Array, peer: Address): Uint8Array {
  const number = attribute(CHANNEL_NUMBER, [CHANNEL >> 8, CHANNEL & 0xff, 0, 0])
  return request(CHANNEL_BIND, transaction, [number, attribute(XOR_PEER_ADDRESS, xored(peer))])
}

/** The attributes of a success response; undefined for what answers another request. Throws INTERNAL for an error response. */
export function readResponse(message: Buffer, transaction: Uint8Array): ReadonlyMap<number, Buffer> | undefined {
  if (message.length < HEADER_BYTES || message.readUInt32BE(4) !== COOKIE) return undefined
  if (Buffer.compare(message.subarray(8, HEADER_BYTES), transaction) !== 0) return undefined
  if ((message.readUInt16BE(0) & CLASS) !== SUCCESS) {
    throw new HomewardError('INTERNAL', `the TURN server refuses: ${message.subarray(HEADER_BYTES).toString('latin1')}`)
  }
  const attributes = new Map<number, Buffer>()
  for (let at = HEADER_BYTES; at + 4 <= message.length; ) {
    const bytes = message.readUInt16BE(at + 2)
    attributes.set(message.readUInt16BE(at), message.subarray(at + 4, at + 4 + bytes))
    at += 4 + Math.ceil(bytes / 4) * 4
  }
  return attributes
}

/** Where the others reach the client that allocated it. */
export function relayedAddress(attributes: ReadonlyMap<number, Buffer>): Address {
  const value = attributes.get(XOR_RELAYED_ADDRESS)
  if (value?.length !== 8) throw new HomewardError('INTERNAL', 'the TURN server has allocated no IPv4 address')
  const host = (value.readUInt32BE(4) ^ COOKIE) >>> 0
  const bytes = [host >>> 24, (host >>> 16) & 0xff, (host >>> 8) & 0xff, host & 0xff]
  return { host: bytes.join('.'), port: value.readUInt16BE(2) ^ (COOKIE >>> 16) }
}

/** What stands before each datagram on the channel. */
export function channelHeader(bytes: number): Uint8Array {
  return Uint8Array.of(CHANNEL >> 8, CHANNEL & 0xff, bytes >> 8, bytes & 0xff)
}

export function isChannelData(message: Buffer): boolean {
  return message.length > CHANNEL_HEADER_BYTES && message.readUInt16BE(0) === CHANNEL
}

function request(method: number, transaction: Uint8Array, attributes: readonly Buffer[]): Uint8Array {
  const body = Buffer.concat(attributes)
  const header = Buffer.alloc(8)
  header.writeUInt16BE(method, 0)
  header.writeUInt16BE(body.length, 2)
  header.writeUInt32BE(COOKIE, 4)
  return Buffer.concat([header, transaction, body])
}

/** `value` of whole 32-bit words. */
function attribute(type: number, value: readonly number[]): Buffer {
  return Buffer.from([type >> 8, type & 0xff, value.length >> 8, value.length & 0xff, ...value])
}

function xored({ host, port }: Address): number[] {
  const cookie = [0x21, 0x12, 0xa4, 0x42]
  const mixed = host.split('.').map((byte, index) => Number(byte) ^ (cookie[index] ?? 0))
  const mixedPort = port ^ (COOKIE >>> 16)
  return [0, IPV4, mixedPort >> 8, mixedPort & 0xff, ...mixed]
}

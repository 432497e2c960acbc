/** Where a datagram goes: an IP literal and a UDP port. Text forms are canonical, so equal addresses are equal strings. */
import { isIPv4, isIPv6 } from 'node:net'
import { type ByteReader, ByteWriter } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'

export interface Address {
  /** IPv4 literal, or IPv6 literal in the form of RFC 5952, without zone. */
  readonly host: string
  readonly port: number
}

/** How far an address reaches: a candidate of a narrower scope is of no use to a peer elsewhere. */
export type AddressScope = 'loopback' | 'link-local' | 'private' | 'public'

/** Family byte, 16 address bytes, port. */
export const ADDRESS_MAX_BYTES = 19

/** `1.2.3.4:7441` or `[fd00::1]:7441`; without a port `defaultPort` when given. Throws CONFIG_INVALID. */
export function parseAddress(text: string, defaultPort?: number): Address {
  const bracketed = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text)
  const plain = /^([^:]*)(?::(\d{1,5}))?$/.exec(text)
  const [, host = text, digits] = bracketed ?? plain ?? []
  const canonical = canonicalHost(host)
  const port = digits === undefined ? defaultPort : Number(digits)
  if (canonical === undefined || port === undefined || !isPort(port)) {
    throw new HomewardError(
      'CONFIG_INVALID',
      `"${text}" is not an address: expected 192.0.2.1:7441 or [2001:db8::1]:7441`,
    )
  }
  return { host: canonical, port }
}

/** The reverse of {@link parseAddress}; also the key of an address in a map. */
export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.host === b.host
}

/**
 * An address as a socket or the system reports it. IPv4-mapped IPv6 becomes IPv4. Undefined for a host name, for a port
 * out of range, and with an IPv6 zone, which means nothing to anybody else.
 */
export function canonicalAddress(host: string, port: number): Address | undefined {
  const canonical = canonicalHost(host)
  return canonical === undefined || !isPort(port) ? undefined : { host: canonical, port }
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65536
}

export function addressBytes(address: Address): number {
  return address.host.includes(':') ? 19 : 7
}

/** Family 4 or 6, the address in network order, the port. */
export function writeAddress(writer: ByteWriter, address: Address): void {
  const bytes = hostBytes(address.host)
  if (bytes === undefined || !isPort(address.port)) {
    throw new HomewardError('INTERNAL', `cannot encode the address ${address.host} port ${address.port}`)
  }
  writer
    .u8(bytes.byteLength === 4 ? 4 : 6)
    .bytes(bytes)
    .u16(address.port)
}

/** Throws FRAME_MALFORMED or FRAME_TRUNCATED. */
export function readAddress(reader: ByteReader): Address {
  const family = reader.u8()
  if (family !== 4 && family !== 6) throw new HomewardError('FRAME_MALFORMED', `address family ${family}`)
  const host = hostText(reader.bytes(family === 4 ? 4 : 16))
  const port = reader.u16()
  if (port === 0) throw new HomewardError('FRAME_MALFORMED', 'port 0')
  if (family === 6 && !host.includes(':')) throw new HomewardError('FRAME_MALFORMED', 'IPv4 address written as IPv6')
  return { host, port }
}

export function encodeAddress(address: Address): Uint8Array {
  const bytes = new Uint8Array(addressBytes(address))
  writeAddress(new ByteWriter(bytes), address)
  return bytes
}

/** The special ranges of RFC 6890 that matter to a peer; 100.64/10 (RFC 6598) counts as private. */
export function addressScope(host: string): AddressScope {
  const bytes = hostBytes(host) ?? new Uint8Array(4)
  const [a = 0, b = 0] = bytes
  if (bytes.byteLength === 4) {
    if (a === 127 || a === 0) return 'loopback'
    if (a === 169 && b === 254) return 'link-local'
    const isPrivate =
      a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 100 && b >= 64 && b < 128)
    return isPrivate ? 'private' : 'public'
  }
  if (host === '::1' || host === '::') return 'loopback'
  if (a === 0xfe && (b & 0xc0) === 0x80) return 'link-local'
  return (a & 0xfe) === 0xfc ? 'private' : 'public'
}

function canonicalHost(host: string): string | undefined {
  const bytes = hostBytes(host)
  return bytes === undefined ? undefined : hostText(bytes)
}

function hostBytes(host: string): Uint8Array | undefined {
  if (isIPv4(host)) return Uint8Array.from(host.split('.'), Number)
  if (!isIPv6(host) || host.includes('%')) return undefined
  const [head = '', tail] = host.split('::')
  const front = groupValues(head)
  const back = tail === undefined ? [] : groupValues(tail)
  const groups = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back]
  return Uint8Array.from(groups.flatMap((value) => [value >> 8, value & 255]))
}

/** Groups of one side of `::`; a dotted IPv4 tail counts as two. */
function groupValues(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}

function hostText(bytes: Uint8Array): string {
  if (bytes.byteLength === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0))
  if (groups.slice(0, 5).every((value) => value === 0) && groups[5] === 0xffff) return bytes.subarray(12).join('.')
  return compressGroups(groups)
}

/** RFC 5952 §4: lower case, no leading zeros, the first longest run of two or more zero groups becomes `::`. */
function compressGroups(groups: readonly number[]): string {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = (part: readonly number[]) => part.map((value) => value.toString(16)).join(':')
  if (best.length < 2) return hex(groups)
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`
}

/**
 * What `storage pair` prints and `camera setup` takes: one line that names the storage device, carries its one-time token,
 * and says where to look. `HW1`, then base32 of (little-endian):
 *
 *   version u8, length of all of this u8, storage key 32, token 16, parts u8 (bit 0: server, bits 4-7: addresses),
 *   [server: port u16, key pin 32, host length u8, host], [addresses], BLAKE2b check 5
 *
 * No dashes: a double click selects all of it. At most 240 characters, which fits a QR code in its alphanumeric mode.
 */
import { isIP } from 'node:net'
import { ByteReader, ByteWriter, equalBytes } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { ADDRESS_MAX_BYTES, type Address, addressBytes, isPort, readAddress, writeAddress } from './address.ts'
import { base32Value, decodeBase32, encodeBase32, tidyBase32 } from './base32.ts'
import { concat, domain, TOKEN_BYTES } from './pair.ts'
import { hash, toX25519Public } from './sodium.ts'

export interface SetupServer {
  /** Host name or IP literal of the P2P server. */
  readonly host: string
  readonly port: number
  /** Its Ed25519 key, 32 bytes: the pin. */
  readonly key: Uint8Array
}

export interface SetupCode {
  /** Ed25519 key of the storage device, 32 bytes. */
  readonly storage: Uint8Array
  /** 16 bytes. */
  readonly token: Uint8Array
  readonly server?: SetupServer
  /** Where the storage device was when the code was made; tried first. */
  readonly addresses: readonly Address[]
}

export const SETUP_CODE_MAX_CHARACTERS = 240
const SETUP_CODE_MAX_ADDRESSES = 4

const VERSION = 1
const PREFIX = `HW${VERSION}`
const CHECK_BYTES = 5
const FIXED_BYTES = 2 + 32 + TOKEN_BYTES + 1 + CHECK_BYTES
const SERVER_FIXED_BYTES = 2 + 32 + 1
const MAX_BYTES = Math.floor(((SETUP_CODE_MAX_CHARACTERS - PREFIX.length) * 5) / 8)
const CHECK_DOMAIN = domain('homeward setup code')

/** The longest host name that leaves room for one address. */
export const SETUP_CODE_HOST_MAX_BYTES = MAX_BYTES - FIXED_BYTES - SERVER_FIXED_BYTES - ADDRESS_MAX_BYTES

/** The code; addresses that do not fit, beyond four or beyond the length, are left out from the end. */
export function formatSetupCode(code: SetupCode): string {
  const server = code.server === undefined ? new Uint8Array(0) : encodeServer(code.server)
  const addresses = fitting(code.addresses, MAX_BYTES - FIXED_BYTES - server.byteLength)
  const body = new Uint8Array(FIXED_BYTES - CHECK_BYTES + server.byteLength + sizeOf(addresses))
  const writer = new ByteWriter(body)
    .u8(VERSION)
    .u8(body.byteLength + CHECK_BYTES)
    .bytes(code.storage, 32)
    .bytes(code.token, TOKEN_BYTES)
    .u8((code.server === undefined ? 0 : 1) | (addresses.length << 4))
    .bytes(server)
  for (const address of addresses) writeAddress(writer, address)
  return PREFIX + encodeBase32(concat(body, checkOf(body)))
}

/**
 * Reads a code as pasted or typed: lower case, spaces, line breaks and dashes are fine. Throws SETUP_CODE_INVALID with a
 * message of its own for a wrong prefix, a newer version, a foreign character, a missing part and a typo.
 */
export function parseSetupCode(text: string): SetupCode {
  const plain = text.toUpperCase().replaceAll(/[\s\p{Dash}]/gu, '')
  const [, version, rest] = /^HW(\d)(.*)$/.exec(plain) ?? []
  if (version === undefined || rest === undefined) throw wrongPrefix(plain)
  if (version !== String(VERSION)) throw newer(version)
  const tidy = tidyBase32(rest)
  const foreign = [...tidy].find((character) => base32Value(character) < 0)
  if (foreign !== undefined) throw invalid(`"${foreign}" is in no setup code`, COPY_AGAIN)
  return readCode(tidy)
}

const COPY_AGAIN = 'Copy the whole code again from `homeward storage pair` or from the storage page.'

function readCode(tidy: string): SetupCode {
  const expected = expectedCharacters(tidy)
  if (tidy.length < expected) {
    throw invalid(
      `it is incomplete: ${expected - tidy.length} of ${expected + PREFIX.length} characters are missing`,
      COPY_AGAIN,
    )
  }
  if (tidy.length > expected) throw invalid(`it has ${tidy.length - expected} characters too many`, COPY_AGAIN)
  const bytes = decodeBase32(tidy)
  const body = bytes?.subarray(0, bytes.byteLength - CHECK_BYTES)
  if (bytes === undefined || body === undefined || !equalBytes(checkOf(body), bytes.subarray(body.byteLength))) {
    throw invalid('it holds a typo', COPY_AGAIN)
  }
  // Judged last: a typo in the first character must not look like a newer version.
  if (body[0] !== VERSION) throw newer(String(body[0]))
  try {
    return readBody(new ByteReader(body))
  } catch (cause) {
    throw invalid('its check is right, but not its content', 'Make a new code with `homeward storage pair`.', cause)
  }
}

/** How many characters the code says it has after the prefix; at least the shortest code there is. */
function expectedCharacters(tidy: string): number {
  const [, length = 0] = decodeBase32(tidy.slice(0, 8)) ?? []
  return Math.ceil((Math.max(length, FIXED_BYTES) * 8) / 5)
}

function readBody(reader: ByteReader): SetupCode {
  reader.bytes(2)
  const storage = reader.bytes(32).slice()
  const token = reader.bytes(TOKEN_BYTES).slice()
  const parts = reader.u8()
  const server = (parts & 1) === 0 ? undefined : readServer(reader)
  const addresses = Array.from({ length: parts >> 4 }, () => readAddress(reader))
  if ((parts & 0b1110) !== 0 || reader.remaining > 0 || toX25519Public(storage) === undefined) {
    throw new HomewardError('FRAME_MALFORMED', 'unknown parts or no key')
  }
  return { storage, token, addresses, ...(server === undefined ? {} : { server }) }
}

function encodeServer(server: SetupServer): Uint8Array {
  const host = Buffer.from(server.host, 'ascii')
  if (!isHost(server.host) || host.byteLength > SETUP_CODE_HOST_MAX_BYTES || !isPort(server.port)) {
    throw invalid(
      `"${server.host}" port ${server.port} cannot be a P2P server in it`,
      `Use a host name of at most ${SETUP_CODE_HOST_MAX_BYTES} characters, or an IP address, and a port from 1 to 65535.`,
    )
  }
  const bytes = new Uint8Array(SERVER_FIXED_BYTES + host.byteLength)
  new ByteWriter(bytes).u16(server.port).bytes(server.key, 32).u8(host.byteLength).bytes(host)
  return bytes
}

function readServer(reader: ByteReader): SetupServer {
  const port = reader.u16()
  const key = reader.bytes(32).slice()
  const host = Buffer.from(reader.bytes(reader.u8())).toString('ascii')
  if (!isHost(host) || !isPort(port)) throw new HomewardError('FRAME_MALFORMED', 'the server is no host and port')
  return { host, port, key }
}

function isHost(host: string): boolean {
  return isIP(host) !== 0 || /^(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.?$/i.test(host)
}

function fitting(addresses: readonly Address[], room: number): Address[] {
  const taken: Address[] = []
  for (const address of addresses) {
    if (taken.length < SETUP_CODE_MAX_ADDRESSES && sizeOf(taken) + addressBytes(address) <= room) taken.push(address)
  }
  return taken
}

function sizeOf(addresses: readonly Address[]): number {
  return addresses.reduce((sum, address) => sum + addressBytes(address), 0)
}

function checkOf(body: Uint8Array): Uint8Array {
  return hash(16, [CHECK_DOMAIN, body]).slice(0, CHECK_BYTES)
}

function wrongPrefix(plain: string): HomewardError {
  const hint =
    plain.length === 56
      ? 'This looks like a UID. A camera needs a setup code: make one with `homeward storage pair`.'
      : COPY_AGAIN
  return invalid(`it does not begin with ${PREFIX}`, hint)
}

function newer(version: string): HomewardError {
  return invalid(
    `it is of version ${version}, this camera knows version ${VERSION}`,
    'Update the camera, then try again.',
  )
}

function invalid(why: string, hint: string, cause?: unknown): HomewardError {
  return new HomewardError('SETUP_CODE_INVALID', `not a usable setup code: ${why}`, { hint, cause })
}

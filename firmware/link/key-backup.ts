/**
 * The storage device's key on paper or a stick: a few lines of text, sealed by a passphrase. Armour around base64 of
 * (little-endian)
 *
 *   version u8, argon2id operations u32, memory KiB u32, salt 16, nonce 24, box 48 of the seed, BLAKE2b check 8
 *
 * The UID stands above it in clear, under both the check and the box. The check tells a damaged copy from a wrong
 * passphrase; it is made of what anybody can read, so it is no help in guessing.
 */
import { ByteReader, ByteWriter, equalBytes } from '../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { createIdentity, type Identity, identitySeed, loadIdentity, readIdentity, replaceIdentity } from './identity.ts'
import { concat, domain } from './pair.ts'
import {
  AEAD_TAG_BYTES,
  decrypt,
  encryptInPlace,
  hash,
  NONCE_BYTES,
  PASSWORD_COST,
  type PasswordCost,
  passwordKey,
  randomBytes,
  wipe,
} from './sodium.ts'
import { formatUid, parseUid } from './uid.ts'

export const PASSPHRASE_MIN_CHARACTERS = 8

const BEGIN = '-----BEGIN HOMEWARD STORAGE KEY-----'
const END = '-----END HOMEWARD STORAGE KEY-----'
const VERSION = 1
const SALT_BYTES = 16
const SEED_BYTES = 32
const CHECK_BYTES = 8
const COST_BYTES = 1 + 4 + 4
const TOTAL_BYTES = COST_BYTES + SALT_BYTES + NONCE_BYTES + SEED_BYTES + AEAD_TAG_BYTES + CHECK_BYTES
const LINE = 64

/** A file that asks for more work than this was not written by this program. */
const MEMORY_MAX_BYTES = 1024 * 1024 * 1024
const OPERATIONS_MAX = 16

const BOX_DOMAIN = domain('homeward key backup v1')
const CHECK_DOMAIN = domain('homeward key backup check v1')

/** The identity as text, ending in a line feed. Takes about a second and 256 MiB at the default cost. */
export async function exportKey(
  identity: Identity,
  passphrase: string,
  cost: PasswordCost = PASSWORD_COST,
): Promise<string> {
  if ([...passphrase].length < PASSPHRASE_MIN_CHARACTERS) {
    throw new HomewardError('USAGE', `a passphrase has ${PASSPHRASE_MIN_CHARACTERS} characters or more`, {
      hint: 'Take four or five words that do not belong together.',
    })
  }
  const bytes = new Uint8Array(TOTAL_BYTES)
  const salt = randomBytes(SALT_BYTES)
  const nonce = randomBytes(NONCE_BYTES)
  const writer = new ByteWriter(bytes)
    .u8(VERSION)
    .u32(cost.operations)
    .u32(cost.memoryBytes / 1024)
    .bytes(salt)
    .bytes(nonce)
  const box = bytes.subarray(writer.position, writer.position + SEED_BYTES + AEAD_TAG_BYTES)
  writer.bytes(identitySeed(identity))
  const key = await passwordKey(normalised(passphrase), salt, cost)
  encryptInPlace(box, associated(identity.publicKey, bytes), nonce, key)
  wipe(key)
  bytes.set(checkOf(identity.publicKey, bytes), TOTAL_BYTES - CHECK_BYTES)
  const base64 = Buffer.from(bytes).toString('base64')
  const lines = base64.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
  return [BEGIN, `UID: ${identity.uid}`, '', ...lines, END, ''].join('\n')
}

/** Whose key a backup holds, without the passphrase. Throws KEY_BACKUP_INVALID when it is damaged. */
export function backupUid(text: string): string {
  return formatUid(readArmour(text).publicKey)
}

/** The identity in a backup. Throws KEY_BACKUP_INVALID: `damaged` or `wrong passphrase`, told apart in the message. */
export async function openKeyBackup(text: string, passphrase: string): Promise<Identity> {
  const { publicKey, bytes } = readArmour(text)
  const reader = new ByteReader(bytes)
  reader.u8()
  const cost = { operations: reader.u32(), memoryBytes: reader.u32() * 1024 }
  if (cost.operations > OPERATIONS_MAX || cost.memoryBytes > MEMORY_MAX_BYTES) {
    throw invalid(
      `it asks for ${cost.memoryBytes} bytes of memory`,
      'Use a backup made by `homeward storage key export`.',
    )
  }
  const salt = reader.bytes(SALT_BYTES)
  const nonce = reader.bytes(NONCE_BYTES)
  const key = await passwordKey(normalised(passphrase), salt, cost)
  const seed = decrypt(reader.bytes(SEED_BYTES + AEAD_TAG_BYTES), associated(publicKey, bytes), nonce, key)
  wipe(key)
  if (seed === undefined) throw invalid('wrong passphrase', 'Try again; upper and lower case matter, and so do spaces.')
  const identity = createIdentity(seed)
  wipe(seed)
  if (!equalBytes(identity.publicKey, publicKey)) throw invalid('its key does not belong to its UID', COPY_AGAIN)
  return identity
}

/**
 * Makes the key of a backup this device's identity. Throws KEY_BACKUP_INVALID as {@link openKeyBackup} does, and when the
 * device has another identity already, unless `replace`: then the old one stays beside the new.
 */
export async function importKey(
  stateDir: string,
  text: string,
  passphrase: string,
  options: { replace?: boolean } = {},
): Promise<Identity> {
  const identity = await openKeyBackup(text, passphrase)
  const replace = options.replace === true
  const existing = await readIdentity(stateDir).catch((error: unknown) => {
    // A damaged key is what a backup is for, but putting it aside is still the owner's word.
    if (replace) return undefined
    throw error
  })
  if (existing?.uid === identity.uid) return existing
  if (existing !== undefined && !replace) {
    throw invalid(
      `this device is already ${existing.uid}, the backup is ${identity.uid}`,
      'Replacing it orphans the cameras of the present key: do it with --replace if that is meant.',
    )
  }
  await replaceIdentity(stateDir, identity)
  return loadIdentity(stateDir)
}

const COPY_AGAIN = 'Copy the whole text again, from its BEGIN to its END line.'

function readArmour(text: string): { publicKey: Uint8Array; bytes: Uint8Array } {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const begin = lines.indexOf(BEGIN)
  const end = lines.indexOf(END, begin + 1)
  if (begin < 0 || end < 0) throw invalid('damaged: its BEGIN or END line is missing', COPY_AGAIN)
  const body = lines.slice(begin + 1, end)
  const uid = body.find((line) => line.startsWith('UID:'))?.slice(4)
  const base64 = body.filter((line) => line !== '' && !line.startsWith('UID:')).join('')
  const bytes = new Uint8Array(Buffer.from(base64, 'base64'))
  if (uid === undefined) throw invalid('damaged: its UID line is missing', COPY_AGAIN)
  const publicKey = wholeKey(uid, bytes)
  if (publicKey === undefined) throw invalid('damaged: its check is wrong', COPY_AGAIN)
  if (bytes[0] !== VERSION || bytes.byteLength !== TOTAL_BYTES) {
    throw invalid(`version ${bytes[0]} is not known here, only ${VERSION}`, 'Update this program, then try again.')
  }
  return { publicKey, bytes }
}

/** The key of `uid` when the check at the end of `bytes` is right, whatever version they are. */
function wholeKey(uid: string, bytes: Uint8Array): Uint8Array | undefined {
  try {
    const publicKey = parseUid(uid)
    return equalBytes(checkOf(publicKey, bytes), bytes.subarray(-CHECK_BYTES)) ? publicKey : undefined
  } catch (error) {
    if (isHomewardError(error, 'UID_INVALID')) return undefined
    throw error
  }
}

function checkOf(publicKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  return hash(16, [CHECK_DOMAIN, publicKey, bytes.subarray(0, -CHECK_BYTES)]).slice(0, CHECK_BYTES)
}

/** The box is bound to the UID and to the cost it names. */
function associated(publicKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  return concat(BOX_DOMAIN, publicKey, bytes.subarray(0, COST_BYTES))
}

/** The same passphrase typed on another keyboard is the same bytes. */
function normalised(passphrase: string): Uint8Array {
  return Buffer.from(passphrase.normalize('NFC'), 'utf8')
}

function invalid(why: string, hint: string): HomewardError {
  return new HomewardError('KEY_BACKUP_INVALID', `the key backup cannot be used: ${why}`, { hint })
}

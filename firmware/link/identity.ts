/** The key pair of this device, in its state folder. */
import { join } from 'node:path'
import { fromHex, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { createPrivate, readPrivate, writePrivate } from './private-file.ts'
import { signingKeyPair } from './sodium.ts'
import { formatUid, shortId } from './uid.ts'

export const IDENTITY_FILE = 'identity.key'
const FORMAT = 'homeward-identity-1'

export interface Identity {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Ed25519 as libsodium keeps it: seed, then public key; 64 bytes. */
  readonly secretKey: Uint8Array
  /** The public key as text. */
  readonly uid: string
}

/** An identity that lives in memory only, or the one of a 32-byte seed. */
export function createIdentity(seed?: Uint8Array): Identity {
  const keys = signingKeyPair(seed)
  return { ...keys, uid: formatUid(keys.publicKey) }
}

/** The 32 bytes an identity can be rebuilt from: the secret itself. */
export function identitySeed(identity: Identity): Uint8Array {
  return Uint8Array.from(identity.secretKey.subarray(0, 32))
}

/**
 * The device's identity; made at the first start. A damaged file throws STATE_DAMAGED: a new key in its place would orphan
 * every camera, so that is for a person to decide.
 */
export async function loadIdentity(stateDir: string): Promise<Identity> {
  const existing = await readIdentity(stateDir)
  if (existing !== undefined) return existing
  const fresh = createIdentity()
  if (await createPrivate(join(stateDir, IDENTITY_FILE), encode(fresh))) return fresh
  const winner = await readIdentity(stateDir)
  if (winner === undefined) throw new HomewardError('DISK_FAILED', `${join(stateDir, IDENTITY_FILE)} came and went`)
  return winner
}

/** The device's identity, or undefined when it has none yet. Throws STATE_DAMAGED. */
export async function readIdentity(stateDir: string): Promise<Identity | undefined> {
  const path = join(stateDir, IDENTITY_FILE)
  const text = await readPrivate(path)
  return text === undefined ? undefined : decode(text, path)
}

/**
 * Puts `identity` in the place of the one that is there; the old file stays beside it as `identity.key.<its first group>`.
 * A damaged old file stays as `identity.key.damaged`.
 */
export async function replaceIdentity(stateDir: string, identity: Identity): Promise<void> {
  const path = join(stateDir, IDENTITY_FILE)
  const old = await readPrivate(path)
  if (old !== undefined) await writePrivate(`${path}.${suffixFor(old, path)}`, old)
  await writePrivate(path, encode(identity))
}

function suffixFor(text: string, path: string): string {
  try {
    return shortId(decode(text, path).publicKey)
  } catch {
    return 'damaged'
  }
}

function encode(identity: Identity): string {
  const body = { format: FORMAT, uid: identity.uid, seed: toHex(identitySeed(identity)) }
  return `${JSON.stringify(body, null, 2)}\n`
}

function decode(text: string, path: string): Identity {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (cause) {
    throw damaged(path, 'it is not JSON', cause)
  }
  if (typeof body !== 'object' || body === null) throw damaged(path, 'it is not a JSON object')
  const { format, uid, seed } = body as Record<string, unknown>
  if (format !== FORMAT) throw damaged(path, `its format is ${JSON.stringify(format)}, expected "${FORMAT}"`)
  if (typeof seed !== 'string' || !/^[0-9a-f]{64}$/.test(seed)) throw damaged(path, 'its seed is not 64 hex digits')
  const identity = createIdentity(fromHex(seed))
  if (identity.uid !== uid) throw damaged(path, 'its seed and its uid do not belong together')
  return identity
}

function damaged(path: string, why: string, cause?: unknown): HomewardError {
  return new HomewardError('STATE_DAMAGED', `the device's key in ${path} is damaged: ${why}`, {
    hint: 'Restore the file, or import a key backup in its place; deleting it makes a new identity, and all pairing starts over.',
    cause,
  })
}

/**
 * Sealing for the storage device's key, at capture. One random key per log, in a sealed box to the recipient, signed
 * together with camera, log and recipient by the camera's key; both stand in every record, so each record opens by itself.
 * The log key lives in memory only: after a restart the camera cannot read what it recorded.
 */
import { equalBytes, fromHex, toHex, unfilled } from '../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { RECORD_MAX_BYTES } from '../wire/limits.ts'
import {
  decodeRecordHeader,
  encodeRecordHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  type RecordMeta,
} from '../wire/record.ts'
import type { Identity } from './identity.ts'
import { concat, domain } from './pair.ts'
import {
  AEAD_TAG_BYTES,
  decrypt,
  encryptInPlace,
  type KeyPair,
  NONCE_BYTES,
  openSealedBox,
  randomBytes,
  sealBox,
  sign,
  toX25519KeyPair,
  toX25519Public,
  verifySignature,
  wipe,
} from './sodium.ts'
import { shortId } from './uid.ts'

const SIGNATURE_DOMAIN = domain('homeward log key v1')
const LOG_KEY_BYTES = 32

/** Every log that a storage device still receives from needs one place; a miss costs a signature check and an X25519. */
const OPENER_CACHE_LOGS = 256

export class LogSealer {
  /** 16 hex digits. */
  readonly log: string
  readonly recipient: Uint8Array
  readonly #camera: Uint8Array
  readonly #wrappedKey: Uint8Array
  readonly #signature: Uint8Array
  #key: Uint8Array | undefined

  /** `recipient` is the storage device's Ed25519 key; throws UID_INVALID when it is not one. A new log id by default. */
  constructor(camera: Identity, recipient: Uint8Array, log = toHex(randomBytes(8))) {
    const point = recipient.byteLength === 32 ? toX25519Public(recipient) : undefined
    if (point === undefined)
      throw new HomewardError('UID_INVALID', 'footage cannot be sealed for this UID: it is no key')
    this.log = log
    this.recipient = Uint8Array.from(recipient)
    this.#camera = camera.publicKey
    this.#key = randomBytes(LOG_KEY_BYTES)
    this.#wrappedKey = sealBox(this.#key, point)
    this.#signature = sign(signedBytes(this.#camera, log, recipient, this.#wrappedKey), camera.secretKey)
  }

  /**
   * A whole record: header and sealed payload. The parts are the payload one after the other; they are copied once, into
   * the record itself, and encrypted there. Throws FRAGMENT_TOO_LONG.
   */
  seal(meta: RecordMeta, parts: readonly Uint8Array[]): Uint8Array {
    const key = this.#key
    if (key === undefined) throw new HomewardError('INTERNAL', 'this sealer is closed')
    const payloadBytes = parts.reduce((sum, part) => sum + part.byteLength, AEAD_TAG_BYTES)
    if (RECORD_HEADER_BYTES + payloadBytes > RECORD_MAX_BYTES) {
      throw new HomewardError(
        'FRAGMENT_TOO_LONG',
        `a record of ${RECORD_HEADER_BYTES + payloadBytes} bytes, at most ${RECORD_MAX_BYTES}`,
        {
          hint: 'Lower the bit rate of the encoder or make its key frames more frequent.',
        },
      )
    }
    const nonce = randomBytes(NONCE_BYTES)
    const record = unfilled(RECORD_HEADER_BYTES + payloadBytes)
    const header = record.subarray(0, RECORD_HEADER_BYTES)
    encodeRecordHeader(
      {
        ...meta,
        camera: this.#camera,
        log: this.log,
        recipient: this.recipient,
        wrappedKey: this.#wrappedKey,
        signature: this.#signature,
        nonce,
        payloadBytes,
      },
      header,
    )
    let at = RECORD_HEADER_BYTES
    for (const part of parts) {
      record.set(part, at)
      at += part.byteLength
    }
    encryptInPlace(record.subarray(RECORD_HEADER_BYTES), header, nonce, key)
    return record
  }

  /** Wipes the log key. Idempotent; nothing can be sealed in this log afterwards. */
  close(): void {
    if (this.#key !== undefined) wipe(this.#key)
    this.#key = undefined
  }
}

export class RecordOpener {
  readonly #storage: Uint8Array
  readonly #keys: KeyPair
  /** Least recently used first. A key is in here only after its signature was found good. */
  readonly #logKeys = new Map<string, Uint8Array>()
  readonly #capacity: number
  #unwrapped = 0
  #closed = false

  constructor(storage: Identity, capacity = OPENER_CACHE_LOGS) {
    this.#storage = storage.publicKey
    this.#keys = toX25519KeyPair(storage.secretKey)
    this.#capacity = capacity
  }

  /** For metrics: log keys held, and how often one had to be checked and unwrapped. */
  get stats(): { readonly cachedLogs: number; readonly unwrapped: number } {
    return { cachedLogs: this.#logKeys.size, unwrapped: this.#unwrapped }
  }

  /**
   * The header, and the payload in memory of its own; the header's byte fields share memory with `record`.
   * Throws RECORD_MALFORMED (no record of a version known here), RECORD_MISADDRESSED (for another storage device),
   * RECORD_FORGED (another camera than expected, or not signed by the one it names), RECORD_DAMAGED (signed, but the
   * header or payload is not as it was sealed).
   */
  open(record: Uint8Array, expectedCamera?: Uint8Array): { header: RecordHeader; payload: Uint8Array } {
    // Without its key every good record would look damaged.
    if (this.#closed) throw new HomewardError('INTERNAL', 'this opener is closed')
    const header = readHeader(record)
    if (!equalBytes(header.recipient, this.#storage)) {
      throw new HomewardError(
        'RECORD_MISADDRESSED',
        `sealed for the storage device ${shortId(header.recipient)}, this is ${shortId(this.#storage)}`,
        { hint: 'Only the storage device the camera was set up for can open it.' },
      )
    }
    if (expectedCamera !== undefined && !equalBytes(header.camera, expectedCamera)) {
      throw forged(`it names camera ${shortId(header.camera)}, but came from ${shortId(expectedCamera)}`)
    }
    const payload = decrypt(
      record.subarray(RECORD_HEADER_BYTES),
      record.subarray(0, RECORD_HEADER_BYTES),
      header.nonce,
      this.#logKey(header),
    )
    if (payload === undefined) {
      throw damaged(`header or payload of ${header.log}/${header.seq} changed after it was sealed`)
    }
    return { header, payload }
  }

  /** Wipes the keys held. Idempotent. */
  close(): void {
    this.#closed = true
    for (const key of this.#logKeys.values()) wipe(key)
    this.#logKeys.clear()
    wipe(this.#keys.secretKey)
  }

  #logKey(header: RecordHeader): Uint8Array {
    const { camera, log, wrappedKey, signature } = header
    const id = Buffer.concat([camera, fromHex(log), wrappedKey, signature]).toString('latin1')
    const known = this.#logKeys.get(id)
    const key = known ?? this.#unwrap(header)
    this.#logKeys.delete(id)
    this.#logKeys.set(id, key)
    if (this.#logKeys.size > this.#capacity) this.#dropOldest()
    return key
  }

  #unwrap({ camera, log, recipient, wrappedKey, signature }: RecordHeader): Uint8Array {
    if (!verifySignature(signature, signedBytes(camera, log, recipient, wrappedKey), camera)) {
      throw forged(`the log key of ${log} is not signed by camera ${shortId(camera)}, which the header names`)
    }
    this.#unwrapped += 1
    const key = openSealedBox(wrappedKey, this.#keys)
    if (key?.byteLength !== LOG_KEY_BYTES) throw damaged(`the key of log ${log} does not open, though it is signed`)
    return key
  }

  #dropOldest(): void {
    const oldest = this.#logKeys.entries().next().value
    if (oldest === undefined) return
    wipe(oldest[1])
    this.#logKeys.delete(oldest[0])
  }
}

function readHeader(record: Uint8Array): RecordHeader {
  let header: RecordHeader
  try {
    header = decodeRecordHeader(record)
  } catch (cause) {
    if (!isHomewardError(cause) || cause.code === 'RECORD_MALFORMED') throw cause
    throw new HomewardError('RECORD_MALFORMED', `not a record: ${cause.message}`, { cause })
  }
  const expected = RECORD_HEADER_BYTES + header.payloadBytes
  if (record.byteLength !== expected) {
    throw new HomewardError('RECORD_MALFORMED', `a record of ${record.byteLength} bytes, its header says ${expected}`)
  }
  return header
}

function signedBytes(camera: Uint8Array, log: string, recipient: Uint8Array, wrappedKey: Uint8Array): Uint8Array {
  return concat(SIGNATURE_DOMAIN, camera, fromHex(log), recipient, wrappedKey)
}

function forged(why: string): HomewardError {
  return new HomewardError('RECORD_FORGED', `not an authentic record: ${why}`)
}

function damaged(why: string): HomewardError {
  return new HomewardError('RECORD_DAMAGED', `the record does not open: ${why}`)
}

/**
 * Signalling between a device and a P2P server. A frame is one message of wire/codec; over UDP one kind byte stands in
 * front of it, and both together fit SIGNAL_FRAME_MAX_BYTES. Shapes only: who signs what is in link/signal-proof.
 *
 *   device → server                        server → device
 *   register-hello {nonce}                 challenge {nonce, cookie, key}
 *   register {cookie, tags, statement}     signed {registered | refused}
 *   keep {cookie, uid}                     signed {kept}, or challenge
 *   look-up {key}                          signed {found | elsewhere}, or nothing
 *   carry {key, box}                       carried {from, handle, box} to the storage device, or nothing
 *   carry-back {cookie, uid, handle, box}  signed {returned {box, storage}} to who asked for the carry
 *   relay {key, stream, cookie?, uid?}     signed {relay-ready {stream} | refused}, challenge, or nothing
 *
 * A request is filled up to the size of the longest answer to it, so that a forged sender gains nothing.
 *
 * Over TLS each frame stands with its kind byte behind its length (u16, big-endian), and the server's first is a
 * {@link TlsProof}. An address that was seen over TLS is left empty everywhere: nothing can be sent to it by UDP.
 */
import * as v from 'valibot'
import { decodeMessage, encodeMessage } from './codec.ts'
import { HomewardError } from './errors.ts'
import { SIGNAL_FRAME_MAX_BYTES } from './limits.ts'

/** A frame without its kind byte. */
export const SIGNAL_MESSAGE_MAX_BYTES = SIGNAL_FRAME_MAX_BYTES - 1

export const SIGNAL_NONCE_BYTES = 16
/** Milliseconds of issue in 6 bytes, then a MAC of 16. */
export const COOKIE_BYTES = 22
/** A tag of a pair or a token, and the key under which it is looked up. */
export const TAG_BYTES = 16

/** Addresses that a storage device announces; more are of no use, and this many fit. */
export const MAX_CANDIDATES = 12
/** Tags in one register frame: with MAX_CANDIDATES long addresses it is just below the limit. */
export const TAGS_PER_PART = 40
/** 640 cameras and open setup codes of one storage device. */
export const MAX_PARTS = 16

/** A sealed datagram of a pair that the server carries. */
export const BOX_MAX_BYTES = 512
/** Where the answer to a carry goes, sealed for the server by itself. */
export const HANDLE_MAX_BYTES = 64
/** Under what the two ends of a relay find each other. */
export const RELAY_KEY_BYTES = 16

const MAX_ADDRESS_BYTES = 19
const MAX_STATEMENT_BYTES = 400
const MAX_BODY_BYTES = 800
const LONGEST_TTL_MS = 3_600_000
/** A name (RFC 1123 §2.1) or an IP literal. */
const HOST = /^[0-9A-Za-z.:_-]{1,253}$/

/** Requests are filled up to these sizes, as frames without kind byte; the tests compare them with the answers. */
export const REQUEST_MIN_BYTES = {
  'register-hello': 128,
  register: 256,
  keep: 256,
  'look-up': 640,
  // The longest answer, or two or three usual ones.
  carry: 896,
  relay: 256,
} as const

const bin = (bytes: number) =>
  v.custom<Uint8Array>((value) => value instanceof Uint8Array && value.byteLength === bytes, `expected ${bytes} bytes`)
const binUpTo = (bytes: number) =>
  v.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.byteLength <= bytes,
    `expected at most ${bytes} bytes`,
  )
const count = (from: number, to: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(from), v.maxValue(to))

const nonce = bin(SIGNAL_NONCE_BYTES)
const cookie = bin(COOKIE_BYTES)
const signature = bin(64)
const key = bin(32)
const address = binUpTo(MAX_ADDRESS_BYTES)
const ttlMs = count(1, LONGEST_TTL_MS)
const box = binUpTo(BOX_MAX_BYTES)
const handle = binUpTo(HANDLE_MAX_BYTES)
/** Id of a udx stream; 0 over TLS. */
const stream = count(0, 0xffff_ffff)
/** The server's TLS port, when it has one. */
const tls = v.optional(count(1, 65_535))

/** A storage device asks for a challenge. */
const RegisterHello = v.object({ t: v.literal('register-hello'), nonce })

/**
 * The answer to a hello, and to any request whose cookie is not (or no longer) good. Carries no secret: unsigned. `key` is
 * the server's, for a storage device that was given no pin and pins what it meets first.
 */
const Challenge = v.object({ t: v.literal('challenge'), nonce, cookie, key })

/** Part `part` of `parts` of a registration. `statement` is a {@link Statement}, signed by the UID's key. */
const Register = v.pipe(
  v.object({
    t: v.literal('register'),
    nonce,
    cookie,
    part: count(0, MAX_PARTS - 1),
    parts: count(1, MAX_PARTS),
    tags: v.pipe(
      binUpTo(TAGS_PER_PART * TAG_BYTES),
      v.check((value) => value.byteLength % TAG_BYTES === 0, 'not whole tags'),
    ),
    statement: binUpTo(MAX_STATEMENT_BYTES),
    signature,
  }),
  v.check((message) => message.part < message.parts, 'part is beyond parts'),
)

/** Still here, same address: no signature needed, the cookie proves the address. */
const Keep = v.object({ t: v.literal('keep'), nonce, cookie, uid: key })

/** A camera asks where the storage device is. `key` is made from UID and tag: neither can be read from it. */
const LookUp = v.object({ t: v.literal('look-up'), nonce, key: bin(TAG_BYTES) })

/** A camera has `box` carried to the storage device that is registered under `key`, as for a look-up. */
const Carry = v.object({ t: v.literal('carry'), nonce, key: bin(TAG_BYTES), box })

/** The storage device's answer to what was carried to it. `cookie` proves the address where `uid` is registered. */
const CarryBack = v.object({ t: v.literal('carry-back'), nonce, cookie, uid: key, handle, box })

/**
 * One end of a relay. Only a registered storage device (`uid`, and the cookie of its registration) makes one; the camera
 * joins with the same key. Over UDP it is challenged first, for a leg leads to a proven address only.
 */
const Relay = v.pipe(
  v.object({
    t: v.literal('relay'),
    nonce,
    key: bin(RELAY_KEY_BYTES),
    stream,
    cookie: v.optional(cookie),
    uid: v.optional(key),
  }),
  v.check((message) => message.uid === undefined || message.cookie !== undefined, 'a uid without its cookie'),
)

/** What the server carries to a storage device, unasked: `body` is an {@link AnswerBody}, signed with the carry's nonce. */
const Carried = v.object({ t: v.literal('carried'), nonce, body: binUpTo(MAX_BODY_BYTES), signature })

/** An answer of the server: `body` is an {@link AnswerBody}, signed together with the request's nonce. */
const Signed = v.object({ t: v.literal('signed'), nonce, body: binUpTo(MAX_BODY_BYTES), signature })

const SignalMessageSchema = v.variant('t', [
  RegisterHello,
  Challenge,
  Register,
  Keep,
  LookUp,
  Carry,
  Carried,
  CarryBack,
  Relay,
  Signed,
])

/** The part is registered for `ttlMs`; `observed` is the sender as the server sees it; `cookie` is for the next request. */
const Registered = v.object({
  t: v.literal('registered'),
  part: count(0, MAX_PARTS - 1),
  ttlMs,
  observed: address,
  cookie,
  tls,
})
const Kept = v.object({ t: v.literal('kept'), ttlMs, observed: address, cookie, tls })

const REFUSAL_REASONS = ['server-full', 'address-full', 'relay-full'] as const
const Refused = v.object({ t: v.literal('refused'), reason: v.picklist(REFUSAL_REASONS) })

/** The storage device's own words, and both ends as the server sees them. */
const Found = v.object({
  t: v.literal('found'),
  statement: binUpTo(MAX_STATEMENT_BYTES),
  signature,
  storage: address,
  asker: address,
  tls,
})

/** The storage device is registered at another server with the same key: there the look-up will be answered. */
const Elsewhere = v.object({
  t: v.literal('elsewhere'),
  host: v.pipe(v.string(), v.regex(HOST)),
  port: count(1, 65_535),
  tls,
})

/** A box for the storage device, and the camera's address as the server sees it. */
const CarriedBody = v.object({ t: v.literal('carried'), from: address, handle, box })

/** A box for the camera, and the storage device's address as the server sees it. */
const Returned = v.object({ t: v.literal('returned'), box, storage: address })

/** Both ends are there: `stream` is the server's end of the asker's leg. Nothing may be sent before. */
const RelayReady = v.object({ t: v.literal('relay-ready'), stream })

const AnswerBodySchema = v.variant('t', [
  Registered,
  Kept,
  Refused,
  Found,
  Elsewhere,
  CarriedBody,
  Returned,
  RelayReady,
])

/** The server's first frame on a TLS connection: `key` signed what only the two ends of this connection can know. */
const TlsProofSchema = v.object({ t: v.literal('tls-proof'), key, signature })

/**
 * What a storage device says about itself. A camera can check it against the UID alone; `proof` is a hash that ties it to
 * the server, the cookie and the tags it was registered with, so that it is of no use anywhere else.
 */
const StatementSchema = v.object({
  uid: key,
  /** Grows with every registration. */
  serial: count(0, Number.MAX_SAFE_INTEGER),
  /** Addresses of link/address one after the other. */
  candidates: binUpTo(MAX_CANDIDATES * MAX_ADDRESS_BYTES),
  proof: bin(32),
})

export type SignalMessage = v.InferOutput<typeof SignalMessageSchema>
export type SignalType = SignalMessage['t']
export type SignalOf<T extends SignalType> = Extract<SignalMessage, { t: T }>
export type AnswerBody = v.InferOutput<typeof AnswerBodySchema>
export type RefusalReason = (typeof REFUSAL_REASONS)[number]
export type TlsProof = v.InferOutput<typeof TlsProofSchema>
export type Statement = v.InferOutput<typeof StatementSchema>

/** Requests come out at least REQUEST_MIN_BYTES long. Throws FRAME_TOO_LONG. */
export function encodeSignal(message: SignalMessage): Uint8Array {
  const frame = encodeMessage(message, SIGNAL_MESSAGE_MAX_BYTES)
  const least = message.t in REQUEST_MIN_BYTES ? REQUEST_MIN_BYTES[message.t as keyof typeof REQUEST_MIN_BYTES] : 0
  if (frame.byteLength >= least) return frame
  return encodeMessage({ ...message, pad: new Uint8Array(least - frame.byteLength) }, SIGNAL_MESSAGE_MAX_BYTES)
}

/** Throws FRAME_TOO_LONG, FRAME_TRUNCATED, FRAME_VERSION or FRAME_MALFORMED. Unknown fields are left out. */
export function decodeSignal(frame: Uint8Array): SignalMessage {
  return checked(SignalMessageSchema, decodeMessage(frame, SIGNAL_MESSAGE_MAX_BYTES))
}

export function encodeAnswerBody(body: AnswerBody): Uint8Array {
  return encodeMessage(body, MAX_BODY_BYTES)
}

/** Throws as {@link decodeSignal}. */
export function decodeAnswerBody(bytes: Uint8Array): AnswerBody {
  return checked(AnswerBodySchema, decodeMessage(bytes, MAX_BODY_BYTES))
}

export function encodeTlsProof(proof: TlsProof): Uint8Array {
  return encodeMessage(proof, SIGNAL_MESSAGE_MAX_BYTES)
}

/** Throws as {@link decodeSignal}. */
export function decodeTlsProof(frame: Uint8Array): TlsProof {
  return checked(TlsProofSchema, decodeMessage(frame, SIGNAL_MESSAGE_MAX_BYTES))
}

export function encodeStatement(statement: Statement): Uint8Array {
  return encodeMessage(statement, MAX_STATEMENT_BYTES)
}

/** Throws as {@link decodeSignal}. */
export function decodeStatement(bytes: Uint8Array): Statement {
  return checked(StatementSchema, decodeMessage(bytes, MAX_STATEMENT_BYTES))
}

function checked<TSchema extends v.GenericSchema>(schema: TSchema, value: unknown): v.InferOutput<TSchema> {
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  const where = v.getDotPath(issue)
  throw new HomewardError('FRAME_MALFORMED', `not a message: ${where === null ? '' : `${where}: `}${issue.message}`)
}

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeMessage } from './codec.ts'
import { codeThrown } from './error-code-fixture.ts'
import {
  type AnswerBody,
  BOX_MAX_BYTES,
  decodeAnswerBody,
  decodeSignal,
  decodeStatement,
  decodeTlsProof,
  encodeAnswerBody,
  encodeSignal,
  encodeStatement,
  encodeTlsProof,
  HANDLE_MAX_BYTES,
  MAX_CANDIDATES,
  MAX_PARTS,
  REQUEST_MIN_BYTES,
  SIGNAL_MESSAGE_MAX_BYTES,
  type SignalMessage,
  TAG_BYTES,
  TAGS_PER_PART,
} from './signal.ts'

const bytes = (count: number, value = 0xff) => new Uint8Array(count).fill(value)

/** Every field as long as it can be. */
const statement = encodeStatement({
  uid: bytes(32),
  serial: Number.MAX_SAFE_INTEGER,
  candidates: bytes(MAX_CANDIDATES * 19),
  proof: bytes(32),
})

const bodies: readonly AnswerBody[] = [
  { t: 'registered', part: MAX_PARTS - 1, ttlMs: 3_600_000, observed: bytes(19), cookie: bytes(22), tls: 65_535 },
  { t: 'kept', ttlMs: 3_600_000, observed: bytes(19), cookie: bytes(22), tls: 65_535 },
  { t: 'refused', reason: 'address-full' },
  { t: 'found', statement, signature: bytes(64), storage: bytes(19), asker: bytes(19), tls: 65_535 },
  { t: 'elsewhere', host: 'h'.repeat(253), port: 65_535, tls: 65_535 },
  { t: 'carried', from: bytes(19), handle: bytes(HANDLE_MAX_BYTES), box: bytes(BOX_MAX_BYTES) },
  { t: 'returned', box: bytes(BOX_MAX_BYTES), storage: bytes(19) },
  { t: 'relay-ready', stream: 0xffff_ffff },
]

const requests: readonly SignalMessage[] = [
  { t: 'register-hello', nonce: bytes(16) },
  {
    t: 'register',
    nonce: bytes(16),
    cookie: bytes(22),
    part: MAX_PARTS - 1,
    parts: MAX_PARTS,
    tags: bytes(TAGS_PER_PART * TAG_BYTES),
    statement,
    signature: bytes(64),
  },
  { t: 'keep', nonce: bytes(16), cookie: bytes(22), uid: bytes(32) },
  { t: 'look-up', nonce: bytes(16), key: bytes(16) },
  { t: 'carry', nonce: bytes(16), key: bytes(16), box: bytes(BOX_MAX_BYTES) },
  {
    t: 'carry-back',
    nonce: bytes(16),
    cookie: bytes(22),
    uid: bytes(32),
    handle: bytes(HANDLE_MAX_BYTES),
    box: bytes(BOX_MAX_BYTES),
  },
  { t: 'relay', nonce: bytes(16), key: bytes(16), stream: 0xffff_ffff },
  { t: 'relay', nonce: bytes(16), key: bytes(16), stream: 1, cookie: bytes(22) },
  { t: 'relay', nonce: bytes(16), key: bytes(16), stream: 1, cookie: bytes(22), uid: bytes(32) },
]

const challenge: SignalMessage = { t: 'challenge', nonce: bytes(16), cookie: bytes(22), key: bytes(32) }

const signed = (body: AnswerBody): SignalMessage => ({
  t: 'signed',
  nonce: bytes(16),
  body: encodeAnswerBody(body),
  signature: bytes(64),
})

const carried: SignalMessage = { t: 'carried', nonce: bytes(16), body: bytes(700), signature: bytes(64) }

const messages = [...requests, challenge, carried, ...bodies.map(signed)]

function plain(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [key, field instanceof Uint8Array ? [...field] : field]),
  )
}

test('every message comes back as it was, and its padding does not', () => {
  for (const message of messages) assert.equal(plain(decodeSignal(encodeSignal(message))), plain(message), message.t)
  for (const body of bodies) assert.equal(plain(decodeAnswerBody(encodeAnswerBody(body))), plain(body), body.t)
  assert.is(decodeStatement(statement).serial, Number.MAX_SAFE_INTEGER)
})

test('the longest of each fits one datagram', () => {
  for (const message of messages) {
    assert.ok(encodeSignal(message).byteLength <= SIGNAL_MESSAGE_MAX_BYTES, message.t)
  }
})

test('the shortest request is as long as the longest answer to it', () => {
  const [registered, kept, refused, found, elsewhere, , returned, ready] = bodies.map(
    (body) => encodeSignal(signed(body)).byteLength,
  )
  const challenged = encodeSignal(challenge).byteLength
  const shortest = {
    'register-hello': encodeSignal({ t: 'register-hello', nonce: bytes(16, 0) }).byteLength,
    register: encodeSignal({
      t: 'register',
      nonce: bytes(16, 0),
      cookie: bytes(22, 0),
      part: 0,
      parts: 1,
      tags: bytes(0),
      statement: encodeStatement({ uid: bytes(32), serial: 0, candidates: bytes(0), proof: bytes(32) }),
      signature: bytes(64, 0),
    }).byteLength,
    keep: encodeSignal({ t: 'keep', nonce: bytes(16, 0), cookie: bytes(22, 0), uid: bytes(32, 0) }).byteLength,
    'look-up': encodeSignal({ t: 'look-up', nonce: bytes(16, 0), key: bytes(16, 0) }).byteLength,
    carry: encodeSignal({ t: 'carry', nonce: bytes(16, 0), key: bytes(16, 0), box: bytes(0) }).byteLength,
    relay: encodeSignal({ t: 'relay', nonce: bytes(16, 0), key: bytes(16, 0), stream: 0 }).byteLength,
  }
  for (const [type, least] of Object.entries(REQUEST_MIN_BYTES)) {
    assert.ok(shortest[type as keyof typeof shortest] >= least, type)
  }
  assert.ok(REQUEST_MIN_BYTES['register-hello'] >= challenged)
  assert.ok(REQUEST_MIN_BYTES.register >= Math.max(challenged, registered ?? 0, refused ?? 0))
  assert.ok(REQUEST_MIN_BYTES.keep >= Math.max(challenged, kept ?? 0))
  assert.ok(REQUEST_MIN_BYTES['look-up'] >= Math.max(found ?? 0, elsewhere ?? 0))
  assert.ok(REQUEST_MIN_BYTES.carry >= (returned ?? 0))
  assert.ok(REQUEST_MIN_BYTES.relay >= Math.max(challenged, ready ?? 0, refused ?? 0))
})

test('every message cut short at any byte is refused with a code', () => {
  for (const message of messages) {
    const frame = encodeSignal(message)
    for (let length = 0; length < frame.byteLength; length++) {
      assert.is(
        codeThrown(() => decodeSignal(frame.subarray(0, length))),
        'FRAME_TRUNCATED',
        `${message.t}, ${length} bytes`,
      )
    }
  }
  for (const body of bodies) {
    const frame = encodeAnswerBody(body)
    for (let length = 0; length < frame.byteLength; length++) {
      assert.is(
        codeThrown(() => decodeAnswerBody(frame.subarray(0, length))),
        'FRAME_TRUNCATED',
        body.t,
      )
    }
  }
  for (let length = 0; length < statement.byteLength; length++) {
    assert.is(
      codeThrown(() => decodeStatement(statement.subarray(0, length))),
      'FRAME_TRUNCATED',
    )
  }
})

test('what is not in order is refused', () => {
  const [hello, register, keep, , carry, back, relay] = requests
  const wrong: [string, object][] = [
    ['no type', { nonce: bytes(16) }],
    ['unknown type', { ...hello, t: 'register-bye' }],
    ['short nonce', { ...hello, nonce: bytes(15) }],
    ['nonce as text', { ...hello, nonce: 'sixteen letters.' }],
    ['no cookie', { ...keep, cookie: undefined }],
    ['part beyond parts', { ...register, part: 2, parts: 2 }],
    ['no parts', { ...register, part: 0, parts: 0 }],
    ['too many parts', { ...register, part: 0, parts: MAX_PARTS + 1 }],
    ['half a part', { ...register, part: 0.5 }],
    ['half a tag', { ...register, tags: bytes(24) }],
    ['short signature', { ...register, signature: bytes(63) }],
    ['long uid', { ...keep, uid: bytes(33) }],
    ['long box', { ...carry, box: bytes(BOX_MAX_BYTES + 1) }],
    ['no box', { ...carry, box: undefined }],
    ['long handle', { ...back, handle: bytes(HANDLE_MAX_BYTES + 1) }],
    ['short relay key', { ...relay, key: bytes(15) }],
    ['stream beyond 32 bits', { ...relay, stream: 2 ** 32 }],
    ['a uid without cookie', { ...relay, uid: bytes(32) }],
    ['a proof is no message', { t: 'tls-proof', key: bytes(32), signature: bytes(64) }],
  ]
  for (const [what, message] of wrong) {
    const frame = encodeMessage(message, SIGNAL_MESSAGE_MAX_BYTES)
    assert.is(
      codeThrown(() => decodeSignal(frame)),
      'FRAME_MALFORMED',
      what,
    )
  }
  for (const value of [7, 'hello', null, [hello], bytes(3)]) {
    assert.is(
      codeThrown(() => decodeSignal(encodeMessage(value, 100))),
      'FRAME_MALFORMED',
    )
  }
  assert.is(
    codeThrown(() => decodeSignal(new Uint8Array(SIGNAL_MESSAGE_MAX_BYTES + 1))),
    'FRAME_TOO_LONG',
  )
})

test('the first frame over TLS comes back as it was, and nothing else passes for it', () => {
  const proof = { t: 'tls-proof', key: bytes(32), signature: bytes(64) } as const
  assert.equal(plain(decodeTlsProof(encodeTlsProof(proof))), plain(proof))
  for (const message of messages) {
    assert.is(
      codeThrown(() => decodeTlsProof(encodeSignal(message))),
      'FRAME_MALFORMED',
    )
  }
})

test('a field of a later version is left out', () => {
  const frame = encodeMessage({ ...challenge, colour: 'green' }, SIGNAL_MESSAGE_MAX_BYTES)
  assert.equal(plain(decodeSignal(frame)), plain(challenge))
})

test('random and mutated frames give a message or a code, never anything else', () => {
  const frames = messages.map((message) => encodeSignal(message))
  const readers = [decodeSignal, decodeAnswerBody, decodeStatement, decodeTlsProof]
  fc.assert(
    fc.property(
      fc.nat(frames.length - 1),
      fc.array(fc.tuple(fc.nat(1198), fc.nat(255)), { minLength: 1, maxLength: 5 }),
      fc.uint8Array({ maxLength: 100 }),
      (which, changes, noise) => {
        const mutated = (frames[which] ?? noise).slice()
        for (const [at, value] of changes) mutated[at % mutated.byteLength] = value
        for (const read of readers) {
          codeThrown(() => read(mutated))
          codeThrown(() => read(noise))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test.run()

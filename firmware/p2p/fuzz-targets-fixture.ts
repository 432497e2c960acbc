/** Every decoder that meets what others send, with valid messages to begin with. */
import { type Address, encodeAddress, parseAddress, readAddress } from '../link/address.ts'
import { encodeBase32 } from '../link/base32.ts'
import { openDatagram, readHead, sealDatagram } from '../link/datagram.ts'
import type { Datagram } from '../link/datagram-body.ts'
import { buildEnrol, openEnrol } from '../link/enrolment.ts'
import { createIdentity } from '../link/identity.ts'
import { backupUid } from '../link/key-backup.ts'
import { domain, hashToken, TokenKeys } from '../link/pair.ts'
import { RecordOpener } from '../link/seal.ts'
import { formatSetupCode, parseSetupCode } from '../link/setup-code.ts'
import { readSignalDatagram, signalDatagram } from '../link/signal-port.ts'
import { openAnswer, openStatement, readObserved, signAnswer, signStatement } from '../link/signal-proof.ts'
import { decrypt, encryptInPlace, hash } from '../link/sodium.ts'
import { TlsFrames, tlsFrame } from '../link/tls-frames.ts'
import { formatUid, parseUid } from '../link/uid.ts'
import { withoutEmptyEdits } from '../media/edits.ts'
import { parseFragment } from '../media/fragment.ts'
import { parseInit } from '../media/init.ts'
import { buildMfra, parseMfra } from '../media/mfra.ts'
import { AUDIO, handmadeFragment, handmadeInit, VIDEO } from '../media/sample-streams.ts'
import { FragmentSplitter } from '../media/splitter.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { parseRequest } from '../platform/control.ts'
import { seededRandom } from '../platform/random.ts'
import { ByteReader, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { decodeGap, encodeGap } from '../wire/gap.ts'
import { SIGNAL_FRAME_MAX_BYTES } from '../wire/limits.ts'
import {
  decodeRecordHeader,
  encodeRecordHeader,
  joinPayload,
  RECORD_HEADER_BYTES,
  splitPayload,
} from '../wire/record.ts'
import { decodeCameraFrame, decodeStorageFrame, encodeControl, encodePiece } from '../wire/session.ts'
import {
  type AnswerBody,
  decodeAnswerBody,
  decodeStatement,
  decodeTlsProof,
  encodeAnswerBody,
  encodeTlsProof,
  type SignalMessage,
} from '../wire/signal.ts'
import { Cookies } from './cookie.ts'
import type { FuzzInput } from './fuzz-input-fixture.ts'
import { Handles } from './handle.ts'
import { decodeOrigin, encodeOrigin, udpOrigin } from './origin.ts'

export interface FuzzTarget {
  readonly name: string
  /** Those that cost much come up less often. */
  readonly weight: number
  /** Not even its sources are authentic: nothing of it is ever taken. */
  readonly isForged?: true
  readonly sources: readonly Uint8Array[]
  /** A HomewardError is an answer; undefined is one, too: `refused`. */
  readonly run: (bytes: Uint8Array, input: FuzzInput) => unknown
}

const random = seededRandom(7)
const bytes = (count: number) => random.bytes(count)
const text = (value: string) => Buffer.from(value, 'utf8')
const clock = new FakeClock()

const SERVER = createIdentity(bytes(32))
const STORAGE = createIdentity(bytes(32))
const CAMERA = createIdentity(bytes(32))
const KEY = bytes(32)
const TAG = bytes(8)
const ADDRESS: Address = { host: '192.0.2.1', port: 7441 }
const ADDRESS6: Address = { host: '2001:db8::1', port: 7441 }
const log = '0123456789abcdef'
const moment = { boot: 'b007b007b007b007', monoUs: 5_000_000, wallUs: 1_763_812_800_000_000, clock: 'rtc' } as const

const terms = { cookie: bytes(22), part: 0, parts: 1, tags: bytes(64) }
const announced = { serial: 9, candidates: [ADDRESS, ADDRESS6] }
const signedStatement = signStatement(STORAGE, SERVER.publicKey, announced, terms)
const bodies: readonly AnswerBody[] = [
  { t: 'registered', part: 3, ttlMs: 75_000, observed: encodeAddress(ADDRESS), cookie: bytes(22), tls: 7443 },
  { t: 'kept', ttlMs: 75_000, observed: encodeAddress(ADDRESS6), cookie: bytes(22) },
  { t: 'refused', reason: 'address-full' },
  { t: 'found', ...signedStatement, storage: encodeAddress(ADDRESS), asker: encodeAddress(ADDRESS6), tls: 443 },
  { t: 'elsewhere', host: 'p2p.example', port: 7440, tls: 7443 },
  { t: 'carried', from: encodeAddress(ADDRESS), handle: bytes(47), box: bytes(256) },
  { t: 'returned', box: bytes(150), storage: encodeAddress(ADDRESS) },
  { t: 'relay-ready', stream: 0xffff_ffff },
]
const answers = bodies.map((body) => signAnswer(SERVER, bytes(16), body))
const messages: readonly SignalMessage[] = [
  { t: 'register-hello', nonce: bytes(16) },
  { t: 'challenge', nonce: bytes(16), cookie: bytes(22), key: SERVER.publicKey },
  { t: 'register', nonce: bytes(16), ...terms, ...signedStatement },
  { t: 'keep', nonce: bytes(16), cookie: bytes(22), uid: STORAGE.publicKey },
  { t: 'look-up', nonce: bytes(16), key: bytes(16) },
  { t: 'carry', nonce: bytes(16), key: bytes(16), box: bytes(256) },
  { t: 'carry-back', nonce: bytes(16), cookie: bytes(22), uid: STORAGE.publicKey, handle: bytes(47), box: bytes(150) },
  { t: 'relay', nonce: bytes(16), key: bytes(16), stream: 7, cookie: bytes(22), uid: STORAGE.publicKey },
  ...answers,
]
const signals = messages.map(signalDatagram)
const tlsProof = encodeTlsProof({ t: 'tls-proof', key: SERVER.publicKey, signature: bytes(64) })
const statement = signedStatement.statement

const datagrams: readonly Datagram[] = [
  { type: 'probe', tx: log, candidate: 1, sentUs: 5 },
  { type: 'probe-answer', tx: log, candidate: 1, sentUs: 5, observed: ADDRESS6 },
  { type: 'punch', tx: log, candidates: [ADDRESS, ADDRESS6], nat: 'symmetric', search: true, seen: ADDRESS },
  { type: 'punched', tx: log, nat: 'cone', search: 'running' },
  { type: 'relay-call', attempt: log, relay: bytes(16) },
  { type: 'open', attempt: log, path: 'lan', stream: 9, relay: bytes(16), noise: bytes(96) },
  { type: 'opened', attempt: log, stream: 9, noise: bytes(48) },
  { type: 'refuse', attempt: log, code: 'NOT_PAIRED' },
  { type: 'bye', attempt: log },
  { type: 'enrolled', tx: log, name: 'Front door' },
]
const sealed = datagrams.map((message) => sealDatagram(message, { boot: 1, seq: 2 }, TAG, KEY))
const [HEAD_BYTES, NONCE_BYTES, MAC_BYTES] = [11, 24, 16]
/** Head and what is in the box, as whoever has the key could make it. */
const opened = sealed.map((datagram) => {
  const [head, nonce] = [datagram.subarray(0, HEAD_BYTES), datagram.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES)]
  const plain = decrypt(datagram.subarray(HEAD_BYTES + NONCE_BYTES), head, nonce, KEY)
  return Buffer.concat([head, plain ?? new Uint8Array(0)])
})
const token = bytes(16)
const enrol = buildEnrol({
  camera: CAMERA,
  storage: STORAGE.publicKey,
  token,
  tx: log,
  name: 'x',
  fresh: { boot: 1, seq: 1 },
})

const record = encodeRecordHeader({
  ...{ kind: 'fragment', camera: CAMERA.publicKey, log, seq: 5, span: 1, run: 7, durationUs: 2_000_000 },
  ...{ ...moment, keyFrame: true, runStart: false, recipient: STORAGE.publicKey, wrappedKey: bytes(80) },
  ...{ signature: bytes(64), nonce: bytes(24), payloadBytes: 100 },
})
const opener = new RecordOpener(STORAGE)
const setup = formatSetupCode({
  ...{ storage: STORAGE.publicKey, token, addresses: [ADDRESS, ADDRESS6] },
  server: { host: 'p2p.example', port: 7440, key: SERVER.publicKey },
})
const PREFIX = 'HW1'
const CHECK_BYTES = 5
const SETUP_DOMAIN = domain('homeward setup code')
const setupBody = decodeSetup(setup)

const cookies = new Cookies(clock, random)
const handles = new Handles(clock, random)
const origin = udpOrigin(ADDRESS)
const handle = handles.issue(origin, bytes(16), 900, STORAGE.publicKey)

const init = handmadeInit([
  VIDEO,
  {
    ...AUDIO,
    edits: [
      [500, -1],
      [0, 1024],
    ],
  },
])
const known = parseInit(init)
const fragment = handmadeFragment([
  { id: 1, decodeTime: 1000, sampleTicks: 40, sizes: [50, 20, 30] },
  { id: 2, decodeTime: 8000, sampleTicks: 160, sizes: [10, 10] },
])
const mfra = buildMfra([
  { track: 1, timeTicks: 0, moofOffset: 500 },
  { track: 1, timeTicks: 1000, moofOffset: 900 },
])

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  { name: 'signalling datagrams', weight: 40, sources: signals, run: readSignalDatagram },
  { name: 'answers of a server', weight: 20, sources: bodies.map(encodeAnswerBody), run: decodeAnswerBody },
  { name: 'statements', weight: 10, sources: [statement], run: decodeStatement },
  { name: 'TLS proofs', weight: 5, sources: [tlsProof], run: decodeTlsProof },
  {
    name: 'signed answers, and addresses in them',
    isForged: true,
    weight: 1,
    sources: answers.map(({ body }) => body),
    run: (body) => {
      readObserved(body)
      return openAnswer(
        { t: 'signed', nonce: KEY.subarray(0, 16), body, signature: new Uint8Array(64) },
        SERVER.publicKey,
      )
    },
  },
  {
    name: 'signed statements',
    weight: 1,
    sources: [statement],
    run: (mutated) => openStatement({ ...signedStatement, statement: mutated }, { uid: STORAGE.publicKey }),
  },
  { name: 'TLS frames', weight: 15, sources: signals.map((one) => tlsFrame(one.subarray(1))), run: takeFrames },
  { name: 'heads of pair datagrams', weight: 20, sources: [...sealed, enrol], run: readHead },
  { name: 'pair datagrams', weight: 15, sources: sealed, run: (datagram) => openDatagram(datagram, KEY) },
  {
    name: 'what is in pair datagrams',
    weight: 25,
    sources: opened,
    run: (plain) => openDatagram(sealAgain(plain), KEY),
  },
  {
    name: 'enrolments',
    weight: 1,
    sources: [enrol],
    run: (datagram) =>
      openEnrol(STORAGE, datagram, (tag) =>
        tag === toHex(TokenKeys.of(token).shortTag) ? hashToken(token) : undefined,
      ),
  },
  {
    name: 'session messages of a camera',
    weight: 20,
    sources: [
      encodeControl({ type: 'hello', version: 1, name: 'Front door', ...moment }),
      encodeControl({ type: 'ask', log, first: 0, last: 2 ** 40 }),
      encodeControl({ type: 'need', id: 3, bytes: 70_000 }),
      encodeControl({ type: 'lost', log, first: 4, last: 9, reason: 'damaged-on-card' }),
      encodeControl({ type: 'bye', code: 'CANCELLED', text: 'stopping' }),
    ],
    run: decodeCameraFrame,
  },
  {
    name: 'pieces',
    weight: 10,
    sources: [true, false].map((granted) =>
      encodePiece({ transfer: 1, offset: 64, total: 600, granted, bytes: bytes(500) }),
    ),
    run: decodeCameraFrame,
  },
  {
    name: 'session messages of a storage device',
    weight: 15,
    sources: [
      encodeControl({ type: 'credit', id: 3, bytes: 1_000_000 }),
      encodeControl({ type: 'bye', code: 'CANCELLED', text: '' }),
    ],
    run: decodeStorageFrame,
  },
  { name: 'record headers', weight: 20, sources: [record], run: decodeRecordHeader },
  {
    name: 'records',
    isForged: true,
    weight: 1,
    sources: [Buffer.concat([record, bytes(100)])],
    run: (mutated) =>
      opener.open(Buffer.concat([mutated, new Uint8Array(Math.max(0, RECORD_HEADER_BYTES - mutated.length))])),
  },
  { name: 'payloads', weight: 10, sources: [Buffer.concat(joinPayload(bytes(50), bytes(90)))], run: splitPayload },
  {
    name: 'gaps',
    weight: 10,
    sources: [encodeGap({ reason: 'ring-full', endMonoUs: 7, endWallUs: moment.wallUs, note: 'full' })],
    run: decodeGap,
  },
  {
    name: 'setup codes',
    weight: 4,
    sources: [text(setup)],
    run: (mutated) => parseSetupCode(Buffer.from(mutated).toString()),
  },
  {
    name: 'what is in setup codes',
    weight: 2,
    sources: [setupBody],
    run: (body) => {
      const check = hash(16, [SETUP_DOMAIN, body]).subarray(0, CHECK_BYTES)
      return parseSetupCode(PREFIX + encodeBase32(Buffer.concat([body, check])))
    },
  },
  {
    name: 'UIDs',
    weight: 4,
    sources: [text(formatUid(STORAGE.publicKey))],
    run: (mutated) => parseUid(Buffer.from(mutated).toString()),
  },
  {
    name: 'key backups',
    isForged: true,
    weight: 2,
    sources: [text('-----BEGIN HOMEWARD STORAGE KEY-----\nAAAA\n-----END')],
    run: (mutated) => backupUid(Buffer.from(mutated).toString()),
  },
  {
    name: 'addresses',
    weight: 10,
    sources: [encodeAddress(ADDRESS), encodeAddress(ADDRESS6)],
    run: (mutated) => readAddress(new ByteReader(mutated)),
  },
  {
    name: 'addresses as text',
    weight: 4,
    sources: [text('192.0.2.1:7441'), text('[2001:db8::1]:7441')],
    run: (mutated) => parseAddress(Buffer.from(mutated).toString(), 1),
  },
  { name: 'origins', weight: 5, sources: [encodeOrigin(origin)], run: decodeOrigin },
  { name: 'handles', weight: 10, sources: [handle], run: (mutated) => handles.open(mutated, STORAGE.publicKey) },
  {
    name: 'cookies',
    weight: 10,
    sources: [cookies.issue(origin)],
    run: (mutated) => cookies.issuedMs(mutated, origin),
  },
  {
    name: 'control lines',
    weight: 10,
    sources: [text('{"command":"status","args":{"a":[1,null]}}')],
    run: (mutated) => parseRequest(Buffer.from(mutated).toString()),
  },
  { name: 'init segments', weight: 4, sources: [init], run: (mutated) => parseInit(withoutEmptyEdits(mutated)) },
  { name: 'fragments', weight: 6, sources: [fragment], run: (mutated) => parseFragment(mutated, known) },
  { name: 'mfra boxes', weight: 5, sources: [mfra], run: parseMfra },
  { name: 'streams of boxes', weight: 2, sources: [Buffer.concat([init, fragment, fragment, mfra])], run: splitStream },
]

function decodeSetup(code: string): Uint8Array {
  const bits = [...code.slice(PREFIX.length)]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  const all = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  return all.subarray(0, all.byteLength - CHECK_BYTES)
}

function sealAgain(plain: Uint8Array): Uint8Array {
  const body = plain.subarray(HEAD_BYTES)
  const datagram = new Uint8Array(HEAD_BYTES + NONCE_BYTES + body.byteLength + MAC_BYTES)
  datagram.set(plain.subarray(0, HEAD_BYTES))
  datagram.set(body, HEAD_BYTES + NONCE_BYTES)
  const [head, nonce] = [datagram.subarray(0, HEAD_BYTES), datagram.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES)]
  encryptInPlace(datagram.subarray(HEAD_BYTES + NONCE_BYTES), head, nonce, KEY)
  return datagram
}

/** Cut anywhere, as a stream is. */
function takeFrames(stream: Uint8Array, input: FuzzInput): unknown {
  const frames = new TlsFrames()
  let taken = 0
  for (let at = 0; at < stream.byteLength; ) {
    const end = at + 1 + input.below(400)
    frames.push(stream.subarray(at, end))
    at = end
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
      if (frame === 'malformed') return undefined
      taken++
    }
    if (frames.waitingBytes > SIGNAL_FRAME_MAX_BYTES + 2) throw new Error(`${frames.waitingBytes} bytes are kept`)
  }
  return taken > 0 ? taken : undefined
}

function splitStream(stream: Uint8Array, input: FuzzInput): unknown {
  let [fragments, accounted] = [0, 0]
  const splitter = new FragmentSplitter({
    init: () => {},
    fragment: () => {
      fragments++
    },
    skipped: (count) => {
      accounted += count
    },
  })
  for (let at = 0; at < stream.byteLength; ) {
    const end = at + 1 + input.below(2_000)
    splitter.push(stream.subarray(at, end))
    at = end
  }
  splitter.end()
  if (accounted > stream.byteLength)
    throw new HomewardError('INTERNAL', `${accounted} of ${stream.byteLength} bytes skipped`)
  return fragments > 0 ? fragments : undefined
}

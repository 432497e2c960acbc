import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteWriter } from '../wire/bytes.ts'
import { ERROR_CODES } from '../wire/errors.ts'
import { SIGNAL_FRAME_MAX_BYTES } from '../wire/limits.ts'
import { ANSWER_MAX_BYTES, openDatagram, REQUEST_BYTES, readHead, sealDatagram, TYPE_NUMBERS } from './datagram.ts'
import {
  type Datagram,
  NO_RELAY,
  NOISE_OPEN_BYTES,
  NOISE_OPENED_BYTES,
  PUNCH_CANDIDATES_MAX,
  RELAY_KEY_BYTES,
} from './datagram-body.ts'
import { NAME_MAX_BYTES } from './names.ts'
import { PATHS } from './path-rank.ts'
import { encryptInPlace, randomBytes } from './sodium.ts'

const [key, tag] = [randomBytes(32), randomBytes(8)]
const fresh = { boot: 3, seq: 2 ** 40 }
const id = '0123456789abcdef'

const NATS = ['unknown', 'none', 'cone', 'symmetric'] as const
const SEARCHES = ['unasked', 'no', 'running', 'busy'] as const

const samples: readonly Datagram[] = [
  { type: 'probe', tx: id, candidate: 65535, sentUs: Number.MAX_SAFE_INTEGER },
  { type: 'probe-answer', tx: id, candidate: 0, sentUs: 0, observed: { host: '192.0.2.1', port: 1 } },
  { type: 'probe-answer', tx: id, candidate: 7, sentUs: 12345, observed: { host: '2001:db8::1', port: 65535 } },
  ...PATHS.map(
    (path): Datagram => ({
      ...{ type: 'open', attempt: id, path, stream: 0xffffffff, noise: randomBytes(NOISE_OPEN_BYTES) },
      relay: path === 'relay-udp' ? randomBytes(RELAY_KEY_BYTES) : NO_RELAY,
    }),
  ),
  ...NATS.flatMap((nat): Datagram[] => [
    { type: 'punch', tx: id, candidates: [], nat, search: true },
    { type: 'punch', tx: id, candidates: [{ host: '192.0.2.1', port: 1 }, long(0)], nat, search: false },
    { ...longestPunch(), nat },
    ...SEARCHES.map((search): Datagram => ({ type: 'punched', tx: id, nat, search })),
  ]),
  { type: 'relay-call', attempt: id, relay: randomBytes(RELAY_KEY_BYTES) },
  { type: 'opened', attempt: id, stream: 1, noise: randomBytes(NOISE_OPENED_BYTES) },
  ...ERROR_CODES.map((code): Datagram => ({ type: 'refuse', attempt: id, code })),
  { type: 'bye', attempt: id },
  { type: 'enrolled', tx: id, name: '' },
  { type: 'enrolled', tx: id, name: 'Überwachung 门口 😀' },
  { type: 'enrolled', tx: id, name: 'x'.repeat(NAME_MAX_BYTES) },
]

function longestPunch() {
  const candidates = Array.from({ length: PUNCH_CANDIDATES_MAX }, (_, at) => long(at))
  return { type: 'punch', tx: id, candidates, nat: 'none', search: true, seen: long(9) } as const
}

function long(at: number) {
  return { host: `2001:db8::${at + 1}`, port: 65535 - at }
}

/** What is padded to one size. */
const REQUESTS: ReadonlySet<Datagram['type']> = new Set(['probe', 'open', 'punch', 'relay-call'])

test('every message survives, with its place in time', () => {
  for (const message of samples) {
    const bytes = sealDatagram(message, fresh, tag, key)
    assert.equal(openDatagram(bytes, key), { message, fresh })
    assert.equal(readHead(bytes), { type: message.type, tag: Buffer.from(tag).toString('hex') })
  }
})

test('requests have one size, and no answer is larger', () => {
  for (const message of samples) {
    const { byteLength } = sealDatagram(message, fresh, tag, key)
    if (REQUESTS.has(message.type)) assert.is(byteLength, REQUEST_BYTES)
    else assert.ok(byteLength <= ANSWER_MAX_BYTES, `${message.type}: ${byteLength}`)
  }
  assert.ok(ANSWER_MAX_BYTES <= REQUEST_BYTES)
  assert.ok(REQUEST_BYTES <= SIGNAL_FRAME_MAX_BYTES)
})

test('never looks like udx, nor the same twice', () => {
  for (const message of samples) {
    const [one, two] = [sealDatagram(message, fresh, tag, key), sealDatagram(message, fresh, tag, key)]
    assert.is(one[0], 0x48)
    assert.not.equal(one.subarray(11), two.subarray(11))
  }
})

test('cut off at every byte, or longer: not heard', () => {
  for (const message of samples) {
    const bytes = sealDatagram(message, fresh, tag, key)
    for (let length = 0; length < bytes.byteLength; length++) {
      assert.is(openDatagram(bytes.subarray(0, length), key), undefined, `${message.type} ${length}`)
    }
    assert.is(openDatagram(Buffer.concat([bytes, Uint8Array.of(0)]), key), undefined)
  }
})

const oneOfEach = [...new Map(samples.map((message) => [message.type, message])).values()]

test('one changed bit, another key, another type: not heard', () => {
  for (const message of oneOfEach) {
    const bytes = sealDatagram(message, fresh, tag, key)
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const bent = bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)))
      assert.is(openDatagram(bent, key), undefined, `${message.type} bit ${bit}`)
    }
    assert.is(openDatagram(bytes, randomBytes(32)), undefined)
    for (const number of Object.values(TYPE_NUMBERS)) {
      if (number !== TYPE_NUMBERS[message.type]) assert.is(openDatagram(bytes.with(2, number), key), undefined)
    }
  }
})

/** A datagram of `type` whose sealed content the test writes itself: the other side is authentic but wrong. */
function crafted(type: Datagram['type'], bytes: number, write: (writer: ByteWriter) => void): Uint8Array {
  const datagram = new Uint8Array(bytes)
  const writer = new ByteWriter(datagram)
  writer.u8(0x48).u8(1).u8(TYPE_NUMBERS[type]).bytes(tag).bytes(randomBytes(24)).u32(1).u64(1).hex(id, 8)
  write(writer)
  encryptInPlace(datagram.subarray(35), datagram.subarray(0, 11), datagram.subarray(11, 35), key)
  return datagram
}

const SMALL = 35 + 16 + 12 + 8

test('strict about what an authentic peer says', () => {
  const name = (length: number, bytes: number[]) =>
    crafted('enrolled', SMALL + 1 + bytes.length, (w) => w.u8(length).bytes(Uint8Array.from(bytes)))
  assert.ok(openDatagram(name(2, [104, 105]), key))
  assert.is(openDatagram(name(1, [0xff]), key), undefined) // not UTF-8
  assert.is(openDatagram(name(3, [104, 105]), key), undefined) // longer than there is
  assert.is(openDatagram(name(1, [104, 105]), key), undefined) // bytes left over
  assert.is(
    openDatagram(
      crafted('enrolled', SMALL + 66, (w) => w.u8(65).bytes(new Uint8Array(65).fill(97))),
      key,
    ),
    undefined,
  )
  const padded = (end: number) => crafted('probe', REQUEST_BYTES, (w) => w.u16(1).u64(1).zeros(100).u8(end))
  assert.ok(openDatagram(padded(0), key))
  assert.is(openDatagram(padded(1), key), undefined)
  assert.is(
    openDatagram(
      crafted('probe', REQUEST_BYTES - 1, (w) => w.u16(1).u64(1)),
      key,
    ),
    undefined,
  )
  const observed = (family: number) =>
    crafted('probe-answer', SMALL + 10 + 7, (w) => w.u16(1).u64(1).u8(family).u32(1).u16(1))
  assert.ok(openDatagram(observed(4), key))
  assert.is(openDatagram(observed(5), key), undefined)
  const open = (path: number) =>
    crafted('open', REQUEST_BYTES, (w) => w.u8(path).u32(1).bytes(NO_RELAY).bytes(new Uint8Array(NOISE_OPEN_BYTES)))
  for (let path = 0; path < 256; path++) assert.is(openDatagram(open(path), key) !== undefined, path < PATHS.length)
  const punch = (count: number, addresses: number, family = 4) =>
    crafted('punch', REQUEST_BYTES, (w) => {
      w.u8(count)
      for (let at = 0; at < addresses; at++) w.u8(family).u32(0x0102_0304).u16(1)
    })
  for (let count = 0; count <= PUNCH_CANDIDATES_MAX; count++) assert.ok(openDatagram(punch(count, count), key))
  assert.is(openDatagram(punch(PUNCH_CANDIDATES_MAX + 1, PUNCH_CANDIDATES_MAX + 1), key), undefined)
  assert.is(openDatagram(punch(255, 0), key), undefined)
  assert.is(openDatagram(punch(1, 2), key), undefined) // an address left over
  assert.is(openDatagram(punch(2, 1), key), undefined) // padding is no address
  assert.is(openDatagram(punch(1, 1, 7), key), undefined)
  const request = (nat: number, flags: number) =>
    crafted('punch', REQUEST_BYTES, (w) => w.u8(0).u8(nat).u8(flags).u8(4).u32(1).u16(1))
  assert.ok(openDatagram(request(3, 3), key))
  assert.is(openDatagram(request(4, 3), key), undefined)
  assert.is(openDatagram(request(3, 4), key), undefined)
  assert.is(openDatagram(request(3, 1), key), undefined) // an address that nobody announced
  const punched = (nat: number, search: number) => crafted('punched', SMALL + 2, (w) => w.u8(nat).u8(search))
  assert.ok(openDatagram(punched(3, 3), key))
  assert.is(openDatagram(punched(4, 3), key), undefined)
  assert.is(openDatagram(punched(3, 4), key), undefined)
})

test('a refusal with a code of a later version is a refusal', () => {
  const text = Buffer.from('SOMETHING_NEW')
  const bytes = crafted('refuse', SMALL + 1 + text.byteLength, (w) => w.u8(text.byteLength).bytes(text))
  assert.equal(openDatagram(bytes, key)?.message, { type: 'refuse', attempt: id, code: 'INTERNAL' })
})

test('what cannot be sent is a bug, not a datagram', () => {
  const wrong: Datagram[] = [
    { type: 'open', attempt: id, path: 'lan', stream: 1, relay: NO_RELAY, noise: new Uint8Array(5) },
    { ...samples[3], type: 'open', relay: new Uint8Array(RELAY_KEY_BYTES - 1) } as Datagram,
    { type: 'relay-call', attempt: id, relay: new Uint8Array(RELAY_KEY_BYTES + 1) },
    { ...longestPunch(), candidates: [{ host: 'example.org', port: 1 }] },
    { ...longestPunch(), seen: { host: 'example.org', port: 1 } },
    { ...longestPunch(), candidates: Array.from({ length: PUNCH_CANDIDATES_MAX + 3 }, (_, at) => long(at)) },
    { type: 'bye', attempt: 'abc' },
    { type: 'enrolled', tx: id, name: 'x'.repeat(NAME_MAX_BYTES + 1) },
    { type: 'probe-answer', tx: id, candidate: 1, sentUs: 1, observed: { host: 'example.org', port: 1 } },
  ]
  for (const message of wrong) assert.throws(() => sealDatagram(message, fresh, tag, key), undefined, message.type)
})

const SEED = 48

test(`random bytes are never heard and never throw (seed ${SEED})`, () => {
  const heads = fc
    .tuple(fc.constantFrom(1, 0, 2), fc.nat({ max: 12 }))
    .map(([version, type]) => [0x48, version, type, ...tag])
  fc.assert(
    fc.property(fc.oneof(fc.constant<number[]>([]), heads), fc.uint8Array({ maxLength: 1300 }), (head, rest) => {
      assert.is(openDatagram(Uint8Array.from([...head, ...rest]), key), undefined)
    }),
    { seed: SEED, numRuns: 3000 },
  )
})

test(`random contents of an authentic peer never throw (seed ${SEED})`, () => {
  const types = fc.constantFrom(...samples.map((message) => message.type))
  fc.assert(
    fc.property(types, fc.uint8Array({ maxLength: 250 }), (type, content) => {
      const size = REQUESTS.has(type) ? REQUEST_BYTES : SMALL + content.byteLength
      const bytes = crafted(type, size, (w) => w.bytes(content.subarray(0, size - SMALL)))
      const opened = openDatagram(bytes, key)
      if (opened !== undefined && opened.message.type !== 'refuse') {
        assert.is(sealDatagram(opened.message, opened.fresh, tag, key).byteLength, size)
      }
    }),
    { seed: SEED, numRuns: 3000 },
  )
})

test('heads of other versions and kinds are no heads', () => {
  const good = sealDatagram(samples[0] ?? { type: 'bye', attempt: id }, fresh, tag, key)
  assert.ok(readHead(good))
  for (const [at, value] of [
    [0, 0xff],
    [0, 0x53],
    [1, 0],
    [1, 2],
    [2, 0],
    [2, 99],
  ] as const) {
    assert.is(readHead(good.with(at, value)), undefined)
  }
  assert.is(readHead(new Uint8Array(SIGNAL_FRAME_MAX_BYTES + 1).fill(0x48)), undefined)
})

test.run()

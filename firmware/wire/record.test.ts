import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex, toHex } from './bytes.ts'
import { codeThrown } from './error-code-fixture.ts'
import { RECORD_MAX_BYTES } from './limits.ts'
import {
  CLOCK_QUALITIES,
  decodeRecordHeader,
  encodeRecordHeader,
  joinPayload,
  RECORD_HEADER_BYTES,
  RECORD_KINDS,
  type RecordHeader,
  splitPayload,
} from './record.ts'

const header: RecordHeader = {
  kind: 'fragment',
  camera: new Uint8Array(32).fill(0xca),
  log: '0123456789abcdef',
  seq: 0x0102030405,
  span: 1,
  run: 7,
  boot: 'b007b007b007b007',
  monoUs: 1_500_000,
  wallUs: 1_763_812_800_000_000,
  durationUs: 2_000_000,
  clock: 'synchronised',
  keyFrame: true,
  runStart: false,
  recipient: new Uint8Array(32).fill(0x5e),
  wrappedKey: new Uint8Array(80).fill(0x33),
  signature: new Uint8Array(64).fill(0x44),
  nonce: new Uint8Array(24).fill(0x55),
  payloadBytes: 1_000_000,
}

/** The table at the head of record.ts, byte by byte. */
const fixture = [
  '48575231', // magic "HWR1"
  '01', // version
  '01', // kind fragment
  '0100', // flags: key frame
  'ca'.repeat(32),
  '0123456789abcdef',
  '0504030201000000', // seq
  '01000000', // span
  '07000000', // run
  'b007b007b007b007',
  '60e3160000000000', // monotonic
  '00f064ab2d440600', // wall
  '80841e0000000000', // duration
  '02', // clock synchronised
  '00'.repeat(7),
  '5e'.repeat(32),
  '33'.repeat(80),
  '44'.repeat(64),
  '55'.repeat(24),
  '40420f00', // payload bytes
  '00'.repeat(4),
].join('')

function patched(at: number, hex: string): Uint8Array {
  const bytes = fromHex(fixture)
  bytes.set(fromHex(hex), at)
  return bytes
}

test('a header is these bytes, both ways', () => {
  assert.is(toHex(encodeRecordHeader(header)), fixture)
  assert.is(fixture.length / 2, RECORD_HEADER_BYTES)
  assert.equal(decodeRecordHeader(fromHex(fixture)), header)
  assert.is(decodeRecordHeader(patched(6, '0200')).runStart, true)
  assert.is(decodeRecordHeader(patched(6, '0200')).keyFrame, false)
})

test('every truncation is refused', () => {
  const bytes = fromHex(fixture)
  for (let length = 0; length < bytes.byteLength; length++) {
    assert.is(
      codeThrown(() => decodeRecordHeader(bytes.subarray(0, length))),
      'FRAME_TRUNCATED',
      `${length} bytes`,
    )
  }
  assert.equal(decodeRecordHeader(Uint8Array.from([...bytes, 1, 2, 3])), header)
})

test('fields that cannot be are refused', () => {
  const table: [what: string, at: number, hex: string, code: string][] = [
    ['magic', 0, '00', 'RECORD_MALFORMED'],
    ['version', 4, '02', 'RECORD_MALFORMED'],
    ['kind 0', 5, '00', 'RECORD_MALFORMED'],
    ['kind 3', 5, '03', 'RECORD_MALFORMED'],
    ['seq above 2^53', 48, 'ffffffffffffffff', 'FRAME_MALFORMED'],
    ['seq + span above 2^53', 48, 'ffffffffffff1f00', 'RECORD_MALFORMED'],
    ['span 0', 56, '00000000', 'RECORD_MALFORMED'],
    ['a fragment spanning 2', 56, '02000000', 'RECORD_MALFORMED'],
    ['clock 3', 96, '03', 'RECORD_MALFORMED'],
    ['payload of 4 GiB', 304, 'ffffffff', 'RECORD_MALFORMED'],
  ]
  for (const [what, at, hex, code] of table) {
    assert.is(
      codeThrown(() => decodeRecordHeader(patched(at, hex))),
      code,
      what,
    )
  }
  const longest = RECORD_MAX_BYTES - RECORD_HEADER_BYTES
  const atLimit = encodeRecordHeader({ ...header, payloadBytes: longest })
  assert.is(decodeRecordHeader(atLimit).payloadBytes, longest)
  assert.is(
    codeThrown(() => decodeRecordHeader(encodeRecordHeader({ ...header, payloadBytes: longest + 1 }))),
    'RECORD_MALFORMED',
  )
})

test('a gap may span many numbers', () => {
  const gap: RecordHeader = { ...header, kind: 'gap', span: 4096, keyFrame: false, clock: 'none', wallUs: 0 }
  assert.equal(decodeRecordHeader(encodeRecordHeader(gap)), gap)
})

test('a header comes back as it was, and writes every byte of its place', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const id = bytes(8).map(toHex)
  const small = fc.integer({ min: 0, max: 0xffffffff })
  const us = fc.maxSafeNat()
  const any = fc
    .record({
      kind: fc.constantFrom(...RECORD_KINDS),
      camera: bytes(32),
      log: id,
      seq: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 2 ** 33 }),
      span: fc.integer({ min: 1, max: 0xffffffff }),
      run: small,
      boot: id,
      monoUs: us,
      wallUs: us,
      durationUs: us,
      clock: fc.constantFrom(...CLOCK_QUALITIES),
      keyFrame: fc.boolean(),
      runStart: fc.boolean(),
      recipient: bytes(32),
      wrappedKey: bytes(80),
      signature: bytes(64),
      nonce: bytes(24),
      payloadBytes: fc.integer({ min: 0, max: RECORD_MAX_BYTES - RECORD_HEADER_BYTES }),
    })
    .map((value): RecordHeader => ({ ...value, span: value.kind === 'gap' ? value.span : 1 }))
  fc.assert(
    fc.property(any, (value) => {
      const dirty = new Uint8Array(RECORD_HEADER_BYTES).fill(0xee)
      assert.equal(decodeRecordHeader(encodeRecordHeader(value, dirty)), value)
      assert.equal(dirty, encodeRecordHeader(value))
    }),
    { numRuns: 300 },
  )
})

test('random bytes give a header or a code, never anything else', () => {
  const flipped = fc
    .array(fc.tuple(fc.nat(RECORD_HEADER_BYTES - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    .map((changes) => {
      const bytes = fromHex(fixture)
      for (const [at, value] of changes) bytes[at] = value
      return bytes
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), flipped), (bytes) => {
      codeThrown(() => decodeRecordHeader(bytes))
    }),
    { numRuns: 2000 },
  )
})

test('a payload joins and splits', () => {
  const parts = joinPayload(new Uint8Array([1, 2]), new Uint8Array([3, 4, 5]))
  const payload = Buffer.concat(parts)
  assert.is(toHex(payload), '020000000102030405')
  const { init, fragment } = splitPayload(payload)
  assert.equal([...init], [1, 2])
  assert.equal([...fragment], [3, 4, 5])
  for (let length = 0; length < 6; length++) {
    assert.is(
      codeThrown(() => splitPayload(payload.subarray(0, length))),
      'FRAME_TRUNCATED',
    )
  }
})

test.run()

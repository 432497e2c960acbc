import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../wire/bytes.ts'
import { codeThrown } from '../wire/error-code-fixture.ts'
import { FRAGMENT_MAX_BYTES, INIT_MAX_BYTES, RECORD_MAX_BYTES } from '../wire/limits.ts'
import {
  decodeRecordHeader,
  encodeRecordHeader,
  joinPayload,
  RECORD_HEADER_BYTES,
  type RecordMeta,
  splitPayload,
} from '../wire/record.ts'
import { createIdentity } from './identity.ts'
import { LogSealer, RecordOpener } from './seal.ts'
import { randomBytes, sign } from './sodium.ts'

const [camera, storage, stranger] = [createIdentity(), createIdentity(), createIdentity()]

const meta: RecordMeta = {
  kind: 'fragment',
  seq: 41,
  span: 1,
  run: 2,
  boot: '0123456789abcdef',
  monoUs: 5_000_000,
  wallUs: 1_780_000_000_000_000,
  clock: 'synchronised',
  durationUs: 2_000_000,
  keyFrame: true,
  runStart: false,
}
const parts = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3, 4, 5)]

test('storage opens what the camera sealed', () => {
  const sealer = new LogSealer(camera, storage.publicKey)
  const record = sealer.seal(meta, parts)
  const { header, payload } = new RecordOpener(storage).open(record, camera.publicKey)
  assert.equal(payload, Uint8Array.of(1, 2, 3, 4, 5))
  assert.equal(header.camera, camera.publicKey)
  assert.is(header.log, sealer.log)
  for (const [name, value] of Object.entries(meta)) assert.is(header[name as keyof RecordMeta], value, name)
  assert.is(record.byteLength, RECORD_HEADER_BYTES + 5 + 16)
})

test('an empty payload, a gap, a record of the largest size', () => {
  const sealer = new LogSealer(camera, storage.publicKey, '00112233445566ff')
  const opener = new RecordOpener(storage)
  assert.is(opener.open(sealer.seal({ ...meta, kind: 'gap', span: 9 }, [])).payload.byteLength, 0)
  assert.is(sealer.log, '00112233445566ff')
  const init = randomBytes(INIT_MAX_BYTES)
  const fragment = new Uint8Array(FRAGMENT_MAX_BYTES).fill(7)
  const record = sealer.seal(meta, joinPayload(init, fragment))
  assert.ok(record.byteLength <= RECORD_MAX_BYTES)
  const back = splitPayload(opener.open(record).payload)
  assert.is(Buffer.compare(back.init, init), 0)
  assert.is(Buffer.compare(back.fragment, fragment), 0)
  assert.is(
    codeThrown(() => sealer.seal(meta, [fragment, new Uint8Array(RECORD_MAX_BYTES - FRAGMENT_MAX_BYTES)])),
    'FRAGMENT_TOO_LONG',
  )
})

test('nothing readable is left in the record', () => {
  const text = Buffer.from('this must never be readable on the card')
  const record = new LogSealer(camera, storage.publicKey).seal(meta, [text])
  assert.is(Buffer.from(record).indexOf(text), -1)
})

test('neither the camera nor anybody else opens it', () => {
  const record = new LogSealer(camera, storage.publicKey).seal(meta, parts)
  for (const other of [camera, stranger]) {
    assert.is(
      codeThrown(() => new RecordOpener(other).open(record)),
      'RECORD_MISADDRESSED',
    )
  }
})

test('the key of a log differs each time, and is gone after close', () => {
  const [one, two] = [
    new LogSealer(camera, storage.publicKey),
    new LogSealer(camera, storage.publicKey, '0000000000000000'),
  ]
  const [a, b] = [one.seal(meta, parts), two.seal(meta, parts)]
  assert.not.equal(decodeRecordHeader(a).wrappedKey, decodeRecordHeader(b).wrappedKey)
  assert.not.equal(decodeRecordHeader(a).nonce, decodeRecordHeader(one.seal(meta, parts)).nonce)
  one.close()
  one.close()
  assert.is(
    codeThrown(() => one.seal(meta, parts)),
    'INTERNAL',
  )
})

test('one changed bit anywhere is noticed', () => {
  const record = new LogSealer(camera, storage.publicKey).seal(meta, parts)
  const opener = new RecordOpener(storage)
  opener.open(record, camera.publicKey)
  const seen = new Set<string>()
  for (let bit = 0; bit < record.byteLength * 8; bit++) {
    const bent = Uint8Array.from(record)
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    const code = codeThrown(() => opener.open(bent, camera.publicKey))
    seen.add(code === 'no error' ? `nothing at byte ${bit >> 3}` : code)
  }
  assert.equal([...seen].sort(), ['RECORD_DAMAGED', 'RECORD_FORGED', 'RECORD_MALFORMED', 'RECORD_MISADDRESSED'])
})

test('a record cut off anywhere, or with more behind it, is malformed', () => {
  const record = new LogSealer(camera, storage.publicKey).seal(meta, parts)
  const opener = new RecordOpener(storage)
  for (let length = 0; length < record.byteLength; length++) {
    assert.is(
      codeThrown(() => opener.open(record.subarray(0, length))),
      'RECORD_MALFORMED',
    )
  }
  assert.is(
    codeThrown(() => opener.open(Buffer.concat([record, Uint8Array.of(0)]))),
    'RECORD_MALFORMED',
  )
})

test('another camera cannot pass off its record, nor sign for this one', () => {
  const theirs = new LogSealer(stranger, storage.publicKey).seal(meta, parts)
  assert.is(
    codeThrown(() => new RecordOpener(storage).open(theirs, camera.publicKey)),
    'RECORD_FORGED',
  )
  const header = decodeRecordHeader(theirs)
  const claimed = Uint8Array.from(theirs)
  encodeRecordHeader({ ...header, camera: camera.publicKey }, claimed)
  assert.is(
    codeThrown(() => new RecordOpener(storage).open(claimed, camera.publicKey)),
    'RECORD_FORGED',
  )
})

test('the signature holds for one log, one recipient and one purpose', () => {
  const record = new LogSealer(camera, storage.publicKey, 'aaaaaaaaaaaaaaaa').seal(meta, parts)
  const header = decodeRecordHeader(record)
  const opener = new RecordOpener(storage)
  const otherLog = Uint8Array.from(record)
  encodeRecordHeader({ ...header, log: 'bbbbbbbbbbbbbbbb' }, otherLog)
  assert.is(
    codeThrown(() => opener.open(otherLog)),
    'RECORD_FORGED',
  )
  // The same bytes signed without the domain string are somebody else's signature.
  const bare = Buffer.concat([header.camera, Buffer.from(header.log, 'hex'), header.recipient, header.wrappedKey])
  const undomained = Uint8Array.from(record)
  encodeRecordHeader({ ...header, signature: sign(bare, camera.secretKey) }, undomained)
  assert.is(
    codeThrown(() => opener.open(undomained)),
    'RECORD_FORGED',
  )
})

test('the cache is bounded, and forgets the log that was used least lately', () => {
  const opener = new RecordOpener(storage, 2)
  const [a, b, c] = [1, 2, 3].map(() => new LogSealer(camera, storage.publicKey).seal(meta, parts))
  const unwrappedAfter = (record: Uint8Array | undefined) => {
    opener.open(record ?? new Uint8Array(0))
    return opener.stats.unwrapped
  }
  assert.equal([a, a, b, a, c, a, b].map(unwrappedAfter), [1, 1, 2, 2, 3, 3, 4])
  assert.is(opener.stats.cachedLogs, 2)
  opener.close()
  opener.close()
  assert.is(opener.stats.cachedLogs, 0)
  assert.is(
    codeThrown(() => opener.open(a ?? new Uint8Array(0))),
    'INTERNAL',
  )
})

test('a cached key opens nothing with another signature', () => {
  const record = new LogSealer(camera, storage.publicKey).seal(meta, parts)
  const opener = new RecordOpener(storage)
  opener.open(record)
  const bent = Uint8Array.from(record)
  bent[220] = (bent[220] ?? 0) ^ 1
  assert.is(
    codeThrown(() => opener.open(bent)),
    'RECORD_FORGED',
  )
})

test('a UID that is no key is refused before anything is sealed', () => {
  assert.is(
    codeThrown(() => new LogSealer(camera, new Uint8Array(32).fill(255))),
    'UID_INVALID',
  )
  assert.is(toHex(camera.publicKey).length, 64)
})

test.run()

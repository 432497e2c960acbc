import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  BLOCK_BYTES,
  CARD_HEADER_BYTES,
  cardBytes,
  decodeCardHeader,
  encodeCardRecord,
  payloadIsWhole,
} from './card-record.ts'
import { fragmentMeta } from './ring-fixture.ts'
import { FakeSealer } from './sealer-fake.ts'

const sealer = new FakeSealer()

function record(payload: Uint8Array): Uint8Array {
  return sealer.seal({ ...fragmentMeta(3), kind: 'fragment', seq: 7, span: 1 }, [payload])
}

test('a record on the card: whole blocks, the record itself unchanged in it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20_000 }), fc.maxSafeNat(), (bytes, epoch) => {
      const travelling = record(new Uint8Array(bytes).fill(5))
      const card = Buffer.concat(encodeCardRecord(travelling, epoch))
      assert.is(card.byteLength % BLOCK_BYTES, 0)
      assert.is(card.byteLength, cardBytes(travelling.byteLength - 312))
      const found = decodeCardHeader(card)
      assert.ok(found)
      if (found === undefined) return
      assert.equal([found.epoch, found.header.seq, found.header.log], [epoch, 7, sealer.log])
      const payload = card.subarray(CARD_HEADER_BYTES, CARD_HEADER_BYTES + found.header.payloadBytes)
      assert.ok(payloadIsWhole(found, payload))
      assert.ok(Buffer.concat([card.subarray(0, 312), payload]).equals(travelling))
    }),
  )
})

test('where the fields stand', () => {
  const travelling = record(new Uint8Array([1, 2, 3]))
  const card = Buffer.concat(encodeCardRecord(travelling, 0x0102030405))
  assert.is(card.readBigUInt64LE(312), 0x0102030405n)
  assert.is(card.readUInt32LE(320), crc32(travelling.subarray(312)))
  assert.is(card.readUInt32LE(324), crc32(card.subarray(0, 324)))
  assert.equal([...card.subarray(328, 331)], [1, 2, 3])
})

test('any bit turned over in the header is found, and in the payload', () => {
  const card = Buffer.concat(encodeCardRecord(record(new Uint8Array(100)), 9))
  for (let at = 0; at < CARD_HEADER_BYTES; at++) {
    const damaged = new Uint8Array(card)
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8))
    assert.is(decodeCardHeader(damaged), undefined, `byte ${at}`)
  }
  const found = decodeCardHeader(card)
  const payload = card.subarray(CARD_HEADER_BYTES, CARD_HEADER_BYTES + 116)
  assert.ok(found !== undefined && payloadIsWhole(found, payload))
  assert.not.ok(found !== undefined && payloadIsWhole(found, payload.subarray(1)))
  payload[50] = 1
  assert.not.ok(found !== undefined && payloadIsWhole(found, payload))
})

test('zeros, short blocks and noise are no records', () => {
  assert.is(decodeCardHeader(new Uint8Array(BLOCK_BYTES)), undefined)
  assert.is(decodeCardHeader(new Uint8Array(CARD_HEADER_BYTES - 1)), undefined)
  assert.is(decodeCardHeader(new Uint8Array(BLOCK_BYTES).fill(0xff)), undefined)
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { codeThrown } from '../../wire/error-code-fixture.ts'
import { PIECE_BYTES } from '../../wire/limits.ts'
import type { Piece } from '../../wire/session.ts'
import { type ReceivedRecord, Transfers } from './transfers.ts'

const LENGTH = 2 * PIECE_BYTES + 100

function recordOf(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + salt) & 255)
}

function piecesOf(transfer: number, record: Uint8Array, granted = false): Piece[] {
  const pieces: Piece[] = []
  for (let offset = 0; offset < record.byteLength; offset += PIECE_BYTES) {
    const bytes = record.slice(offset, offset + PIECE_BYTES)
    pieces.push({ transfer, offset, total: record.byteLength, granted, bytes })
  }
  return pieces
}

const piece = (change: Partial<Piece> = {}): Piece => ({
  transfer: 1,
  offset: 0,
  total: LENGTH,
  granted: false,
  bytes: new Uint8Array(PIECE_BYTES),
  ...change,
})

const anything = () => {}

test('two records interleaved', () => {
  const transfers = new Transfers()
  const a = recordOf(LENGTH, 1)
  const b = recordOf(PIECE_BYTES, 2)
  const [a0, a1, a2] = piecesOf(5, a) as [Piece, Piece, Piece]
  const [b0] = piecesOf(6, b, true) as [Piece]
  const reserved: [number, boolean][] = []
  const done: ReceivedRecord[] = []
  for (const each of [a0, a1, b0, a2]) {
    const record = transfers.accept(each, (total, granted) => reserved.push([total, granted]))
    if (record !== undefined) done.push(record)
  }
  assert.equal(reserved, [
    [LENGTH, false],
    [PIECE_BYTES, true],
  ])
  assert.equal(done, [
    { transfer: 6, granted: true, bytes: b },
    { transfer: 5, granted: false, bytes: a },
  ])
  assert.equal(transfers.open(), [])
})

test('nothing is allocated when there is no room', () => {
  const transfers = new Transfers()
  assert.throws(() =>
    transfers.accept(piece(), () => {
      throw new Error('no room')
    }),
  )
  assert.equal(transfers.open(), [])
})

test('what does not fit ends it', () => {
  const begun = () => {
    const transfers = new Transfers()
    transfers.accept(piece({ transfer: 1 }), anything)
    return transfers
  }
  const wrong: [what: string, piece: Piece][] = [
    ['the same piece again', piece()],
    ['a hole', piece({ offset: 2 * PIECE_BYTES, bytes: new Uint8Array(100) })],
    ['an overlap', piece({ offset: PIECE_BYTES - 1 })],
    ['another total', piece({ offset: PIECE_BYTES, total: LENGTH + 1 })],
    ['suddenly granted', piece({ offset: PIECE_BYTES, granted: true })],
    ['a short piece in the middle', piece({ offset: PIECE_BYTES, bytes: new Uint8Array(9) })],
    ['a transfer that begins in the middle', piece({ transfer: 2, offset: PIECE_BYTES })],
    ['a number that goes back', piece({ transfer: 0 })],
  ]
  for (const [what, each] of wrong) {
    assert.is(
      codeThrown(() => begun().accept(each, anything)),
      'FRAME_MALFORMED',
      what,
    )
  }
  assert.is(
    codeThrown(() => begun().accept(piece({ offset: PIECE_BYTES }), anything)),
    'no error',
  )
})

test('at most two at once, and a number is used once', () => {
  const transfers = new Transfers()
  transfers.accept(piece({ transfer: 1 }), anything)
  transfers.accept(piece({ transfer: 2 }), anything)
  assert.is(
    codeThrown(() => transfers.accept(piece({ transfer: 3 }), anything)),
    'FRAME_MALFORMED',
  )
  transfers.accept(piece({ transfer: 1, offset: PIECE_BYTES }), anything)
  transfers.accept(piece({ transfer: 1, offset: 2 * PIECE_BYTES, bytes: new Uint8Array(100) }), anything)
  assert.equal(transfers.open(), [{ transfer: 2, totalBytes: LENGTH, granted: false }])
  assert.is(
    codeThrown(() => transfers.accept(piece({ transfer: 1 }), anything)),
    'FRAME_MALFORMED',
  )
  transfers.clear()
  assert.equal(transfers.open(), [])
})

test.run()

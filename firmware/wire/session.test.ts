import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex, toHex } from './bytes.ts'
import { encodeMessage } from './codec.ts'
import { codeThrown } from './error-code-fixture.ts'
import { CONTROL_FRAME_MAX_BYTES, PIECE_BYTES, RECORD_MAX_BYTES } from './limits.ts'
import type { Range } from './ranges.ts'
import {
  type CameraMessage,
  clipName,
  clipText,
  decodeCameraFrame,
  decodeStorageFrame,
  encodeControl,
  encodePiece,
  type Piece,
  pageRanges,
  RANGES_PER_MESSAGE,
  type StorageMessage,
} from './session.ts'

const log = '0123456789abcdef'
const moment = { boot: 'b007b007b007b007', monoUs: 5_000_000, wallUs: 1_763_812_800_000_000, clock: 'rtc' } as const

const fromCamera: CameraMessage[] = [
  { type: 'hello', version: 1, name: 'Front door', ...moment },
  { type: 'ask', log, first: 0, last: 2 ** 40 },
  { type: 'need', id: 3, bytes: RECORD_MAX_BYTES },
  { type: 'credited', id: 9 },
  { type: 'lost', log, first: 4, last: 9, reason: 'damaged-on-card' },
  {
    type: 'status',
    ...moment,
    state: 'streaming',
    captured: 12,
    acked: 7,
    rings: [
      {
        log,
        capacityBytes: 2 ** 35,
        usedBytes: 10,
        unackedBytes: 5,
        oldestUnackedAgeMs: 1234,
        writtenBytes: 99,
        full: false,
        card: 'ok',
      },
    ],
    why: 'relayed, because nothing answers',
  },
  { type: 'bye', code: 'CANCELLED', text: 'stopping' },
]

const fromStorage: StorageMessage[] = [
  {
    type: 'welcome',
    version: 1,
    name: 'Attic',
    wallUs: moment.wallUs,
    clock: 'synchronised',
    creditBytes: 1,
    liveFirst: true,
  },
  {
    type: 'durable',
    log,
    first: 0,
    last: 9,
    ranges: [
      [0, 3],
      [5, 9],
    ],
  },
  { type: 'ack', log, ranges: [[2, 2]] },
  { type: 'quarantined', transfer: 4, code: 'RECORD_FORGED', text: 'signature' },
  { type: 'again', transfers: [1, 2, 3] },
  { type: 'credit', id: 1, bytes: 4_194_304 },
  { type: 'grant', id: 3, bytes: RECORD_MAX_BYTES },
  { type: 'alarm', state: 'raised', code: 'DISK_FULL', text: 'no space' },
  { type: 'bye', code: 'FRAME_MALFORMED', text: '' },
]

function cameraControl(value: unknown): Uint8Array {
  return Uint8Array.from([1, ...encodeMessage(value, CONTROL_FRAME_MAX_BYTES)])
}

test('every message comes back as it was, at the right end only', () => {
  for (const message of fromCamera) {
    assert.equal(decodeCameraFrame(encodeControl(message)), { kind: 'control', message })
  }
  for (const message of fromStorage) assert.equal(decodeStorageFrame(encodeControl(message)), message)

  const own = (messages: { type: string }[]) => messages.filter(({ type }) => type !== 'bye')
  for (const message of own(fromStorage) as StorageMessage[]) {
    assert.is(
      codeThrown(() => decodeCameraFrame(encodeControl(message))),
      'FRAME_MALFORMED',
      message.type,
    )
  }
  for (const message of own(fromCamera) as CameraMessage[]) {
    assert.is(
      codeThrown(() => decodeStorageFrame(encodeControl(message))),
      'FRAME_MALFORMED',
      message.type,
    )
  }
})

test('a piece is these bytes, both ways', () => {
  const piece: Piece = { transfer: 7, offset: 2, total: 5, granted: false, bytes: new Uint8Array([1, 2, 3]) }
  assert.is(toHex(encodePiece(piece)), '02070000000200000005000000010203')
  assert.equal(decodeCameraFrame(encodePiece(piece)), { kind: 'piece', piece })
  const granted = { ...piece, granted: true }
  assert.is(toHex(encodePiece(granted)), '03070000000200000005000000010203')
  assert.equal(decodeCameraFrame(encodePiece(granted)), { kind: 'piece', piece: granted })
})

test('every truncation is refused', () => {
  for (const message of fromCamera) {
    const frame = encodeControl(message)
    for (let length = 0; length < frame.byteLength; length++) {
      const code = codeThrown(() => decodeCameraFrame(frame.subarray(0, length)))
      assert.is(code, 'FRAME_TRUNCATED', `${message.type}, ${length} bytes`)
    }
  }
  for (const message of fromStorage) {
    const frame = encodeControl(message)
    for (let length = 0; length < frame.byteLength; length++) {
      const code = codeThrown(() => decodeStorageFrame(frame.subarray(0, length)))
      assert.is(code, 'FRAME_TRUNCATED', `${message.type}, ${length} bytes`)
    }
  }
  const piece = encodePiece({ transfer: 1, offset: 0, total: 4, granted: false, bytes: new Uint8Array(4) })
  for (let length = 0; length < 13; length++) {
    const code = codeThrown(() => decodeCameraFrame(piece.subarray(0, length)))
    assert.is(code, 'FRAME_TRUNCATED', `piece, ${length} bytes`)
  }
})

test('what no camera may say is refused', () => {
  const ring = fromCamera[5]?.type === 'status' ? fromCamera[5].rings[0] : undefined
  const wrong: [what: string, frame: Uint8Array, code?: string][] = [
    ['kind 0', new Uint8Array([0, 1]), 'FRAME_MALFORMED'],
    ['kind 4', fromHex('04070000000200000005000000010203')],
    ['no type', cameraControl({ version: 1 })],
    ['another type', cameraControl({ type: 'welcome' })],
    ['not a map', cameraControl([1, 2])],
    ['a log that is too short', cameraControl({ type: 'ask', log: 'abc', first: 0, last: 1 })],
    ['a log in capitals', cameraControl({ type: 'ask', log: log.toUpperCase(), first: 0, last: 1 })],
    ['a negative number', cameraControl({ type: 'ask', log, first: -1, last: 1 })],
    ['half a number', cameraControl({ type: 'ask', log, first: 0.5, last: 1 })],
    ['infinity', cameraControl({ type: 'ask', log, first: 0, last: Number.POSITIVE_INFINITY })],
    ['a number above 2^53', cameraControl({ type: 'ask', log, first: 0, last: 2 ** 60 })],
    ['text for a number', cameraControl({ type: 'credited', id: '1' })],
    ['a need above any record', cameraControl({ type: 'need', id: 1, bytes: RECORD_MAX_BYTES + 1 })],
    ['a clock of no quality', cameraControl({ type: 'hello', version: 1, name: '', ...moment, clock: 'good' })],
    ['a name too long', cameraControl({ type: 'hello', version: 1, name: 'n'.repeat(65), ...moment })],
    ['an unknown code', cameraControl({ type: 'bye', code: 'toString', text: '' })],
    [
      '5 rings',
      cameraControl({ type: 'status', ...moment, state: '', captured: 0, acked: 0, rings: Array(5).fill(ring) }),
    ],
    [
      'a reason too long',
      cameraControl({ type: 'status', ...moment, state: '', captured: 0, acked: 0, rings: [], why: 'w'.repeat(201) }),
    ],
    ['a piece of nothing', fromHex('02070000000000000005000000')],
    ['a piece past its total', fromHex('02070000000300000005000000010203')],
    ['a total above any record', fromHex('020700000000000000ffffffff010203')],
    [
      'a piece too long',
      encodePiece({ transfer: 1, offset: 0, total: 1e6, granted: false, bytes: new Uint8Array(PIECE_BYTES + 1) }),
      'FRAME_TOO_LONG',
    ],
    ['a control message too long', new Uint8Array(CONTROL_FRAME_MAX_BYTES + 2).fill(1), 'FRAME_TOO_LONG'],
    ['another codec version', new Uint8Array([1, 9, 0x80]), 'FRAME_VERSION'],
  ]
  for (const [what, frame, code = 'FRAME_MALFORMED'] of wrong) {
    assert.is(
      codeThrown(() => decodeCameraFrame(frame)),
      code,
      what,
    )
  }
})

test('what no storage device may say is refused', () => {
  const ack = (ranges: unknown) => cameraControl({ type: 'ack', log, ranges })
  const wrong: [what: string, frame: Uint8Array][] = [
    ['a piece', encodePiece({ transfer: 1, offset: 0, total: 4, granted: false, bytes: new Uint8Array(4) })],
    ['ranges upside down', ack([[3, 2]])],
    [
      'ranges that touch',
      ack([
        [0, 2],
        [3, 4],
      ]),
    ],
    [
      'ranges that overlap',
      ack([
        [0, 5],
        [3, 9],
      ]),
    ],
    [
      'ranges out of order',
      ack([
        [7, 9],
        [1, 2],
      ]),
    ],
    ['a range of three', ack([[1, 2, 3]])],
    ['too many ranges', ack(Array.from({ length: RANGES_PER_MESSAGE + 1 }, (_, at) => [at * 2, at * 2]))],
    ['again for nothing', cameraControl({ type: 'again', transfers: [] })],
    ['an alarm in no state', cameraControl({ type: 'alarm', state: 'loud', code: 'DISK_FULL', text: '' })],
  ]
  for (const [what, frame] of wrong) {
    assert.is(
      codeThrown(() => decodeStorageFrame(frame)),
      'FRAME_MALFORMED',
      what,
    )
  }
  assert.is(
    codeThrown(() =>
      decodeStorageFrame(
        ack([
          [0, 2],
          [4, 4],
        ]),
      ),
    ),
    'no error',
  )
})

test('a newer version may add fields', () => {
  const frame = decodeCameraFrame(cameraControl({ type: 'credited', id: 1, later: 'yes' }))
  assert.equal(frame, { kind: 'control', message: { type: 'credited', id: 1 } })
})

test('the longest of everything fits a message', () => {
  const top = Number.MAX_SAFE_INTEGER - 2 * RANGES_PER_MESSAGE
  const ranges = Array.from({ length: RANGES_PER_MESSAGE }, (_, at): Range => [top + at * 2, top + at * 2])
  const transfers = Array.from({ length: 1000 }, (_, at) => 0xffffffff - at)
  const text = clipText('ü'.repeat(500))
  for (const message of [
    { type: 'ack', log, ranges },
    { type: 'again', transfers },
    { type: 'alarm', state: 'raised', code: 'DISK_FULL', text },
  ] satisfies StorageMessage[]) {
    assert.equal(decodeStorageFrame(encodeControl(message)), message)
  }
  const hello = { type: 'hello', version: 1, name: clipName('ü'.repeat(100)), ...moment } satisfies CameraMessage
  assert.equal(decodeCameraFrame(encodeControl(hello)), { kind: 'control', message: hello })
})

test('ranges in pages', () => {
  assert.equal(pageRanges([]), [])
  const list = Array.from({ length: 2 * RANGES_PER_MESSAGE + 1 }, (_, at): Range => [at * 2, at * 2])
  const pages = pageRanges(list)
  assert.equal(
    pages.map((page) => page.length),
    [RANGES_PER_MESSAGE, RANGES_PER_MESSAGE, 1],
  )
  assert.equal(pages.flat(), list)
})

test('random frames give a message or a code, never anything else', () => {
  const flipped = fc
    .tuple(
      fc.constantFrom(...fromCamera, ...fromStorage),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }),
    )
    .map(([message, changes]) => {
      const frame = encodeControl(message)
      for (const [at, value] of changes) if (at < frame.byteLength) frame[at] = value
      return frame
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), flipped), (frame) => {
      codeThrown(() => decodeCameraFrame(frame))
      codeThrown(() => decodeStorageFrame(frame))
    }),
    { numRuns: 3000 },
  )
})

test.run()

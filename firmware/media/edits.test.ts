import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { box, fullBox, readBoxes } from './boxes.ts'
import { readEditList, withoutEmptyEdits } from './edits.ts'
import { u32, u64 } from './fields.ts'
import { parseInit } from './init.ts'
import { AUDIO, handmadeInit, i32, VIDEO } from './sample-streams.ts'

const malformed = (error: unknown): boolean => isHomewardError(error, 'MEDIA_MALFORMED')
const edts = (...parts: Uint8Array[]) => readBoxes(box('edts', ...parts))[0]
const RATE = u32(65536)

test('no edit list, an empty one, and both versions', () => {
  assert.is(readEditList(undefined, 90000, 1000), undefined)
  assert.is(readEditList(edts(), 90000, 1000), undefined)
  const none = edts(fullBox('elst', 0, 0, u32(0)))
  assert.equal(readEditList(none, 90000, 1000), { delayTicks: 0, mediaTicks: 0 })
  const short = edts(fullBox('elst', 0, 0, u32(2), u32(40), i32(-1), RATE, u32(0), i32(2048), RATE))
  assert.equal(readEditList(short, 90000, 1000), { delayTicks: 3600, mediaTicks: 2048 })
  const minusOne = new Uint8Array(8).fill(255)
  const long = edts(fullBox('elst', 1, 0, u32(2), u64(40), minusOne, RATE, u64(0), u64(2048), RATE))
  assert.equal(readEditList(long, 90000, 1000), { delayTicks: 3600, mediaTicks: 2048 })
  const onlyEmpty = edts(fullBox('elst', 0, 0, u32(1), u32(40), i32(-1), RATE))
  assert.equal(readEditList(onlyEmpty, 90000, 1000), { delayTicks: 3600, mediaTicks: 0 })
})

test('an edit list that makes no sense is refused', () => {
  const table = [
    fullBox('elst', 2, 0, u32(0)),
    fullBox('elst', 0, 0, u32(2), u32(40), i32(-1), RATE),
    fullBox('elst', 0, 0, u32(0xffffffff)),
    fullBox('elst', 0, 0, u32(1), u32(40), i32(-2), RATE),
    fullBox('elst', 1, 0, u32(1), u64(2 ** 53 - 1), new Uint8Array(8).fill(255), RATE),
  ]
  for (const elst of table) assert.throws(() => readEditList(edts(elst), 90000, 1000), malformed)
})

test('leading empty edits are taken out, all else stays', () => {
  const late = handmadeInit([
    VIDEO,
    {
      ...AUDIO,
      edits: [
        [500, -1],
        [0, 1024],
      ],
    },
  ])
  assert.equal(withoutEmptyEdits(late), handmadeInit([VIDEO, { ...AUDIO, edits: [[0, 1024]] }]))
  const { tracks } = parseInit(withoutEmptyEdits(late))
  assert.equal(tracks[1]?.edit, { delayTicks: 0, mediaTicks: 1024 })
})

test('an edit list that was only empty goes altogether', () => {
  assert.equal(withoutEmptyEdits(handmadeInit([{ ...VIDEO, edits: [[500, -1]] }])), handmadeInit([VIDEO]))
})

test('without empty edits the same bytes come back', () => {
  const init = handmadeInit([{ ...VIDEO, edits: [[0, 2048]] }, AUDIO])
  assert.is(withoutEmptyEdits(init), init)
})

test.run()

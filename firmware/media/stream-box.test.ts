import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { INIT_MAX_BYTES } from '../wire/limits.ts'
import { box } from './boxes.ts'
import { ByteQueue } from './byte-queue.ts'
import { joinBytes, u32 } from './fields.ts'
import { handmadeFragment, handmadeInit } from './sample-streams.ts'
import { bytesToCandidate, nextBox } from './stream-box.ts'

const queueOf = (...chunks: Uint8Array[]): ByteQueue => {
  const queue = new ByteQueue()
  for (const chunk of chunks) queue.push(chunk)
  return queue
}
const next = (...parts: Uint8Array[]) => nextBox(queueOf(joinBytes(...parts)))
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

const INIT = handmadeInit()
const FTYP = INIT.subarray(0, 20)
const FRAGMENT = handmadeFragment([{ id: 1, decodeTime: 0, sampleTicks: 1, sizes: [5] }])
const MOOF_BYTES = Buffer.from(FRAGMENT).indexOf('mdat') - 4

test('what may stand in a stream is known', () => {
  assert.equal(next(INIT), { is: 'init', sizeBytes: INIT.byteLength })
  assert.equal(next(FRAGMENT), { is: 'moof', sizeBytes: MOOF_BYTES })
  assert.equal(next(box('styp', new Uint8Array(12))), { is: 'quiet', sizeBytes: 20 })
})

test('it is not judged before enough of it is there', () => {
  for (let length = 0; length < 36; length += 1) assert.is(next(INIT.subarray(0, length)).is, 'unknown', `${length}`)
  assert.is(next(INIT.subarray(0, 36)).is, 'init')
  for (let length = 0; length < 32; length += 1) assert.is(next(FRAGMENT.subarray(0, length)).is, 'unknown')
  assert.is(next(FRAGMENT.subarray(0, 32)).is, 'moof')
})

test('four characters do not make a box', () => {
  const moov = (sizeBytes: number) => joinBytes(u32(sizeBytes), ascii('moov'), u32(108), ascii('mvhd'))
  const changed = (at: number, text: string): Uint8Array => {
    const bytes = Uint8Array.from(FRAGMENT)
    bytes.set(ascii(text), at)
    return bytes
  }
  const table: [name: string, bytes: Uint8Array][] = [
    ['an mdat on its own', box('mdat', new Uint8Array(40))],
    ['text', ascii('frame= 10 fps=25\n')],
    ['zeros', new Uint8Array(40)],
    ['ftyp without moov', joinBytes(FTYP, FRAGMENT)],
    ['ftyp of odd size', joinBytes(u32(21), FTYP.subarray(4), INIT)],
    ['ftyp too small', joinBytes(u32(12), FTYP.subarray(4), INIT)],
    ['ftyp too large', joinBytes(u32(260), FTYP.subarray(4), new Uint8Array(300))],
    ['moov too large', joinBytes(FTYP, moov(INIT_MAX_BYTES - 19))],
    ['moov too small', joinBytes(FTYP, moov(15))],
    ['moov without mvhd', joinBytes(FTYP, u32(200), ascii('moov'), u32(8), ascii('free'))],
    ['moof too large', joinBytes(u32(512 * 1024 + 1), FRAGMENT.subarray(4))],
    ['moof too small', joinBytes(u32(31), FRAGMENT.subarray(4))],
    ['moof without mfhd', changed(12, 'free')],
    ['mfhd of another size', changed(11, '\x18')],
    ['moof without traf', changed(28, 'free')],
    ['a quiet box too large', joinBytes(u32(1024 * 1024 + 1), ascii('free'))],
    ['a quiet box too small', joinBytes(u32(7), ascii('free'))],
  ]
  for (const [name, bytes] of table) assert.is(next(bytes).is, 'garbage', name)
  assert.is(next(joinBytes(FTYP, moov(INIT_MAX_BYTES - 20))).is, 'init')
})

test('the search skips to the first place where a box may begin, and none that a chunk’s end cuts', () => {
  for (const type of ['moof', 'ftyp']) {
    for (let before = 0; before < 40; before += 1) {
      const bytes = joinBytes(new Uint8Array(before).fill(0x6d), u32(99), ascii(type), ascii('moofftyp'))
      assert.is(bytesToCandidate(queueOf(bytes)), before)
      for (let cut = 1; cut < bytes.byteLength; cut += 1) {
        const step = bytesToCandidate(queueOf(bytes.subarray(0, cut), bytes.subarray(cut)))
        assert.ok(step <= before, `${type} behind ${before} bytes, cut at ${cut}: ${step} skipped`)
      }
    }
  }
  assert.is(bytesToCandidate(queueOf(new Uint8Array(100))), 93)
  assert.is(bytesToCandidate(queueOf()), 0)
})

test.run()

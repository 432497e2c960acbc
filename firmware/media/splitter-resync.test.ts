import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Random, randomBelow, seededRandom } from '../platform/random.ts'
import { joinBytes } from './fields.ts'
import {
  bytesOf,
  checkAccounts,
  encode,
  FRAGMENTS,
  ffmpegTest,
  INIT,
  STREAM,
  skippedBytes,
  split,
  totalBytes,
} from './sample-streams.ts'

test('a long stretch of garbage is searched once', () => {
  const garbage = new Uint8Array(20 * 1024 * 1024).fill(0x6d)
  const began = performance.now()
  const result = split(joinBytes(INIT, garbage, ...FRAGMENTS))
  assert.ok(performance.now() - began < 3000)
  assert.equal(bytesOf(result.fragments), FRAGMENTS)
  assert.is(skippedBytes(result), garbage.byteLength)
  assert.ok(result.skipped.length <= 2)
})

/** Random bytes with a taste for what looks like boxes. */
function garbageOf(random: Random): Uint8Array {
  const words = ['moof', 'mdat', 'ftyp', 'moov', 'mfhd', 'traf', '\0\0\0\x10', '\0\0\0\0', '\0\0\0\x01', 'log line\n']
  const parts = Array.from({ length: 1 + randomBelow(random, 8) }, () => {
    if (randomBelow(random, 2) === 0) return random.bytes(randomBelow(random, 40))
    return new Uint8Array(Buffer.from(words[randomBelow(random, words.length)] ?? '', 'latin1'))
  })
  return joinBytes(...parts)
}

function checkResync(init: Uint8Array, fragments: readonly Uint8Array[], seed: number): void {
  const random = seededRandom(seed)
  const whole = joinBytes(...fragments)
  const at = randomBelow(random, whole.byteLength + 1)
  const garbage = garbageOf(random)
  const stream = joinBytes(init, whole.subarray(0, at), garbage, whole.subarray(at))
  const result = split(stream, () => 1 + randomBelow(random, 3000))
  let start = 0
  const untouched = fragments.filter((fragment) => {
    const end = start + fragment.byteLength
    const hit = at > start && at < end
    start = end
    return !hit
  })
  const out = new Set(bytesOf(result.fragments).map((bytes) => Buffer.from(bytes).toString('latin1')))
  for (const fragment of untouched) {
    assert.ok(out.has(Buffer.from(fragment).toString('latin1')), `seed ${seed}: an untouched fragment is missing`)
  }
  assert.ok(result.fragments.length <= fragments.length, `seed ${seed}`)
  checkAccounts(result, stream, `seed ${seed}`)
}

test('after garbage anywhere all untouched fragments come out', () => {
  for (let seed = 1; seed <= 1500; seed += 1) checkResync(INIT, FRAGMENTS, seed)
})

test('a damaged stream never throws, hangs or loses count (seeds 1 to 1500)', () => {
  for (let seed = 1; seed <= 1500; seed += 1) {
    const random = seededRandom(seed)
    const stream = Uint8Array.from(STREAM)
    for (let count = randomBelow(random, 12); count >= 0; count -= 1) {
      const at = randomBelow(random, randomBelow(random, 3) === 0 ? stream.byteLength : INIT.byteLength + 300)
      stream.set(random.bytes(Math.min(stream.byteLength - at, 1 + randomBelow(random, 4))), at)
    }
    const result = split(stream, () => 1 + randomBelow(random, 2000))
    const out = totalBytes(bytesOf(result.inits)) + totalBytes(bytesOf(result.fragments)) + skippedBytes(result)
    // A damaged type may have become that of a quiet box.
    assert.ok(out <= stream.byteLength, `seed ${seed}`)
    for (const fragment of result.fragments) assert.ok(fragment.durationUs >= 0, `seed ${seed}`)
  }
})

for (const codec of ['h264', 'h265'] as const) {
  ffmpegTest(`${codec} from ffmpeg: random chunks, and garbage at random places`, () => {
    const stream = encode({ codec, seconds: 4, rate: 10, keyFrameSeconds: 1, bFrames: 2, sound: true })
    const result = split(stream)
    assert.equal(result.skipped, [])
    const [init] = result.inits
    assert.ok(init)
    assert.equal(
      result.fragments.map((fragment) => fragment.keyFrame),
      [true, true, true, true],
    )
    const start = totalBytes([init.bytes, ...bytesOf(result.fragments)])
    assert.equal(joinBytes(init.bytes, ...bytesOf(result.fragments)), stream.slice(0, start))
    assert.is(
      Buffer.from(stream)
        .subarray(start + 4, start + 8)
        .toString(),
      'mfra',
    )
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = seededRandom(seed)
      assert.equal(
        split(stream, () => 1 + randomBelow(random, 9000)),
        result,
        `seed ${seed}`,
      )
    }
    for (let seed = 1; seed <= 150; seed += 1) checkResync(init.bytes, bytesOf(result.fragments), seed)
  })
}

test.run()

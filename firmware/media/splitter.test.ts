import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FRAGMENT_MAX_BYTES } from '../wire/limits.ts'
import { box } from './boxes.ts'
import { joinBytes, u32 } from './fields.ts'
import { parseFragment } from './fragment.ts'
import { parseInit } from './init.ts'
import {
  AUDIO,
  bytesOf,
  checkAccounts,
  FRAGMENTS,
  fragmentAt,
  handmadeFragment,
  handmadeInit,
  INIT,
  STREAM,
  skippedBytes,
  split,
  totalBytes,
  VIDEO,
} from './sample-streams.ts'
import { FragmentSplitter } from './splitter.ts'

const plain = split(STREAM)

test('init segment and fragments come out as they went in', () => {
  assert.equal(bytesOf(plain.inits), [INIT])
  assert.equal(bytesOf(plain.fragments), FRAGMENTS)
  assert.equal(plain.skipped, [])
  const [init] = plain.inits
  assert.ok(init)
  assert.equal(init, parseInit(INIT))
  assert.equal(
    plain.fragments,
    FRAGMENTS.map((bytes) => parseFragment(bytes, init)),
  )
})

test('where the chunks are cut makes no difference', () => {
  for (let size = 1; size <= 70; size += 1)
    assert.equal(
      split(STREAM, () => size),
      plain,
      `chunks of ${size}`,
    )
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 30 }), (sizes) => {
      let next = 0
      assert.equal(
        split(STREAM, () => sizes[next++ % sizes.length] ?? 1),
        plain,
      )
    }),
    { numRuns: 50 },
  )
})

test('a fragment comes out with its last byte, not with the next one’s first', () => {
  let count = 0
  const splitter = new FragmentSplitter({
    init: () => {
      count += 1
    },
    fragment: () => {
      count += 1
    },
    skipped: () => assert.unreachable(),
  })
  splitter.push(INIT)
  assert.is(count, 1)
  splitter.push(fragmentAt(0).subarray(0, -1))
  assert.is(count, 1)
  splitter.push(fragmentAt(0).subarray(-1))
  assert.is(count, 2)
  splitter.end()
})

test('boxes without media between fragments are passed over quietly', () => {
  const quiet = ['styp', 'sidx', 'free', 'prft', 'emsg', 'mfra', 'uuid'].map((type) => box(type, new Uint8Array(50)))
  const stream = joinBytes(INIT, ...FRAGMENTS.flatMap((fragment) => [...quiet, fragment]), ...quiet)
  for (const size of [1, 7, 65536])
    assert.equal(
      split(stream, () => size),
      plain,
    )
})

test('a stream cut anywhere gives its whole fragments and reports the rest', () => {
  const ends = [INIT, ...FRAGMENTS].map((_, index, all) => totalBytes(all.slice(0, index + 1)))
  for (let length = 0; length < STREAM.byteLength; length += 1) {
    const cut = STREAM.subarray(0, length)
    const result = split(cut)
    const whole = ends.filter((end) => end <= length).length
    assert.is(result.inits.length + result.fragments.length, whole, `cut at ${length}`)
    checkAccounts(result, cut, `cut at ${length}`)
  }
})

test('fragments before any init segment are skipped, one report each', () => {
  const stream = joinBytes(...FRAGMENTS.slice(0, 2), INIT, ...FRAGMENTS.slice(2))
  const result = split(stream)
  assert.equal(bytesOf(result.fragments), FRAGMENTS.slice(2))
  assert.equal(
    result.skipped,
    FRAGMENTS.slice(0, 2).map((bytes) => ({
      bytes: bytes.byteLength,
      why: 'a fragment without an init segment before it',
    })),
  )
})

test('a second init segment in mid-stream replaces the first', () => {
  const other = handmadeInit([{ ...VIDEO, timescale: 2000 }, AUDIO])
  const result = split(joinBytes(INIT, ...FRAGMENTS, other, ...FRAGMENTS))
  assert.equal(bytesOf(result.inits), [INIT, other])
  assert.equal(
    result.fragments.map((fragment) => fragment.durationUs),
    [...FRAGMENTS.map(() => 1000000), ...FRAGMENTS.map(() => 500000)],
  )
})

test('after an init segment that cannot be read nothing is taken for what the older one describes', () => {
  const broken = Buffer.from(handmadeInit([VIDEO]))
  broken.write('xxxx', broken.indexOf('trex'), 'latin1')
  const stream = joinBytes(INIT, ...FRAGMENTS, new Uint8Array(broken), ...FRAGMENTS, INIT, ...FRAGMENTS)
  const result = split(stream)
  assert.equal(bytesOf(result.fragments), [...FRAGMENTS, ...FRAGMENTS])
  assert.match(result.skipped[0]?.why ?? '', /trex/)
  checkAccounts(result, stream, 'broken init')
})

test('an init segment above the limit is not kept', () => {
  const moov = box('moov', box('mvhd', new Uint8Array(100)), new Uint8Array(70000))
  const stream = joinBytes(INIT.subarray(0, 20), moov, STREAM)
  const result = split(stream)
  assert.equal(bytesOf(result.fragments), FRAGMENTS)
  assert.is(skippedBytes(result), 20 + moov.byteLength)
})

test('a fragment above the limit is skipped without being held, and reported once', () => {
  const sizes = [FRAGMENT_MAX_BYTES - 10_000, 10_000]
  const huge = handmadeFragment([{ id: 1, decodeTime: 0, sampleTicks: 1, sizes }])
  const splitter = new FragmentSplitter({ init: () => {}, fragment: () => {}, skipped: () => {} })
  splitter.push(INIT)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  for (let at = 0; at < huge.byteLength; at += 65536) {
    splitter.push(huge.subarray(at, at + 65536))
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  }
  assert.ok(most < 4 * 1024 * 1024, `${most} bytes held`)
  const result = split(joinBytes(INIT, fragmentAt(0), huge, fragmentAt(1)))
  assert.equal(bytesOf(result.fragments), [fragmentAt(0), fragmentAt(1)])
  assert.is(result.skipped.length, 1)
  assert.is(result.skipped[0]?.bytes, huge.byteLength)
  assert.match(result.skipped[0]?.why ?? '', /key frame interval/)
})

test('the largest fragment is taken', () => {
  const empty = handmadeFragment([{ id: 1, decodeTime: 0, sampleTicks: 1, sizes: [0] }])
  const sizes = [FRAGMENT_MAX_BYTES - empty.byteLength]
  const largest = handmadeFragment([{ id: 1, decodeTime: 0, sampleTicks: 1, sizes }])
  assert.is(largest.byteLength, FRAGMENT_MAX_BYTES)
  const result = split(joinBytes(INIT, largest))
  assert.is(result.fragments.length, 1)
  assert.equal(result.skipped, [])
})

test('an mdat whose size does not agree with its moof swallows nothing', () => {
  const moofBytes = Buffer.from(fragmentAt(1)).indexOf('mdat') - 4
  for (const size of [0, 1, 7, 8, 100, 0x00ffffff, 0xffffffff]) {
    const wrong = fragmentAt(1)
    wrong.set(u32(size), moofBytes)
    const stream = joinBytes(INIT, fragmentAt(0), wrong, fragmentAt(2))
    const result = split(stream)
    assert.equal(bytesOf(result.fragments), [fragmentAt(0), fragmentAt(2)], `mdat of ${size}`)
    checkAccounts(result, stream, `mdat of ${size}`)
  }
})

test('a track that begins late is put on the same line of time as the others', () => {
  const late = handmadeInit([
    { ...VIDEO, edits: [[0, 40]] },
    {
      ...AUDIO,
      edits: [
        [500, -1],
        [0, 0],
      ],
    },
  ])
  const { inits, fragments, skipped } = split(joinBytes(late, ...FRAGMENTS))
  assert.equal(skipped, [])
  assert.equal(
    inits[0]?.tracks.map((track) => track.edit),
    [
      { delayTicks: 0, mediaTicks: 40 },
      { delayTicks: 0, mediaTicks: 0 },
    ],
  )
  const [init] = inits
  assert.ok(init)
  for (const [index, fragment] of fragments.entries()) {
    const times = parseFragment(fragment.bytes, init).tracks.map((track) => track.decodeTime)
    assert.equal(times, [index * 1000, index * 8000 + 4000])
    assert.equal(
      fragment.tracks.map((track) => track.decodeTime),
      times,
    )
  }
})

test.run()

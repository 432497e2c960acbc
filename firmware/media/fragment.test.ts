import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { box, fullBox } from './boxes.ts'
import { joinBytes, u32, u64 } from './fields.ts'
import { parseFragment } from './fragment.ts'
import { parseInit } from './init.ts'
import {
  AUDIO,
  encode,
  ffmpegTest,
  handmadeFragment,
  handmadeInit,
  i32,
  probe,
  split,
  VIDEO,
} from './sample-streams.ts'

const malformed = (error: unknown): boolean => isHomewardError(error, 'MEDIA_MALFORMED')
const init = parseInit(handmadeInit([VIDEO, AUDIO]))
const videoOnly = { id: 1, decodeTime: 9000, sampleTicks: 40, sizes: [100, 20, 30] }
const sound = { id: 2, decodeTime: 72000, sampleTicks: 160, sizes: [10, 10] }

test('times, samples and the key frame are read', () => {
  const bytes = handmadeFragment([videoOnly, sound])
  const fragment = parseFragment(bytes, init)
  assert.equal(fragment, {
    bytes,
    keyFrame: true,
    durationUs: 120000,
    tracks: [
      { id: 1, decodeTime: 9000, durationTicks: 120, samples: 3 },
      { id: 2, decodeTime: 72000, durationTicks: 320, samples: 2 },
    ],
  })
})

test('without pictures the longest track counts, and only a file without video starts on a key frame then', () => {
  const bytes = handmadeFragment([sound])
  assert.equal([parseFragment(bytes, init).durationUs, parseFragment(bytes, init).keyFrame], [40000, false])
  assert.is(parseFragment(bytes, parseInit(handmadeInit([AUDIO]))).keyFrame, true)
})

/** One traf of track 1 with that tfhd and trun behind a 64-bit tfdt, and its mdat. */
function fragmentOf(tfhd: Uint8Array, truns: readonly Uint8Array[], dataBytes = 60): Uint8Array {
  const tfdt = fullBox('tfdt', 1, 0, u64(5))
  return joinBytes(box('moof', box('traf', tfhd, tfdt, ...truns)), box('mdat', new Uint8Array(dataBytes)))
}

test('a key frame is told by the run, its samples, the track header or the defaults, in that order', () => {
  const [SYNC, OTHER] = [0x02000000, 0x01010000]
  const plain = fullBox('tfhd', 0, 0x020000, u32(1))
  const header = (flags: number) => fullBox('tfhd', 0, 0x020020, u32(1), u32(flags))
  const run = (flags: number, ...fields: number[]) => fullBox('trun', 0, flags, u32(1), ...fields.map(u32))
  const table: [name: string, expected: boolean, tfhd: Uint8Array, trun: Uint8Array, trex: number][] = [
    ['first sample flags', true, header(OTHER), run(0x004, SYNC), OTHER],
    ['first sample flags, no', false, header(SYNC), run(0x004, OTHER), SYNC],
    ['first sample flags before the sample’s own', true, plain, run(0x404, SYNC, OTHER), OTHER],
    ['the sample’s own', true, header(OTHER), run(0x400, SYNC), OTHER],
    ['the sample’s own, no', false, header(SYNC), run(0x400, OTHER), SYNC],
    ['track header', true, header(SYNC), run(0), OTHER],
    ['track header, no', false, header(OTHER), run(0), SYNC],
    ['defaults', true, plain, run(0), SYNC],
    ['defaults, no', false, plain, run(0), OTHER],
  ]
  for (const [name, expected, tfhd, trun, defaultFlags] of table) {
    const known = parseInit(handmadeInit([{ ...VIDEO, defaultFlags }]))
    assert.is(parseFragment(fragmentOf(tfhd, [trun]), known).keyFrame, expected, name)
  }
})

test('only the first sample’s flags tell the key frame', () => {
  const known = parseInit(handmadeInit())
  const tfhd = fullBox('tfhd', 0, 0x020000, u32(1))
  for (const [first, second] of [
    [0x02000000, 0x01010000],
    [0x01010000, 0x02000000],
  ] as const) {
    const trun = fullBox('trun', 0, 0x400, u32(2), u32(first), u32(second))
    assert.is(parseFragment(fragmentOf(tfhd, [trun]), known).keyFrame, first === 0x02000000)
  }
})

test('without default-base-is-moof the second track goes on where the first ended', () => {
  const traf = (id: number, trun: Uint8Array) =>
    box('traf', fullBox('tfhd', 0, 0, u32(id)), fullBox('tfdt', 1, 0, u64(5)), trun)
  const bytes = (dataBytes: number) => {
    const build = (start: number) =>
      joinBytes(
        box(
          'moof',
          traf(1, fullBox('trun', 0, 0x201, u32(1), i32(start), u32(30))),
          traf(2, fullBox('trun', 0, 0x201, u32(1), i32(0), u32(12))),
        ),
        box('mdat', new Uint8Array(dataBytes)),
      )
    return build(Buffer.from(build(0)).indexOf('mdat') + 4)
  }
  assert.is(parseFragment(bytes(42), init).tracks.length, 2)
  assert.throws(() => parseFragment(bytes(41), init), malformed)
})

test('runs without samples say nothing, and runs may come in any order', () => {
  const known = parseInit(handmadeInit())
  const tfhd = fullBox('tfhd', 0, 0x020000, u32(1))
  const none = fullBox('trun', 0, 0x4, u32(0), u32(0x02000000))
  const other = fullBox('trun', 0, 0x4, u32(1), u32(0x01010000))
  assert.is(parseFragment(fragmentOf(tfhd, [none, other]), known).keyFrame, false)
  const runs = (...offsets: number[]) => {
    const build = (start: number) => {
      const run = (at: number) => fullBox('trun', 0, 0x201, u32(1), i32(at), u32(10))
      return fragmentOf(
        tfhd,
        offsets.map((offset) => run(start + offset)),
      )
    }
    return build(Buffer.from(build(0)).indexOf('mdat') + 4)
  }
  assert.is(parseFragment(runs(20, 0), known).tracks[0]?.samples, 2)
  assert.throws(() => parseFragment(runs(20, -1), known), malformed)
  assert.throws(() => parseFragment(runs(-1, 20), known), malformed)
})

test('durations and sizes come from the samples or from the track header', () => {
  const known = parseInit(handmadeInit())
  const header = fullBox('tfhd', 0, 0x02001a, u32(1), u32(1), u32(40), u32(7))
  // A run's offset counts from the moof, whose length does not depend on it.
  const placed = (build: (start: number) => Uint8Array): Uint8Array => build(Buffer.from(build(0)).indexOf('mdat') + 4)
  const byDefault = placed((start) => fragmentOf(header, [fullBox('trun', 0, 1, u32(3), i32(start))], 21))
  assert.equal(parseFragment(byDefault, known).tracks, [{ id: 1, decodeTime: 5, durationTicks: 120, samples: 3 }])
  const twoRuns = (dataBytes: number) =>
    placed((start) => {
      const own = fullBox('trun', 1, 0xf01, u32(2), i32(start), ...[30, 8, 0, 0, 50, 9, 0, 0].map(u32))
      return fragmentOf(header, [own, fullBox('trun', 0, 0, u32(1))], dataBytes)
    })
  assert.equal(parseFragment(twoRuns(24), known).tracks, [{ id: 1, decodeTime: 5, durationTicks: 120, samples: 3 }])
  assert.throws(() => parseFragment(twoRuns(23), known), malformed, 'the second run goes on where the first ended')
})

test('samples outside the mdat are refused', () => {
  const whole = handmadeFragment([videoOnly, sound])
  const moofBytes = Buffer.from(whole).indexOf('mdat') - 4
  const moof = whole.subarray(0, moofBytes)
  parseFragment(joinBytes(moof, box('mdat', new Uint8Array(170))), init)
  parseFragment(joinBytes(moof, box('mdat', new Uint8Array(171))), init)
  assert.throws(() => parseFragment(joinBytes(moof, box('mdat', new Uint8Array(169))), init), malformed)
  const large = joinBytes(u32(1), new Uint8Array(Buffer.from('mdat')), u64(186), new Uint8Array(170))
  assert.throws(() => parseFragment(joinBytes(moof, large), init), malformed, 'samples in the header')
  const tfhd = fullBox('tfhd', 0, 0x020000, u32(1))
  const before = fullBox('trun', 0, 0x201, u32(1), i32(-8), u32(4))
  assert.throws(() => parseFragment(fragmentOf(tfhd, [before]), init), malformed)
})

test('what is not a fragment of this init segment is refused', () => {
  const whole = handmadeFragment([videoOnly])
  const tfhd = fullBox('tfhd', 0, 0x020000, u32(1))
  const run = fullBox('trun', 0, 0x200, u32(1), u32(4))
  const mdat = box('mdat', new Uint8Array(9))
  const traf = (...parts: Uint8Array[]) => joinBytes(box('moof', box('traf', ...parts)), mdat)
  const tfdt = fullBox('tfdt', 1, 0, u64(5))
  const table: [name: string, bytes: Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['a box behind it', joinBytes(whole, box('free'))],
    ['no traf', joinBytes(box('moof'), mdat)],
    ['unknown track', handmadeFragment([{ ...videoOnly, id: 3 }])],
    ['two traf of one track', handmadeFragment([videoOnly, videoOnly])],
    ['no samples', handmadeFragment([{ ...videoOnly, sizes: [] }])],
    ['no tfhd', traf(tfdt, run)],
    ['no tfdt', traf(tfhd, run)],
    ['two tfdt', traf(tfhd, tfdt, tfdt, run)],
    ['tfdt of version 2', traf(tfhd, fullBox('tfdt', 2, 0, u64(5)), run)],
    ['time above 2^53', traf(tfhd, fullBox('tfdt', 1, 0, new Uint8Array(8).fill(255)), run)],
    ['end above 2^53', handmadeFragment([{ ...videoOnly, decodeTime: Number.MAX_SAFE_INTEGER }])],
    ['offsets into a file', traf(fullBox('tfhd', 0, 1, u32(1), u64(0)), tfdt, run)],
    ['more samples than listed', traf(tfhd, tfdt, fullBox('trun', 0, 0x200, u32(0xffffffff), u32(4)))],
    ['fewer samples than listed', traf(tfhd, tfdt, fullBox('trun', 0, 0x200, u32(0), u32(4)))],
  ]
  for (const [name, bytes] of table) assert.throws(() => parseFragment(bytes, init), malformed, name)
})

test('cut anywhere it is refused', () => {
  const whole = handmadeFragment([videoOnly, sound])
  for (let length = 0; length < whole.byteLength; length += 1) {
    assert.throws(() => parseFragment(whole.subarray(0, length), init), malformed, `cut at ${length}`)
  }
})

ffmpegTest('fragments from ffmpeg agree with ffprobe', () => {
  const bytes = encode({ codec: 'h264', seconds: 3, rate: 10, keyFrameSeconds: 1, bFrames: 2, sound: true })
  const { fragments, inits } = split(bytes)
  const { packets } = probe(bytes)
  assert.is(fragments.length, 3)
  const [known] = inits
  assert.ok(known)
  for (const [index, track] of known.tracks.entries()) {
    const own = packets.filter((packet) => packet.stream_index === index)
    const parts = fragments.map((fragment) => fragment.tracks.find((part) => part.id === track.id))
    assert.is(
      own.length,
      parts.reduce((sum, part) => sum + (part?.samples ?? 0), 0),
    )
    // ffprobe takes the edit list's media time off.
    const shift = track.edit?.mediaTicks ?? 0
    const starts = new Set(own.map((packet) => packet.dts + shift))
    for (const part of parts) assert.ok(starts.has(part?.decodeTime ?? -1), `track ${track.id} at ${part?.decodeTime}`)
  }
  assert.equal(
    fragments.map((fragment) => [fragment.keyFrame, fragment.durationUs]),
    Array.from({ length: 3 }, () => [true, 1000000]),
  )
  const [first] = fragments
  assert.ok(first)
  for (let length = 0; length < first.bytes.byteLength; length += 1) {
    assert.throws(() => parseFragment(first.bytes.subarray(0, length), known), malformed, `cut at ${length}`)
  }
})

test.run()

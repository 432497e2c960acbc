import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { joinBytes } from './fields.ts'
import { type MediaFragment, parseFragment } from './fragment.ts'
import { type InitSegment, parseInit } from './init.ts'
import { buildMfra, mfraEntryOf } from './mfra.ts'
import { rebaseFragment, restoreFragment, timeBasesFor } from './rebase.ts'
import {
  AUDIO,
  encode,
  ffmpegTest,
  handmadeFragment,
  handmadeInit,
  type Probe,
  probe,
  type StreamOptions,
  split,
  VIDEO,
} from './sample-streams.ts'
import { uuidBox } from './uuid.ts'

const malformed = (error: unknown): boolean => isHomewardError(error, 'MEDIA_MALFORMED')
const init = parseInit(handmadeInit([VIDEO, AUDIO]))
const part = (id: number, decodeTime: number, version: 0 | 1 = 1) => ({
  id,
  decodeTime,
  sampleTicks: 1,
  sizes: [4],
  version,
})
const fragmentAt = (...parts: ReturnType<typeof part>[]): MediaFragment => parseFragment(handmadeFragment(parts), init)

test('the earliest track starts at 0 and the others keep their distance', () => {
  // 10.001 s and 10.002 s
  assert.equal(timeBasesFor(init, fragmentAt(part(1, 10001), part(2, 80016))), [
    { track: 1, ticks: 10001 },
    { track: 2, ticks: 80008 },
  ])
  // 10.001 s and 9.999625 s: a distance that track 1 cannot count is kept to within one tick
  assert.equal(timeBasesFor(init, fragmentAt(part(1, 10001), part(2, 79997))), [
    { track: 1, ticks: 9999 },
    { track: 2, ticks: 79997 },
  ])
})

test('a track that joins later has a base as well', () => {
  assert.equal(timeBasesFor(init, fragmentAt(part(1, 10001))), [
    { track: 1, ticks: 10001 },
    { track: 2, ticks: 80008 },
  ])
  const other = parseInit(handmadeInit([VIDEO]))
  assert.throws(() => timeBasesFor(other, fragmentAt(part(2, 1))), malformed)
})

test('bases never make the first fragment negative, at any time and timescale', () => {
  const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 })
  fc.assert(
    fc.property(time, time, fc.integer({ min: 1, max: 0xffffffff }), (a, b, timescale) => {
      const known = parseInit(handmadeInit([{ ...VIDEO, timescale }, AUDIO]))
      const first = parseFragment(handmadeFragment([part(1, a), part(2, b)]), known)
      const bases = timeBasesFor(known, first)
      const starts = first.tracks.map((track, index) => track.decodeTime - (bases[index]?.ticks ?? Number.NaN))
      assert.ok(starts.every((ticks) => ticks >= 0))
      assert.ok(starts.includes(0))
    }),
  )
})

test('putting the time back gives the same bytes', () => {
  for (const version of [0, 1] as const) {
    const bytes = handmadeFragment([part(1, 10001, version), part(2, 80016, version)])
    const before = Uint8Array.from(bytes)
    const bases = timeBasesFor(init, parseFragment(bytes, init))
    const moved = rebaseFragment(bytes, bases)
    assert.equal(bytes, before)
    const times = parseFragment(moved, init).tracks.map((track) => track.decodeTime)
    assert.equal(times, [0, 8])
    assert.equal(restoreFragment(moved, bases), bytes)
  }
})

test('a time that would be out of range is refused', () => {
  const bytes = handmadeFragment([part(1, 100, 0)])
  rebaseFragment(bytes, [{ track: 1, ticks: 100 }])
  assert.throws(() => rebaseFragment(bytes, [{ track: 1, ticks: 101 }]), malformed)
  restoreFragment(bytes, [{ track: 1, ticks: 2 ** 32 - 101 }])
  assert.throws(() => restoreFragment(bytes, [{ track: 1, ticks: 2 ** 32 - 100 }]), malformed)
  const long = handmadeFragment([part(1, 100)])
  assert.throws(() => restoreFragment(long, [{ track: 1, ticks: Number.MAX_SAFE_INTEGER }]), malformed)
  assert.throws(() => rebaseFragment(bytes, [{ track: 2, ticks: 0 }]), malformed, 'no base')
  assert.throws(
    () => rebaseFragment(bytes, [{ track: 1, ticks: 0.5 }]),
    (error: unknown) => isHomewardError(error, 'INTERNAL'),
  )
})

// What a file of the archive is made of: the run's init segment, then some of its fragments, each behind a uuid box, then
// an mfra.
function fileOf(known: InitSegment, fragments: readonly MediaFragment[]): Uint8Array {
  const [first] = fragments
  assert.ok(first)
  const bases = timeBasesFor(known, first)
  const parts = [known.bytes]
  let at = known.bytes.byteLength
  const entries = []
  for (const fragment of fragments) {
    const moved = rebaseFragment(fragment.bytes, bases)
    assert.equal(restoreFragment(moved, bases), fragment.bytes)
    const uuid = uuidBox(new Uint8Array(16).fill(7), new Uint8Array(100))
    const entry = mfraEntryOf(known, parseFragment(moved, known), at + uuid.byteLength)
    if (entry !== undefined) entries.push(entry)
    parts.push(uuid, moved)
    at += uuid.byteLength + moved.byteLength
  }
  return joinBytes(...parts, buildMfra(entries))
}

const samplesOf = (fragments: readonly MediaFragment[], track: number): number =>
  fragments.reduce((sum, one) => sum + (one.tracks.find((own) => own.id === track)?.samples ?? 0), 0)

/** One frame of AAC at 44.1 kHz, and a little for rounding. */
const AUDIO_FRAME_SECONDS = 1024 / 44100 + 0.001

function checkPlaysAlone(known: InitSegment, fragments: readonly MediaFragment[], seen: Probe, what: string): void {
  assert.is(seen.complaints, '', what)
  const start = Number(seen.format.start_time)
  assert.ok(Math.abs(start) <= AUDIO_FRAME_SECONDS, `${what}: starts at ${start}`)
  for (const [index, track] of known.tracks.entries()) {
    const samples = samplesOf(fragments, track.id)
    assert.is(Number(seen.streams[index]?.nb_read_frames), samples, `${what}: frames of track ${track.id}`)
    const times = seen.packets.filter((packet) => packet.stream_index === index).map((packet) => packet.dts)
    assert.is(times.length, samples, `${what}: packets of track ${track.id}`)
    const rising = times.every((ticks, at) => at === 0 || ticks > (times[at - 1] ?? 0))
    assert.ok(rising, `${what}: decode times of track ${track.id} rise`)
  }
}

/** How much later the run showed what these fragments begin with, in seconds, for each track. */
function shifts(known: InitSegment, before: readonly MediaFragment[], whole: Probe, seen: Probe): number[] {
  const shown = (all: Probe, index: number) => all.packets.filter((packet) => packet.stream_index === index)
  return known.tracks.map((track, index) => {
    const inRun = shown(whole, index)[samplesOf(before, track.id)]
    return Number(inRun?.pts_time) - Number(shown(seen, index)[0]?.pts_time)
  })
}

const base: StreamOptions = { codec: 'h264', seconds: 4, rate: 10, keyFrameSeconds: 1, bFrames: 0, sound: false }
const table: [name: string, options: StreamOptions][] = [
  ['h264', base],
  ['h264, B-frames', { ...base, bFrames: 2 }],
  ['h264, sound', { ...base, sound: true }],
  ['h264, B-frames, sound', { ...base, bFrames: 2, sound: true }],
  ['h264, B-frames, late sound', { ...base, bFrames: 2, sound: true, soundDelaySeconds: 0.7 }],
  ['h264, very late sound', { ...base, sound: true, soundDelaySeconds: 1.5 }],
  ['h264, key frame every 10 s, sound', { ...base, seconds: 21, rate: 5, keyFrameSeconds: 10, sound: true }],
  ['h265', { ...base, codec: 'h265' }],
  ['h265, B-frames, sound', { ...base, codec: 'h265', bFrames: 3, sound: true }],
  [
    'h265, B-frames, key frame every 10 s',
    { ...base, codec: 'h265', seconds: 21, rate: 5, keyFrameSeconds: 10, bFrames: 3 },
  ],
]

for (const [name, options] of table) {
  ffmpegTest(`files cut anywhere from a run play alone: ${name}`, () => {
    const stream = encode(options)
    const { inits, fragments, skipped } = split(stream)
    const [known] = inits
    assert.ok(known)
    assert.equal(skipped, [])
    assert.ok(fragments.every((fragment) => fragment.keyFrame))
    assert.ok(fragments.length >= 3, `${fragments.length} fragments`)
    const whole = probe(stream, [])
    const cuts: [from: number, to: number][] = [
      [0, fragments.length],
      [1, fragments.length],
      [fragments.length - 1, fragments.length],
    ]
    for (const [from, to] of cuts) {
      const own = fragments.slice(from, to)
      const seen = probe(fileOf(known, own))
      checkPlaysAlone(known, own, seen, `fragments ${from} to ${to}`)
      const moved = shifts(known, fragments.slice(0, from), whole, seen)
      assert.ok(Math.max(...moved) - Math.min(...moved) < 0.002, `fragments ${from} to ${to}: tracks moved by ${moved}`)
    }
  })
}

test.run()

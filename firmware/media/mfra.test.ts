import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { box, fullBox } from './boxes.ts'
import { joinBytes, u16, u32 } from './fields.ts'
import { parseFragment } from './fragment.ts'
import { parseInit } from './init.ts'
import { buildMfra, MFRO_BYTES, type MfraEntry, mfraBytesAtEnd, mfraEntryOf, parseMfra } from './mfra.ts'
import { AUDIO, encode, ffmpegTest, handmadeFragment, handmadeInit, probe, split, VIDEO } from './sample-streams.ts'

const malformed = (error: unknown): boolean => isHomewardError(error, 'MEDIA_MALFORMED')
const one: MfraEntry = { track: 1, timeTicks: 7, moofOffset: 900, trafNumber: 1, trunNumber: 1, sampleNumber: 1 }

test('what is written is read back, and found from the end of the file', () => {
  const entry = fc.record({
    track: fc.integer({ min: 1, max: 3 }),
    timeTicks: fc.maxSafeNat(),
    step: fc.integer({ min: 1, max: 2 ** 40 }),
    trafNumber: fc.integer({ min: 1, max: 255 }),
  })
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 20 }), fc.uint8Array({ maxLength: 50 }), (plan, before) => {
      let at = 0
      const entries = plan.map(({ step, ...rest }) => {
        at += step
        return { ...rest, moofOffset: at, trunNumber: 1, sampleNumber: 1 }
      })
      const mfra = buildMfra(entries)
      assert.is(mfraBytesAtEnd(joinBytes(before, mfra).subarray(-MFRO_BYTES)), mfra.byteLength)
      const order = [...new Set(entries.map((own) => own.track))]
      const expected = order.flatMap((track) => entries.filter((own) => own.track === track))
      assert.equal(parseMfra(mfra), expected)
    }),
  )
})

test('a file that ends otherwise has none', () => {
  const mfra = buildMfra([one])
  assert.is(mfraBytesAtEnd(mfra.subarray(1 - MFRO_BYTES)), undefined)
  assert.is(mfraBytesAtEnd(joinBytes(mfra, new Uint8Array(1))), undefined)
  assert.is(mfraBytesAtEnd(new Uint8Array(64)), undefined)
  assert.is(mfraBytesAtEnd(fullBox('mfro', 0, 0, u32(23))), undefined)
  assert.is(mfraBytesAtEnd(fullBox('mfro', 0, 0, u32(24))), 24)
})

test('cut or changed it is refused', () => {
  const mfra = buildMfra([one])
  for (let length = 0; length < mfra.byteLength; length += 1) {
    assert.throws(() => parseMfra(mfra.subarray(0, length)), malformed, `cut at ${length}`)
  }
  assert.throws(() => parseMfra(joinBytes(mfra, box('free'))), malformed)
  const wrongSize = Uint8Array.from(mfra)
  wrongSize[mfra.byteLength - 1] = 1
  assert.throws(() => parseMfra(wrongSize), malformed)
  const table = (count: number) => {
    const tfra = fullBox('tfra', 0, 0, u32(1), u32(0), u32(count), u32(7), u32(900), Uint8Array.of(1, 1, 1))
    return box('mfra', tfra, fullBox('mfro', 0, 0, u32(8 + tfra.byteLength + MFRO_BYTES)))
  }
  assert.equal(parseMfra(table(1)), [one])
  assert.throws(() => parseMfra(table(0xffffffff)), malformed)
})

test('the widths of other writers are read', () => {
  const fields = [u32(7), u32(900), u16(2), Uint8Array.of(0, 0, 3), Uint8Array.of(4)]
  const tfra = fullBox('tfra', 0, 0, u32(1), u32(0b011000), u32(1), ...fields)
  const mfra = box('mfra', tfra, fullBox('mfro', 0, 0, u32(8 + tfra.byteLength + MFRO_BYTES)))
  assert.equal(parseMfra(mfra), [{ ...one, trafNumber: 2, trunNumber: 3, sampleNumber: 4 }])
})

test('entries out of order are a mistake of the caller', () => {
  assert.throws(
    () => buildMfra([one, one]),
    (error: unknown) => isHomewardError(error, 'INTERNAL'),
  )
})

test('a fragment’s entry names the video’s place in the moof, if it starts on a key frame', () => {
  const init = parseInit(handmadeInit([AUDIO, VIDEO]))
  const video = { id: 1, decodeTime: 400, sampleTicks: 40, sizes: [5] }
  const audio = { id: 2, decodeTime: 3200, sampleTicks: 160, sizes: [3] }
  const entry = (...parts: (typeof video & { keyFrame?: boolean })[]) =>
    mfraEntryOf(init, parseFragment(handmadeFragment(parts), init), 77)
  assert.equal(entry(video, audio), { track: 1, timeTicks: 400, moofOffset: 77, trafNumber: 1 })
  assert.equal(entry(audio, video), { track: 1, timeTicks: 400, moofOffset: 77, trafNumber: 2 })
  assert.is(entry({ ...video, keyFrame: false }), undefined)
  assert.is(entry(audio), undefined)
  const soundOnly = parseInit(handmadeInit([AUDIO]))
  const fragment = parseFragment(handmadeFragment([audio]), soundOnly)
  assert.equal(mfraEntryOf(soundOnly, fragment, 5), { track: 2, timeTicks: 3200, moofOffset: 5, trafNumber: 1 })
})

for (const bFrames of [0, 2]) {
  ffmpegTest(`the same entries as ffmpeg’s own, and a seek finds them: ${bFrames} B-frames`, () => {
    const stream = encode({ codec: 'h264', seconds: 6, rate: 10, keyFrameSeconds: 1, bFrames, sound: true })
    const bytes = mfraBytesAtEnd(stream)
    assert.ok(bytes)
    const theirs = parseMfra(stream.subarray(-bytes)).filter((entry) => entry.track === 1)
    const { inits, fragments } = split(stream)
    const [init] = inits
    assert.ok(init)
    let at = init.bytes.byteLength
    const ours = fragments.map((fragment) => {
      const entry = mfraEntryOf(init, fragment, at)
      at += fragment.bytes.byteLength
      return entry
    })
    assert.equal(
      ours.map((entry) => ({ ...entry, trunNumber: 1, sampleNumber: 1 })),
      theirs,
    )
    const file = joinBytes(
      stream.subarray(0, stream.byteLength - bytes),
      buildMfra(ours.filter((entry) => entry !== undefined)),
    )
    const seek = (bytesOf: Uint8Array, use: string) =>
      probe(bytesOf, ['-use_mfra_for', use, '-select_streams', 'v', '-read_intervals', '4.05%+#3'])
    const seen = seek(file, 'auto')
    assert.is(seen.complaints, '')
    assert.equal([Number(seen.packets[0]?.pts_time), seen.packets[0]?.flags.startsWith('K')], [4, true])
    // Told to trust the mfra over tfdt, ffprobe goes where ffmpeg's own mfra sends it.
    for (const use of ['pts', 'dts']) assert.equal(seek(file, use).packets, seek(stream, use).packets, use)
  })
}

test.run()

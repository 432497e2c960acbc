/** Real disk, real LMDB, real ffmpeg: what is stored and exported plays, and every frame is there. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encode, ffmpegTest, type Probe, probe, type StreamOptions, split } from '../../media/sample-streams.ts'
import { FakeClock } from '../../platform/clock-fake.ts'
import { RealDisk } from '../../platform/disk-real.ts'
import { realRandom } from '../../platform/random.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { type Archive, openArchive } from './archive.ts'
import { CAMERA, headerOf, LOG, LOG2, SECOND, T0 } from './archive-fixture.ts'
import { initRoot } from './root.ts'

const H264: StreamOptions = { codec: 'h264', seconds: 6, rate: 10, keyFrameSeconds: 1, bFrames: 0, sound: false }
const STREAMS: Record<string, StreamOptions> = {
  'H.264': H264,
  'H.264 with B-frames and AAC': { ...H264, bFrames: 2, sound: true },
  'H.265 with B-frames': { ...H264, codec: 'h265', bFrames: 2 },
  'H.265 with AAC that begins late': { ...H264, codec: 'h265', sound: true, soundDelaySeconds: 0.4 },
}

const disk = new RealDisk()

async function withArchive(use: (archive: Archive, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    const root = join(folder, 'root')
    await initRoot(disk, root, realRandom, T0)
    const archive = await openArchive({
      disk,
      root,
      clock: new FakeClock(T0 + 86_400 * SECOND),
      minFreeBytes: 0,
      commitDelayMs: 0,
    })
    try {
      await archive.nameCamera(CAMERA, 'Garden')
      await use(archive, folder)
    } finally {
      await archive.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Sent {
  readonly options: StreamOptions
  /** Wall time of the first fragment. */
  readonly startUs: number
  readonly log?: string
  readonly run?: number
  readonly firstSeq?: number
  /** Fragments of the run that are sent. */
  readonly from?: number
  readonly to?: number
}

const encoded = new Map<string, ReturnType<typeof split>>()

function streamOf(options: StreamOptions): ReturnType<typeof split> {
  const name = JSON.stringify(options)
  const known = encoded.get(name) ?? split(encode(options))
  encoded.set(name, known)
  return known
}

/** Stores a run as a camera would send it; answers with the frames that went in, per track id. */
async function send(archive: Archive, sent: Sent): Promise<Map<number, number>> {
  const { options, startUs, log = LOG, run = 0, firstSeq = 0, from = 0, to = Number.POSITIVE_INFINITY } = sent
  const { inits, fragments } = streamOf(options)
  const init = inits[0]
  if (init === undefined) throw new Error('no init segment')
  const frames = new Map<number, number>()
  let atUs = startUs
  for (const [index, fragment] of fragments.entries()) {
    const times = { monoUs: 77 * SECOND + atUs - T0, wallUs: atUs, durationUs: fragment.durationUs }
    atUs += fragment.durationUs
    if (index < from || index > to) continue
    const header = headerOf({ seq: firstSeq + index, log, run, runStart: index === 0, ...times })
    await archive.store(CAMERA, header, { init: init.bytes, fragment: fragment.bytes }, T0 + 3600 * SECOND + index)
    for (const { id, samples } of fragment.tracks) frames.set(id, (frames.get(id) ?? 0) + samples)
  }
  return frames
}

/**
 * Probes one file and checks what every file must keep: it begins at 0, times rise, nothing to complain about. Answers with
 * the pictures decoded and the sound packets read, by track: what AAC puts before the beginning is not played.
 */
function checkFile(path: string, what: string): { counts: Map<number, number>; probed: Probe } {
  const probed = probe(new Uint8Array(readFileSync(path)))
  const { streams, packets, format, complaints } = probed
  assert.is(complaints, '', what)
  assert.ok(Math.abs(Number(format.start_time)) < 0.03, `${what}: starts at ${format.start_time}`)
  const last = new Map<number, number>()
  for (const { stream_index: stream, dts } of packets) {
    assert.ok(dts > (last.get(stream) ?? Number.NEGATIVE_INFINITY), `${what}: dts ${dts} in stream ${stream}`)
    last.set(stream, dts)
  }
  const counts = new Map(
    streams.map(({ codec_type: type, nb_read_frames: frames }, index) => {
      const count = packets.filter((packet) => packet.stream_index === index).length
      return [index + 1, type === 'video' ? Number(frames) : count]
    }),
  )
  return { counts, probed }
}

const HOUR = 3600 * SECOND

for (const [name, options] of Object.entries(STREAMS)) {
  ffmpegTest(`${name}: each stored file plays by itself and has exactly its frames`, async () => {
    await withArchive(async (archive, folder) => {
      // The window ends after the third fragment: the second file begins in the middle of the run.
      const frames = await send(archive, { options, startUs: T0 + 597 * SECOND })
      const files = archive.files(CAMERA, T0, T0 + HOUR)
      assert.is(files.length, 2)
      await archive.close()
      const found = new Map<number, number>()
      for (const { row } of files) {
        const { counts } = checkFile(join(folder, 'root', row.path), `${name}: ${row.path}`)
        for (const [track, count] of counts) found.set(track, (found.get(track) ?? 0) + count)
      }
      assert.equal(found, frames)
    })
  })

  ffmpegTest(`${name}: an export over files, runs and gaps has exactly their frames`, async () => {
    await withArchive(async (archive, folder) => {
      // Two files of one run, a gap of a minute in another run with a hole in it, and a run of another log.
      const runs = [
        await send(archive, { options, startUs: T0 + 597 * SECOND }),
        await send(archive, { options, startUs: T0 + 663 * SECOND, run: 1, firstSeq: 10, to: 1 }),
        await send(archive, { options, startUs: T0 + 663 * SECOND, run: 1, firstSeq: 10, from: 4 }),
        await send(archive, { options, startUs: T0 + 669 * SECOND, log: LOG2 }),
      ]
      const out = join(folder, 'out.mp4')
      const result = await archive.exportSpan({ camera: CAMERA, fromUs: T0, toUs: T0 + 700 * SECOND, out })
      const { counts, probed } = checkFile(out, name)
      const expected = new Map<number, number>()
      for (const frames of runs) for (const [id, count] of frames) expected.set(id, (expected.get(id) ?? 0) + count)
      assert.equal(counts, expected)
      assert.is(result.frames, expected.get(1))
      const keys = probed.packets.filter((packet) => packet.stream_index === 0 && packet.flags.startsWith('K'))
      assert.is(keys.length, result.fragments, 'each fragment begins with the only key frame in it')
      assert.is(result.bytes, readFileSync(out).byteLength)
      assert.equal(result.damaged, [])
      assert.equal(
        result.pieces.map((piece) => Math.round((piece.fromUs - T0) / SECOND)),
        [597, 663, 667, 669],
      )
      assert.equal(
        result.gaps.map((gap) => [Math.round((gap.fromUs - T0) / SECOND), Math.round((gap.toUs - T0) / SECOND)]),
        [
          [0, 597],
          [603, 663],
          [665, 667],
          [675, 700],
        ],
      )
      const seconds = result.durationUs / SECOND
      assert.ok(
        Math.abs(Number(probed.format.duration) - seconds) < 0.25,
        `${probed.format.duration} s, expected ${seconds} s`,
      )
    })
  })
}

ffmpegTest('picture and sound stay together at every join of an export', async () => {
  await withArchive(async (archive, folder) => {
    const options = { ...H264, sound: true, bFrames: 2 }
    await send(archive, { options, startUs: T0, to: 2 })
    await send(archive, { options, startUs: T0 + 100 * SECOND, run: 1, firstSeq: 10 })
    const out = join(folder, 'out.mp4')
    const { pieces } = await archive.exportSpan({ camera: CAMERA, fromUs: T0, toUs: T0 + 200 * SECOND, out })
    const { packets } = probe(new Uint8Array(readFileSync(out)), [])
    for (const { atUs } of pieces) {
      const starts = [0, 1].map((stream) =>
        Math.min(
          ...packets
            .filter((packet) => packet.stream_index === stream && Number(packet.pts_time) > atUs / SECOND - 0.012)
            .map((packet) => Number(packet.pts_time)),
        ),
      )
      assert.ok(Math.abs((starts[0] ?? 0) - (starts[1] ?? 1)) < 0.05, `piece at ${atUs}: ${starts}`)
    }
  })
})

ffmpegTest('sound that begins late begins late in an export', async () => {
  await withArchive(async (archive, folder) => {
    await send(archive, { options: { ...H264, sound: true, soundDelaySeconds: 0.4 }, startUs: T0 })
    const out = join(folder, 'out.mp4')
    await archive.exportSpan({ camera: CAMERA, fromUs: T0, toUs: T0 + 60 * SECOND, out })
    const { packets } = probe(new Uint8Array(readFileSync(out)), [])
    const start = packets.find((packet) => packet.stream_index === 1)?.pts_time
    assert.ok(Math.abs(Number(start) - 0.4) < 0.03, `sound begins at ${start} s`)
  })
})

ffmpegTest('an export takes the fragments that reach into the span, and no others', async () => {
  await withArchive(async (archive, folder) => {
    await send(archive, { options: H264, startUs: T0 })
    const out = join(folder, 'out.mp4')
    const span = { camera: CAMERA, fromUs: T0 + 1.5 * SECOND, toUs: T0 + 3 * SECOND, out }
    const result = await archive.exportSpan(span)
    assert.is(result.fragments, 2)
    assert.equal(checkFile(out, 'part').counts, new Map([[1, 20]]))
    assert.equal(result.gaps, [])
  })
})

/** Hashes of all pictures in the order they are shown. */
function pictures(bytes: Uint8Array): string[] {
  const args = ['-v', 'quiet', '-i', 'pipe:0', '-map', '0:v', '-f', 'framemd5', '-']
  const { stdout } = spawnSync('ffmpeg', args, { input: bytes, encoding: 'utf8' })
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => line.split(',').at(-1)?.trim() ?? '')
}

ffmpegTest('runs with other parameter sets of the same codec and size are one film', async () => {
  await withArchive(async (archive, folder) => {
    const other = { ...H264, bFrames: 2 }
    await send(archive, { options: H264, startUs: T0 })
    await send(archive, { options: other, startUs: T0 + 10 * SECOND, run: 1, firstSeq: 10 })
    const out = join(folder, 'out.mp4')
    await archive.exportSpan({ camera: CAMERA, fromUs: T0, toUs: T0 + 60 * SECOND, out })
    // Compared picture by picture: the decoder must have been given each run's own parameter sets.
    const expected = [...pictures(encode(H264)), ...pictures(encode(other))]
    assert.is(expected.length, 120)
    assert.equal(pictures(new Uint8Array(readFileSync(out))), expected)
  })
})

ffmpegTest('another codec is refused, and the answer names the moment', async () => {
  await withArchive(async (archive, folder) => {
    await send(archive, { options: H264, startUs: T0 })
    await send(archive, { options: { ...H264, codec: 'h265' }, startUs: T0 + 10 * SECOND, run: 1, firstSeq: 10 })
    const out = join(folder, 'out.mp4')
    try {
      await archive.exportSpan({ camera: CAMERA, fromUs: T0, toUs: T0 + 60 * SECOND, out })
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'FORMAT_CHANGES'), String(error))
      assert.match(error.message, '2026-03-14T10:00:10.000Z')
      assert.match(error.hint ?? '', '2026-03-14T10:00:06.000Z and 2026-03-14T10:00:10.000Z')
    }
    for (const [fromUs, toUs] of [
      [T0, T0 + 6 * SECOND],
      [T0 + 10 * SECOND, T0 + 60 * SECOND],
    ] as const) {
      await archive.exportSpan({ camera: CAMERA, fromUs, toUs, out })
      assert.equal(checkFile(out, 'half').counts, new Map([[1, 60]]))
    }
  })
})

test.run()

// time-out: 180 s
/**
 * Footage of real encoders, in real time, through the real programs, with a storage device that is killed meanwhile: every
 * stored file plays by itself, and all files together hold exactly the packets that ffmpeg delivered to the camera, which
 * are written down between ffmpeg and the camera.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ffmpegTest, split } from '../media/sample-streams.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { readInit, scanFile } from '../storage/archive/scan.ts'
import { EncoderTap, type ProbedFile, playErrors, probeFile, runProgram } from './media-fixture.ts'
import { TestHome } from './test-home.ts'

const PICTURE = 'size=160x96,fps=20,gop=20'
/** Without open GOPs: a player that starts at a key frame cannot show what stands before it and refers to earlier ones. */
const X265 = 'log-level=none:pools=none:frame-threads=1:scenecut=0:open-gop=0:keyint=20:min-keyint=20:bframes=3'

/** Clips that are filmed as `file:` sources: what ffmpeg is told beyond the picture. */
const CLIPS: Record<string, readonly string[]> = {
  'b-frames-aac': [
    ...['-f', 'lavfi', '-i', 'sine=frequency=440', '-t', '3', '-c:a', 'aac'],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '20', '-sc_threshold', '0'],
  ],
  'b-frames-h265': ['-t', '3', '-c:v', 'libx265', '-tag:v', 'hvc1', '-preset', 'ultrafast', '-x265-params', X265],
  'sparse-keys': [
    ...['-t', '30', '-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2'],
    ...['-g', '200', '-keyint_min', '200', '-sc_threshold', '0'],
  ],
}

/** The one with a key frame every 10 s comes first, for it films the longest. */
const CAMERAS: Record<string, string> = {
  sparse: 'file:sparse-keys',
  h264: `test:${PICTURE}`,
  h265: `test:h265,${PICTURE}`,
  sound: `test:${PICTURE},audio=aac`,
  clip264: 'file:b-frames-aac',
  clip265: 'file:b-frames-h265',
}

/** One stored file, and the fragments that are in it by the hash of what was captured. */
interface Stored {
  readonly path: string
  readonly log: string
  readonly seqs: readonly number[]
  readonly hashes: readonly string[]
  readonly tracks: readonly number[]
}

interface Film {
  /** The clip that was filmed, over and over. */
  readonly clip: string | undefined
  /** As it left ffmpeg. */
  readonly tapped: string
  readonly captured: number
  /** In the order of what they hold. */
  readonly files: readonly Stored[]
  readonly exported: string
  readonly exportedFrames: number
}

interface Scene {
  readonly home: TestHome
  readonly films: ReadonlyMap<string, Film>
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function clipOf(home: TestHome, camera: string): string | undefined {
  const clip = /^file:(.*)$/.exec(CAMERAS[camera] ?? '')?.[1]
  return clip === undefined ? undefined : join(home.folder, `${clip}.mp4`)
}

async function makeClip(path: string, options: readonly string[]): Promise<void> {
  const picture = ['-f', 'lavfi', '-i', 'testsrc2=size=160x96:rate=20', '-pix_fmt', 'yuv420p']
  const { status, stderr } = await runProgram('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-threads', '1'],
    ...picture.slice(0, 4),
    ...options,
    ...picture.slice(4),
    path,
  ])
  if (status !== 0) throw new Error(`${path}: ${stderr}`)
}

/** Films with all cameras at once; the storage device is killed in the middle and away for a while. */
async function film(home: TestHome): Promise<Scene> {
  await home.startServer()
  await home.startStorage()
  const taps = new Map<string, EncoderTap>()
  const before = process.env.HOMEWARD_FFMPEG
  try {
    for (const [name, spec] of Object.entries(CAMERAS)) {
      const clip = clipOf(home, name)
      if (clip !== undefined) await makeClip(clip, CLIPS[spec.slice('file:'.length)] ?? [])
      const folder = join(home.folder, `${name}-tap`)
      await mkdir(folder)
      const tap = await EncoderTap.create(folder)
      taps.set(name, tap)
      process.env.HOMEWARD_FFMPEG = tap.program
      await home.startCamera(name, clip === undefined ? spec : `file:${clip}`)
      await home.pair(name)
    }
  } finally {
    if (before === undefined) delete process.env.HOMEWARD_FFMPEG
    else process.env.HOMEWARD_FFMPEG = before
  }
  const names = Object.keys(CAMERAS)
  for (const name of names) await home.until(name, 'storing', ({ seq }) => seq.acked > 0)
  const storage = home.program('storage')
  storage.signal('SIGKILL')
  await storage.exited
  await pause(2500)
  await home.startStorage()
  for (const name of names) await home.until(name, 'connected', ({ state }) => state === 'connected')
  await pause(2000)
  await home.program('storage').stop()
  await home.startStorage()
  for (const name of names) await home.until(name, 'connected', ({ state }) => state === 'connected')
  await pause(2000)
  for (const name of names) await home.program(name).call('stop-capture')
  const films = new Map<string, Film>()
  for (const name of names) films.set(name, await finish(home, name, taps.get(name)))
  const { damaged, missing, unindexed, gaps } = await home.verify()
  assert.equal({ damaged, missing, unindexed, gaps }, { damaged: [], missing: [], unindexed: [], gaps: [] })
  await home.program('storage').stop()
  return { home, films }
}

async function finish(home: TestHome, name: string, tap: EncoderTap | undefined): Promise<Film> {
  const { seq } = await home.drain(name)
  const [tapped, ...others] = (await tap?.runs()) ?? []
  if (tapped === undefined || others.length > 0) throw new Error(`${name}: expected one run of the encoder`)
  const clips = (await home.clips()).filter((path) => relative(home.disk, path).startsWith(`${name}/`))
  const files = await Promise.all(clips.map(readStored))
  files.sort((a, b) => (a.seqs[0] ?? 0) - (b.seqs[0] ?? 0))
  const exported = join(home.folder, `${name}-export.mp4`)
  const nowUs = Date.now() * 1000
  const span = { camera: name, fromUs: nowUs - 3600e6, toUs: nowUs + 3600e6, out: exported }
  const { frames } = (await home.program('storage').call('export', span)) as { frames: number }
  return { clip: clipOf(home, name), tapped, captured: seq.captured, files, exported, exportedFrames: frames }
}

async function readStored(path: string): Promise<Stored> {
  const file = await new RealDisk().open(path, 'read')
  try {
    const init = await readInit(file)
    const size = await file.size()
    const seqs: number[] = []
    const hashes: string[] = []
    let log = ''
    for await (const found of scanFile(file, init, init.bytes.byteLength, size, { deep: true, resync: false })) {
      if (found.kind === 'damaged') throw new Error(`${path}: ${found.why}`)
      if (found.kind !== 'entry') continue
      log = found.entry.log
      seqs.push(found.entry.seq)
      hashes.push(Buffer.from(found.entry.fragmentHash).toString('hex'))
    }
    return { path, log, seqs, hashes, tracks: init.tracks.map(({ id }) => id) }
  } finally {
    await file.close()
  }
}

/** Samples by track of each fragment that ffmpeg delivered, by the hash of the fragment. */
function fragmentsIn(tapped: Uint8Array): Map<string, ReadonlyMap<number, number>> {
  const { inits, fragments, skipped } = split(tapped)
  assert.equal([inits.length, skipped], [1, []])
  return new Map(
    fragments.map(({ bytes, tracks }) => [
      createHash('sha256').update(bytes).digest('hex'),
      new Map(tracks.map(({ id, samples }) => [id, samples])),
    ]),
  )
}

function checkTimes(probed: ProbedFile, what: string): void {
  assert.is(probed.complaints, '', what)
  // A frame of AAC at 44.1 kHz takes 23 ms.
  assert.ok(Math.abs(probed.startTime) < 0.025, `${what} starts at ${probed.startTime} s`)
  for (const { dts, type } of probed.streams) {
    const falling = dts.findIndex((time, at) => at > 0 && time <= (dts[at - 1] ?? 0))
    assert.is(falling, -1, `${what}: ${type} packet ${falling} does not follow the one before`)
  }
}

const hashesOf = ({ streams }: ProbedFile) => streams.map(({ hashes }) => hashes)

let filming: Promise<Scene> | undefined
let home: TestHome | undefined

async function filmOf(name: string): Promise<Film> {
  filming ??= TestHome.create().then((created) => {
    home = created
    return film(created)
  })
  const found = (await filming).films.get(name)
  if (found === undefined) throw new Error(`${name} was not filmed`)
  return found
}

test.after(async () => {
  await home?.close()
})

for (const name of Object.keys(CAMERAS)) {
  ffmpegTest(`${name}: every file plays alone, and together they hold what was captured`, async () => {
    const { clip, tapped, captured, files, exported, exportedFrames } = await filmOf(name)
    const delivered = fragmentsIn(new Uint8Array(await readFile(tapped)))
    const reference = await probeFile(tapped)
    assert.ok(files.length >= 2, `${files.length} files: no file is gone on with after a restart`)
    assert.is(captured, delivered.size, 'the camera counts what ffmpeg delivered')

    const stored = reference.streams.map((): string[] => [])
    let frames = 0
    for (const file of files) {
      const what = relative(home?.disk ?? '', file.path)
      assert.is(await playErrors(file.path), '', what)
      const probed = await probeFile(file.path)
      checkTimes(probed, what)
      const expected = file.tracks.map((id) =>
        file.hashes.reduce((sum, hash) => sum + (delivered.get(hash)?.get(id) ?? Number.NaN), 0),
      )
      const counts = probed.streams.map(({ type, frames: decoded, hashes }) =>
        type === 'video' ? decoded : hashes.length,
      )
      assert.equal(counts, expected, `${what}: frames`)
      frames += counts[0] ?? 0
      for (const [index, { hashes }] of probed.streams.entries()) stored[index]?.push(...hashes)
    }
    assert.equal(
      files.flatMap(({ seqs }) => seqs),
      Array.from({ length: delivered.size }, (_, seq) => seq),
      'every fragment once',
    )
    assert.equal(stored, hashesOf(reference), 'every packet once, in order, unchanged')
    assert.is(frames, reference.streams[0]?.frames, 'every frame that a decoder finds in what ffmpeg delivered')

    if (clip !== undefined) {
      const original = hashesOf(await probeFile(clip))
      const shared = original.map((hashes, index) => Math.min(hashes.length, stored[index]?.length ?? 0))
      assert.equal(
        stored.map((hashes, index) => hashes.slice(0, shared[index])),
        original.map((hashes, index) => hashes.slice(0, shared[index])),
        'nothing is encoded anew',
      )
    }

    assert.is(await playErrors(exported), '', 'the export plays')
    const film = await probeFile(exported)
    checkTimes(film, 'the export')
    assert.equal([film.streams[0]?.frames, exportedFrames], [frames, frames], 'frames of the export')
    assert.equal(hashesOf(film), hashesOf(reference), 'packets of the export')
    const seconds = (reference.streams[0]?.dts.length ?? 0) / 20
    process.stdout.write(
      `${name}: ${files.length} files, ${delivered.size} fragments, ${frames} frames, ${seconds} s\n`,
    )
  })
}

test.run()

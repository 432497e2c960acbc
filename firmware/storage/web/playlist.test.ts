/** HLS playlists where footage is missing inside a file, or out of order: times that players can follow (RFC 8216 §4.3.2). */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ffmpegTest } from '../../media/sample-streams.ts'
import { CAMERA, LOG2, SECOND, T0 } from '../archive/archive-fixture.ts'
import type { IndexedFile, IndexedFragment } from '../archive/index.ts'
import { film, pictures, sampleBytes, spanOf } from './footage-fixture.ts'
import { LivePlaylists } from './live.ts'
import { asFilm, buildPlaylist, type Segment, segmentsOf } from './playlist.ts'
import { nowUs, withHome } from './web-fixture.ts'

const fileAt = (startUs: number, firstSeq = 0) =>
  ({ id: { camera: CAMERA, startUs, log: LOG2, firstSeq }, row: { initBytes: 700 } }) as unknown as IndexedFile

/** Of a second each; number and start in seconds. */
const fragments = (...places: readonly (readonly [seq: number, startS: number])[]) =>
  places.map(([seq, startS], index) => ({
    ...{ camera: CAMERA, log: LOG2, seq },
    row: { offset: 700 + index * 1100, headerBytes: 100, bytes: 1100, startUs: T0 + startS * 1e6, durationUs: SECOND },
  })) as unknown as IndexedFragment[]

const shown = (segments: readonly Segment[]) =>
  segments.map(({ startUs, durationUs, breaks }) => [(startUs - T0) / 1e6, durationUs / 1e6, breaks])

/** Seconds behind each EXT-X-PROGRAM-DATE-TIME, and how many segments follow it. */
function parts(text: string): [number, number][] {
  return text
    .split('#EXT-X-PROGRAM-DATE-TIME:')
    .slice(1)
    .map((part) => [(Date.parse(part.split('\n')[0] ?? '') - T0 / 1000) / 1000, part.match(/#EXTINF/g)?.length ?? 0])
}

test('where a file misses numbers, or its times jump, a new part begins with a time of its own', () => {
  const cases: [string, IndexedFragment[], unknown[]][] = [
    ['whole', fragments([0, 0], [1, 1], [2, 2.1]), [[0, 3, true]]],
    [
      'a number is missing',
      fragments([0, 0], [1, 1], [3, 3], [4, 4]),
      [
        [0, 2, true],
        [3, 2, true],
      ],
    ],
    [
      'missing, though the bytes follow',
      fragments([0, 0], [2, 1]),
      [
        [0, 1, true],
        [1, 1, true],
      ],
    ],
    [
      'the encoder paused',
      fragments([0, 0], [1, 61], [2, 62]),
      [
        [0, 1, true],
        [61, 2, true],
      ],
    ],
    [
      'the clock was put back',
      fragments([0, 0], [1, 0.2]),
      [
        [0, 1, true],
        [0.2, 1, true],
      ],
    ],
  ]
  for (const [name, given, expected] of cases) assert.equal(shown(segmentsOf(fileAt(T0), given, 4e6)), expected, name)
  const segments = segmentsOf(fileAt(T0), fragments([0, 0], [1, 1], [3, 3], [4, 4]), 0)
  const text = buildPlaylist(segments, { ended: true, times: 'stored' })
  assert.equal(parts(text), [
    [0, 2],
    [3, 2],
  ])
  assert.is(text.match(/#EXT-X-DISCONTINUITY\n/g)?.length, 1)
})

test('what another file holds of the time between two parts is played between them', () => {
  const outer = segmentsOf(fileAt(T0), fragments([0, 0], [1, 1], [3, 3], [4, 4]), 4e6)
  const inner = segmentsOf(fileAt(T0 + 2e6, 2), fragments([2, 2]), 4e6)
  assert.equal(shown(asFilm([...outer, ...inner])), [
    [0, 2, true],
    [2, 1, true],
    [3, 2, true],
  ])
  const again = segmentsOf(fileAt(T0 + 1e6, 90), fragments([90, 1], [91, 2], [92, 3]), 0)
  const whole = segmentsOf(fileAt(T0), fragments([0, 0], [1, 1], [2, 2]), 0)
  assert.equal(
    shown(asFilm([...whole, ...again])).map(([startS]) => startS),
    [0, 1, 2, 1, 2, 3],
    'a time that came twice is not torn up',
  )
})

test('as one film times go on over holes and file edges; only another format is a discontinuity', () => {
  const first = segmentsOf(fileAt(T0), fragments([0, 0], [1, 1], [3, 3]), 0)
  const second = segmentsOf(fileAt(T0 + 60e6, 9), fragments([9, 60], [10, 61]), 0).map((one) => ({
    ...one,
    initHash: 'other',
  }))
  const film = asFilm([...first, ...second])
  assert.equal(
    film.map(({ start, atUs }) => [start, atUs / 1e6]),
    [
      [800, 0],
      [800, 0],
      [3000, 2],
      [800, 3],
      [800, 3],
    ],
  )
  const text = buildPlaylist(film, { ended: true, times: 'joined', query: 'token=x' })
  assert.match(
    text,
    /\.mp4\?start=3000&at=2000000&token=x\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="media\/[\w.-]+\?token=x"/,
  )
  assert.is(text.match(/#EXT-X-DISCONTINUITY\n/g)?.length, 1)
  assert.equal(parts(text), [
    [0, 2],
    [3, 1],
    [60, 2],
  ])
})

test('a live playlist counts the breaks that left it, also those inside a file', () => {
  const upTo = (endS: number) => ({ ...fileAt(T0), row: { initBytes: 700, startUs: T0, endUs: T0 + endS * 1e6 } })
  let file = upTo(5)
  let known = fragments([0, 0], [1, 1], [3, 3], [4, 4])
  const archive = { lastFile: () => file, files: () => [file], fragmentsOf: () => known } as never
  const live = new LivePlaylists().of(CAMERA, T0)
  live.update(archive, CAMERA)
  assert.equal(parts(live.text('stored')), [
    [0, 2],
    [3, 2],
  ])
  assert.match(live.text('stored'), /#EXT-X-DISCONTINUITY-SEQUENCE:0\n/)
  known = [...known, ...fragments(...Array.from({ length: 34 }, (_, at) => [5 + at, 5 + at] as const))]
  file = upTo(39)
  live.update(archive, CAMERA)
  assert.match(live.text('stored'), /#EXT-X-DISCONTINUITY-SEQUENCE:1\n/)
  assert.equal(parts(live.text('stored')), [[9, 30]])
  const joined = live.text('joined')
  assert.match(joined, /#EXT-X-DISCONTINUITY-SEQUENCE:0\n/)
  assert.match(joined, /\?start=3000&at=2000000\n/, 'what left it still counts for the times')
})

ffmpegTest('damaged footage is left out of a playlist; what is around it plays, at its own time', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 600 * SECOND
    await film(home, startUs)
    const { archive } = home.agent.archive
    await archive.noteDamaged(CAMERA, LOG2, 2, 'its checksum is wrong')
    const { token } = (await home.asOwner('/api/v1/tokens', { body: { name: 'player' } })).json<{ token: string }>()
    const path = `/api/v1/cameras/Front-door/playlist.m3u8?${spanOf(startUs, startUs + 6 * SECOND)}`
    const { text } = await home.asOwner(path)
    const starts = Array.from(text.matchAll(/DATE-TIME:(\S+)/g), ([, at = '']) => Date.parse(at) - startUs / 1000)
    assert.equal(starts, [0, 3000])
    const original = join(home.folder, 'original.mp4')
    await writeFile(original, sampleBytes())
    const source = await pictures(original)
    const played = await pictures(`http://127.0.0.1:${home.port}${path}&token=${token}`)
    assert.equal(played, source.toSpliced(20, 10))
  })
})

test.run()

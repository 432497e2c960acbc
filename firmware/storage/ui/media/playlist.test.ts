import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildPlaylist, type Segment as Written } from '../../web/playlist.ts'
import { mergeSegments, parsePlaylist } from './playlist.ts'

const BASE = 'http://storage.local/api/v1/cameras/X/playlist.m3u8?from=1&to=2'
const START_US = Date.parse('2026-05-01T12:00:00Z') * 1000

const piece = (file: string, offset: number, startS: number, breaks: boolean): Written => ({
  ...{ file, offset, bytes: 1000, startUs: START_US + startS * 1e6, durationUs: 4e6, initBytes: 700, breaks },
  ...{ firstSeq: 0, lastSeq: 0, initHash: '', start: offset, atUs: 0 },
})

test('what the server writes is read as it was: bytes, times over breaks, init segments', () => {
  const text = buildPlaylist(
    [piece('a.mp4', 800, 0, true), piece('a.mp4', 1800, 4, false), piece('b.mp4', 800, 60, true)],
    {
      ended: true,
      times: 'stored',
      firstNumber: 7,
    },
  )
  const { segments, nextNumber } = parsePlaylist(text, BASE)
  assert.is(nextNumber, 10)
  assert.equal(
    segments.map(({ url, offset, bytes, initUrl, initBytes, startMs, durationMs }) => [
      ...[new URL(url).pathname, offset, bytes, new URL(initUrl).pathname, initBytes],
      ...[startMs - START_US / 1000, durationMs],
    ]),
    [
      ['/api/v1/cameras/X/media/a.mp4', 800, 1000, '/api/v1/cameras/X/media/a.mp4', 700, 0, 4000],
      ['/api/v1/cameras/X/media/a.mp4', 1800, 1000, '/api/v1/cameras/X/media/a.mp4', 700, 4000, 4000],
      ['/api/v1/cameras/X/media/b.mp4', 800, 1000, '/api/v1/cameras/X/media/b.mp4', 700, 60_000, 4000],
    ],
  )
})

test('playlists that overlap give each piece once, by time', () => {
  const [a, b, c] = parsePlaylist(
    buildPlaylist([piece('a.mp4', 800, 0, true), piece('a.mp4', 1800, 4, false), piece('b.mp4', 800, 2, true)], {
      ended: true,
      times: 'stored',
    }),
    BASE,
  ).segments
  assert.ok(a !== undefined && b !== undefined && c !== undefined)
  assert.equal(
    mergeSegments([b, a], [c, a]).map(({ key }) => key),
    [a.key, c.key, b.key],
  )
})

test.run()

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Film, FilmFile, Rgb } from './film.ts'
import { filmFaults } from './film-check.ts'

const BARS: Rgb[] = [
  [180, 180, 180],
  [190, 190, 5],
  [3, 190, 190],
  [0, 185, 0],
  [190, 0, 190],
  [200, 0, 0],
  [0, 0, 200],
  [10, 10, 10],
]
const fragment = (seq: number, log = 'a') => ({ log, seq, boot: 'b', run: 0, durationMs: 1000 })
const file = (seqs: readonly number[], more: Partial<FilmFile> = {}): FilmFile => ({
  ...{ path: 'x.mp4', size: '320x180', frames: seqs.map(() => 10), columns: BARS },
  fragments: seqs.map((seq) => fragment(seq)),
  ...more,
})
const film = (...files: FilmFile[]): Film => ({ files, fragments: files.flatMap(({ fragments }) => fragments) })
const faults = (one: Film, gaps: Parameters<typeof filmFaults>[1] = []) => filmFaults(one, gaps, '320x180', 10)

test('a whole film is right, also with a gap, a shorter last fragment, and a first number of 1', () => {
  assert.equal(faults(film(file([0, 1, 2]), file([3]))), [])
  assert.equal(faults(film(file([1, 2], { frames: [10, 4] }))), [])
  assert.equal(faults(film(file([0, 1]), file([4])), [{ log: 'a', first: 2, last: 3 }]), [])
})

test('whatever is wrong is found', () => {
  const cases: [Film, RegExp, { log: string; first: number; last: number }[]?][] = [
    [film(), /no footage/],
    [film(file([0, 1, 3])), /missing without a word: 2/],
    [film(file([0, 1]), file([1])), /1 numbers are stored twice/],
    [film(file([0, 1])), /1 is stored, and in a gap/, [{ log: 'a', first: 1, last: 2 }]],
    [film(file([0, 1], { frames: [9, 10] })), /fragment 0 has 9 frames/],
    [film(file([0], { frames: [11] })), /fragment 0 has 11 frames/],
    [film(file([0], { frames: [10, 10] })), /2 key frames, 1 fragments/],
    [film(file([0], { size: '640x360' })), /pictures of 640x360/],
    [film(file([0], { columns: BARS.toReversed() })), /not vivid's picture/],
  ]
  for (const [one, wanted, gaps] of cases) assert.match(faults(one, gaps).join('\n'), wanted)
})

test.run()

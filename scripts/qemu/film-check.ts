/** Whether a film is what the virtual camera showed, with nothing missing that is not accounted for. Pure. */
import type { Film, FilmFile, Rgb } from './film.ts'

/** vivid's own test picture: bars of 75 % colour, from left to right. */
const BARS: readonly Rgb[] = [
  [191, 191, 191],
  [191, 191, 0],
  [0, 191, 191],
  [0, 191, 0],
  [191, 0, 191],
  [191, 0, 0],
  [0, 0, 191],
  [0, 0, 0],
]
/** Conversions and x264 change colours a little; the bars differ by 191. */
const NEAR = 48

export interface Span {
  readonly log: string
  readonly first: number
  readonly last: number
}

/** What is wrong; empty when all is well. `gaps`: numbers that the storage device says will never come. */
export function filmFaults(film: Film, gaps: readonly Span[], size: string, framesEach: number): string[] {
  if (film.fragments.length === 0) return ['there is no footage']
  return [...film.files.flatMap((file) => fileFaults(file, size, framesEach)), ...numberFaults(film, gaps)]
}

function fileFaults({ path, size: found, frames, fragments, columns }: FilmFile, size: string, framesEach: number) {
  const faults: string[] = []
  if (found !== size) faults.push(`${path}: pictures of ${found}`)
  if (frames.length !== fragments.length)
    faults.push(`${path}: ${frames.length} key frames, ${fragments.length} fragments`)
  // Only an encoder that is stopped leaves a shorter fragment behind.
  const short = frames.findIndex(
    (count, at) => count !== framesEach && !(at === frames.length - 1 && count < framesEach),
  )
  if (short >= 0) faults.push(`${path}: fragment ${short} has ${frames[short]} frames`)
  const isBar = ([r, g, b]: Rgb, [red, green, blue]: Rgb) =>
    Math.abs(r - red) <= NEAR && Math.abs(g - green) <= NEAR && Math.abs(b - blue) <= NEAR
  const isPicture = columns.length === BARS.length && columns.every((column, at) => isBar(column, BARS[at] ?? column))
  if (!isPicture) faults.push(`${path}: not vivid's picture: ${JSON.stringify(columns)}`)
  return faults
}

/** Every number of every log is there once, or in a gap. */
function numberFaults({ fragments }: Film, gaps: readonly Span[]): string[] {
  const faults: string[] = []
  for (const log of new Set(fragments.map((one) => one.log))) {
    const stored = fragments.filter((one) => one.log === log).map(({ seq }) => seq)
    const known = new Set(stored)
    if (known.size !== stored.length) faults.push(`log ${log}: ${stored.length - known.size} numbers are stored twice`)
    for (const gap of gaps.filter((one) => one.log === log)) {
      for (let seq = gap.first; seq <= gap.last; seq += 1) {
        if (known.has(seq)) faults.push(`log ${log}: ${seq} is stored, and in a gap`)
        known.add(seq)
      }
    }
    const last = [...known].reduce((most, seq) => Math.max(most, seq), 0)
    const missing = Array.from({ length: last + 1 }, (_, seq) => seq).filter((seq) => !known.has(seq))
    // Whether the first one has the number 0 or 1 is the ring's matter.
    if (missing.some((seq) => seq > 0)) faults.push(`log ${log}: missing without a word: ${missing.join(' ')}`)
  }
  return faults
}

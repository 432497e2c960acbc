/**
 * Fragments of any runs and files, put one behind the other as one film. Fragments that follow each other in a run keep
 * their times; between others the gap is closed, and all tracks go on together. Pure.
 */
import { type MediaFragment, parseMoof } from '../../media/fragment.ts'
import type { InitSegment } from '../../media/init.ts'
import { restoreFragment, type TimeBase, timeBasesFor } from '../../media/rebase.ts'
import { Descriptions } from './descriptions.ts'
import type { Entry } from './entry.ts'
import { buildMovieHead } from './movie.ts'
import { scaleUs } from './names.ts'
import { SampleTable } from './sample-table.ts'
import { readSamples } from './samples.ts'

/** Fragments that follow each other without a break. Times of the camera, and when it begins in the film. */
export interface Piece {
  readonly fromUs: number
  readonly toUs: number
  readonly atUs: number
}

export interface FilmFragment {
  readonly entry: Entry
  /** As it stands in its file. */
  readonly moof: Uint8Array
  readonly init: InitSegment
}

/** Which bytes of the fragment, from the start of its moof, come next in the film's media data. */
export interface DataSlice {
  readonly start: number
  readonly end: number
}

export class Film {
  readonly #init: InitSegment
  readonly #descriptions: Descriptions
  readonly #tables: readonly SampleTable[]
  readonly pieces: Piece[] = []
  #bases: readonly TimeBase[] = []
  #atSeconds = 0
  #before: Entry | undefined
  #dataBytes = 0

  constructor(init: InitSegment) {
    this.#init = init
    this.#descriptions = new Descriptions(init)
    this.#tables = init.tracks.map(() => new SampleTable())
  }

  get dataBytes(): number {
    return this.#dataBytes
  }

  /** Pictures, or sounds when there is no picture. */
  get frames(): number {
    const video = this.#init.tracks.findIndex((track) => track.kind === 'video')
    return this.#tables[Math.max(0, video)]?.samples ?? 0
  }

  get durationUs(): number {
    return Math.round(this.#endSeconds() * 1e6)
  }

  /** Why the fragment cannot go on in this film, or undefined when it can. */
  refuses(init: InitSegment): string | undefined {
    const numbers = this.#descriptions.add(init)
    return typeof numbers === 'string' ? numbers : undefined
  }

  /** `refuses` has been asked. Throws MEDIA_MALFORMED, and is as before then. */
  add({ entry, moof, init }: FilmFragment): DataSlice {
    const captured = restoreFragment(moof, entry.bases)
    const head = parseMoof(captured, init)
    const runs = readSamples(captured, init)
    const numbers = this.#descriptions.add(init)
    if (follows(this.#before, entry)) this.#extendPiece(entry)
    else this.#startPiece(entry, init, { ...head, bytes: captured })
    for (const run of runs) {
      const index = init.tracks.findIndex((track) => track.id === run.track)
      const table = this.#tables[index]
      const timescale = this.#init.tracks[index]?.timescale ?? 1
      const base = this.#bases.find((known) => known.track === run.track)?.ticks ?? 0
      const ticks = Math.round(this.#atSeconds * timescale) + run.decodeTime - base
      const description = typeof numbers === 'string' ? 1 : (numbers[index] ?? 1)
      table?.add(run.samples, ticks, description, this.#dataBytes + run.dataOffset - head.dataStart)
    }
    this.#before = entry
    this.#dataBytes += head.dataEnd - head.dataStart
    return { start: head.dataStart, end: head.dataEnd }
  }

  #extendPiece(entry: Entry): void {
    const piece = this.pieces.pop()
    if (piece === undefined) return
    this.pieces.push({ ...piece, toUs: Math.max(piece.toUs, scaleUs(entry) + entry.durationUs) })
  }

  #startPiece(entry: Entry, init: InitSegment, first: MediaFragment): void {
    this.#atSeconds = this.#endSeconds()
    this.#bases = timeBasesFor(init, first)
    const fromUs = scaleUs(entry)
    this.pieces.push({ fromUs, toUs: fromUs + entry.durationUs, atUs: Math.round(this.#atSeconds * 1e6) })
  }

  #endSeconds(): number {
    const ends = this.#tables.map((table, index) => {
      const timescale = this.#init.tracks[index]?.timescale ?? 1
      return table.samples === 0 ? 0 : table.endTicks / timescale
    })
    return Math.max(0, ...ends)
  }

  /** Everything in front of the media data. */
  head(): Uint8Array {
    const tracks = this.#tables.map((table, index) => ({ table, stsd: this.#descriptions.build(index) }))
    return buildMovieHead(this.#init, tracks, this.#dataBytes)
  }
}

function follows(before: Entry | undefined, next: Entry): boolean {
  return before !== undefined && before.log === next.log && before.run === next.run && before.seq + 1 === next.seq
}

/**
 * Sample descriptions of several encoder runs in one film. Runs with the same tracks but other parameter sets get an entry
 * each in `stsd`, and their chunks say which; anything else cannot be one film without re-encoding. Pure.
 */
import { fullBox, onlyBox, readBoxes, readFullBox } from '../../media/boxes.ts'
import { u32 } from '../../media/fields.ts'
import type { InitSegment, Track } from '../../media/init.ts'
import { equalBytes, toHex } from '../../wire/bytes.ts'
import { sha256 } from './hash.ts'

export class Descriptions {
  readonly #first: InitSegment
  /** For each track the sample entries so far. */
  readonly #entries: Uint8Array[][]
  readonly #numbers = new Map<string, readonly number[]>()

  constructor(first: InitSegment) {
    this.#first = first
    this.#entries = first.tracks.map(() => [])
  }

  /** For each track, counted as in the first init segment, the number of its sample description; or why it cannot be. */
  add(init: InitSegment): readonly number[] | string {
    const name = toHex(sha256(init.bytes))
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    const why = difference(this.#first.tracks, init.tracks)
    if (why !== undefined) return why
    const lists = sampleEntries(init)
    const numbers = this.#entries.map((entries, index) => {
      const [entry] = lists[index] ?? []
      if (entry === undefined) return 1
      const found = entries.findIndex((one) => equalBytes(one, entry))
      return found === -1 ? entries.push(entry) : found + 1
    })
    this.#numbers.set(name, numbers)
    return numbers
  }

  /** The `stsd` of a track with all entries. */
  build(track: number): Uint8Array {
    const entries = this.#entries[track] ?? []
    return fullBox('stsd', 0, 0, u32(entries.length), ...entries)
  }
}

/** Why tracks cannot go on as one film, or undefined. Parameter sets may differ; what a player sets up for may not. */
export function difference(before: readonly Track[], after: readonly Track[]): string | undefined {
  const from = before.map(describe).join(' + ')
  const to = after.map(describe).join(' + ')
  return from === to ? undefined : `${from} becomes ${to}`
}

function describe({ kind, codec, width, height, timescale }: Track): string {
  const size = width === undefined ? '' : ` ${width}×${height ?? 0}`
  // Profile and level may change with the parameter sets; the codec itself is in the first four characters.
  return `${kind} ${codec.split('.')[0] ?? codec}${size} at ${timescale} Hz`
}

function sampleEntries(init: InitSegment): Uint8Array[][] {
  const moov = readBoxes(onlyBox(readBoxes(init.bytes), 'moov', 'init segment').body)
  return moov
    .filter((child) => child.type === 'trak')
    .map((trak) => {
      const mdia = onlyBox(readBoxes(trak.body), 'mdia', 'trak')
      const minf = onlyBox(readBoxes(mdia.body), 'minf', 'mdia')
      const stbl = onlyBox(readBoxes(minf.body), 'stbl', 'minf')
      const list = readFullBox(onlyBox(readBoxes(stbl.body), 'stsd', 'stbl'))
        .fields.skip(4)
        .rest()
      return readBoxes(list).map((entry) => list.slice(entry.start, entry.end))
    })
}

/**
 * Playlists of the newest footage, one for each camera that somebody watches. Their numbers only rise, also over a restart
 * of the agent: they begin at the time of day.
 */
import { toHex } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { Archive } from '../archive/archive.ts'
import { breaksBetween, buildPlaylist, isDiscontinuity, type Segment, segmentsOf } from './playlist.ts'
import type { Times } from './playlist-times.ts'

const WINDOW_US = 30_000_000
/** Also of fragments that last long, there are three. */
const SEGMENTS_MIN = 3
/** What is older is no live view. */
const STALE_US = 120_000_000
const NUMBERS_FROM_S = Date.UTC(2025, 0, 1) / 1000
/** Four fragments a second would be needed to outrun the clock. */
const NUMBERS_PER_S = 4
/** A player that asks for what is further ahead is not answering to this playlist. */
const AHEAD_MAX = 3

export type LiveArchive = Pick<Archive, 'files' | 'lastFile' | 'fragmentsOf'>

class LivePlaylist {
  #segments: Segment[] = []
  #firstNumber: number
  /** Discontinuities that left it. */
  readonly #left: Record<Times, number> = { stored: 0, joined: 0 }
  /** Where the film goes on. */
  #endUs = 0
  #targetS = 1

  constructor(nowUs: number) {
    this.#firstNumber = Math.floor((nowUs / 1e6 - NUMBERS_FROM_S) * NUMBERS_PER_S)
  }

  get lastNumber(): number {
    return this.#firstNumber + this.#segments.length - 1
  }

  /** Throws USAGE. */
  checkNumber(wanted: number): void {
    if (wanted <= this.lastNumber + AHEAD_MAX) return
    throw new HomewardError('USAGE', `segment ${wanted} is too far ahead: the newest is ${this.lastNumber}`)
  }

  /** Takes in what was stored meanwhile. Throws SPAN_EMPTY when there is nothing new enough. */
  update(archive: LiveArchive, camera: Uint8Array): void {
    const newest = archive.lastFile(camera, Number.MAX_SAFE_INTEGER)
    const endUs = newest?.row.endUs ?? 0
    const last = this.#segments.at(-1)
    const afterUs = last === undefined ? endUs - WINDOW_US : last.startUs
    for (const file of newest === undefined ? [] : archive.files(camera, afterUs, endUs)) {
      const fresh = archive.fragmentsOf(file).filter(({ row }) => row.startUs > afterUs)
      for (const segment of segmentsOf(file, fresh, 0)) {
        this.#add(segment)
        this.#targetS = Math.max(this.#targetS, Math.ceil(segment.durationUs / 1e6))
      }
    }
    while (this.#segments.length > SEGMENTS_MIN && (this.#segments[0]?.startUs ?? 0) < endUs - WINDOW_US) {
      const gone = this.#segments.shift()
      this.#firstNumber += 1
      const [first] = this.#segments
      if (first === undefined) continue
      for (const times of ['stored', 'joined'] as const) {
        if (isDiscontinuity(gone, first, times)) this.#left[times] += 1
      }
    }
  }

  #add(segment: Segment): void {
    const last = this.#segments.at(-1)
    const breaks = breaksBetween(last, segment)
    const begun = { start: segment.offset, atUs: this.#endUs }
    const place = breaks || last === undefined ? begun : { start: last.start, atUs: last.atUs }
    this.#segments.push({ ...segment, ...place, breaks })
    this.#endUs += segment.durationUs
  }

  isStale(nowUs: number): boolean {
    const last = this.#segments.at(-1)
    return last === undefined || last.startUs + last.durationUs < nowUs - STALE_US
  }

  text(times: Times, query = ''): string {
    return buildPlaylist(this.#segments, {
      ...{ times, query },
      ended: false,
      firstNumber: this.#firstNumber,
      firstBreak: this.#left[times],
      targetS: this.#targetS,
    })
  }
}

/** Those that were asked for, one small list each. */
export class LivePlaylists {
  readonly #known = new Map<string, LivePlaylist>()

  of(camera: Uint8Array, nowUs: number): LivePlaylist {
    const id = toHex(camera)
    const known = this.#known.get(id) ?? new LivePlaylist(nowUs)
    this.#known.set(id, known)
    return known
  }
}

/**
 * Files of one camera that may go, the one received first at the front. Nothing that is written to, nothing locked. Rebuilt
 * from the index when it is used up, and never more often than once in a while.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Archive } from '../archive/archive.ts'
import type { IndexedFile } from '../archive/index.ts'
import type { FileId } from '../archive/keys.ts'
import type { AgeClock } from './age-clock.ts'

export type CandidateArchive = Pick<Archive, 'filesAfter' | 'receivedUs' | 'isLocked'>

const KEPT = 512
const PAGE = 256
const REBUILD_AFTER_US = 60_000_000

interface Candidate {
  readonly file: IndexedFile
  readonly receivedUs: number
  /** Age of the archive when it was received. */
  readonly sinceUs: number
}

export class Candidates {
  readonly #camera: Uint8Array
  #list: Candidate[] = []
  #builtUs: number | undefined

  constructor(camera: Uint8Array) {
    this.#camera = camera
  }

  /** Locks changed, or dates. */
  forget(): void {
    this.#list = []
    this.#builtUs = undefined
  }

  /** The file that was received first. */
  async first(archive: CandidateArchive, age: AgeClock, nowUs: number): Promise<Candidate | undefined> {
    if (this.#list.length === 0) {
      if (this.#builtUs !== undefined && nowUs - this.#builtUs < REBUILD_AFTER_US) return undefined
      await this.#build(archive, age)
      this.#builtUs = nowUs
    }
    return this.#list[0]
  }

  /** The first one is gone, or has to stay. */
  drop(): void {
    this.#list.shift()
    // More of them behind those that were kept: looked for at once.
    if (this.#list.length === 0) this.#builtUs = undefined
  }

  async #build(archive: CandidateArchive, age: AgeClock): Promise<void> {
    let found: Candidate[] = []
    let after: FileId | undefined
    for (;;) {
      const page = archive.filesAfter(this.#camera, after, PAGE)
      for (const file of page) {
        if (file.row.state === 'open' || archive.isLocked(file)) continue
        const receivedUs = archive.receivedUs(file)
        found.push({ file, receivedUs, sinceUs: age.sinceUs(receivedUs) })
      }
      if (found.length > 4 * KEPT) found = oldest(found)
      after = page.at(-1)?.id
      if (page.length < PAGE) break
      await nextTurn()
    }
    this.#list = oldest(found)
  }
}

/** By age; where the clock does not tell them apart, by what it showed. */
function oldest(found: readonly Candidate[]): Candidate[] {
  return found.toSorted((a, b) => b.sinceUs - a.sinceUs || a.receivedUs - b.receivedUs).slice(0, KEPT)
}

/** Files that are read again and again, kept open in between. */
import type { DiskFile } from '../../platform/disk.ts'
import type { Patience } from './patience.ts'

interface OpenFile {
  readonly key: number
  readonly file: Promise<DiskFile>
  users: number
}

export class KeptOpen {
  readonly #open: (key: number) => Promise<DiskFile>
  readonly #patience: Patience
  readonly #most: number
  /** By key; least recently used first. */
  readonly #kept = new Map<number, OpenFile>()

  /** At most `most` stay open that nobody reads from. */
  constructor(open: (key: number) => Promise<DiskFile>, patience: Patience, most: number) {
    this.#open = open
    this.#most = most
    this.#patience = patience
  }

  /** The result of `work` on the file; after an error the file is opened anew. Rejects with RING_FAILED when it takes too long. */
  async use<T>(key: number, work: (file: DiskFile) => Promise<T>): Promise<T> {
    const used = this.#take(key)
    used.users++
    try {
      return await this.#patience.for(work(await this.#patience.for(used.file)))
    } catch (error) {
      if (this.#kept.get(key) === used) this.#kept.delete(key)
      throw error
    } finally {
      used.users--
      this.#closeUnused(used)
    }
  }

  /** Closes all files, or the one, once nobody reads from them any more. */
  forget(key?: number): void {
    for (const [at, file] of [...this.#kept]) {
      if (key !== undefined && key !== at) continue
      this.#kept.delete(at)
      this.#closeUnused(file)
    }
  }

  #take(key: number): OpenFile {
    const used = this.#kept.get(key) ?? { key, file: this.#open(key), users: 0 }
    this.#kept.delete(key)
    this.#kept.set(key, used)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > this.#most && oldest !== undefined) this.forget(oldest)
    return used
  }

  #closeUnused(file: OpenFile): void {
    // An open that nobody waits for any more may still come through.
    if (file.users === 0 && this.#kept.get(file.key) !== file) void file.file.then(letGo, () => {})
  }
}

/** Nothing depends on a close, and on a card that hangs it would not come back. */
export function letGo(file: DiskFile | undefined): void {
  file?.close().catch(() => {})
}

/** The file that is read again and again, kept open in between. */
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
  #kept: OpenFile | undefined

  constructor(open: (key: number) => Promise<DiskFile>, patience: Patience) {
    this.#open = open
    this.#patience = patience
  }

  /** The result of `work` on the file; after an error the file is opened anew. Rejects with RING_FAILED when it takes too long. */
  async use<T>(key: number, work: (file: DiskFile) => Promise<T>): Promise<T> {
    const used = this.#take(key)
    used.users++
    try {
      return await this.#patience.for(work(await this.#patience.for(used.file)))
    } catch (error) {
      if (this.#kept === used) this.#kept = undefined
      throw error
    } finally {
      used.users--
      this.#closeUnused(used)
    }
  }

  /** Closes the file, once nobody reads from it any more. With `key`, only when it is that one. */
  forget(key?: number): void {
    const kept = this.#kept
    if (kept === undefined || (key !== undefined && kept.key !== key)) return
    this.#kept = undefined
    this.#closeUnused(kept)
  }

  #take(key: number): OpenFile {
    if (this.#kept?.key === key) return this.#kept
    this.forget()
    this.#kept = { key, file: this.#open(key), users: 0 }
    return this.#kept
  }

  #closeUnused(file: OpenFile): void {
    // An open that nobody waits for any more may still come through.
    if (file.users === 0 && file !== this.#kept) void file.file.then(letGo, () => {})
  }
}

/** Nothing depends on a close, and on a card that hangs it would not come back. */
export function letGo(file: DiskFile | undefined): void {
  file?.close().catch(() => {})
}

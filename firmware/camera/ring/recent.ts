/** The latest records of this opening's log, so that live sending reads nothing back from the card. */
import type { Entry } from './log-index.ts'

interface Kept {
  readonly entry: Entry
  readonly record: Uint8Array
}

export class RecentRecords {
  readonly #maxBytes: number
  /** Oldest first. */
  readonly #records = new Map<number, Kept>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  put(entry: Entry, record: Uint8Array): void {
    this.#drop(entry.seq)
    this.#records.set(entry.seq, { entry, record })
    this.#bytes += record.byteLength
    for (const seq of this.#records.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      this.#drop(seq)
    }
  }

  get(entry: Entry): Uint8Array | undefined {
    const kept = this.#records.get(entry.seq)
    return kept?.entry === entry ? kept.record : undefined
  }

  dropIf(useless: (entry: Entry) => boolean): void {
    for (const { entry } of [...this.#records.values()]) if (useless(entry)) this.#drop(entry.seq)
  }

  #drop(seq: number): void {
    this.#bytes -= this.#records.get(seq)?.record.byteLength ?? 0
    this.#records.delete(seq)
  }
}

/** The newest lines of a program's log, for its serial console. */
import { formatEntry } from './log-lines.ts'

/** More than a person pages through on a serial line. */
const LINES_KEPT = 500

export class RecentLog {
  readonly #lines: string[] = []

  /** An entry as it is written. */
  add(entry: string): void {
    this.#lines.push(entry)
    if (this.#lines.length > LINES_KEPT) this.#lines.shift()
  }

  /** For a person, oldest first. */
  lines(): string[] {
    return this.#lines.map((entry) => formatEntry(entry).trimEnd())
  }
}

/** Answers to `ask`, one after the other and in pages, at the pace of the channel. */
import { HomewardError } from '../../wire/errors.ts'
import type { Range } from '../../wire/ranges.ts'
import { ASKS_AT_ONCE, RANGES_PER_MESSAGE } from '../../wire/session.ts'

export interface DurablePage {
  readonly log: string
  readonly first: number
  readonly last: number
  readonly ranges: readonly Range[]
}

export interface DurablePagesOptions {
  lookUp(log: string, first: number, last: number): readonly Range[] | Promise<readonly Range[]>
  /** False: wait for `resume` before the next page. */
  tell(page: DurablePage): boolean
  failed(error: unknown): void
}

export class DurablePages {
  readonly #options: DurablePagesOptions
  readonly #questions: { readonly log: string; readonly first: number; readonly last: number }[] = []
  #pages: DurablePage[] = []
  #busy = false
  #closed = false

  constructor(options: DurablePagesOptions) {
    this.#options = options
  }

  /** Throws FRAME_MALFORMED for an impossible question, or when too many are open. */
  ask(log: string, first: number, last: number): void {
    if (last < first) throw new HomewardError('FRAME_MALFORMED', `asked about ${first} to ${last}`)
    if (this.#questions.length >= ASKS_AT_ONCE)
      throw new HomewardError('FRAME_MALFORMED', `more than ${ASKS_AT_ONCE} questions`)
    this.#questions.push({ log, first, last })
    void this.#answer()
  }

  /** The channel takes more. */
  resume(): void {
    void this.#answer()
  }

  close(): void {
    this.#closed = true
    this.#questions.length = 0
    this.#pages = []
  }

  async #answer(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    while (!this.#closed) {
      const page = this.#pages.shift()
      if (page !== undefined) {
        if (!this.#options.tell(page)) break
        continue
      }
      const question = this.#questions[0]
      if (question === undefined) break
      const pages = await this.#look(question.log, question.first, question.last)
      if (this.#closed) break
      this.#questions.shift()
      this.#pages = pages
    }
    this.#busy = false
  }

  /** What cannot be looked up is not known to be durable, which is always a safe answer. */
  async #look(log: string, first: number, last: number): Promise<DurablePage[]> {
    try {
      return pagesOf(log, first, last, await this.#options.lookUp(log, first, last))
    } catch (error) {
      this.#options.failed(error)
      return pagesOf(log, first, last, [])
    }
  }
}

/** Pages that together cover first … last. `found` is sorted; what touches is merged. */
export function pagesOf(log: string, first: number, last: number, found: readonly Range[]): DurablePage[] {
  const merged: [number, number][] = []
  for (const [low, high] of found) {
    const from = Math.max(low, first)
    const to = Math.min(high, last)
    const before = merged.at(-1)
    if (from > to) continue
    if (before !== undefined && from <= before[1] + 1) before[1] = Math.max(before[1], to)
    else merged.push([from, to])
  }
  const pages: DurablePage[] = []
  let next = first
  for (let at = 0; at === 0 || at < merged.length; at += RANGES_PER_MESSAGE) {
    const ranges = merged.slice(at, at + RANGES_PER_MESSAGE)
    const isLast = at + RANGES_PER_MESSAGE >= merged.length
    const end = isLast ? last : (ranges.at(-1)?.[1] ?? last)
    pages.push({ log, first: next, last: end, ranges })
    next = end + 1
  }
  return pages
}

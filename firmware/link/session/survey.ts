/** Every log that waits to be sent over one channel: asks the storage device about each, then says what is next. */
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { ASKS_AT_ONCE } from '../../wire/session.ts'
import { LogView } from './log-view.ts'
import type { Lane } from './pick.ts'
import type { RecordRef, RecordSource } from './source.ts'

export interface Candidate {
  readonly source: RecordSource
  readonly ref: RecordRef
}

type Skip = (ref: RecordRef) => boolean

export class Survey {
  readonly #recipient: Uint8Array
  readonly #ask: (log: string, first: number, last: number) => void
  readonly #views = new Map<RecordSource, Map<string, LogView>>()
  #toAsk: LogView[] = []
  /** In the order of the questions; some may be of sources that are gone. */
  #asked: LogView[] = []

  /** Logs sealed for anyone but `recipient` are left alone. */
  constructor(recipient: Uint8Array, ask: (log: string, first: number, last: number) => void) {
    this.#recipient = recipient
    this.#ask = ask
  }

  /** Takes up sources that are new, with the logs they hold, and drops those that are gone. */
  refresh(sources: readonly RecordSource[]): void {
    for (const source of this.#views.keys()) if (!sources.includes(source)) this.#views.delete(source)
    this.#toAsk = this.#toAsk.filter((view) => sources.includes(view.source))
    for (const source of sources) if (!this.#views.has(source)) this.#take(source)
    this.#askMore()
  }

  /** A page of an answer; the view it is about. Throws FRAME_MALFORMED when it is not what was asked. */
  answer(log: string, first: number, last: number): LogView {
    const view = this.#asked.find((each) => each.log === log)
    if (view === undefined || !view.answer(first, last)) {
      throw new HomewardError(
        'FRAME_MALFORMED',
        `an answer about ${first} to ${last} of log ${log}, which was not asked`,
      )
    }
    if (view.answered) this.#asked = this.#asked.filter((each) => each !== view)
    this.#askMore()
    return view
  }

  isAnswered(source: RecordSource, log: string): boolean {
    return this.#views.get(source)?.get(log)?.answered === true
  }

  /** The lane's next record. Without `liveFirst` everything is backlog, and what is live comes last. */
  next(lane: Lane, liveFirst: boolean, skip: Skip): Candidate | undefined {
    if (lane === 'live') return liveFirst ? this.#nextLive(skip) : undefined
    const backlog = this.#nextBacklog(skip)
    if (backlog !== undefined || liveFirst || this.#asked.length > 0) return backlog
    return this.#nextLive(skip)
  }

  /** Looks again at records that were passed over. */
  rewind(): void {
    for (const views of this.#views.values()) for (const view of views.values()) view.rewind()
  }

  #nextLive(skip: Skip): Candidate | undefined {
    for (const [source, views] of this.#views) {
      const ref = views.get(source.log)?.next('live', skip)
      if (ref !== undefined) return { source, ref }
    }
    return undefined
  }

  #nextBacklog(skip: Skip): Candidate | undefined {
    for (const [source, views] of this.#views) {
      for (const view of views.values()) {
        const ref = view.spent ? undefined : view.next('backlog', skip)
        if (ref !== undefined) return { source, ref }
      }
    }
    return undefined
  }

  #take(source: RecordSource): void {
    const views = new Map<string, LogView>()
    const waiting = source.logs()
    for (const { log, recipient, first, last } of waiting) {
      if (!equalBytes(recipient, this.#recipient)) continue
      const view = new LogView(source, log, [first, last])
      views.set(log, view)
      this.#toAsk.push(view)
    }
    const current = source.log
    if (!waiting.some(({ log }) => log === current)) views.set(current, new LogView(source, current, undefined))
    this.#views.set(source, views)
  }

  #askMore(): void {
    while (this.#asked.length < ASKS_AT_ONCE) {
      const view = this.#toAsk.shift()
      if (view?.question === undefined) return
      this.#asked.push(view)
      this.#ask(view.log, ...view.question)
    }
  }
}

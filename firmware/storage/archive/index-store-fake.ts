import { type Random, randomBelow, seededRandom } from '../../platform/random.ts'
import { toHex } from '../../wire/bytes.ts'
import type { Change, IndexHome, IndexStore, RangeQuery, Row } from './index-store.ts'
import type { Table } from './keys.ts'

/** Never changed once made, so that copies share them. */
type Tables = ReadonlyMap<Table, ReadonlyMap<string, Row>>

/**
 * Tables in memory. As in LMDB a commit is written, then flushed, and is seen and answered for only then; a crash in between
 * keeps all of it or nothing. A commit can be watched, and be made to fail.
 */
export class FakeIndexStore implements IndexStore {
  /** Flushed. */
  #tables: Tables
  /** Written by a commit that is not flushed, or that said it failed. */
  #unflushed: Tables | undefined
  /** Runs when the commit is written and may survive a crash, or not. */
  onWritten: () => void = () => {}
  /** Runs when the commit is durable and before anybody hears of it. */
  onCommitted: (changes: readonly Change[]) => void = () => {}
  /** When set, the next commits reject with it and change nothing. */
  failure: Error | undefined
  /** When set, the next commit rejects with it, and only a restart shows whether it was kept. */
  doubtfulFailure: Error | undefined
  doubtful: Error | undefined

  constructor(tables: Tables = new Map()) {
    this.#tables = tables
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#tables.get(table)?.get(toHex(key))?.value
  }

  range(table: Table, { from, until, reverse = false, limit = Number.POSITIVE_INFINITY }: RangeQuery): Row[] {
    const low = from === undefined ? '' : toHex(from)
    const high = until === undefined ? 'g' : toHex(until)
    const names = [...(this.#tables.get(table)?.keys() ?? [])].filter((name) => name >= low && name < high).sort()
    if (reverse) names.reverse()
    return names.slice(0, limit).flatMap((name) => this.#tables.get(table)?.get(name) ?? [])
  }

  async commit(changes: readonly Change[]): Promise<void> {
    await Promise.resolve()
    const failure = this.failure ?? this.doubtful
    if (failure !== undefined) throw failure
    const tables = changed(this.#tables, changes)
    this.#unflushed = tables
    this.onWritten()
    await Promise.resolve()
    this.doubtful = this.doubtfulFailure
    if (this.doubtful !== undefined) throw this.doubtful
    this.#tables = tables
    this.#unflushed = undefined
    this.onCommitted(changes)
  }

  async close(): Promise<void> {}

  /** What the next opening finds after a crash. */
  restart(random: Random): void {
    if (this.#unflushed !== undefined && randomBelow(random, 2) === 0) this.#tables = this.#unflushed
    this.#unflushed = undefined
    this.doubtful = undefined
    this.doubtfulFailure = undefined
  }

  /** A store of its own with the same rows, also those that are not flushed. */
  fork(): FakeIndexStore {
    const fork = new FakeIndexStore(this.#tables)
    fork.#unflushed = this.#unflushed
    return fork
  }
}

function changed(tables: Tables, changes: readonly Change[]): Tables {
  const fresh = new Map<Table, Map<string, Row>>()
  for (const { table, key, value } of changes) {
    const rows = fresh.get(table) ?? new Map(tables.get(table))
    fresh.set(table, rows)
    if (value === undefined) rows.delete(toHex(key))
    else rows.set(toHex(key), { key: new Uint8Array(key), value: new Uint8Array(value) })
  }
  return new Map([...tables, ...fresh])
}

export class FakeIndexHome implements IndexHome {
  store: FakeIndexStore
  next: FakeIndexStore | undefined
  /** The new one is about to take the place of the old one: a crash finds either. */
  #replacing = false
  /** Runs in the middle of `replace`. */
  onReplacing: () => void = () => {}

  /** Decides what became of a commit in doubt. */
  readonly #random: Random

  constructor(store = new FakeIndexStore(), random: Random = seededRandom(1)) {
    this.store = store
    this.#random = random
  }

  async open(): Promise<IndexStore> {
    if (this.store.doubtful !== undefined) this.store.restart(this.#random)
    return this.store
  }

  async openNew(): Promise<IndexStore> {
    this.next = new FakeIndexStore()
    return this.next
  }

  async replace(): Promise<void> {
    this.#replacing = true
    this.onReplacing()
    await Promise.resolve()
    this.#replacing = false
    this.store = this.next ?? this.store
    this.next = undefined
  }

  async dropNew(): Promise<void> {
    this.next = undefined
  }

  /** The power goes, or the process. */
  crash(random: Random): void {
    if (this.#replacing && this.next !== undefined && randomBelow(random, 2) === 0) this.store = this.next
    this.#replacing = false
    this.next = undefined
    this.store.restart(random)
  }

  fork(): FakeIndexHome {
    const fork = new FakeIndexHome(this.store.fork())
    fork.next = this.next?.fork()
    fork.#replacing = this.#replacing
    return fork
  }
}

import { toHex } from '../../wire/bytes.ts'
import type { Change, IndexHome, IndexStore, RangeQuery, Row } from './index-store.ts'
import type { Table } from './keys.ts'

/** Tables in memory. A commit can be watched, be made to fail, and be cut off by copying what was there before it. */
export class FakeIndexStore implements IndexStore {
  readonly #tables: Map<Table, Map<string, Row>>
  /** Runs when the commit is durable and before anybody hears of it. */
  onCommitted: (changes: readonly Change[]) => void = () => {}
  /** When set, the next commits reject with it and change nothing. */
  failure: Error | undefined

  constructor(tables = new Map<Table, Map<string, Row>>()) {
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
    if (this.failure !== undefined) throw this.failure
    for (const { table, key, value } of changes) {
      const rows = this.#tables.get(table) ?? new Map<string, Row>()
      this.#tables.set(table, rows)
      if (value === undefined) rows.delete(toHex(key))
      else rows.set(toHex(key), { key: new Uint8Array(key), value: new Uint8Array(value) })
    }
    this.onCommitted(changes)
  }

  async close(): Promise<void> {}

  /** A store of its own with the same rows. */
  fork(): FakeIndexStore {
    return new FakeIndexStore(new Map([...this.#tables].map(([table, rows]) => [table, new Map(rows)])))
  }
}

export class FakeIndexHome implements IndexHome {
  store: FakeIndexStore
  next: FakeIndexStore | undefined

  constructor(store = new FakeIndexStore()) {
    this.store = store
  }

  async open(): Promise<IndexStore> {
    return this.store
  }

  async openNew(): Promise<IndexStore> {
    this.next = new FakeIndexStore()
    return this.next
  }

  async replace(): Promise<void> {
    this.store = this.next ?? this.store
    this.next = undefined
  }

  async dropNew(): Promise<void> {
    this.next = undefined
  }
}

/** The ordered tables under the index. One writer; reads see what was committed last. */
import type { Table } from './keys.ts'

export interface Change {
  readonly table: Table
  readonly key: Uint8Array
  /** Undefined removes the row. */
  readonly value: Uint8Array | undefined
}

export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface RangeQuery {
  /** First key, inclusive; from the start of the table when missing. */
  readonly from?: Uint8Array | undefined
  /** First key that is no longer wanted; to the end of the table when missing. */
  readonly until?: Uint8Array | undefined
  /** Highest key first. */
  readonly reverse?: boolean
  readonly limit?: number
}

export interface IndexStore {
  get(table: Table, key: Uint8Array): Uint8Array | undefined
  range(table: Table, query: RangeQuery): Row[]
  /**
   * Set after a commit that failed in such a way that the next opening may find it or not. Until then nothing is committed
   * any more, and nothing that rows speak of may be changed.
   */
  readonly doubtful: Error | undefined
  /** All or nothing; resolves when it is on the disk for good. Rejects with the system's or the database's own error. */
  commit(changes: readonly Change[]): Promise<void>
  close(): Promise<void>
}

/** Where an index is kept. */
export interface IndexHome {
  /** Made empty when there is none. Throws INDEX_DAMAGED when what is there is not an index. */
  open(): Promise<IndexStore>
  /** An empty one beside it, for building anew; what an earlier attempt left is thrown away. */
  openNew(): Promise<IndexStore>
  /** The new one, closed, takes the place of the old one, closed: one of the two is there after a power cut. */
  replace(): Promise<void>
  /** Throws the new one away. */
  dropNew(): Promise<void>
}

/**
 * The index in LMDB. `overlappingSync` is off: then a commit writes its pages, syncs them, writes the new root through a
 * descriptor opened with O_DSYNC, and only then resolves (seen with strace; lmdb-js `src/writer.cpp`, `mdb_txn_commit`).
 * With it on, a failed sync would leave `flushed` pending for ever. `eventTurnBatching` is off because its own commit
 * promise has nobody to catch a failure; `batch` gives the atomicity by itself. `noReadAhead` is on: rows of one day lie in
 * pages all over the file, and what the kernel would read around each of them (8 MiB, with a disk set so) is not asked for.
 */
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Database, open, type RangeOptions, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb'
import { syncFolder } from '../../platform/folders.ts'
import { HomewardError, systemCode } from '../../wire/errors.ts'
import type { Change, IndexHome, IndexStore, RangeQuery, Row } from './index-store.ts'
import { TABLES, type Table } from './keys.ts'

/** Address space set aside, not bytes: a year and a half of 16 cameras. LMDB maps more when it must. */
const MAP_BYTES = 64 * 1024 ** 3

const LOWEST_KEY = Buffer.from([0])

class LmdbStore implements IndexStore {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>
  readonly #tables: ReadonlyMap<Table, Database<Uint8Array, Uint8Array>>
  #closed: Promise<void> | undefined
  #doubtful: Error | undefined

  private constructor(root: RootDatabase<Uint8Array, Uint8Array>) {
    this.#root = root
    this.#tables = new Map(
      TABLES.map((name) => [
        name,
        root.openDB<Uint8Array, Uint8Array>({ name, encoding: 'binary', keyEncoding: 'binary' }),
      ]),
    )
  }

  /** `folder` is made when missing. Throws INDEX_DAMAGED when what is there is not an index. */
  static async open(folder: string): Promise<LmdbStore> {
    await mkdir(folder, { recursive: true })
    try {
      // Its types do not know of noReadAhead.
      const options: RootDatabaseOptionsWithPath & { readonly noReadAhead: boolean } = {
        path: folder,
        noSubdir: false,
        encoding: 'binary',
        keyEncoding: 'binary',
        overlappingSync: false,
        noReadAhead: true,
        eventTurnBatching: false,
        mapSize: MAP_BYTES,
        maxDbs: TABLES.length,
      }
      const root = open<Uint8Array, Uint8Array>(options)
      const store = new LmdbStore(root)
      // LMDB syncs its file, but not the entries that lead to it.
      await syncFolder(folder)
      await syncFolder(dirname(folder))
      return store
    } catch (cause) {
      if (['EROFS', 'ENOSPC', 'EIO'].includes(systemCode(cause) ?? '')) throw cause
      throw damaged(`the index in ${folder} cannot be opened`, cause)
    }
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    const value = this.#read(() => this.#table(table).getBinary(Buffer.from(key)))
    return value === undefined ? undefined : copy(value)
  }

  range(table: Table, { from, until, reverse = false, limit }: RangeQuery): Row[] {
    const options: RangeOptions = reverse ? { reverse: true } : {}
    const [start, end] = reverse ? [until, from] : [from, until]
    if (start !== undefined) options.start = Buffer.from(start)
    if (end !== undefined) options.end = Buffer.from(end)
    if (reverse) {
      if (start !== undefined) options.exclusiveStart = true
      // Left to itself, lmdb ends in front of the lowest key there can be.
      options.end ??= LOWEST_KEY
      options.inclusiveEnd = true
    }
    if (limit !== undefined) options.limit = limit
    return this.#read(() =>
      Array.from(this.#table(table).getRange(options), ({ key, value }) => ({ key: copy(key), value: copy(value) })),
    )
  }

  get doubtful(): Error | undefined {
    return this.#doubtful
  }

  async commit(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return
    if (this.#doubtful !== undefined) throw this.#doubtful
    try {
      await this.#root.batch(() => {
        for (const { table, key, value } of changes) {
          if (value === undefined) this.#table(table).remove(Buffer.from(key))
          else this.#table(table).put(Buffer.from(key), Buffer.from(value))
        }
      })
      await this.#root.flushed
    } catch (error) {
      const own = await ownError(error)
      // No room shows while the pages are written, before the root is. When writing the root failed, nobody knows which one
      // stands there, and LMDB refuses every further commit until it is opened again (`mdb_env_write_meta`, MDB_FATAL_ERROR).
      if (isCommitError(error) && systemCode(own) !== 'ENOSPC')
        this.#doubtful = own instanceof Error ? own : new Error(String(own))
      throw own
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#root.close()
    return this.#closed
  }

  #table(name: Table): Database<Uint8Array, Uint8Array> {
    const table = this.#tables.get(name)
    if (table === undefined || this.#closed !== undefined) {
      throw new HomewardError('DISK_FAILED', 'the index is closed', { hint: 'Open the archive again.' })
    }
    return table
  }

  #read<T>(action: () => T): T {
    try {
      return action()
    } catch (cause) {
      if (cause instanceof HomewardError) throw cause
      throw damaged('the index cannot be read', cause)
    }
  }
}

const ERRNO: Readonly<Record<number, string>> = { 5: 'EIO', 28: 'ENOSPC', 30: 'EROFS' }

/**
 * What lmdb says first is only that a commit failed; the reason is a second promise that must be caught. Its code is the
 * bare number of the system's or of LMDB's own error.
 */
async function ownError(error: unknown): Promise<unknown> {
  if (!isCommitError(error)) return error
  const reason = await Promise.resolve(error.commitError).catch((found: unknown) => found)
  if (!(reason instanceof Error) || !('code' in reason) || typeof reason.code !== 'number') return reason ?? error
  return Object.assign(new Error(`index: ${reason.message}`, { cause: reason }), { code: ERRNO[reason.code] })
}

/** Other errors come before anything is written: a key that is too long. */
function isCommitError(error: unknown): error is { readonly commitError: unknown } {
  return typeof error === 'object' && error !== null && 'commitError' in error
}

function damaged(what: string, cause: unknown): HomewardError {
  return new HomewardError('INDEX_DAMAGED', what, {
    hint: 'Rebuild it from the files: `homeward storage reindex`.',
    cause,
  })
}

/** What lmdb hands out may be a Buffer over memory that it uses again. */
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** An index in a folder of the machine's own file system. */
export class LmdbHome implements IndexHome {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<IndexStore> {
    if (!(await exists(this.#folder)) && (await exists(`${this.#folder}.old`))) {
      await rename(`${this.#folder}.old`, this.#folder)
    }
    return LmdbStore.open(this.#folder)
  }

  async openNew(): Promise<IndexStore> {
    await this.dropNew()
    return LmdbStore.open(`${this.#folder}.new`)
  }

  async replace(): Promise<void> {
    await rm(`${this.#folder}.old`, { recursive: true, force: true })
    if (await exists(this.#folder)) await rename(this.#folder, `${this.#folder}.old`)
    await rename(`${this.#folder}.new`, this.#folder)
    await syncFolder(dirname(this.#folder))
    await rm(`${this.#folder}.old`, { recursive: true, force: true })
  }

  async dropNew(): Promise<void> {
    await rm(`${this.#folder}.new`, { recursive: true, force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

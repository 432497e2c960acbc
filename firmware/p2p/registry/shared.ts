/**
 * The registry of one of several servers: what is registered here is in memory, as at a server that stands alone, and what
 * the others hold is asked for where all of them write it down. Nothing that concerns the own devices waits for that place;
 * while it is gone, each server knows its own.
 */
import { toHex } from '../../wire/bytes.ts'
import { isHomewardError } from '../../wire/errors.ts'
import type { Origin } from '../origin.ts'
import type { MemoryRegistry } from './memory.ts'
import type { FoundStorage, RegisterResult, RegistrationPart, Registry, RegistryStats, ServerName } from './registry.ts'
import type { SharedStore } from './shared-store.ts'

/** Questions under way: a store that hangs holds up so many look-ups of strangers, and no more. */
const MAX_ASKING = 256
/** Devices that are written down at a time after the store was gone. */
const AT_ONCE = 64

export class SharedRegistry implements Registry {
  readonly #own: MemoryRegistry
  readonly #store: SharedStore
  readonly #counters = { asked: 0, failed: 0, limited: 0, moved: 0 }
  readonly #work = new Set<Promise<void>>()
  #asking = 0
  #closing: Promise<void> | undefined

  /** Closes both. */
  constructor(own: MemoryRegistry, store: SharedStore) {
    this.#own = own
    this.#store = store
    store.onState((state) => {
      if (state === 'up') this.#do(this.#writeAll())
    })
    store.onMoved((uid) => this.#do(this.#renew(uid)))
  }

  get ttlMs(): number {
    return this.#own.ttlMs
  }

  async register(part: RegistrationPart): Promise<RegisterResult> {
    const uid = toHex(part.uid)
    const before = this.#own.held(uid)?.keys ?? []
    const result = await this.#own.register(part)
    if (result === 'stored') {
      const now = new Set(this.#own.held(uid)?.keys)
      const gone = before.filter((key) => !now.has(key))
      this.#do(this.#store.claim(uid, part.keys, gone))
    }
    return result
  }

  async extend(uid: Uint8Array, observed: Origin): Promise<boolean> {
    const isHere = await this.#own.extend(uid, observed)
    if (isHere) this.#do(this.#renew(toHex(uid)))
    return isHere
  }

  find(key: string): Promise<FoundStorage | undefined> {
    return this.#own.find(key)
  }

  async elsewhere(key: string): Promise<ServerName | undefined> {
    if (this.#store.state !== 'up') return undefined
    if (this.#asking >= MAX_ASKING) {
      this.#counters.limited++
      return undefined
    }
    this.#asking++
    this.#counters.asked++
    try {
      return await this.#store.find(key)
    } catch (error) {
      this.#fail(error)
      return undefined
    } finally {
      this.#asking--
    }
  }

  locate(uid: Uint8Array): Promise<Origin | undefined> {
    return this.#own.locate(uid)
  }

  async stats(): Promise<RegistryStats> {
    return { ...(await this.#own.stats()), sharing: { state: this.#store.state, ...this.#counters } }
  }

  /** The other servers are told that nobody is here any more. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all(this.#work)
    await this.#each((uid, keys) => this.#store.release(uid, keys))
    await this.#store.close()
    await this.#own.close()
  }

  /** A device that has gone to another server is forgotten here, unless it has come back meanwhile. */
  async #renew(uid: string): Promise<void> {
    const held = this.#own.held(uid)
    if (held === undefined || (await this.#store.renew(uid, held.keys))) return
    if (this.#own.held(uid)?.mark !== held.mark) return
    this.#own.forget(uid)
    this.#counters.moved++
  }

  /** The store is back, perhaps empty. */
  #writeAll(): Promise<void> {
    return this.#each((uid) => this.#renew(uid))
  }

  /** Until one fails: then the rest would too. */
  async #each(act: (uid: string, keys: readonly string[]) => Promise<void>): Promise<void> {
    const uids = this.#own.uids()
    for (let at = 0; at < uids.length && this.#store.state === 'up'; at += AT_ONCE) {
      const acts = uids.slice(at, at + AT_ONCE).map((uid) => act(uid, this.#own.held(uid)?.keys ?? []))
      const results = await Promise.allSettled(acts)
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) return this.#fail(failed.reason)
    }
  }

  /** What fails is made good by the device's next sign of life. */
  #do(work: Promise<void>): void {
    const done = work.catch((error: unknown) => this.#fail(error)).finally(() => this.#work.delete(done))
    this.#work.add(done)
  }

  #fail(error: unknown): void {
    if (!isHomewardError(error, 'SERVER_UNREACHABLE')) throw error
    this.#counters.failed++
  }
}

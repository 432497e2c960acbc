/** A place that several fake stores share, in memory: it can hang, be gone and come back empty, and deliver late. */
import { HomewardError } from '../../wire/errors.ts'
import type { ServerName, SharingState } from './registry.ts'
import type { SharedStore } from './shared-store.ts'

export class FakeSharedPlace {
  readonly holders = new Map<string, string>()
  readonly places = new Map<string, { readonly id: string; readonly place: ServerName }>()
  readonly stores = new Set<FakeSharedStore>()
  state: SharingState = 'up'
  /** What is asked while it is set fails after the question was taken. */
  isFailing = false

  become(state: SharingState): void {
    this.state = state
    for (const store of this.stores) store.tell()
  }

  clear(): void {
    this.holders.clear()
    this.places.clear()
  }
}

export class FakeSharedStore implements SharedStore {
  readonly #shared: FakeSharedPlace
  readonly #self: ServerName
  readonly #id: string
  readonly #stateListeners: ((state: SharingState, why: string) => void)[] = []
  readonly #movedListeners: ((uid: string) => void)[] = []
  isClosed = false

  constructor(shared: FakeSharedPlace, self: ServerName) {
    this.#shared = shared
    this.#self = self
    this.#id = `${self.host}:${self.port}`
    shared.stores.add(this)
  }

  get state(): SharingState {
    return this.#shared.state
  }

  onState(listener: (state: SharingState, why: string) => void): void {
    this.#stateListeners.push(listener)
  }

  onMoved(listener: (uid: string) => void): void {
    this.#movedListeners.push(listener)
  }

  tell(): void {
    for (const listener of this.#stateListeners) listener(this.state, 'as the test wants it')
  }

  async start(): Promise<void> {
    this.tell()
  }

  async claim(uid: string, keys: readonly string[], gone: readonly string[]): Promise<void> {
    this.#check()
    this.#write(uid, keys)
    for (const key of gone) this.#shared.places.delete(key)
    for (const store of this.#shared.stores) {
      if (store !== this) for (const listener of store.#movedListeners) listener(uid)
    }
  }

  async renew(uid: string, keys: readonly string[]): Promise<boolean> {
    this.#check()
    const holder = this.#shared.holders.get(uid)
    if (holder !== undefined && holder !== this.#id) return false
    this.#write(uid, keys)
    return true
  }

  async release(uid: string, keys: readonly string[]): Promise<void> {
    this.#check()
    if (this.#shared.holders.get(uid) !== this.#id) return
    this.#shared.holders.delete(uid)
    for (const key of keys) this.#shared.places.delete(key)
  }

  async find(key: string): Promise<ServerName | undefined> {
    this.#check()
    const found = this.#shared.places.get(key)
    return found === undefined || found.id === this.#id ? undefined : found.place
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.#shared.stores.delete(this)
  }

  #write(uid: string, keys: readonly string[]): void {
    this.#shared.holders.set(uid, this.#id)
    for (const key of keys) this.#shared.places.set(key, { id: this.#id, place: this.#self })
  }

  #check(): void {
    if (this.state === 'up' && !this.#shared.isFailing) return
    throw new HomewardError('SERVER_UNREACHABLE', 'the shared registry does not answer: as the test wants it')
  }
}

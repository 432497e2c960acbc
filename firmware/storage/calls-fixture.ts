/** Real parts whose calls are written down one after the other, for tests of the order of things. */
import type { Channel } from '../link/channel.ts'
import { tapped } from '../link/channel-tap-fixture.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'
import type { Change, IndexHome, IndexStore } from './archive/index-store.ts'

/** What a disk was asked for; `done` stands behind it once the disk has answered. */
export type DiskCall =
  | { readonly call: 'write'; readonly path: string; readonly position: number; readonly bytes: Uint8Array }
  | { readonly call: 'truncate'; readonly path: string; readonly bytes: number }
  | { readonly call: 'datasync' | 'syncDir' | 'remove'; readonly path: string }

export type Call =
  | (DiskCall & { readonly phase: 'begin' | 'done' })
  | { readonly call: 'commit'; readonly phase: 'begin' | 'done'; readonly changes: readonly Change[] }
  | { readonly call: 'send'; readonly phase: 'begin'; readonly frame: Uint8Array }

/** Takes every call as it begins and once it has worked; what failed is not `done`. */
export type Watch = (call: Call) => void

/** Holds a call up before it reaches the disk. */
export type Stall = (call: 'datasync' | 'syncDir' | 'commit') => Promise<void>

async function watched(watch: Watch, call: DiskCall, work: () => Promise<void>): Promise<void> {
  watch({ ...call, phase: 'begin' })
  await work()
  watch({ ...call, phase: 'done' })
}

export class WatchedDisk implements Disk {
  readonly #disk: Disk
  readonly #watch: Watch
  readonly #stall: Stall

  constructor(disk: Disk, watch: Watch, stall: Stall = async () => {}) {
    this.#disk = disk
    this.#watch = watch
    this.#stall = stall
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const file = await this.#disk.open(path, mode)
    const watch = this.#watch
    return {
      read: (into, position) => file.read(into, position),
      write: (parts, position) => {
        const bytes = new Uint8Array(Buffer.concat(parts))
        return watched(watch, { call: 'write', path, position, bytes }, () => file.write(parts, position))
      },
      truncate: (bytes) => watched(watch, { call: 'truncate', path, bytes }, () => file.truncate(bytes)),
      size: () => file.size(),
      datasync: () =>
        watched(watch, { call: 'datasync', path }, async () => {
          await this.#stall('datasync')
          await file.datasync()
        }),
      close: () => file.close(),
    }
  }

  makeDir(path: string): Promise<void> {
    return this.#disk.makeDir(path)
  }

  list(path: string): ReturnType<Disk['list']> {
    return this.#disk.list(path)
  }

  stat(path: string): ReturnType<Disk['stat']> {
    return this.#disk.stat(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to)
  }

  remove(path: string): Promise<void> {
    return watched(this.#watch, { call: 'remove', path }, () => this.#disk.remove(path))
  }

  syncDir(path: string): Promise<void> {
    return watched(this.#watch, { call: 'syncDir', path }, async () => {
      await this.#stall('syncDir')
      await this.#disk.syncDir(path)
    })
  }

  space(path: string): ReturnType<Disk['space']> {
    return this.#disk.space(path)
  }
}

export class WatchedIndex implements IndexHome {
  readonly #home: IndexHome
  readonly #watch: Watch
  readonly #stall: Stall

  constructor(home: IndexHome, watch: Watch, stall: Stall = async () => {}) {
    this.#home = home
    this.#watch = watch
    this.#stall = stall
  }

  async open(): Promise<IndexStore> {
    return this.#watched(await this.#home.open())
  }

  async openNew(): Promise<IndexStore> {
    return this.#watched(await this.#home.openNew())
  }

  replace(): Promise<void> {
    return this.#home.replace()
  }

  dropNew(): Promise<void> {
    return this.#home.dropNew()
  }

  #watched(store: IndexStore): IndexStore {
    return {
      get doubtful() {
        return store.doubtful
      },
      get: (table, key) => store.get(table, key),
      range: (table, query) => store.range(table, query),
      commit: async (changes) => {
        this.#watch({ call: 'commit', phase: 'begin', changes })
        await this.#stall('commit')
        await store.commit(changes)
        this.#watch({ call: 'commit', phase: 'done', changes })
      },
      close: () => store.close(),
    }
  }
}

/** The same channel; what this end sends is written down before it goes. */
export function watchedChannel(channel: Channel, watch: Watch): Channel {
  return tapped(channel, {
    send: (frame) => {
      watch({ call: 'send', phase: 'begin', frame: frame.slice() })
      return channel.send(frame)
    },
  })
}

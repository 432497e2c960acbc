/**
 * A disk in memory that can fail. What was not synced may be lost in a `crash`, sector by sector; every kind of fault can
 * be armed; the calls are logged in order.
 */
import type { Disk, DiskEntry, DiskFile, DiskSpace } from './disk.ts'
import {
  CRASH_MODES,
  type CrashMode,
  copyTree,
  crashTree,
  type EntryChange,
  FileNode,
  FolderNode,
  type Node,
} from './disk-fake-nodes.ts'
import {
  type ArmedFault,
  type DiskCall,
  DiskFaults,
  type DiskOperation,
  type Fault,
  failure,
  ShortWrite,
} from './disk-faults.ts'
import { type Random, randomBelow } from './random.ts'

export interface FakeDiskOptions {
  readonly capacityBytes?: number
  readonly device?: number
}

const PAGE_BYTES = 4096
/** How a disk may be away: not found, its mount point empty on the disk beneath, or there and not answering. */
export type Absence = 'removed' | 'unmounted' | 'dead'

/** Device numbers of the disk beneath a mount point differ by this. */
const BENEATH = 1000
const CHANGES: readonly DiskOperation[] = ['makeDir', 'rename', 'remove', 'syncDir', 'write', 'truncate', 'datasync']

export class FakeDisk implements Disk {
  /** Every call in the order it was made, failed ones too. */
  readonly calls: DiskCall[] = []
  capacityBytes: number
  device: number
  /** Everything that would change something fails with EROFS. */
  readOnly = false
  #root = new FolderNode()
  #absence: 'removed' | 'dead' | undefined
  /** The tree of an unmounted disk, while another one stands in its place. */
  #unmounted: FolderNode | undefined
  /** Handles of before a crash or an absence are dead. */
  #life = 0
  readonly #faults = new DiskFaults()
  readonly #watchers = new Set<(call: DiskCall) => void>()

  constructor({ capacityBytes = 1024 ** 4, device = 1 }: FakeDiskOptions = {}) {
    this.capacityBytes = capacityBytes
    this.device = device
  }

  // Faults

  /** The first armed fault that matches a call strikes it. */
  arm(fault: Fault): ArmedFault {
    return this.#faults.arm(fault)
  }

  /** The power goes and comes back: what was not synced is kept or lost at random, all open files are dead. */
  crash(random: Random, mode: CrashMode = crashMode(random)): void {
    crashTree(this.#root, random, mode)
    this.#life++
  }

  /**
   * The disk goes away, and open files fail. `mountPoint` is the folder that an unmounted one leaves behind, empty and on
   * another device, where a careless program would fill the disk beneath.
   */
  disappear(absence: Absence = 'removed', mountPoint = '/'): void {
    this.#life++
    if (absence === 'unmounted') {
      this.#unmounted = this.#root
      this.#root = new FolderNode()
      this.device += BENEATH
      this.#makeFolders(mountPoint)
    } else this.#absence = absence
  }

  /** It is put back; what was not synced when it left is kept or lost at random. */
  comeBack(random: Random): void {
    if (this.#unmounted !== undefined) {
      this.#root = this.#unmounted
      this.#unmounted = undefined
      this.device -= BENEATH
    }
    this.crash(random)
    this.#absence = undefined
  }

  /** Bits of one byte turn over, unnoticed. */
  rot(path: string, position: number, mask = 1): void {
    const node = this.#find(path)
    if (node?.kind !== 'file') throw failure('ENOENT', 'rot', path)
    node.rot(position, mask)
  }

  // Looking

  /** Calls `watcher` when a call's effect stands in the cache, before it is synced and before the caller hears of it. */
  watch(watcher: (call: DiskCall) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** A disk of its own with the same cache and medium; nothing armed, nobody watching, the log empty. */
  fork(): FakeDisk {
    const fork = new FakeDisk({ capacityBytes: this.capacityBytes, device: this.device })
    fork.readOnly = this.readOnly
    fork.#absence = this.#absence
    if (this.#unmounted !== undefined) fork.#unmounted = copyTree(this.#unmounted)
    fork.#root = copyTree(this.#root)
    return fork
  }

  // Disk

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    await this.#enter({ operation: 'open', path })
    const { folder, name } = this.#parent(path, 'open')
    const found = folder.entries.get(name)
    if (found?.kind === 'folder') throw failure('EISDIR', 'open', path)
    if (found !== undefined && mode === 'create') throw failure('EEXIST', 'open', path)
    if (found === undefined && mode === 'read') throw failure('ENOENT', 'open', path)
    if (mode !== 'read' && this.readOnly) throw failure('EROFS', 'open', path)
    const node = found ?? new FileNode()
    if (found === undefined) {
      folder.change([{ folder, name, node }])
      this.#tell({ operation: 'open', path })
    }
    return this.#handle(path, node, mode !== 'read')
  }

  async makeDir(path: string): Promise<void> {
    await this.#enter({ operation: 'makeDir', path })
    this.#makeFolders(path)
    this.#tell({ operation: 'makeDir', path })
  }

  #makeFolders(path: string): void {
    let folder = this.#root
    for (const name of parts(path)) {
      let next = folder.entries.get(name)
      if (next?.kind === 'file') throw failure('ENOTDIR', 'mkdir', path)
      if (next === undefined) {
        next = new FolderNode()
        folder.change([{ folder, name, node: next }])
      }
      folder = next
    }
  }

  async list(path: string): Promise<DiskEntry[]> {
    await this.#enter({ operation: 'list', path })
    const entries = [...this.#folder(path, 'scandir').entries]
    return entries.map(([name, node]) => this.#entry(name, node)).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async stat(path: string): Promise<DiskEntry | undefined> {
    const call: DiskCall = { operation: 'stat', path }
    if (this.#absence === 'removed') {
      this.calls.push(call)
      return undefined
    }
    await this.#enter(call)
    const node = this.#find(path)
    return node === undefined ? undefined : this.#entry(parts(path).at(-1) ?? '', node)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#enter({ operation: 'rename', path: from, to })
    const source = this.#parent(from, 'rename')
    const target = this.#parent(to, 'rename')
    const node = source.folder.entries.get(source.name)
    if (node === undefined) throw failure('ENOENT', 'rename', from)
    const changes: EntryChange[] = [
      { ...source, node: undefined },
      { ...target, node },
    ]
    target.folder.change(changes)
    this.#tell({ operation: 'rename', path: from, to })
  }

  async remove(path: string): Promise<void> {
    await this.#enter({ operation: 'remove', path })
    const { folder, name } = this.#parent(path, 'unlink')
    const node = folder.entries.get(name)
    if (node === undefined) throw failure('ENOENT', 'unlink', path)
    if (node.kind === 'folder' && node.entries.size > 0) throw failure('ENOTEMPTY', 'unlink', path)
    folder.change([{ folder, name, node: undefined }])
    this.#tell({ operation: 'remove', path })
  }

  async syncDir(path: string): Promise<void> {
    const folder = this.#absence === undefined ? this.#find(path) : undefined
    const count = folder?.kind === 'folder' ? folder.pending.length : 0
    await this.#enter({ operation: 'syncDir', path })
    const call: DiskCall = { operation: 'syncDir', path }
    this.#tell(call)
    this.#folder(path, 'fsync').endSync(count)
  }

  async space(path: string): Promise<DiskSpace> {
    await this.#enter({ operation: 'space', path })
    this.#folder(path, 'statfs')
    return { totalBytes: this.capacityBytes, freeBytes: Math.max(0, this.capacityBytes - this.#usedBytes()) }
  }

  #usedBytes(): number {
    return pagesBelow(this.#root) * PAGE_BYTES
  }

  #handle(path: string, node: FileNode, writable: boolean): DiskFile {
    const life = this.#life
    let open = true
    const enter = (call: DiskCall) =>
      this.#enter(call, () => {
        const changes = call.operation === 'write' || call.operation === 'truncate'
        if (!open || (changes && !writable)) throw failure('EBADF', call.operation, path)
        if (life !== this.#life) throw failure('EIO', call.operation, path)
      })
    return {
      read: async (into, position) => {
        await enter({ operation: 'read', path, position, bytes: into.byteLength })
        return node.read(into, position)
      },
      write: async (pieces, position) => {
        const bytes = new Uint8Array(Buffer.concat(pieces))
        const call: DiskCall = { operation: 'write', path, position, bytes: bytes.byteLength }
        try {
          await enter(call)
          if (node.newPages(position, bytes.byteLength) * PAGE_BYTES > this.capacityBytes - this.#usedBytes()) {
            throw failure('ENOSPC', 'write', path)
          }
        } catch (error) {
          if (error instanceof ShortWrite) {
            node.write(bytes.subarray(0, error.bytes), position)
            this.#tell(call)
          }
          throw error
        }
        node.write(bytes, position)
        this.#tell(call)
      },
      truncate: async (bytes) => {
        const call: DiskCall = { operation: 'truncate', path, bytes }
        await enter(call)
        node.truncate(bytes)
        this.#tell(call)
      },
      size: async () => {
        await enter({ operation: 'size', path })
        return node.size
      },
      datasync: async () => {
        const call: DiskCall = { operation: 'datasync', path }
        const sync = node.beginSync()
        try {
          await enter(call)
        } catch (error) {
          if (life === this.#life) node.endSync(sync, false)
          throw error
        }
        this.#tell(call)
        node.endSync(sync, true)
      },
      close: async () => {
        if (!open) return
        open = false
        this.calls.push({ operation: 'close', path })
      },
    }
  }

  /** Logs the call and lets the faults have it. */
  async #enter(call: DiskCall, check: () => void = () => {}): Promise<void> {
    this.calls.push(call)
    check()
    const error = await this.#faults.strike(call)
    check()
    if (error !== undefined) throw error
    if (this.#absence === 'dead') throw failure('EIO', call.operation, call.path)
    if (this.#absence !== undefined) throw failure('ENOENT', call.operation, call.path)
    if (this.readOnly && CHANGES.includes(call.operation)) throw failure('EROFS', call.operation, call.path)
  }

  #tell(call: DiskCall): void {
    for (const watcher of this.#watchers) watcher(call)
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root
    for (const name of parts(path)) node = node?.kind === 'folder' ? node.entries.get(name) : undefined
    return node
  }

  #folder(path: string, operation: string): FolderNode {
    const node = this.#find(path)
    if (node === undefined) throw failure('ENOENT', operation, path)
    if (node.kind === 'file') throw failure('ENOTDIR', operation, path)
    return node
  }

  #parent(path: string, operation: string): { folder: FolderNode; name: string } {
    const names = parts(path)
    const name = names.pop()
    if (name === undefined) throw failure('EISDIR', operation, path)
    const folder = this.#find(names.join('/'))
    if (folder?.kind !== 'folder') throw failure('ENOENT', operation, path)
    return { folder, name }
  }

  #entry(name: string, node: Node): DiskEntry {
    return { name, kind: node.kind, bytes: node.kind === 'file' ? node.size : 0, device: this.device }
  }
}

function pagesBelow(node: Node): number {
  if (node.kind === 'file') return node.pageCount
  return [...node.entries.values()].reduce((sum, child) => sum + pagesBelow(child), 0)
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

function crashMode(random: Random): CrashMode {
  return CRASH_MODES[randomBelow(random, CRASH_MODES.length)] ?? 'mixed'
}

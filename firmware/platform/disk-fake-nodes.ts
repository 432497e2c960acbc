/**
 * What a fake disk holds: for each file and folder what a program sees (the cache) and what stands on the medium, and all
 * that was changed in between, so that a crash can keep any part of it.
 */
import { type Random, randomBelow } from './random.ts'

const SECTOR_BYTES = 512
/** Pages are never changed once stored, so copies of a disk share them. */
const PAGE_BYTES = 4096
const SECTORS_PER_PAGE = PAGE_BYTES / SECTOR_BYTES
const EMPTY_PAGE = new Uint8Array(PAGE_BYTES)

/**
 * What of all that was not synced a crash keeps. `mixed`: each sector and each entry by itself, in any of its versions, so
 * torn and out of order. `front`: what was written first, up to somewhere in a page. `hole`: all but one sector of each
 * file. `zeros`: files are as long as they were made, but the data never came.
 */
export const CRASH_MODES = ['nothing', 'everything', 'mixed', 'front', 'hole', 'zeros'] as const
export type CrashMode = (typeof CRASH_MODES)[number]

export type Node = FileNode | FolderNode

/** Pages as they stood when a datasync began: what it makes durable when it succeeds. */
export interface FileSync {
  readonly pages: ReadonlyMap<number, number>
  readonly sizes: number
}

export class FileNode {
  readonly kind = 'file'
  size = 0
  #pages = new Map<number, Uint8Array>()
  #durable = new Map<number, Uint8Array>()
  #durableSize = 0
  /** Versions of a page since it was last durable, oldest first; the last one is the one in the cache. */
  #versions = new Map<number, Uint8Array[]>()
  #sizes: number[] = []

  /** Pages with contents: a hole takes no space. */
  get pageCount(): number {
    return this.#pages.size
  }

  /** Pages that a write at this place would newly take. */
  newPages(position: number, bytes: number): number {
    let count = 0
    for (let page = pageOf(position); page * PAGE_BYTES < position + bytes; page++) {
      if (!this.#pages.has(page)) count++
    }
    return count
  }

  read(into: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(into.byteLength, this.size - position))
    for (let done = 0; done < length; ) {
      const start = (position + done) % PAGE_BYTES
      const count = Math.min(PAGE_BYTES - start, length - done)
      const page = this.#pages.get(pageOf(position + done)) ?? EMPTY_PAGE
      into.set(page.subarray(start, start + count), done)
      done += count
    }
    return length
  }

  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.byteLength; ) {
      const number = pageOf(position + done)
      const start = (position + done) % PAGE_BYTES
      const count = Math.min(PAGE_BYTES - start, bytes.byteLength - done)
      const page = (this.#pages.get(number) ?? EMPTY_PAGE).slice()
      page.set(bytes.subarray(done, done + count), start)
      this.#store(number, page)
      done += count
    }
    if (position + bytes.byteLength > this.size) this.#resize(position + bytes.byteLength)
  }

  truncate(bytes: number): void {
    if (bytes < this.size) {
      const last = pageOf(bytes)
      for (const number of [...this.#pages.keys()]) {
        if (number > last || (number === last && bytes % PAGE_BYTES === 0)) {
          this.#store(number, EMPTY_PAGE)
          this.#pages.delete(number)
        }
      }
      const page = this.#pages.get(last)
      if (page !== undefined) this.#store(last, page.slice().fill(0, bytes % PAGE_BYTES))
    }
    if (bytes !== this.size) this.#resize(bytes)
  }

  /** Turns bits over on the medium and in the cache alike. */
  rot(position: number, mask: number): void {
    const flip = (pages: Map<number, Uint8Array>) => {
      const page = (pages.get(pageOf(position)) ?? EMPTY_PAGE).slice()
      page[position % PAGE_BYTES] = (page[position % PAGE_BYTES] ?? 0) ^ mask
      pages.set(pageOf(position), page)
    }
    flip(this.#pages)
    flip(this.#durable)
  }

  beginSync(): FileSync {
    return {
      pages: new Map([...this.#versions].map(([number, versions]) => [number, versions.length])),
      sizes: this.#sizes.length,
    }
  }

  /** What was dirty when the sync began is durable, or, as Linux has it after an I/O error, clean and forgotten. */
  endSync(sync: FileSync, durable: boolean): void {
    for (const [number, count] of sync.pages) {
      const versions = this.#versions.get(number) ?? []
      const page = versions[count - 1]
      if (durable && page !== undefined) this.#durable.set(number, page)
      if (versions.length > count) this.#versions.set(number, versions.slice(count))
      else this.#versions.delete(number)
    }
    const size = this.#sizes[sync.sizes - 1]
    if (durable && size !== undefined) this.#durableSize = size
    this.#sizes = this.#sizes.slice(sync.sizes)
  }

  /** Afterwards the cache holds what the medium holds: for each sector one of the versions written since the last sync. */
  crash(random: Random, mode: CrashMode): void {
    const pick = chooser(random, mode, this.#versions.size * SECTORS_PER_PAGE)
    for (const [number, versions] of this.#versions) {
      const page = (this.#durable.get(number) ?? EMPTY_PAGE).slice()
      for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
        const kept = versions[pick(versions.length)]
        const start = sector * SECTOR_BYTES
        if (kept !== undefined) page.set(kept.subarray(start, start + SECTOR_BYTES), start)
      }
      this.#durable.set(number, page)
    }
    const size = mode === 'mixed' || mode === 'nothing' ? choose(random, mode, this.#sizes.length) : -1
    this.#durableSize =
      (mode === 'mixed' || mode === 'nothing' ? this.#sizes[size] : this.#sizes.at(-1)) ?? this.#durableSize
    this.size = this.#durableSize
    // What stood behind the end of a file never shows again.
    for (const [number, page] of this.#durable) {
      const inside = Math.max(0, this.size - number * PAGE_BYTES)
      if (inside === 0) this.#durable.delete(number)
      else if (inside < PAGE_BYTES) this.#durable.set(number, page.slice().fill(0, inside))
    }
    this.#pages = new Map(this.#durable)
    this.#versions.clear()
    this.#sizes = []
  }

  copy(): FileNode {
    const copy = new FileNode()
    copy.size = this.size
    copy.#pages = new Map(this.#pages)
    copy.#durable = new Map(this.#durable)
    copy.#durableSize = this.#durableSize
    copy.#versions = new Map([...this.#versions].map(([number, versions]) => [number, [...versions]]))
    copy.#sizes = [...this.#sizes]
    return copy
  }

  #store(number: number, page: Uint8Array): void {
    this.#pages.set(number, page)
    const versions = this.#versions.get(number)
    if (versions === undefined) this.#versions.set(number, [page])
    else versions.push(page)
  }

  #resize(bytes: number): void {
    this.size = bytes
    this.#sizes.push(bytes)
  }
}

/** Entries of folders that change together: one for a creation or a removal, two for a rename. */
export interface EntryChange {
  readonly folder: FolderNode
  readonly name: string
  readonly node: Node | undefined
}

export class FolderNode {
  readonly kind = 'folder'
  entries = new Map<string, Node>()
  durable = new Map<string, Node>()
  /** Made durable by a sync of this folder, or each by itself kept or lost in a crash. */
  pending: EntryChange[][] = []

  /** `changes` are seen at once; a sync of this folder makes them durable together. */
  change(changes: readonly EntryChange[]): void {
    for (const { folder, name, node } of changes) set(folder.entries, name, node)
    this.pending.push([...changes])
  }

  endSync(count: number): void {
    for (const changes of this.pending.splice(0, count)) this.#settle(changes)
  }

  crash(random: Random, mode: CrashMode): void {
    const kept = mode === 'front' ? randomBelow(random, this.pending.length + 1) : this.pending.length
    const single = mode === 'mixed' || mode === 'nothing' ? mode : 'everything'
    for (const changes of this.pending.slice(0, kept)) if (choose(random, single, 1) === 0) this.#settle(changes)
    this.pending = []
  }

  #settle(changes: readonly EntryChange[]): void {
    for (const { folder, name, node } of changes) set(folder.durable, name, node)
  }
}

function set(entries: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) entries.delete(name)
  else entries.set(name, node)
}

/** Index of the version that stays, -1 for the durable one. */
function choose(random: Random, mode: CrashMode, versions: number): number {
  if (versions === 0 || mode === 'nothing') return -1
  return mode === 'everything' ? versions - 1 : randomBelow(random, versions + 1) - 1
}

/** The same for the dirty sectors of a file, asked for one after the other in the order in which their pages got dirty. */
function chooser(random: Random, mode: CrashMode, sectors: number): (versions: number) => number {
  const special = mode === 'front' || mode === 'hole' ? randomBelow(random, sectors + 1) : 0
  let at = -1
  return (versions) => {
    at++
    if (mode === 'front') return at < special ? versions - 1 : -1
    if (mode === 'hole') return at === special ? -1 : versions - 1
    return mode === 'zeros' ? -1 : choose(random, mode, versions)
  }
}

function pageOf(position: number): number {
  return Math.floor(position / PAGE_BYTES)
}

/** Everything that `root` leads to, in the cache, on the medium or by a change that is on its way. */
function reachable(root: FolderNode): Set<Node> {
  const found = new Set<Node>()
  const visit = (node: Node | undefined) => {
    if (node === undefined || found.has(node)) return
    found.add(node)
    if (node.kind === 'file') return
    for (const child of [...node.entries.values(), ...node.durable.values()]) visit(child)
    for (const change of node.pending.flat()) visit(change.node)
  }
  visit(root)
  return found
}

/** What stands below `root` after the power went. Open files of before are not reachable any more. */
export function crashTree(root: FolderNode, random: Random, mode: CrashMode): void {
  const nodes = reachable(root)
  for (const node of nodes) if (node.kind === 'folder') node.crash(random, mode)
  for (const node of nodes) {
    if (node.kind === 'folder') node.entries = new Map(node.durable)
    else node.crash(random, mode)
  }
}

/** A copy that shares no state with the original but the pages, which never change. */
export function copyTree(root: FolderNode): FolderNode {
  const copies = new Map<Node, Node>()
  for (const node of reachable(root)) copies.set(node, node.kind === 'file' ? node.copy() : new FolderNode())
  const copyOf = (node: Node) => copies.get(node) ?? node
  const folderOf = (node: FolderNode) => copyOf(node) as FolderNode
  for (const [node, copy] of copies) {
    if (node.kind !== 'folder' || copy.kind !== 'folder') continue
    copy.entries = new Map([...node.entries].map(([name, child]) => [name, copyOf(child)]))
    copy.durable = new Map([...node.durable].map(([name, child]) => [name, copyOf(child)]))
    copy.pending = node.pending.map((changes) =>
      changes.map(({ folder, name, node: child }) => ({
        folder: folderOf(folder),
        name,
        node: child === undefined ? undefined : copyOf(child),
      })),
    )
  }
  return folderOf(root)
}

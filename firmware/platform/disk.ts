/**
 * The file system as the ring, the archive and the journal use it. A failed call rejects with Node's own error, its
 * `code` intact (`ENOSPC`, `EIO`, `EROFS`, `ENOENT`, …); callers turn that into a HomewardError where a person reads it.
 */
export interface Disk {
  /**
   * `read`: the file must exist. `write`: read and write, made when missing, contents kept. `create`: read and write,
   * must not exist yet (EEXIST).
   */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile>
  /** Makes the folder and its parents; fine when it exists. New entries are durable only after `syncDir` of each parent. */
  makeDir(path: string): Promise<void>
  /** Entries of a folder, sorted by name. */
  list(path: string): Promise<DiskEntry[]>
  /** Undefined when nothing is there. */
  stat(path: string): Promise<DiskEntry | undefined>
  /** Replaces a file at `to`. Durable after `syncDir` of the folder of `to`, and of the other one when it is another. */
  rename(from: string, to: string): Promise<void>
  /** A file, or an empty folder (ENOTEMPTY otherwise). */
  remove(path: string): Promise<void>
  /** Makes the folder's entries durable: fsync of the directory. */
  syncDir(path: string): Promise<void>
  space(path: string): Promise<DiskSpace>
}

export interface DiskFile {
  /** Reads into `into` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Writes all parts one after the other from `position`, or rejects; what a rejected write left behind is unknown. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>
  truncate(bytes: number): Promise<void>
  size(): Promise<number>
  /** fdatasync: data, and the size when it changed. */
  datasync(): Promise<void>
  /** Idempotent. Does not sync. */
  close(): Promise<void>
}

export interface DiskEntry {
  readonly name: string
  readonly kind: 'file' | 'folder' | 'other'
  readonly bytes: number
  /** Changes when another file system is mounted here. */
  readonly device: number
}

export interface DiskSpace {
  readonly totalBytes: number
  readonly freeBytes: number
}

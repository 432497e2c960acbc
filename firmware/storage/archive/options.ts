import { join } from 'node:path'
import type { Clock } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import type { IndexHome } from './index-store.ts'
import { LmdbHome } from './lmdb-store.ts'
import { INDEX_FOLDER } from './names.ts'

export interface ArchiveOptions {
  readonly disk: Disk
  readonly clock: Clock
  /** Folder of the archive, made a root by `initRoot`. */
  readonly root: string
  /** The disk that must be there, 32 hex digits. */
  readonly diskId?: string
  /** Free space that fragments leave alone, 1 GiB by default: the index, the journal and the deleter need some. */
  readonly minFreeBytes?: number
  /** How long a first fragment waits for others before a commit, 20 ms by default. */
  readonly commitDelayMs?: number
  /** Live and backlog at the same time need one each; 4 by default. */
  readonly openFilesPerCamera?: number
  /** A file that nothing was added to for so long is closed, 15 minutes by default. */
  readonly idleCloseMs?: number
  /** A group commit is durable: how long it took since its first job was handed over. */
  readonly onCommit?: (tookMs: number) => void
  /** Where the index is; LMDB in `.homeward/index` below the root by default. */
  readonly index?: IndexHome
}

export interface Settings extends Required<Omit<ArchiveOptions, 'diskId'>> {
  readonly diskId: string | undefined
}

const MIN_FREE_BYTES = 1024 ** 3
const COMMIT_DELAY_MS = 20
const OPEN_FILES_PER_CAMERA = 4
const IDLE_CLOSE_MS = 15 * 60_000

export function settingsOf(options: ArchiveOptions): Settings {
  return {
    minFreeBytes: MIN_FREE_BYTES,
    commitDelayMs: COMMIT_DELAY_MS,
    openFilesPerCamera: OPEN_FILES_PER_CAMERA,
    idleCloseMs: IDLE_CLOSE_MS,
    onCommit: () => undefined,
    index: new LmdbHome(join(options.root, INDEX_FOLDER)),
    diskId: undefined,
    ...options,
  }
}

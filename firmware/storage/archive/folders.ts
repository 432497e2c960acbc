/** Folders of the archive, and which of them are known to survive a power cut. */
import { join } from 'node:path'
import type { Disk } from '../../platform/disk.ts'
import { foldersDownTo, parentOf } from './names.ts'

export class Folders {
  readonly #disk: Disk
  readonly #root: string
  /** Folders whose entry in their parent is durable. A folder found at the start may be new: it is synced once. */
  readonly #durable = new Set<string>()

  constructor(disk: Disk, root: string) {
    this.#disk = disk
    this.#root = root
  }

  /** Makes the folder of a file that is about to be made. `path` is relative to the root. */
  async makeFor(path: string): Promise<void> {
    const folder = parentOf(path)
    if (!this.#durable.has(folder)) await this.#disk.makeDir(join(this.#root, folder))
  }

  /**
   * Makes the entries of new files durable, and those of every new folder above them. Answers for each path with
   * undefined or the error of what it needs.
   */
  async settle(paths: readonly string[]): Promise<Map<string, unknown>> {
    const syncs = new Map<string, Promise<void>>()
    const sync = (folder: string): Promise<void> => {
      const running = syncs.get(folder) ?? this.#disk.syncDir(join(this.#root, folder))
      syncs.set(folder, running)
      return running
    }
    const results = await Promise.all(
      paths.map(async (path) => {
        const fresh = foldersDownTo(parentOf(path)).filter((folder) => !this.#durable.has(folder))
        const needed = [...fresh.map(parentOf), parentOf(path)]
        const answers = await Promise.allSettled(needed.map(sync))
        const failed = answers.find((answer) => answer.status === 'rejected')
        return { path, fresh, error: failed?.reason as unknown }
      }),
    )
    for (const { fresh, error } of results) {
      if (error === undefined) for (const folder of fresh) this.#durable.add(folder)
    }
    return new Map(results.filter(({ error }) => error !== undefined).map(({ path, error }) => [path, error]))
  }

  /** Durable when it resolves. The file has at least one of its names at any moment, also after a power cut. */
  async moveFile(from: string, to: string): Promise<void> {
    await this.makeFor(to)
    // A folder that is not durable itself would take the file with it.
    await this.#mustSettle(to)
    await this.#disk.rename(join(this.#root, from), join(this.#root, to))
    await this.#mustSettle(to)
    await this.removeEmpty(parentOf(from))
  }

  async #mustSettle(path: string): Promise<void> {
    const unsettled = await this.settle([path])
    if (unsettled.has(path)) throw unsettled.get(path)
  }

  /** Removes a folder with nothing in it and those above it, but not a camera's own; makes what is gone durable. */
  async removeEmpty(folder: string): Promise<void> {
    let at = folder
    while (parentOf(at) !== '' && (await this.#isEmpty(at))) {
      this.forget()
      await this.#disk.remove(join(this.#root, at))
      at = parentOf(at)
    }
    await this.#disk.syncDir(join(this.#root, at))
  }

  async #isEmpty(folder: string): Promise<boolean> {
    return (await this.#disk.list(join(this.#root, folder))).length === 0
  }

  /** After a failure on the disk nothing is taken for granted. */
  forget(): void {
    this.#durable.clear()
  }
}

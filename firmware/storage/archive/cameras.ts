/** Which folder each camera's new files go to. */
import { toHex } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { CameraEntry } from './journal-entry.ts'
import { safeFolder } from './names.ts'
import type { CameraRow } from './rows.ts'

export class CameraFolders {
  readonly #rows = new Map<string, CameraRow>()
  #naming: Promise<unknown> = Promise.resolve()

  constructor(known: Iterable<{ readonly camera: Uint8Array; readonly row: CameraRow }>) {
    for (const { camera, row } of known) this.#rows.set(toHex(camera), row)
  }

  has(camera: Uint8Array): boolean {
    return this.#rows.has(toHex(camera))
  }

  folderOf(camera: Uint8Array): string {
    const row = this.#rows.get(toHex(camera))
    if (row === undefined) throw new HomewardError('INTERNAL', `camera ${toHex(camera)} has no folder yet`)
    return row.folder
  }

  all(): { readonly camera: string; readonly row: CameraRow }[] {
    return [...this.#rows].map(([camera, row]) => ({ camera, row }))
  }

  /**
   * Gives the camera a folder by that name, made safe; answers with it. `enter` resolves when the entry is durable; there
   * is none when the camera has that folder already. One naming at a time, so that no two cameras get the same folder.
   */
  name(camera: Uint8Array, name: string, atUs: number, enter: (entry: CameraEntry) => Promise<void>): Promise<string> {
    const named = this.#naming.then(async () => {
      const entry = this.#entryFor(camera, name, atUs)
      if (entry !== undefined) {
        await enter(entry)
        this.#rows.set(entry.camera, { folder: entry.folder, folders: entry.folders })
      }
      return this.folderOf(camera)
    })
    this.#naming = named.catch(() => undefined)
    return named
  }

  #entryFor(camera: Uint8Array, name: string, atUs: number): CameraEntry | undefined {
    const key = toHex(camera)
    const others = [...this.#rows].filter(([other]) => other !== key).flatMap(([, row]) => row.folders)
    const folder = safeFolder(name, camera, others)
    const row = this.#rows.get(key)
    if (row?.folder === folder) return undefined
    const folders = [...(row?.folders ?? []).filter((known) => known !== folder), folder]
    return { type: 'camera', atUs, camera: key, folder, folders }
  }
}

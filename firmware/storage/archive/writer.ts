/** The open files of all cameras: which one a fragment goes to, and which ones are done. No I/O. */
import { toHex } from '../../wire/bytes.ts'
import { assign } from './assign.ts'
import type { Arrived } from './incoming.ts'
import { fileFolder, fileName } from './names.ts'
import { OpenFile } from './open-file.ts'

export class Writer {
  readonly #filesPerCamera: number
  readonly #files = new Map<string, OpenFile[]>()

  constructor(filesPerCamera: number) {
    this.#filesPerCamera = filesPerCamera
  }

  get files(): OpenFile[] {
    return [...this.#files.values()].flat()
  }

  /**
   * Plans the fragment at the end of a file that can take it, else in a new one below `folder`. Files that can take no
   * more, and the longest unused one when there are too many, are told to finish.
   */
  plan(arrived: Arrived, folder: string, nowUs: number): OpenFile {
    const camera = toHex(arrived.camera)
    const open = this.#files.get(camera) ?? []
    const { file: found, finished } = assign(
      open.filter((file) => !file.finishing),
      arrived,
    )
    for (const file of finished) file.finish()
    found?.plan(arrived)
    const file = found ?? new OpenFile(pathFor(folder, arrived), arrived)
    file.usedUs = nowUs
    const byUse = [...open.filter((other) => other !== file), file]
    const running = byUse.filter((other) => !other.finishing)
    for (const other of running.slice(0, Math.max(0, running.length - this.#filesPerCamera))) other.finish()
    this.#files.set(camera, byUse)
    return file
  }

  remove(file: OpenFile): void {
    const camera = toHex(file.id.camera)
    const left = (this.#files.get(camera) ?? []).filter((other) => other !== file)
    if (left.length > 0) this.#files.set(camera, left)
    else this.#files.delete(camera)
  }
}

function pathFor(folder: string, first: Arrived): string {
  return `${fileFolder(folder, first)}/${fileName(first, first.log, first.seq)}`
}

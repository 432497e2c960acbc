/** The two copies of the boot text on the disk of a virtual device, watched from the host. */
import { closeSync, openSync, readSync } from 'node:fs'
import { STATE_AT_BYTES, STATE_BYTES } from '../image/disk.ts'

type Copy = 0 | 1

export class BootText {
  readonly #disk: number
  readonly #now = Buffer.alloc(STATE_BYTES)
  #noted: readonly Buffer[] = []

  constructor(path: string) {
    this.#disk = openSync(path, 'r')
    this.note()
  }

  /** What stands there now is what `changed` compares with. */
  note(): void {
    this.#noted = STATE_AT_BYTES.map((at) => Buffer.from(this.#read(at)))
  }

  changed(copy: Copy): boolean {
    return this.#noted[copy]?.equals(this.#read(STATE_AT_BYTES[copy])) === false
  }

  areAlike(): boolean {
    return Buffer.from(this.#read(STATE_AT_BYTES[0])).equals(this.#read(STATE_AT_BYTES[1]))
  }

  close(): void {
    closeSync(this.#disk)
  }

  #read(at: number): Buffer {
    readSync(this.#disk, this.#now, 0, STATE_BYTES, at)
    return this.#now
  }
}

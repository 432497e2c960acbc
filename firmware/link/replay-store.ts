/**
 * What each peer last sent, across restarts. Written now and then and on close: a lost write lets a recorded datagram of
 * the last minute be answered once more, which tells its sender nothing it did not hear when it recorded it.
 */
import { join } from 'node:path'
import type { Clock, Timer } from '../platform/clock.ts'
import { toHex } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import { ReplayWindow } from './replay.ts'
import { type Fields, isCount, isHex, readState, writeState } from './state-json.ts'

const FILE = 'replay.json'
const FORMAT = 'homeward-replay-1'

/** Seldom enough not to matter to a card: one small write a minute, and only when something changed. */
const SAVE_EVERY_MS = 60_000

export class ReplayStore {
  readonly #path: string
  readonly #clock: Clock
  readonly #windows = new Map<string, ReplayWindow>()
  readonly #onError: (error: unknown) => void
  #saved = ''
  #timer: Timer | undefined
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string, clock: Clock, onError: (error: unknown) => void) {
    this.#path = path
    this.#clock = clock
    this.#onError = onError
  }

  /** A damaged file counts as none. `onError` hears of writes that failed; the next one tries again. */
  static async open(
    stateDir: string,
    clock: Clock,
    onError: (error: unknown) => void = () => {},
  ): Promise<ReplayStore> {
    const store = new ReplayStore(join(stateDir, FILE), clock, onError)
    try {
      store.#load(await readState(store.#path, FORMAT))
    } catch (error) {
      if (!isHomewardError(error, 'STATE_DAMAGED')) throw error
      onError(error)
    }
    store.#schedule()
    return store
  }

  /** The window of a peer: always the same object until `reset`. */
  windowFor(peer: Uint8Array): ReplayWindow {
    const id = toHex(peer)
    const known = this.#windows.get(id)
    if (known !== undefined) return known
    const fresh = new ReplayWindow()
    this.#windows.set(id, fresh)
    return fresh
  }

  /** Forgets what a peer sent: it was forgotten, or proved itself anew with a fresh setup token. */
  reset(peer: Uint8Array): void {
    this.#windows.delete(toHex(peer))
  }

  async save(): Promise<void> {
    const write = async () => {
      const peers = Object.fromEntries([...this.#windows].map(([id, { last }]) => [id, [last.boot, last.seq]]))
      const text = JSON.stringify(peers)
      if (text === this.#saved) return
      await writeState(this.#path, FORMAT, { peers })
      this.#saved = text
    }
    const done = this.#writing.then(write)
    this.#writing = done.catch(() => {})
    await done
  }

  /** Writes a last time. Idempotent. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.save().catch(this.#onError)
  }

  #schedule(): void {
    this.#timer = this.#clock.after(SAVE_EVERY_MS, () => {
      this.#schedule()
      this.save().catch(this.#onError)
    })
  }

  #load(fields: Fields | undefined): void {
    const peers = fields?.peers
    if (typeof peers !== 'object' || peers === null) return
    for (const [id, value] of Object.entries(peers)) {
      const [boot, seq]: unknown[] = Array.isArray(value) ? value : []
      if (isHex(id, 32) && isCount(boot) && isCount(seq)) this.#windows.set(id, new ReplayWindow({ boot, seq }))
    }
    this.#saved = JSON.stringify(peers)
  }
}

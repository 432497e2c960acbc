/**
 * The storage device's pairing windows. Only a hash of each token is kept. A window is timed by the monotonic clock while
 * the program runs; after a restart the wall clock may only shorten it.
 */
import { join } from 'node:path'
import type { Clock } from '../platform/clock.ts'
import { fromHex, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { hashToken, TOKEN_BYTES, TokenKeys } from './pair.ts'
import { randomBytes } from './sodium.ts'
import { asFields, type Fields, isCount, isHex, readState, stateDamaged, writeState } from './state-json.ts'

const TOKEN_TTL_DEFAULT_S = 600
export const TOKEN_TTL_MAX_S = 24 * 3600

const FILE = 'tokens.json'
const FORMAT = 'homeward-tokens-1'

/** Finished windows are kept so that late attempts can be explained and answered; the oldest go first. */
const FINISHED_MAX = 64
const OPEN_MAX = 32

export interface PairingWindow {
  /** Hex; {@link hashToken}. */
  readonly tokenHash: string
  /** The name the owner gave to `storage pair`. */
  readonly name?: string
  /** Wall time in µs, as the storage device believed. */
  readonly openedUs: number
  readonly expiresUs: number
  /** Hex key of the one camera that used it. */
  readonly usedBy?: string
}

export type WindowState = 'open' | 'used' | 'expired'

interface Entry {
  window: PairingWindow
  readonly keys: TokenKeys
  /** Monotonic µs. */
  readonly deadlineUs: number
}

export class TokenStore {
  readonly #path: string
  readonly #clock: Clock
  readonly #byTag = new Map<string, Entry>()
  readonly #listeners = new Set<() => void>()
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  /** Throws STATE_DAMAGED. */
  static async open(stateDir: string, clock: Clock): Promise<TokenStore> {
    const store = new TokenStore(join(stateDir, FILE), clock)
    const fields = await readState(store.#path, FORMAT)
    for (const item of windowsOf(fields, store.#path)) store.#put(item, store.#remainingUs(item))
    return store
  }

  /** Opens a window and makes it durable. The token is not kept: it exists only in what this returns. */
  async issue(options: { ttlS?: number; name?: string } = {}): Promise<{ token: Uint8Array; window: PairingWindow }> {
    const ttlS = options.ttlS ?? TOKEN_TTL_DEFAULT_S
    if (!Number.isInteger(ttlS) || ttlS < 1 || ttlS > TOKEN_TTL_MAX_S) {
      throw new HomewardError('USAGE', `a setup code can be valid for 1 to ${TOKEN_TTL_MAX_S} seconds, not ${ttlS}`)
    }
    if (this.#count('open') >= OPEN_MAX) {
      throw new HomewardError('USAGE', `${OPEN_MAX} setup codes are waiting to be used already`, {
        hint: 'Use one of them, or wait until they expire.',
      })
    }
    const token = randomBytes(TOKEN_BYTES)
    const openedUs = this.#clock.wallUs()
    const window: PairingWindow = {
      tokenHash: toHex(hashToken(token)),
      ...(options.name === undefined ? {} : { name: options.name }),
      openedUs,
      expiresUs: openedUs + ttlS * 1_000_000,
    }
    this.#put(window, ttlS * 1_000_000)
    await this.#save()
    return { token, window }
  }

  /** By the short tag in hex, in whatever state. One map look-up. */
  find(shortTag: string): { window: PairingWindow; state: WindowState } | undefined {
    const entry = this.#byTag.get(shortTag)
    return entry === undefined ? undefined : { window: entry.window, state: this.#state(entry) }
  }

  list(): { window: PairingWindow; state: WindowState }[] {
    return [...this.#byTag.values()].map((entry) => ({ window: entry.window, state: this.#state(entry) }))
  }

  /** Keys of the windows that may still be looked up: open ones, and used ones until their time is over. */
  liveKeys(): TokenKeys[] {
    return [...this.#byTag.values()].filter((entry) => !this.#isOver(entry)).map((entry) => entry.keys)
  }

  /**
   * Uses the token for `camera`, durably when this resolves. `repeated`: the same camera had used it before, which harms
   * nothing and works after the expiry too. Throws TOKEN_USED, TOKEN_EXPIRED.
   */
  async claim(tokenHash: string, camera: Uint8Array): Promise<'claimed' | 'repeated'> {
    const entry = this.#byHash(tokenHash)
    const key = toHex(camera)
    if (entry === undefined) throw new HomewardError('TOKEN_EXPIRED', 'the setup code is not known any more')
    if (entry.window.usedBy !== undefined) {
      // The first claim may still be on its way to the disk.
      await this.#writing
      if (entry.window.usedBy === key) return 'repeated'
      throw new HomewardError('TOKEN_USED', 'the setup code was used by another camera')
    }
    if (this.#isOver(entry)) throw new HomewardError('TOKEN_EXPIRED', 'the setup code had expired')
    const before = entry.window
    entry.window = { ...before, usedBy: key }
    try {
      await this.#save()
    } catch (error) {
      entry.window = before
      throw error
    }
    return 'claimed'
  }

  /** Drops the windows that `camera` used: it cannot come back with its old setup code. */
  async revoke(camera: Uint8Array): Promise<void> {
    const key = toHex(camera)
    for (const [tag, entry] of this.#byTag) if (entry.window.usedBy === key) this.#byTag.delete(tag)
    await this.#save()
  }

  /** Called when windows open, are used or revoked. Returns the way to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #put(window: PairingWindow, remainingUs: number): void {
    const keys = new TokenKeys(fromHex(window.tokenHash))
    this.#byTag.set(keys.shortTagHex, { window, keys, deadlineUs: this.#clock.monoUs() + remainingUs })
  }

  /** What a restart leaves of a window: nothing when the clock is unknown or earlier than the opening. */
  #remainingUs(window: PairingWindow): number {
    const nowUs = this.#clock.wallUs()
    if (this.#clock.quality() === 'none' || nowUs < window.openedUs) return 0
    return Math.max(0, window.expiresUs - nowUs)
  }

  #state(entry: Entry): WindowState {
    if (entry.window.usedBy !== undefined) return 'used'
    return this.#isOver(entry) ? 'expired' : 'open'
  }

  #isOver(entry: Entry): boolean {
    return this.#clock.monoUs() >= entry.deadlineUs
  }

  #count(state: WindowState): number {
    return [...this.#byTag.values()].filter((entry) => this.#state(entry) === state).length
  }

  #byHash(tokenHash: string): Entry | undefined {
    return [...this.#byTag.values()].find((entry) => entry.window.tokenHash === tokenHash)
  }

  #prune(): void {
    const finished = [...this.#byTag].filter(([, entry]) => this.#state(entry) !== 'open')
    for (const [tag] of finished.slice(0, Math.max(0, finished.length - FINISHED_MAX))) this.#byTag.delete(tag)
  }

  /** One write at a time, each of the newest state. */
  async #save(): Promise<void> {
    this.#prune()
    const write = () => {
      const windows = [...this.#byTag.values()].map((entry) => entry.window)
      return writeState(this.#path, FORMAT, { windows })
    }
    const done = this.#writing.then(write, write)
    this.#writing = done.catch(() => {})
    await done
    for (const listener of this.#listeners) listener()
  }
}

function windowsOf(fields: Fields | undefined, path: string): PairingWindow[] {
  if (fields === undefined) return []
  const items = fields.windows
  if (!Array.isArray(items)) throw stateDamaged(path, '"windows" is not a list')
  return items.map((item: unknown, at) => {
    const { tokenHash, name, openedUs, expiresUs, usedBy } = asFields(item) ?? {}
    const fits =
      isHex(tokenHash, 32) &&
      isCount(openedUs) &&
      isCount(expiresUs) &&
      (name === undefined || typeof name === 'string') &&
      (usedBy === undefined || isHex(usedBy, 32))
    if (!fits) throw stateDamaged(path, `"windows[${at}]" has wrong fields`)
    return {
      tokenHash,
      openedUs,
      expiresUs,
      ...(name === undefined ? {} : { name }),
      ...(usedBy === undefined ? {} : { usedBy }),
    }
  })
}

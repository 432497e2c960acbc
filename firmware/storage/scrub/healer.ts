/**
 * Asks cameras for what is damaged on the storage disk. ACKed records stay on a camera's card until they are written over; what
 * is not there any more goes into the ledger. One record at a time per camera: this is in no hurry.
 */
import { type Clock, sleep } from '../../platform/clock.ts'
import { toHex } from '../../wire/bytes.ts'
import type { Archive, DamagedFragment } from '../archive/archive.ts'
import type { ArchiveSlot } from '../archive-slot.ts'

/** How often cameras that came back are noticed. */
const LOOK_EVERY_MS = 5_000
/** A record that does not come within this time: another one is asked for, this one again in the next turn. */
export const ANSWER_WITHIN_MS = 60_000

export type HealerSlot = Pick<ArchiveSlot, 'archive' | 'write'>

export interface HealerOptions {
  readonly slot: HealerSlot
  readonly clock: Clock
  /** False: the camera is not connected, or cannot be asked. */
  readonly ask: (camera: Uint8Array, log: string, seq: number) => boolean
  /** A camera that was forgotten is never asked again. */
  readonly isKnown: (camera: Uint8Array) => boolean
  readonly onHealed?: (fragment: Named) => void
  readonly onLost?: (fragment: Named) => void
  readonly onTrouble?: (error: unknown) => void
}

export interface Named {
  readonly camera: Uint8Array
  readonly log: string
  readonly seq: number
}

interface Asked extends Named {
  readonly untilUs: number
}

export class Healer {
  readonly #options: HealerOptions
  readonly #asked = new Map<string, Asked>()
  /** Where the next turn of a camera begins. */
  readonly #after = new Map<string, string>()
  readonly #closing = new AbortController()
  readonly #busy = new Set<Promise<void>>()
  readonly #counts = { healed: 0, lost: 0 }
  #wake = new AbortController()
  #loop: Promise<void> | undefined

  constructor(options: HealerOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop ??= this.#run()
  }

  /** Since the agent started. */
  get counts(): { readonly healed: number; readonly lost: number } {
    return { ...this.#counts }
  }

  /** Something was found damaged. */
  poke(): void {
    this.#wake.abort()
  }

  /** A record of the camera was stored. */
  kept(camera: Uint8Array, log: string, seq: number): void {
    const asked = this.#answered(camera, log, seq)
    if (asked === undefined || this.#archive()?.isDamaged(camera, log, seq) !== false) return
    this.#counts.healed++
    this.#options.onHealed?.(asked)
    this.poke()
  }

  /** The camera does not have it. */
  unheld(camera: Uint8Array, log: string, seq: number): void {
    const asked = this.#answered(camera, log, seq)
    if (asked === undefined) return
    this.#track(this.#giveUp(asked))
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#wake.abort()
    await this.#loop
    await Promise.all(this.#busy)
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await sleep(this.#options.clock, LOOK_EVERY_MS, this.#wake.signal)
      this.#wake = new AbortController()
      if (this.#closing.signal.aborted) return
      try {
        await this.#turn()
      } catch (error) {
        this.#options.onTrouble?.(error)
      }
    }
  }

  async #turn(): Promise<void> {
    const archive = this.#archive()
    if (archive === undefined) return
    const nowUs = this.#options.clock.monoUs()
    for (const { camera } of archive.totals()) {
      const key = toHex(camera)
      const asked = this.#asked.get(key)
      if (asked !== undefined && asked.untilUs > nowUs) continue
      this.#asked.delete(key)
      const next = this.#next(archive, camera, key)
      if (next === undefined) continue
      const { log, seq } = next
      if (!this.#options.isKnown(camera)) await this.#giveUp({ camera, log, seq })
      else if (this.#options.ask(camera, log, seq)) {
        this.#asked.set(key, { camera, log, seq, untilUs: nowUs + ANSWER_WITHIN_MS * 1000 })
        this.#after.set(key, nameOf(next))
      }
    }
  }

  /** The first behind the one that was asked for last, else the first of all. */
  #next(archive: Archive, camera: Uint8Array, key: string): DamagedFragment | undefined {
    const after = this.#after.get(key) ?? ''
    let first: DamagedFragment | undefined
    for (const found of archive.damaged(camera)) {
      if (found.row.state !== 'asked') continue
      if (nameOf(found) > after) return found
      first ??= found
    }
    return first
  }

  async #giveUp(fragment: Named): Promise<void> {
    const { camera, log, seq } = fragment
    await this.#options.slot.write((archive) => archive.giveUpDamaged(camera, log, seq))
    this.#counts.lost++
    this.#options.onLost?.(fragment)
    this.poke()
  }

  #answered(camera: Uint8Array, log: string, seq: number): Asked | undefined {
    const key = toHex(camera)
    const asked = this.#asked.get(key)
    if (asked?.log !== log || asked.seq !== seq) return undefined
    this.#asked.delete(key)
    return asked
  }

  #archive(): Archive | undefined {
    try {
      return this.#options.slot.archive
    } catch {
      return undefined
    }
  }

  #track(work: Promise<void>): void {
    const done = work.catch((error: unknown) => this.#options.onTrouble?.(error)).finally(() => this.#busy.delete(done))
    this.#busy.add(done)
  }
}

function nameOf({ log, seq }: Pick<Named, 'log' | 'seq'>): string {
  return `${log}/${String(seq).padStart(16, '0')}`
}

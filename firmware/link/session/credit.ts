/**
 * How much the cameras together may have in flight: one memory budget of the storage device, in bytes of records received
 * and not yet settled. The largest record's worth of it is kept apart for grants, so that a record longer than a camera's
 * window always gets through in its turn; the rest is shared out as windows. No I/O, no time.
 *
 * A window is raised at once, but what was lowered counts as before until the camera confirms that nothing above the new
 * window is in flight; so the sum never exceeds the budget, whatever crosses on the wire.
 */
import { HomewardError } from '../../wire/errors.ts'
import { RECORD_MAX_BYTES } from '../../wire/limits.ts'

/** Records are held sealed and opened for a moment: the memory really used is up to twice this. */
const CREDIT_BUDGET_BYTES = 64 * 1024 * 1024

/** 8 MiB in flight fill 200 Mbit/s at a third of a second of round trip and group commit; six cameras get as much. */
export const CREDIT_BASE_BYTES = 8 * 1024 * 1024

/** Smaller raises wait until they add up, unless they complete the window: each one is a message. */
const RAISE_MIN_BYTES = 256 * 1024

export interface CreditListener {
  /** The window is `bytes` from now on. */
  credit(id: number, bytes: number): void
  /** The need of this id is granted. */
  grant(id: number, bytes: number): void
}

export interface CreditOptions {
  readonly budgetBytes?: number
  readonly baseBytes?: number
  readonly largestBytes?: number
}

export class CreditBudget {
  readonly #baseBytes: number
  readonly #windowsBytes: number
  readonly #grantsBytes: number
  readonly #shares = new Set<CreditShare>()
  /** Shares that wait for a grant, first come first served. */
  readonly #queue: CreditShare[] = []

  /** Throws CONFIG_INVALID when the budget cannot hold one largest record and one base window. */
  constructor(options: CreditOptions = {}) {
    const {
      budgetBytes = CREDIT_BUDGET_BYTES,
      baseBytes = CREDIT_BASE_BYTES,
      largestBytes = RECORD_MAX_BYTES,
    } = options
    if (budgetBytes < largestBytes + baseBytes) {
      throw new HomewardError('CONFIG_INVALID', `a receive budget of ${budgetBytes} bytes`, {
        hint: `Give it at least ${largestBytes + baseBytes} bytes.`,
      })
    }
    this.#baseBytes = baseBytes
    this.#windowsBytes = budgetBytes - largestBytes
    this.#grantsBytes = largestBytes
  }

  /** Bytes of windows and grants that are given out, and that may arrive at any moment. */
  get committedBytes(): number {
    let sum = 0
    for (const share of this.#shares) sum += share.committedBytes + share.grantBytes
    return sum
  }

  /** Cameras that wait for a grant. */
  get waiting(): number {
    return this.#queue.length
  }

  /** A part of the budget for one session. The window it starts with is `share.creditBytes`, with the id 0. */
  join(listener: CreditListener): CreditShare {
    const free = this.#freeBytes()
    const open = [...this.#shares].filter((share) => !share.closed).length
    const share = new CreditShare(listener, Math.min(this.#targetBytes(open + 1), Math.max(0, free)), {
      wait: () => this.#wait(share),
      stopWaiting: () => this.#stopWaiting(share),
      changed: () => this.#changed(),
      grantsBytes: this.#grantsBytes,
    })
    this.#shares.add(share)
    this.#changed()
    return share
  }

  #targetBytes(shares: number): number {
    return Math.min(this.#baseBytes, Math.floor(this.#windowsBytes / Math.max(1, shares)))
  }

  #freeBytes(): number {
    let free = this.#windowsBytes
    for (const share of this.#shares) free -= share.committedBytes
    return free
  }

  #wait(share: CreditShare): void {
    if (!this.#queue.includes(share)) this.#queue.push(share)
  }

  #stopWaiting(share: CreditShare): void {
    const at = this.#queue.indexOf(share)
    if (at >= 0) this.#queue.splice(at, 1)
  }

  #changed(): void {
    for (const share of this.#shares) {
      if (share.closed && share.committedBytes === 0 && share.grantBytes === 0) this.#shares.delete(share)
    }
    this.#shareWindows()
    this.#grantNext()
  }

  #shareWindows(): void {
    const open = [...this.#shares].filter((share) => !share.closed)
    const target = this.#targetBytes(open.length)
    for (const share of open) if (share.creditBytes > target) share.setCredit(target)
    let free = this.#freeBytes()
    for (const share of open) {
      const bytes = Math.min(target, share.committedBytes + Math.max(0, free))
      if (bytes <= share.creditBytes) continue
      if (bytes < target && bytes - share.creditBytes < RAISE_MIN_BYTES) continue
      const before = share.committedBytes
      share.setCredit(bytes)
      free -= share.committedBytes - before
    }
  }

  /** Strictly in turn, so that small needs cannot starve a large one; one grant for each camera at a time. */
  #grantNext(): void {
    for (;;) {
      let used = 0
      for (const share of this.#shares) used += share.grantBytes
      const next = this.#queue.find((share) => share.grantBytes === 0)
      if (next === undefined || used + next.neededBytes > this.#grantsBytes) return
      this.#stopWaiting(next)
      next.giveGrant()
    }
  }
}

interface Office {
  wait(): void
  stopWaiting(): void
  changed(): void
  readonly grantsBytes: number
}

/** One session's part. `take` when the first bytes of a record arrive, `settle` once it is answered. */
export class CreditShare {
  readonly #listener: CreditListener
  readonly #office: Office
  /** Windows the camera may be going by: the last one it confirmed, then those it has not. */
  #windows: { readonly id: number; readonly bytes: number }[]
  #takenBytes = 0
  #need: { readonly id: number; readonly bytes: number } | undefined
  #grant: { readonly bytes: number; taken: boolean } | undefined
  #closed = false

  constructor(listener: CreditListener, creditBytes: number, office: Office) {
    this.#listener = listener
    this.#windows = [{ id: 0, bytes: creditBytes }]
    this.#office = office
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The window last told. */
  get creditBytes(): number {
    return this.#windows.at(-1)?.bytes ?? 0
  }

  get neededBytes(): number {
    return this.#need?.bytes ?? 0
  }

  /** A grant counts until its record is settled. */
  get grantBytes(): number {
    return this.#grant?.bytes ?? 0
  }

  /** A grant is given, and its record is not answered. */
  get grantPending(): boolean {
    return this.#grant !== undefined
  }

  /** What the window may cost at any moment, grants apart. */
  get committedBytes(): number {
    return this.#closed ? this.#takenBytes : Math.max(this.#takenBytes, this.#limitBytes)
  }

  get #limitBytes(): number {
    return this.#windows.reduce((most, { bytes }) => Math.max(most, bytes), 0)
  }

  /** A record of `bytes` begins to arrive. Throws FRAME_MALFORMED when the camera may not send it. */
  take(bytes: number, granted: boolean): void {
    if (granted) {
      if (this.#grant === undefined || this.#grant.taken || bytes > this.#grant.bytes) {
        throw new HomewardError('FRAME_MALFORMED', `a record of ${bytes} bytes without a grant for it`)
      }
      this.#grant.taken = true
      return
    }
    if (this.#takenBytes + bytes > this.#limitBytes) {
      throw new HomewardError(
        'FRAME_MALFORMED',
        `${this.#takenBytes + bytes} bytes in flight, the credit is ${this.#limitBytes}`,
      )
    }
    this.#takenBytes += bytes
  }

  /** The record is answered, or forgotten with its channel. */
  settle(bytes: number, granted: boolean): void {
    if (granted) this.#grant = undefined
    else this.#takenBytes -= bytes
    this.#office.changed()
  }

  /** The camera goes by the window of this id. An unknown id changes nothing. */
  confirm(id: number): void {
    const at = this.#windows.findIndex((window) => window.id === id)
    if (at <= 0) return
    this.#windows = this.#windows.slice(at)
    this.#office.changed()
  }

  /**
   * The camera has a record longer than its window; 0 when it has not any more. Replaces its earlier need. Throws
   * FRAME_MALFORMED for what could never be granted, and would keep everybody waiting.
   */
  need(id: number, bytes: number): void {
    if (bytes > this.#office.grantsBytes) {
      throw new HomewardError(
        'FRAME_MALFORMED',
        `a need of ${bytes} bytes, no record is longer than ${this.#office.grantsBytes}`,
      )
    }
    if (this.#grant?.taken === false) this.#grant = undefined
    this.#need = bytes === 0 ? undefined : { id, bytes }
    if (bytes === 0) this.#office.stopWaiting()
    else this.#office.wait()
    this.#office.changed()
  }

  /** Nothing new will arrive. What was taken still counts until it is settled. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#grant?.taken === false) this.#grant = undefined
    this.#need = undefined
    this.#office.stopWaiting()
    this.#office.changed()
  }

  /** By the budget only. */
  setCredit(bytes: number): void {
    const id = (this.#windows.at(-1)?.id ?? 0) + 1
    this.#windows.push({ id, bytes })
    this.#listener.credit(id, bytes)
  }

  /** By the budget only. */
  giveGrant(): void {
    const need = this.#need
    if (need === undefined) return
    this.#need = undefined
    this.#grant = { bytes: need.bytes, taken: false }
    this.#listener.grant(need.id, need.bytes)
  }
}

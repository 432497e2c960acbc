/** What is registered at this very server: in memory, gone with the process, rebuilt by the devices' next refresh. */

import { sourceOf } from '../../link/rate-limit.ts'
import type { SignedStatement } from '../../link/signal-proof.ts'
import type { Clock } from '../../platform/clock.ts'
import { equalBytes, fromHex, toHex } from '../../wire/bytes.ts'
import { type Origin, sameOrigin } from '../origin.ts'
import type { FoundStorage, RegisterResult, RegistrationPart, Registry, RegistryStats } from './registry.ts'

export interface RegistryLimits {
  readonly uids: number
  /** Look-up keys of all devices together: what memory mostly goes to. */
  readonly keys: number
  /** Behind one IPv4 address or IPv6 /64: a carrier's NAT holds many homes, one attacker has few addresses. */
  readonly uidsPerSource: number
  readonly keysPerSource: number
}

/** A few hundred MB at the very most. */
export const REGISTRY_LIMITS: RegistryLimits = {
  uids: 50_000,
  keys: 500_000,
  uidsPerSource: 256,
  keysPerSource: 4096,
}

/** Three refreshes of 25 s: two may get lost with all their repetitions. */
export const REGISTRATION_TTL_MS = 75_000

interface Slot {
  readonly cookieMs: number
  readonly serial: number
  readonly signature: Uint8Array
  readonly keys: ReadonlySet<string>
}

/** What is registered from one source. */
interface Share {
  readonly uids: number
  readonly keys: number
}

const NO_SHARE: Share = { uids: 0, keys: 0 }

interface Entry {
  readonly uid: string
  observed: Origin
  signed: SignedStatement
  cookieMs: number
  serial: number
  expiresUs: number
  /** By part; a part keeps its old keys until the new ones are there. */
  readonly slots: (Slot | undefined)[]
}

export class MemoryRegistry implements Registry {
  readonly ttlMs = REGISTRATION_TTL_MS
  readonly #clock: Clock
  readonly #limits: RegistryLimits
  /** In the order in which they expire: all have the same time to live, and a refresh moves an entry to the end. */
  readonly #byUid = new Map<string, Entry>()
  readonly #byKey = new Map<string, Entry>()
  readonly #bySource = new Map<string, Share>()

  constructor(clock: Clock, limits: RegistryLimits = REGISTRY_LIMITS) {
    this.#clock = clock
    this.#limits = limits
  }

  async register(part: RegistrationPart): Promise<RegisterResult> {
    this.#dropExpired()
    const known = this.#byUid.get(toHex(part.uid))
    const age = known === undefined ? 1 : part.cookieMs - known.cookieMs || part.serial - known.serial
    if (age < 0) return 'outdated'
    const slot = known?.slots[part.part]
    if (age === 0 && slot?.cookieMs === part.cookieMs && slot.serial === part.serial) {
      return equalBytes(slot.signature, part.signed.signature) ? 'repeated' : 'outdated'
    }
    if (age === 0 && known?.slots.length !== part.parts) return 'outdated'
    const refusal = this.#refusal(part, known)
    if (refusal !== undefined) return refusal
    this.#store(part, known)
    return 'stored'
  }

  async extend(uid: Uint8Array, observed: Origin): Promise<boolean> {
    this.#dropExpired()
    const entry = this.#byUid.get(toHex(uid))
    if (entry === undefined || !sameOrigin(entry.observed, observed)) return false
    this.#touch(entry)
    return true
  }

  async find(key: string): Promise<FoundStorage | undefined> {
    this.#dropExpired()
    const entry = this.#byKey.get(key)
    return entry === undefined ? undefined : { uid: fromHex(entry.uid), signed: entry.signed, observed: entry.observed }
  }

  async locate(uid: Uint8Array): Promise<Origin | undefined> {
    this.#dropExpired()
    return this.#byUid.get(toHex(uid))?.observed
  }

  async stats(): Promise<RegistryStats> {
    this.#dropExpired()
    return { uids: this.#byUid.size, keys: this.#byKey.size }
  }

  /** In hex, of all devices. */
  uids(): readonly string[] {
    this.#dropExpired()
    return [...this.#byUid.keys()]
  }

  /** Of the device with this UID in hex: all keys, and a mark that is another one after each registration. */
  held(uid: string): { readonly keys: readonly string[]; readonly mark: string } | undefined {
    this.#dropExpired()
    const entry = this.#byUid.get(uid)
    if (entry === undefined) return undefined
    const keys = entry.slots.flatMap((slot) => [...(slot?.keys ?? [])])
    return { keys, mark: `${entry.cookieMs} ${entry.serial}` }
  }

  /** The device with this UID in hex is not here any more. */
  forget(uid: string): void {
    const entry = this.#byUid.get(uid)
    if (entry !== undefined) this.#drop(entry)
  }

  async close(): Promise<void> {
    this.#byUid.clear()
    this.#byKey.clear()
    this.#bySource.clear()
  }

  #refusal(part: RegistrationPart, known: Entry | undefined): 'server-full' | 'address-full' | undefined {
    const fresh = part.keys.filter((key) => !this.#byKey.has(key)).length
    const isFull =
      (known === undefined && this.#byUid.size >= this.#limits.uids) || this.#byKey.size + fresh > this.#limits.keys
    if (isFull) return 'server-full'
    const source = sourceOf(part.observed.address)
    const taken = this.#bySource.get(source) ?? NO_SHARE
    const own = known !== undefined && sourceOf(known.observed.address) === source ? shareOf(known) : NO_SHARE
    const isSourceFull =
      taken.uids - own.uids >= this.#limits.uidsPerSource ||
      taken.keys - own.keys + (known === undefined ? 0 : shareOf(known).keys) + fresh > this.#limits.keysPerSource
    return isSourceFull ? 'address-full' : undefined
  }

  #store(part: RegistrationPart, known: Entry | undefined): void {
    const { observed, signed, cookieMs, serial } = part
    const entry = known ?? { uid: toHex(part.uid), observed, signed, cookieMs, serial, expiresUs: 0, slots: [] }
    if (known !== undefined) this.#count(entry, -1)
    Object.assign(entry, { observed, signed, cookieMs, serial })
    const replaced = [entry.slots[part.part], ...entry.slots.slice(part.parts)]
    entry.slots.length = part.parts
    const keys = new Set(part.keys)
    entry.slots[part.part] = { cookieMs, serial, signature: signed.signature, keys }
    for (const key of keys) this.#byKey.set(key, entry)
    for (const slot of replaced) this.#dropKeys(entry, slot)
    this.#count(entry, 1)
    this.#touch(entry)
  }

  /** Keys of a slot that is gone, less those that another slot of the entry holds now. */
  #dropKeys(entry: Entry, slot: Slot | undefined): void {
    for (const key of slot?.keys ?? []) {
      if (!entry.slots.some((other) => other?.keys.has(key))) this.#byKey.delete(key)
    }
  }

  #touch(entry: Entry): void {
    entry.expiresUs = this.#clock.monoUs() + this.ttlMs * 1000
    this.#byUid.delete(entry.uid)
    this.#byUid.set(entry.uid, entry)
  }

  #dropExpired(): void {
    const nowUs = this.#clock.monoUs()
    for (const entry of this.#byUid.values()) {
      if (entry.expiresUs > nowUs) return
      this.#drop(entry)
    }
  }

  #drop(entry: Entry): void {
    this.#byUid.delete(entry.uid)
    this.#count(entry, -1)
    for (const slot of entry.slots) for (const key of slot?.keys ?? []) this.#byKey.delete(key)
  }

  #count(entry: Entry, sign: 1 | -1): void {
    const source = sourceOf(entry.observed.address)
    const before = this.#bySource.get(source) ?? NO_SHARE
    const own = shareOf(entry)
    const after = { uids: before.uids + sign * own.uids, keys: before.keys + sign * own.keys }
    if (after.uids > 0) this.#bySource.set(source, after)
    else this.#bySource.delete(source)
  }
}

function shareOf(entry: Entry): Share {
  return { uids: 1, keys: entry.slots.reduce((sum, slot) => sum + (slot?.keys.size ?? 0), 0) }
}

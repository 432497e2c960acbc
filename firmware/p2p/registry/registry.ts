/** Which storage devices are registered, and under which keys cameras find them. */
import type { SignedStatement } from '../../link/signal-proof.ts'
import type { Origin } from '../origin.ts'

/** One part of a registration, all signatures checked. */
export interface RegistrationPart {
  /** Public key of the storage device, 32 bytes. */
  readonly uid: Uint8Array
  /** Where it is, as the server sees it. */
  readonly observed: Origin
  readonly signed: SignedStatement
  /** Registrations of one UID in time: by the issue of their cookie, then by serial. The newest wins. */
  readonly cookieMs: number
  readonly serial: number
  readonly part: number
  readonly parts: number
  /** Look-up keys of its tags in hex. */
  readonly keys: readonly string[]
}

/**
 * `stored`: this part is the newest. `repeated`: the same part again, nothing changed, its time runs on. `outdated`: there
 * is a newer one, or another one of the same age.
 */
export type RegisterResult = 'stored' | 'repeated' | 'outdated' | 'server-full' | 'address-full'

export interface FoundStorage {
  readonly uid: Uint8Array
  readonly signed: SignedStatement
  readonly observed: Origin
}

/** Another server with the same key, as devices reach it. */
export interface ServerName {
  /** Name or IP literal. */
  readonly host: string
  readonly port: number
  readonly tls?: number | undefined
}

/**
 * `contacting`: not tried yet. `up`: what other servers hold is known. `failing`: connected, and no good answer. `down`: not
 * connected. `foreign`: it belongs to servers with another key, and is left alone.
 */
export const SHARING_STATES = ['contacting', 'up', 'failing', 'down', 'foreign'] as const
export type SharingState = (typeof SHARING_STATES)[number]

/** What is shared with other servers. Since the start. */
export interface SharingStats {
  readonly state: SharingState
  /** Questions to what is shared, and those that got no answer. */
  readonly asked: number
  readonly failed: number
  /** Too many were under way. */
  readonly limited: number
  /** Devices that were held here and have gone to another server. */
  readonly moved: number
}

export interface RegistryStats {
  readonly uids: number
  readonly keys: number
  readonly sharing?: SharingStats
}

/** Only `elsewhere` waits for anybody else. */
export interface Registry {
  /** How long a registration lasts without a word from the device. */
  readonly ttlMs: number
  register(part: RegistrationPart): Promise<RegisterResult>
  /** Another `ttlMs` for a device that is registered from exactly this origin; false when it is not. */
  extend(uid: Uint8Array, observed: Origin): Promise<boolean>
  find(key: string): Promise<FoundStorage | undefined>
  /**
   * The other server at which the device is that has this key. Undefined when none is known, or just now nobody can say.
   * A server that stands alone has no such method.
   */
  elsewhere?(key: string): Promise<ServerName | undefined>
  /** Where the device with this UID is registered from. */
  locate(uid: Uint8Array): Promise<Origin | undefined>
  stats(): Promise<RegistryStats>
  close(): Promise<void>
}

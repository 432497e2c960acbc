/** What several servers know together: which of them holds which device. Behind it is Redis, or a fake. */
import type { ServerName, SharingState } from './registry.ts'

/** UIDs and keys in hex. Every call may reject with SERVER_UNREACHABLE, and at once while the state is not `up`. */
export interface SharedStore {
  readonly state: SharingState
  /** Called at each change of state. */
  onState(listener: (state: SharingState, why: string) => void): void
  /** Another server has said that this device is there now. */
  onMoved(listener: (uid: string) => void): void
  /** Resolves when the state is known, or after a moment anyway. */
  start(): Promise<void>
  /** The device has registered here just now, under `keys`; the keys in `gone` lead to it no more. */
  claim(uid: string, keys: readonly string[], gone: readonly string[]): Promise<void>
  /** It is still here, with all these keys. False: it is at another server. */
  renew(uid: string, keys: readonly string[]): Promise<boolean>
  /** It is here no more. */
  release(uid: string, keys: readonly string[]): Promise<void>
  /** The other server that holds the device with this key. */
  find(key: string): Promise<ServerName | undefined>
  /** Idempotent. */
  close(): Promise<void>
}

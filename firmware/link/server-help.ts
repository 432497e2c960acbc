/** What a P2P server does for a link, seen from either end of a pair; over UDP, and over TLS where UDP gets no answer. */
import type { Duplex } from 'node:stream'
import type { RawStream } from '@hyperswarm/secret-stream'
import type { Address } from './address.ts'
import type { Located } from './look-up.ts'
import type { NatKind } from './nat.ts'

/** Our leg of a relay: a udx stream is connected to it. */
export interface RelayLeg {
  readonly to: Address
  readonly stream: number
}

/** Two devices' TLS connections, joined. */
export type RelayStream = RawStream & Duplex

export interface Relays {
  /** Resolves once both ends are there. Throws TIMED_OUT, SERVER_UNREACHABLE or CANCELLED. */
  relayUdp(key: Uint8Array, stream: number, signal: AbortSignal): Promise<RelayLeg>
  /** The same by TLS: a byte stream to the other device. */
  relayTls(key: Uint8Array, signal: AbortSignal): Promise<RelayStream>
}

/** For a camera. */
export interface CameraHelp extends Relays {
  /** What our own NAT does, once it is known. */
  readonly nat: NatKind | undefined
  /** Where the server sees us by UDP, once it has said so. */
  readonly seen: Address | undefined
  /** Hears of `nat` whenever it has been looked at. */
  onNat(listener: (nat: NatKind) => void): void
  /** Listens from now on. Before, nothing is asked of it. */
  start(): void
  /** Throws SERVER_UNREACHABLE, or CANCELLED when `signal` aborts. */
  lookUp(by: 'pair' | 'token', signal: AbortSignal): Promise<Located>
  /** Sends a sealed datagram to the storage device; whether it arrives is not known. */
  carry(box: Uint8Array, by: 'pair' | 'token'): void
  /** What the storage device sends back. */
  onReturned(listener: (box: Uint8Array) => void): void
  close(): Promise<void>
}

/** A camera's sealed datagram that came by way of the server. */
export interface Carried {
  readonly box: Uint8Array
  /** Where the server sees the camera; undefined when it is connected by TLS. */
  readonly from: Address | undefined
  reply(box: Uint8Array): void
}

/** For a storage device. */
export interface StorageHelp extends Relays {
  /** What our own NAT does, once it is known. */
  readonly nat: NatKind | undefined
  onCarried(listener: (carried: Carried) => void): void
}

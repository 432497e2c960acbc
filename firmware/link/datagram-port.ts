import type { Address } from './address.ts'

/**
 * One UDP socket of a device, shared by signalling, probes and channels, so that all of them live behind the same NAT
 * mapping. The first byte of a datagram says whose it is; 0xFF belongs to udx and never gets here.
 */
export interface DatagramPort {
  /** Where it is bound. */
  readonly local: Address
  /** Fire and forget: a datagram that cannot be sent is one that got lost. */
  send(message: Uint8Array, to: Address): void
  /** Hands over every datagram whose first byte is `kind`. Returns the way to stop. One listener for each kind. */
  listen(kind: number, handler: (message: Uint8Array, from: Address) => void): () => void
}

/** Datagrams to and from the P2P server: this byte, then a frame of wire/codec. */
export const SIGNAL_KIND = 0x53

/** Authenticated datagrams between two devices. */
export const PAIR_KIND = 0x48

/** Where a request came from, and so where its answer goes: a UDP address, or a TLS connection. */
import { type Address, encodeAddress, sameAddress } from '../link/address.ts'
import { readObserved } from '../link/signal-proof.ts'
import type { SignalMessage } from '../wire/signal.ts'

export type Origin =
  | { readonly transport: 'udp'; readonly address: Address }
  | {
      readonly transport: 'tls'
      /** The other end of the TCP connection: to count by, not to send to. */
      readonly address: Address
      /** Number of the connection, never used again while the process lives. */
      readonly connection: number
    }

/** What is needed to send there: an Origin is one too. */
export type Destination =
  | { readonly transport: 'udp'; readonly address: Address }
  | { readonly transport: 'tls'; readonly connection: number }

/** A message on its way out. */
export interface Delivery {
  readonly to: Destination
  readonly message: SignalMessage
}

export const udpOrigin = (address: Address): Origin => ({ transport: 'udp', address })

/** Family byte of an origin that is a TLS connection; 4 and 6 are those of UDP addresses. */
const TLS_FAMILY = 1
const CONNECTION_BYTES = 6

/** Different for any two origins, at most 19 bytes. Of a TLS connection it gives away its number only. */
export function encodeOrigin(origin: Origin): Uint8Array {
  if (origin.transport === 'udp') return encodeAddress(origin.address)
  const bytes = Buffer.alloc(1 + CONNECTION_BYTES)
  bytes[0] = TLS_FAMILY
  bytes.writeUIntBE(origin.connection, 1, CONNECTION_BYTES)
  return bytes
}

/** The reverse; undefined for anything else. */
export function decodeOrigin(bytes: Uint8Array): Destination | undefined {
  if (bytes[0] !== TLS_FAMILY) {
    const address = readObserved(bytes)
    return address === undefined || address === 'malformed' ? undefined : { transport: 'udp', address }
  }
  if (bytes.byteLength !== 1 + CONNECTION_BYTES) return undefined
  return { transport: 'tls', connection: Buffer.from(bytes).readUIntBE(1, CONNECTION_BYTES) }
}

export function sameOrigin(a: Origin, b: Origin): boolean {
  if (a.transport === 'tls') return b.transport === 'tls' && a.connection === b.connection
  return b.transport === 'udp' && sameAddress(a.address, b.address)
}

/** What a device is told about where another (or it itself) was seen: nothing when UDP cannot go there. */
export function observedAddress(origin: Origin): Uint8Array {
  return origin.transport === 'udp' ? encodeAddress(origin.address) : new Uint8Array(0)
}

/**
 * What the NAT before this device does to its UDP, as far as two ports of one server can tell (RFC 4787 §4.1): whether
 * everybody sees the same address, so that others can be told where to send.
 */
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { equalBytes } from '../wire/bytes.ts'
import { SIGNAL_NONCE_BYTES, type SignalMessage } from '../wire/signal.ts'
import { type Address, sameAddress } from './address.ts'
import type { ServerAddresses } from './server-addresses.ts'
import { exchange } from './signal-port.ts'
import { lookUpKey, openAnswer, readObserved } from './signal-proof.ts'
import type { Signals } from './signals.ts'

/**
 * `none`: seen under an address of its own. `cone`: seen under one other address by all. `symmetric`: under another one by
 * each. `unknown`: the server was heard on one port only.
 */
export type NatKind = 'none' | 'cone' | 'symmetric' | 'unknown'

/** Pure. `first` and `second` are what the server's two ports saw; `own` the device's own hosts. */
export function natKind(first: Address, second: Address | undefined, own: readonly string[]): NatKind {
  if (own.includes(first.host)) return 'none'
  if (second === undefined) return 'unknown'
  return sameAddress(first, second) ? 'cone' : 'symmetric'
}

/** Nothing waits for it, so it may take a lost datagram or two. */
const SCHEDULE_MS = [0, 300, 1_000, 2_500] as const

export interface SecondLook {
  readonly signals: Signals
  readonly server: ServerAddresses
  readonly storage: Uint8Array
  /** A tag that is registered there: strangers are not answered. */
  readonly tag: Uint8Array
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/**
 * Where the server's second UDP port sees this device: the one with the number of its TLS port. Undefined when it gives no
 * answer. Throws SERVER_UNREACHABLE or CANCELLED when the server's name cannot be resolved.
 */
export async function secondLook(options: SecondLook): Promise<Address | undefined> {
  const { signals, server, storage, tag, clock, random, signal } = options
  const addresses = await server.currentSecond(signal)
  const nonce = random.bytes(SIGNAL_NONCE_BYTES)
  const request: SignalMessage = { t: 'look-up', nonce, key: lookUpKey(storage, tag) }
  return exchange<Address | undefined>({
    ...{ signals, clock, scheduleMs: SCHEDULE_MS, signal },
    send: () => {
      for (const address of addresses) signals.send(request, address)
    },
    accept: (message) => {
      if (message.t !== 'signed' || !equalBytes(message.nonce, nonce)) return undefined
      const body = openAnswer(message, server.server.key)
      const seen = body?.t === 'found' ? readObserved(body.asker) : 'malformed'
      return seen === 'malformed' ? undefined : { result: seen }
    },
  })
}

/**
 * One end of a relay over UDP (patent step F): asks the P2P server until it says that the other end is there too. From then
 * on a udx stream goes to the server as if it were the other end.
 */
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { SIGNAL_NONCE_BYTES, type SignalMessage, type SignalOf } from '../wire/signal.ts'
import { type Address, sameAddress } from './address.ts'
import { exchange } from './signal-port.ts'
import { openAnswer } from './signal-proof.ts'
import type { Signals } from './signals.ts'

/** The server keeps nothing for who comes first, so he asks until the other has come. The last is giving up. */
const ASK_EVERY_MS = 100
const RELAY_UDP_WITHIN_MS = 3_000
const SCHEDULE_MS = Array.from({ length: RELAY_UDP_WITHIN_MS / ASK_EVERY_MS + 1 }, (_, index) => index * ASK_EVERY_MS)

/** What makes a storage device's relay its own: see Registration.owner. */
export interface RelayOwner {
  readonly cookie: Uint8Array
  readonly uid: Uint8Array
}

export interface JoinRelayUdp {
  readonly signals: Signals
  /** The server's UDP address. */
  readonly address: Address
  readonly serverKey: Uint8Array
  /** 16 bytes that both ends know, and nobody else. Another one for each relay. */
  readonly key: Uint8Array
  /** Id of our udx stream, which must not be connected before. */
  readonly stream: number
  /** The storage device, registered there by UDP; the camera joins without. */
  readonly owner?: RelayOwner
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/**
 * Resolves when both ends are there: connect the stream to `stream` at `to` now. Throws TIMED_OUT after
 * RELAY_UDP_WITHIN_MS, SERVER_UNREACHABLE when the server has no room, CANCELLED.
 */
export async function joinRelayUdp(options: JoinRelayUdp): Promise<{ stream: number; to: Address }> {
  const { signals, address, serverKey, key, stream, owner, clock, random, signal } = options
  const nonce = random.bytes(SIGNAL_NONCE_BYTES)
  let request: SignalOf<'relay'> = { t: 'relay', nonce, key, stream, ...owner }
  const outcome = await exchange<number | HomewardError>({
    signals,
    clock,
    scheduleMs: SCHEDULE_MS,
    signal,
    send: () => signals.send(request, address),
    accept: (message, from) => {
      if (!isAnswer(message) || !equalBytes(message.nonce, nonce) || !sameAddress(from, address)) return undefined
      if (message.t === 'challenge') {
        // Our address is to be proven, which its arrival here does. The owner's is already.
        if (owner === undefined) {
          const isFirst = request.cookie === undefined
          request = { ...request, cookie: message.cookie }
          if (isFirst) signals.send(request, address)
        }
        return 'taken'
      }
      const body = openAnswer(message, serverKey)
      if (body?.t === 'relay-ready' && body.stream > 0) return { result: body.stream }
      return body?.t === 'refused' ? { result: relayFull() } : undefined
    },
  })
  if (typeof outcome === 'number') return { stream: outcome, to: address }
  if (signal.aborted) throw new HomewardError('CANCELLED', 'the relay was cancelled')
  throw outcome ?? relayTimedOut(RELAY_UDP_WITHIN_MS)
}

function isAnswer(message: SignalMessage): message is SignalOf<'challenge' | 'signed'> {
  return message.t === 'challenge' || message.t === 'signed'
}

export function relayTimedOut(withinMs: number): HomewardError {
  return new HomewardError('TIMED_OUT', `the other end did not come to the relay within ${withinMs / 1000} s`, {
    hint: 'The other device may be off, or its way to the P2P server blocked.',
  })
}

export function relayFull(): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', 'the P2P server has no room for another relay', {
    hint: 'Other relays of this storage device may have to end first; a direct connection needs none.',
  })
}

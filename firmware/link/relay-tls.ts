/** One end of a relay over TLS, for networks that let no UDP out: a connection of its own that becomes a raw stream. */
import type { Duplex } from 'node:stream'
import type { RawStream } from '@hyperswarm/secret-stream'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { SIGNAL_NONCE_BYTES } from '../wire/signal.ts'
import type { Address } from './address.ts'
import { type RelayOwner, relayFull, relayTimedOut } from './relay-udp.ts'
import { openAnswer } from './signal-proof.ts'
import { dialTls, type TlsLine } from './tls-line.ts'

/** The server waits for the other end for so long, and then closes. */
export const RELAY_TLS_WITHIN_MS = 10_000

export interface JoinRelay {
  readonly serverKey: Uint8Array
  /** 16 bytes that both ends know, and nobody else. Another one for each relay. */
  readonly key: Uint8Array
  /** The storage device, registered there by UDP or TLS; the camera joins without. */
  readonly owner?: RelayOwner
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

export interface JoinRelayTls extends JoinRelay {
  /** The server's TLS address. */
  readonly address: Address
}

/**
 * Resolves when both ends are there; what is written then goes to the other one. The stream flows once it is read. Throws
 * TIMED_OUT after RELAY_TLS_WITHIN_MS from the connection on, SERVER_UNREACHABLE, CANCELLED.
 */
export async function joinRelayTls(options: JoinRelayTls): Promise<Duplex & RawStream> {
  const { address, serverKey, clock, signal } = options
  return joinRelayOn(await dialTls({ address, key: serverKey, clock, signal }), options)
}

/** The same on a connection that nothing was said on yet, and that is closed when nothing comes of it. */
export async function joinRelayOn(line: TlsLine, options: JoinRelay): Promise<Duplex & RawStream> {
  try {
    return await join(line, options)
  } catch (error) {
    await line.close()
    throw error
  }
}

function join(line: TlsLine, { serverKey, key, owner, clock, random, signal }: JoinRelay): Promise<Duplex & RawStream> {
  const nonce = random.bytes(SIGNAL_NONCE_BYTES)
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      stop()
      act()
    }
    const onAbort = () => settle(() => reject(new HomewardError('CANCELLED', 'the relay was cancelled')))
    const timer = clock.after(RELAY_TLS_WITHIN_MS, () => settle(() => reject(relayTimedOut(RELAY_TLS_WITHIN_MS))))
    const stop = line.listen((message) => {
      if (message.t !== 'signed' || !equalBytes(message.nonce, nonce)) return false
      const body = openAnswer(message, serverKey)
      // Here, in the listener: the very next byte may be the other end's.
      if (body?.t === 'relay-ready') settle(() => resolve(line.raw()))
      else if (body?.t === 'refused') settle(() => reject(relayFull()))
      else return false
      return true
    })
    line.onClose(() => settle(() => reject(relayTimedOut(RELAY_TLS_WITHIN_MS))))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    // Once: whatever came after it could be taken for what is meant for the other end.
    else line.send({ t: 'relay', nonce, key, stream: 0, ...owner })
  })
}

/** The way to a P2P server for signalling, whatever carries it: one UDP socket, or one TLS connection. */
import type { SignalMessage } from '../wire/signal.ts'
import type { Address } from './address.ts'

/** True: the message was for this listener, nobody else is asked. */
export type SignalListener = (message: SignalMessage, from: Address) => boolean

export interface Signals {
  /** Fire and forget. Over TLS everything goes to the one server at the other end. */
  send(message: SignalMessage, to: Address): void
  /** Returns the way to stop. */
  listen(listener: SignalListener): () => void
}

/** Signalling over one connection to one server, which has proven its key. */
export interface SignalLine extends Signals {
  readonly address: Address
  /** Told once, also when it has ended already. */
  onClose(listener: () => void): void
  /** Idempotent. */
  close(): Promise<void>
}

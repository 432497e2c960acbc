/**
 * Noise IK (noiseprotocol.org, pattern IK) in one datagram each way. The camera, who knows the storage device's key,
 * begins; the storage device sees the camera's key in the first message and checks it before it replies. The keys go to
 * secret-stream as its `handshake` option. Never use them for two streams: the second would accept a replay of the first.
 */
import Handshake from '@hyperswarm/secret-stream/lib/handshake.js'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import type { Identity } from './identity.ts'

/** The `handshake` option of @hyperswarm/secret-stream. */
export interface ChannelKeys {
  readonly tx: Uint8Array
  readonly rx: Uint8Array
  readonly hash: Uint8Array
  readonly publicKey: Uint8Array
  readonly remotePublicKey: Uint8Array
}

const LENGTH_BYTES = 3

// The library wipes the ephemeral key when it is done, inside the message it was given: it gets a copy each time.

export class NoiseInitiator {
  /** To be sent in an `open` datagram: NOISE_OPEN_BYTES. */
  readonly message: Uint8Array
  readonly #own: Identity
  readonly #remote: Uint8Array
  #handshake: Handshake | undefined

  constructor(own: Identity, remote: Uint8Array) {
    this.#own = own
    this.#remote = remote
    this.#handshake = new Handshake(true, own, remote, 'IK')
    const step = this.#handshake.send()
    if (step?.data == null) throw new HomewardError('UID_INVALID', 'no channel can be opened to this key')
    this.message = unframed(step.data)
  }

  /** The keys of the new channel, or undefined when the reply is not the storage device's. Only the first reply counts. */
  finish(reply: Uint8Array): ChannelKeys | undefined {
    const step = this.#handshake?.recv(Uint8Array.from(reply))
    this.#handshake = undefined
    return keysOf(step, this.#own, this.#remote)
  }
}

/** The reply to a camera's first message and the keys of the channel; undefined unless it comes from `expected`. */
export function respondNoise(
  own: Identity,
  expected: Uint8Array,
  message: Uint8Array,
): { reply: Uint8Array; keys: ChannelKeys } | undefined {
  const step = new Handshake(false, own, null, 'IK').recv(Uint8Array.from(message))
  const keys = keysOf(step, own, expected)
  return keys === undefined || step?.data == null ? undefined : { reply: unframed(step.data), keys }
}

type Step = ReturnType<Handshake['recv']>

function keysOf(step: Step | undefined, own: Identity, expected: Uint8Array): ChannelKeys | undefined {
  if (step?.tx == null || step.rx === null || step.hash === null || step.remotePublicKey === null) return undefined
  if (!equalBytes(step.remotePublicKey, expected)) return undefined
  const { tx, rx, hash } = step
  return { tx, rx, hash, publicKey: own.publicKey, remotePublicKey: expected }
}

function unframed(data: Uint8Array): Uint8Array {
  return data.subarray(LENGTH_BYTES)
}

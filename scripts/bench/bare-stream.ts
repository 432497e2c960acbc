/**
 * The rival: @hyperswarm/secret-stream over udx and nothing else, one end in each process. Arguments: `receive`, or `send` and
 * what the receiver said, then bytes in all and bytes per second (0: as fast as it goes). Prints one line of JSON when it
 * is ready and one when everything has been received.
 */
import NoiseSecretStream from '@hyperswarm/secret-stream'
import UDX from 'udx-native'
import { fromHex } from '../../firmware/wire/bytes.ts'
import { PIECE_BYTES } from '../../firmware/wire/limits.ts'

/** At a fixed rate it sends like a camera: one burst for each fragment. */
const BURST_EVERY_MS = 1000

interface BareKeys {
  readonly tx: string
  readonly rx: string
  readonly hash: string
  readonly publicKey: string
  readonly remotePublicKey: string
}

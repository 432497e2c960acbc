/**
 * The rival, one end of it as a process of its own: @hyperswarm/secret-stream over udx and nothing else, in messages of the
 * size that pieces of records have. Takes orders and answers over its parent's IPC channel; see `bare-pair.ts`.
 */
import NoiseSecretStream from '@hyperswarm/secret-stream'
import UDX from 'udx-native'
import { PIECE_BYTES } from '../../firmware/wire/limits.ts'

export interface BareKeys {
  readonly tx: Uint8Array
  readonly rx: Uint8Array
  readonly hash: Uint8Array
  readonly publicKey: Uint8Array
  readonly remotePublicKey: Uint8Array
}

/** `bytesPerSecond` 0: as fast as it goes; else one burst each second, as a camera delivers its fragments. */
export type BareOrder =
  | { readonly do: 'connect'; readonly port: number; readonly initiator: boolean; readonly keys: BareKeys }
  | { readonly do: 'receive'; readonly bytes: number }
  | { readonly do: 'send'; readonly bytes: number; readonly bytesPerSecond: number }

export type BareAnswer = { readonly port: number } | { readonly tookMs: number }

const PIECES = 32
const SOURCE = new Uint8Array(PIECES * PIECE_BYTES).map((_, index) => (index * 31) & 0xff)
const BURST_EVERY_MS = 1000

const udx = new UDX()
const socket = udx.createSocket()
socket.bind(0, '127.0.0.1')
let stream: NoiseSecretStream | undefined
/** Of the receiver: what is still to come. */
let awaitedBytes = 0
/** Of the sender: what may be sent now, and what is held back for later bursts. */
let allowedBytes = 0
let heldBytes = 0
let pieces = 0
let startedMs = 0

process.on('message', (order: BareOrder) => {
  if (order.do === 'connect') stream = connect(order)
  else if (order.do === 'receive') awaitedBytes = order.bytes
  else send(order)
})
process.on('disconnect', () => process.exit())
answer({ port: socket.address()?.port ?? 0 })

function answer(message: BareAnswer): void {
  process.send?.(message)
}

function connect({ port, initiator, keys }: Extract<BareOrder, { do: 'connect' }>): NoiseSecretStream {
  const raw = udx.createStream(initiator ? 1 : 2)
  raw.connect(socket, initiator ? 2 : 1, port, '127.0.0.1')
  const secret = new NoiseSecretStream(initiator, raw, { handshake: keys, enableSend: false })
  secret.on('error', () => process.exit(1))
  secret.on('drain', pump)
  secret.on('data', (message) => {
    if (initiator) answer({ tookMs: performance.now() - startedMs })
    else {
      awaitedBytes -= message.byteLength
      if (awaitedBytes === 0) secret.write(Uint8Array.of(1))
    }
  })
  return secret
}

function send({ bytes, bytesPerSecond }: Extract<BareOrder, { do: 'send' }>): void {
  startedMs = performance.now()
  heldBytes = bytes
  const burst = () => {
    const more = Math.min(heldBytes, bytesPerSecond === 0 ? bytes : bytesPerSecond)
    heldBytes -= more
    allowedBytes += more
    pump()
  }
  burst()
  if (bytesPerSecond > 0) setInterval(burst, BURST_EVERY_MS)
}

function pump(): void {
  for (let goesOn = true; goesOn && allowedBytes > 0; ) {
    const at = (pieces++ % PIECES) * PIECE_BYTES
    const piece = SOURCE.subarray(at, at + Math.min(PIECE_BYTES, allowedBytes))
    allowedBytes -= piece.byteLength
    goesOn = stream?.write(piece) === true
  }
}

/**
 * A TURN client on loopback for one peer: what is sent to its `local` address comes out at the peer's, from the address
 * that the server has allocated, and the other way round. Without credentials, and for less than the 5 minutes that a
 * channel binding permits its peer.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '../../firmware/link/address.ts'
import { realRandom } from '../../firmware/platform/random.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import {
  allocateRequest,
  CHANNEL_HEADER_BYTES,
  channelBindRequest,
  channelHeader,
  isChannelData,
  readResponse,
  relayedAddress,
  TRANSACTION_BYTES,
} from './turn-messages.ts'

const LOOPBACK = '127.0.0.1'
/** The server may just be starting. */
const ASK_EVERY_MS = 100
const ASK_TIMES = 100
/** A burst must not overrun it: what is lost here is not the relay's doing. */
const BUFFER_BYTES = 4 * 1024 * 1024

export class TurnClient {
  readonly local: Address
  readonly relayed: Address
  readonly #sockets: readonly Socket[]

  private constructor(local: Address, relayed: Address, sockets: readonly Socket[]) {
    this.local = local
    this.relayed = relayed
    this.#sockets = sockets
  }

  /** `inside`: whose datagrams are relayed. Throws TIMED_OUT, INTERNAL. */
  static async open(server: Address, inside: Address, peer: Address): Promise<TurnClient> {
    const [outer, inner] = [await bound(), await bound()]
    const relayed = relayedAddress(await ask(outer, server, allocateRequest))
    await ask(outer, server, (transaction) => channelBindRequest(transaction, peer))
    inner.on('message', (datagram) => {
      outer.send([channelHeader(datagram.length), datagram], server.port, server.host)
    })
    outer.on('message', (message) => {
      if (!isChannelData(message)) return
      inner.send(message, CHANNEL_HEADER_BYTES, message.length - CHANNEL_HEADER_BYTES, inside.port, inside.host)
    })
    return new TurnClient({ host: LOOPBACK, port: inner.address().port }, relayed, [outer, inner])
  }

  close(): void {
    for (const socket of this.#sockets) socket.close()
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES, sendBufferSize: BUFFER_BYTES })
  // A server that does not listen yet is what asking again is for.
  socket.on('error', () => undefined)
  socket.bind(0, LOOPBACK)
  await once(socket, 'listening')
  return socket
}

async function ask(
  socket: Socket,
  server: Address,
  request: (transaction: Uint8Array) => Uint8Array,
): Promise<ReadonlyMap<number, Buffer>> {
  const transaction = realRandom.bytes(TRANSACTION_BYTES)
  const message = request(transaction)
  return new Promise((resolve, reject) => {
    let asked = 0
    const send = () => {
      if (asked === ASK_TIMES) {
        end()
        reject(new HomewardError('TIMED_OUT', `no TURN server answers at ${server.host}:${server.port}`))
      } else socket.send(message, server.port, server.host)
      asked += 1
    }
    const hear = (answer: Buffer) => {
      try {
        const attributes = readResponse(answer, transaction)
        if (attributes === undefined) return
        resolve(attributes)
      } catch (error) {
        reject(error)
      }
      end()
    }
    const timer = setInterval(send, ASK_EVERY_MS)
    const end = () => {
      clearInterval(timer)
      socket.off('message', hear)
    }
    socket.on('message', hear)
    send()
  })
}

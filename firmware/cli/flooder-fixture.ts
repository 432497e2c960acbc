/**
 * A process that floods a UDP port with garbage of every kind a Homeward port knows, for so long, and then says how much it
 * has sent and how much came back. Arguments: port on loopback, datagrams per second, milliseconds.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { PAIR_KIND, SIGNAL_KIND } from '../link/datagram-port.ts'
import { realRandom } from '../platform/random.ts'

export interface Flooded {
  readonly sent: number
  readonly heard: number
}

const EVERY_MS = 2
/** First bytes; of udx packets the second one counts, too. */
const KINDS = [[PAIR_KIND, 1], [SIGNAL_KIND], [0xff, 1], [0x16, 3, 1], [0]]
/** As long as requests of the pair, signalling requests, a udx header alone, and what fills a packet. */
const SIZES = [256, 1200, 20, 64, 1400]
/** Enough for no two of a second to look alike to a filter. */
const SAMPLES = 5000

const [port = 0, perSecond = 0, forMs = 0] = process.argv.slice(2).map(Number)
const samples = Array.from({ length: SAMPLES }, (_, index) => {
  const sample = realRandom.bytes(SIZES[index % SIZES.length] ?? 20)
  sample.set(KINDS[(index * 7 + Math.floor(index / 5)) % KINDS.length] ?? [])
  return sample
})

const socket = createSocket('udp4')
socket.bind(0, '127.0.0.1')
await once(socket, 'listening')
let heard = 0
socket.on('message', () => {
  heard += 1
})
const startMs = performance.now()
let asked = 0
let sent = 0
await new Promise<void>((resolve) => {
  const timer = setInterval(() => {
    const passedMs = performance.now() - startMs
    if (passedMs >= forMs) {
      clearInterval(timer)
      resolve()
      return
    }
    // What a busy machine held up is sent later, as far as that goes.
    for (const due = Math.floor((passedMs * perSecond) / 1000); asked < due; asked += 1) {
      socket.send(samples[asked % SAMPLES] ?? new Uint8Array(1), port, '127.0.0.1', (error) => {
        if (error === null) sent += 1
      })
    }
  }, EVERY_MS)
})
await new Promise((resolve) => setTimeout(resolve, 200))
process.send?.({ sent, heard } satisfies Flooded)
process.disconnect?.()
socket.close()

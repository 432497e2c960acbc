/**
 * The process behind a UdpEnd: one UDP socket in the namespace it was started in.
 * Arguments: `udp4` or `udp6`; the port, 0 for any.
 */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Received, ToSend } from './udp-end.ts'

/** A burst must not overrun a socket's buffer: what is lost then is not the network's doing. */
const BURST = 20
const BURST_EVERY_MS = 2

const [, , family, ownPort] = process.argv
const socket = createSocket(family === 'udp6' ? 'udp6' : 'udp4')
socket.on('message', (bytes, { address, port }) => {
  const received: Received = {
    text: bytes.toString(),
    from: isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`,
  }
  process.send?.(received)
})
// A destination that is not reached is what many a test wants.
socket.on('error', () => undefined)
process.on('message', async ({ text, host, port: to, times }: ToSend) => {
  for (let sent = 0; sent < times; sent += 1) {
    socket.send(text, to, host, () => undefined)
    if (sent % BURST === BURST - 1) await new Promise((resolve) => setTimeout(resolve, BURST_EVERY_MS))
  }
})
process.on('disconnect', () => process.exit())
socket.bind(Number(ownPort), () => process.send?.({ bound: socket.address().port }))

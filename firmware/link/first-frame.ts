/**
 * The first words on a fresh byte stream, before it becomes a channel: sealed datagrams, each behind its length (u16,
 * big-endian). Nothing is allocated on the word of a length, and nobody gets more time than he needs.
 */
import type { Duplex } from 'node:stream'
import type { Clock } from '../platform/clock.ts'
import { SIGNAL_FRAME_MAX_BYTES } from '../wire/limits.ts'

const LENGTH_BYTES = 2

export function writeFrame(stream: Duplex, datagram: Uint8Array): void {
  const frame = Buffer.alloc(LENGTH_BYTES + datagram.byteLength)
  frame.writeUInt16BE(datagram.byteLength)
  frame.set(datagram, LENGTH_BYTES)
  stream.write(frame)
}

/**
 * The next frame; what comes behind it stays in the stream. Undefined when the stream ends, when the time is up, or when the
 * length is none that a datagram has.
 */
export function readFrame(stream: Duplex, withinMs: number, clock: Clock): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    let length: number | undefined
    const settle = (frame: Uint8Array | undefined) => {
      timer.cancel()
      for (const event of ['end', 'close', 'error'] as const) stream.off(event, onEnd)
      stream.off('readable', onReadable)
      resolve(frame)
    }
    const onEnd = () => settle(undefined)
    const take = (bytes: number): Buffer | null => {
      const chunk = stream.read(bytes) as Buffer | null
      // A stream that has ended gives what is left of it, however little.
      return chunk?.byteLength === bytes ? chunk : null
    }
    const onReadable = () => {
      length ??= take(LENGTH_BYTES)?.readUInt16BE()
      if (length === undefined) return
      if (length === 0 || length > SIGNAL_FRAME_MAX_BYTES) {
        settle(undefined)
        return
      }
      const frame = take(length)
      if (frame !== null) settle(frame)
    }
    const timer = clock.after(withinMs, onEnd)
    for (const event of ['end', 'close', 'error'] as const) stream.on(event, onEnd)
    stream.on('readable', onReadable)
    onReadable()
  })
}

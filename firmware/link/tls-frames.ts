/** Signalling frames on a byte stream: a length (u16, big-endian), the kind byte, the frame. */
import { SIGNAL_FRAME_MAX_BYTES } from '../wire/limits.ts'
import { SIGNAL_KIND } from './datagram-port.ts'

const LENGTH_BYTES = 2
const NOTHING = new Uint8Array(0)

/** `frame`: without its kind byte. */
export function tlsFrame(frame: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(LENGTH_BYTES + 1 + frame.byteLength)
  bytes.writeUInt16BE(1 + frame.byteLength)
  bytes[LENGTH_BYTES] = SIGNAL_KIND
  bytes.set(frame, LENGTH_BYTES + 1)
  return bytes
}

/** Takes a stream apart. Keeps no more than what was pushed and not taken yet. */
export class TlsFrames {
  #bytes: Uint8Array = NOTHING

  push(chunk: Uint8Array): void {
    this.#bytes = this.#bytes.byteLength === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
  }

  /** The next frame, without its kind byte. `malformed`: no frame has this length or kind, and the stream is of no use. */
  next(): Uint8Array | undefined | 'malformed' {
    const bytes = this.#bytes
    const [high, low, kind] = bytes
    if (high === undefined || low === undefined) return undefined
    const length = high * 256 + low
    if (length < 2 || length > SIGNAL_FRAME_MAX_BYTES) return 'malformed'
    if (kind !== undefined && kind !== SIGNAL_KIND) return 'malformed'
    if (bytes.byteLength < LENGTH_BYTES + length) return undefined
    this.#bytes = bytes.subarray(LENGTH_BYTES + length)
    return new Uint8Array(bytes.subarray(LENGTH_BYTES + 1, LENGTH_BYTES + length))
  }

  /** Bytes of a frame, or of what is none, that have not been taken. */
  get waitingBytes(): number {
    return this.#bytes.byteLength
  }

  /** What is left, for whoever reads on. */
  takeRest(): Uint8Array {
    const rest = this.#bytes
    this.#bytes = NOTHING
    return rest
  }
}

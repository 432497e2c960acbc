/**
 * Two SEI messages "user data unregistered" (ITU-T H.264 D.1.7) of the fake encoder: one names the run and the frame, so
 * that a test finds every frame in any stored file without decoding; the other is padding that brings a frame to its
 * size (filler data NAL units would be the natural way, but ISO/IEC 14496-15 5.2.2 forbids them in a file).
 */
import { nalUnit } from './bit-writer.ts'

const NAL_SEI = 0x06
const USER_DATA_UNREGISTERED = 5

/** Random (version 4), made for this purpose. */
const FRAME_NUMBER_UUID = Uint8Array.from(Buffer.from('9d1f6c52e7b84a3d8f2651c07ab3e419', 'hex'))
const PADDING_UUID = Uint8Array.from(Buffer.from('5b7e21f4c9a64d18b3f7e482d65a19c3', 'hex'))

/** UUID, run id 8, frame number u64 big-endian. */
const NUMBER_PAYLOAD_BYTES = 32

/** NAL header, payload type, at least one size byte, trailing bits. */
const FRAMING_BYTES = 4

/** The shortest {@link paddingHead} there is, less the length prefix. */
export const PADDING_MIN_BYTES = FRAMING_BYTES + PADDING_UUID.byteLength

/** A frame's number as it stands in the stream. */
export interface FrameNumber {
  /** 16 hex digits. */
  readonly runId: string
  readonly frame: number
}

/** The NAL unit that names a frame. `runId` has 8 bytes. */
export function numberSei(runId: Uint8Array, frame: number): Uint8Array {
  const payload = new Uint8Array(2 + NUMBER_PAYLOAD_BYTES + 1)
  payload.set([USER_DATA_UNREGISTERED, NUMBER_PAYLOAD_BYTES])
  payload.set(FRAME_NUMBER_UUID, 2)
  payload.set(runId, 18)
  new DataView(payload.buffer).setBigUint64(26, BigInt(frame))
  payload[34] = 0x80
  return nalUnit(NAL_SEI, payload)
}

/** The frame that an SEI NAL unit names; undefined when it is another one. */
export function readNumberSei(unit: Uint8Array): FrameNumber | undefined {
  if (unit[0] !== NAL_SEI || unit[1] !== USER_DATA_UNREGISTERED || unit[2] !== NUMBER_PAYLOAD_BYTES) return undefined
  const payload = withoutEscapes(unit.subarray(3))
  if (payload.byteLength < NUMBER_PAYLOAD_BYTES) return undefined
  if (!FRAME_NUMBER_UUID.every((byte, at) => payload[at] === byte)) return undefined
  const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  return { runId: view.toString('hex', 16, 24), frame: Number(view.readBigUInt64BE(24)) }
}

/**
 * The beginning of a padding NAL unit of `unitBytes` (at least PADDING_MIN_BYTES): what follows is `fillBytes` bytes, none
 * of them 0, and then 0x80. One size in 256 cannot be had exactly: the unit is then one byte shorter.
 */
export function paddingHead(unitBytes: number): { head: Uint8Array; fillBytes: number } {
  const sizeAndPayload = unitBytes - FRAMING_BYTES
  const full = Math.floor(sizeAndPayload / 256)
  const last = Math.min(sizeAndPayload % 256, 254)
  const head = new Uint8Array(2 + full + 1 + PADDING_UUID.byteLength).fill(0xff)
  head[0] = NAL_SEI
  head[1] = USER_DATA_UNREGISTERED
  head[2 + full] = last
  head.set(PADDING_UUID, 3 + full)
  return { head, fillBytes: full * 255 + last - PADDING_UUID.byteLength }
}

/** Removes emulation prevention bytes (7.4.1). */
function withoutEscapes(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte, at) => !(byte === 3 && at >= 2 && bytes[at - 1] === 0 && bytes[at - 2] === 0))
}

/** Fragments of the fake encoder, one key frame interval each. Pure: the same run id and padding give the same bytes. */
import { FakeH264 } from './fake-h264.ts'
import { fragmentFor, initSegment } from './fake-mp4.ts'
import type { FakeOptions } from './fake-options.ts'
import { numberSei, PADDING_MIN_BYTES, paddingHead } from './frame-sei.ts'

/** Of a NAL unit in a sample. */
const LENGTH_BYTES = 4

export class FakeFragments {
  readonly init: Uint8Array
  readonly #h264: FakeH264
  readonly #options: FakeOptions
  readonly #runId: Uint8Array
  readonly #padding: Uint8Array
  #fragments = 0
  #frames = 0
  /** What all samples so far have taken, against what the bit rate grants them. */
  #sampleBytes = 0

  /** `runId`: 8 bytes. `padding`: any bytes to fill frames with; zeros in it are replaced. */
  constructor(options: FakeOptions, runId: Uint8Array, padding: Uint8Array) {
    this.#options = options
    this.#runId = runId
    this.#padding = padding.map((byte) => (byte === 0 ? 0x55 : byte))
    this.#h264 = new FakeH264(options)
    this.init = initSegment({
      ...options.size,
      timescale: options.rate.frames,
      ticksPerFrame: options.rate.perSeconds,
      sps: this.#h264.sps,
      pps: this.#h264.pps,
    })
  }

  /** Sequence and picture parameter set, NAL units without length. */
  get sps(): Uint8Array {
    return this.#h264.sps
  }

  get pps(): Uint8Array {
    return this.#h264.pps
  }

  /** `moof` + `mdat` of the next `count` frames; the first is a key frame. */
  next(count: number): Uint8Array {
    const decodeTicks = this.#frames * this.#options.rate.perSeconds
    const frames = Array.from({ length: count }, (_, index) => this.#frame(index))
    const { bytes, dataStart } = fragmentFor(
      this.#fragments + 1,
      decodeTicks,
      frames.map((frame) => frame.bytes),
    )
    let at = dataStart
    for (const frame of frames) at = this.#write(frame, bytes, at)
    this.#fragments += 1
    return bytes
  }

  #frame(index: number): Frame {
    const number = this.#frames
    this.#frames += 1
    const sei = numberSei(this.#runId, number)
    // idr_pic_id has 16 bits and must only differ between neighbours.
    const slice = index === 0 ? this.#h264.keyFrame(number, this.#fragments % 2) : this.#h264.interFrame(number, index)
    let bytes = 2 * LENGTH_BYTES + sei.byteLength + slice.byteLength
    const { bitsPerSecond, rate } = this.#options
    const granted = Math.floor(((bitsPerSecond / 8) * this.#frames * rate.perSeconds) / rate.frames)
    const spare = granted - this.#sampleBytes - bytes - LENGTH_BYTES
    const padding = spare >= PADDING_MIN_BYTES ? paddingHead(spare) : undefined
    if (padding !== undefined) bytes += LENGTH_BYTES + padding.head.byteLength + padding.fillBytes + 1
    this.#sampleBytes += bytes
    return { sei, padding, slice, bytes }
  }

  #write({ sei, padding, slice }: Frame, into: Uint8Array, start: number): number {
    let at = writeUnit(sei, into, start)
    if (padding !== undefined) {
      at = writeLength(padding.head.byteLength + padding.fillBytes + 1, into, at)
      into.set(padding.head, at)
      at += padding.head.byteLength
      const end = at + padding.fillBytes
      while (at < end) {
        const piece = this.#padding.subarray(0, end - at)
        into.set(piece, at)
        at += piece.byteLength
      }
      into[at] = 0x80
      at += 1
    }
    return writeUnit(slice, into, at)
  }
}

interface Frame {
  readonly sei: Uint8Array
  readonly padding: { readonly head: Uint8Array; readonly fillBytes: number } | undefined
  readonly slice: Uint8Array
  /** Of the whole sample. */
  readonly bytes: number
}

function writeLength(length: number, into: Uint8Array, at: number): number {
  into[at] = length >>> 24
  into[at + 1] = length >>> 16
  into[at + 2] = length >>> 8
  into[at + 3] = length
  return at + LENGTH_BYTES
}

function writeUnit(unit: Uint8Array, into: Uint8Array, at: number): number {
  const start = writeLength(unit.byteLength, into, at)
  into.set(unit, start)
  return start + unit.byteLength
}

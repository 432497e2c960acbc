/**
 * The smallest H.264 stream that a machine can read a frame number from: Constrained Baseline, CAVLC, one slice per
 * picture. The top of each picture is a row of 16x16 blocks, black for 0 and white for 1, the number's most significant
 * bit first (rows follow where one is too short); all else is grey. A P picture codes the blocks anew and skips the rest.
 *
 * Every macroblock is Intra_16x16 with DC prediction and at most its one DC coefficient, so a block is flat and its
 * prediction is the average of its flat neighbours. At QP 48 a coefficient of 1 is worth exactly 10 grey levels (8.5.10),
 * and with the three greys below every difference is a multiple of 10: the decoded picture is exact.
 */
import { HomewardError } from '../../wire/errors.ts'
import { BitWriter, nalUnit } from './bit-writer.ts'
import type { FrameRate, PictureSize } from './picture.ts'

const GREY_ZERO = 28
const GREY_ONE = 228
const GREY_BACKGROUND = 128
const GREY_PER_LEVEL = 10
const QP = 48

/** Bits of the frame number that a picture shows. */
const PICTURE_NUMBER_BITS = 32
const MACROBLOCK = 16

const NAL_SLICE = 0x61
const NAL_IDR = 0x65
const NAL_SPS = 0x67
const NAL_PPS = 0x68

const PROFILE_BASELINE = 66
const CONSTRAINED = 0xc0 // constraint_set0_flag and constraint_set1_flag
const LOG2_MAX_FRAME_NUM = 4

export interface PictureFormat {
  /** Both even. */
  readonly size: PictureSize
  readonly rate: FrameRate
  readonly bitsPerSecond: number
}

/** How many columns and rows of blocks carry the number in a picture of this size; undefined when it is too small. */
export function numberGrid({ width, height }: PictureSize): { columns: number; rows: number } | undefined {
  const columns = Math.min(PICTURE_NUMBER_BITS, Math.floor(width / MACROBLOCK))
  if (columns === 0) return undefined
  const rows = Math.ceil(PICTURE_NUMBER_BITS / columns)
  return rows <= Math.floor(height / MACROBLOCK) ? { columns, rows } : undefined
}

/** The number that a decoded picture shows, read from its luma plane (`width` bytes per row). */
export function readPictureNumber(luma: Uint8Array, size: PictureSize): number | undefined {
  const grid = numberGrid(size)
  if (grid === undefined) return undefined
  let number = 0
  for (let bit = 0; bit < PICTURE_NUMBER_BITS; bit++) {
    const row = Math.floor(bit / grid.columns) * MACROBLOCK + MACROBLOCK / 2
    const column = (bit % grid.columns) * MACROBLOCK + MACROBLOCK / 2
    const grey = luma[row * size.width + column] ?? GREY_BACKGROUND
    if (grey > GREY_ZERO + 50 && grey < GREY_ONE - 50) return undefined
    number = number * 2 + (grey > GREY_BACKGROUND ? 1 : 0)
  }
  return number
}

export class FakeH264 {
  readonly sps: Uint8Array
  readonly pps: Uint8Array
  readonly #columns: number
  readonly #rows: number
  readonly #grid: { columns: number; rows: number }

  /** The picture must be large enough for {@link numberGrid}. */
  constructor(format: PictureFormat) {
    const grid = numberGrid(format.size)
    if (grid === undefined) throw new HomewardError('INTERNAL', 'the picture is too small for a frame number')
    this.#grid = grid
    this.#columns = Math.ceil(format.size.width / MACROBLOCK)
    this.#rows = Math.ceil(format.size.height / MACROBLOCK)
    this.sps = sequenceParameterSet(format, this.#columns, this.#rows)
    this.pps = pictureParameterSet()
  }

  /** RFC 6381 name of the codec. */
  get codec(): string {
    return `avc1.${Buffer.from(this.sps.subarray(1, 4)).toString('hex')}`
  }

  /** The slice of a key frame. Two in a row need different `idrId` (7.4.3), 0…65535. */
  keyFrame(number: number, idrId: number): Uint8Array {
    const writer = new BitWriter(64 + this.#columns * this.#rows * 2)
    writer.ue(0).ue(7).ue(0).bits(0, LOG2_MAX_FRAME_NUM).ue(idrId) // first_mb, slice_type I, pps, frame_num, idr_pic_id
    writer.bits(0, 2) // no_output_of_prior_pics_flag, long_term_reference_flag
    writer.se(0).ue(1) // slice_qp_delta, disable_deblocking_filter_idc
    for (let row = 0; row < this.#rows; row++) {
      for (let column = 0; column < this.#columns; column++) {
        writer.bits(0b00100_1_1, 7) // mb_type 3 (I_16x16_2_0_0), intra_chroma_pred_mode DC, mb_qp_delta 0
        this.#coefficient(writer, number, row, column)
      }
    }
    return nalUnit(NAL_IDR, writer.finish())
  }

  /** The slice of a frame that refers to the one before; `index` counts from the last key frame, which is 0. */
  interFrame(number: number, index: number): Uint8Array {
    const writer = new BitWriter()
    const frameNum = index % (1 << LOG2_MAX_FRAME_NUM)
    writer.ue(0).ue(5).ue(0).bits(frameNum, LOG2_MAX_FRAME_NUM) // first_mb, slice_type P, pps, frame_num
    writer.bits(0, 3) // num_ref_idx_active_override, ref_pic_list_modification, adaptive_ref_pic_marking_mode
    writer.se(0).ue(1) // slice_qp_delta, disable_deblocking_filter_idc
    let next = 0
    for (let bit = 0; bit < PICTURE_NUMBER_BITS; bit++) {
      const row = Math.floor(bit / this.#grid.columns)
      const column = bit % this.#grid.columns
      const address = row * this.#columns + column
      writer.ue(address - next) // mb_skip_run
      writer.bits(0b0001001_1_1, 9) // mb_type 5 + 3, intra_chroma_pred_mode DC, mb_qp_delta 0
      this.#coefficient(writer, number, row, column)
      next = address + 1
    }
    const rest = this.#columns * this.#rows - next
    if (rest > 0) writer.ue(rest)
    return nalUnit(NAL_SLICE, writer.finish())
  }

  #grey(number: number, row: number, column: number): number {
    if (row >= this.#grid.rows || column >= this.#grid.columns) return GREY_BACKGROUND
    const bit = row * this.#grid.columns + column
    if (bit >= PICTURE_NUMBER_BITS) return GREY_BACKGROUND
    return (number / 2 ** (PICTURE_NUMBER_BITS - 1 - bit)) & 1 ? GREY_ONE : GREY_ZERO
  }

  /** The DC coefficient that turns the prediction into the grey wanted (prediction: 8.3.3.3, coding: 9.2). */
  #coefficient(writer: BitWriter, number: number, row: number, column: number): void {
    const grey = this.#grey(number, row, column)
    const left = column > 0 ? this.#grey(number, row, column - 1) : undefined
    const above = row > 0 ? this.#grey(number, row - 1, column) : undefined
    let predicted = left ?? above ?? 128
    if (left !== undefined && above !== undefined) predicted = (left + above + 1) >> 1
    const level = (grey - predicted) / GREY_PER_LEVEL
    if (level === 0) {
      writer.bits(1, 1) // coeff_token: none
      return
    }
    writer.bits(0b000101, 6) // coeff_token: one coefficient, not a trailing one, for |level| is never 1
    const code = (level > 0 ? 2 * level - 2 : -2 * level - 1) - 2
    if (code < 14) writer.bits(1, code + 1)
    else if (code < 30) writer.bits(1, 15).bits(code - 14, 4)
    else writer.bits(1, 16).bits(code - 30, 12)
    writer.bits(1, 1) // total_zeros 0
  }
}

/** 7.3.2.1.1 and Annex E. */
function sequenceParameterSet(format: PictureFormat, columns: number, rows: number): Uint8Array {
  const cropRight = (columns * MACROBLOCK - format.size.width) / 2
  const cropBottom = (rows * MACROBLOCK - format.size.height) / 2
  const writer = new BitWriter()
  writer
    .bits(PROFILE_BASELINE, 8)
    .bits(CONSTRAINED, 8)
    .bits(levelFor(format, columns * rows), 8)
    .ue(0)
  writer.ue(LOG2_MAX_FRAME_NUM - 4).ue(2) // pic_order_cnt_type 2: output in decoding order
  writer.ue(1).bits(0, 1) // one reference frame, no gaps in frame_num
  writer.ue(columns - 1).ue(rows - 1)
  writer.bits(0b1_1, 2) // frame_mbs_only, direct_8x8_inference
  const cropped = cropRight > 0 || cropBottom > 0
  writer.bits(cropped ? 1 : 0, 1)
  if (cropped) writer.ue(0).ue(cropRight).ue(0).ue(cropBottom)
  writer.bits(1, 1) // vui_parameters_present_flag
  writer.bits(0, 4) // no aspect ratio, overscan, video signal type, chroma location
  writer
    .bits(1, 1)
    .u32(format.rate.perSeconds)
    .u32(format.rate.frames * 2)
    .bits(1, 1) // fixed frame rate, in fields
  writer.bits(0, 3) // no HRD parameters, no pic_struct
  writer.bits(0b1_1, 2) // bitstream restriction: motion vectors over the picture's bounds
  writer.ue(0).ue(0).ue(16).ue(16).ue(0).ue(1) // no byte or bit limit, vector ranges, no reordering, one frame buffered
  return nalUnit(NAL_SPS, writer.finish())
}

/** 7.3.2.2. */
function pictureParameterSet(): Uint8Array {
  const writer = new BitWriter()
  writer.ue(0).ue(0).bits(0, 2).ue(0) // ids, CAVLC, one slice group
  writer.ue(0).ue(0).bits(0, 3) // one reference, no weighted prediction
  writer
    .se(QP - 26)
    .se(0)
    .se(0)
  writer.bits(0b1_0_0, 3) // deblocking filter control, inter neighbours may predict intra, no redundant slices
  return nalUnit(NAL_PPS, writer.finish())
}

/** level_idc, macroblocks per second, macroblocks per frame, kbit/s (Table A-1). */
const LEVELS = [
  [10, 1485, 99, 64],
  [11, 3000, 396, 192],
  [12, 6000, 396, 384],
  [13, 11880, 396, 768],
  [20, 11880, 396, 2000],
  [21, 19800, 792, 4000],
  [22, 20250, 1620, 4000],
  [30, 40500, 1620, 10000],
  [31, 108000, 3600, 14000],
  [32, 216000, 5120, 20000],
  [40, 245760, 8192, 20000],
  [41, 245760, 8192, 50000],
  [42, 522240, 8704, 50000],
  [50, 589824, 22080, 135000],
  [51, 983040, 36864, 240000],
] as const

/** The lowest level that fits; 5.2 stands for all beyond, which the benches' byte rates are. */
function levelFor(format: PictureFormat, macroblocks: number): number {
  const perSecond = (macroblocks * format.rate.frames) / format.rate.perSeconds
  const fits = LEVELS.find(
    ([, maxPerSecond, maxPerFrame, maxKbits]) =>
      perSecond <= maxPerSecond && macroblocks <= maxPerFrame && format.bitsPerSecond <= maxKbits * 1000,
  )
  return fits?.[0] ?? 52
}

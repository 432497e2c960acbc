/**
 * The structures of the GPIO character device, version 2 (include/uapi/linux/gpio.h, since Linux 5.10), as bytes. All
 * of their fields have fixed widths, so they are the same on x86-64 and arm64; little-endian.
 */
import { HomewardError } from '../wire/errors.ts'
import type { LineSpec } from './gpio.ts'

export const GPIO_GET_CHIPINFO = 0x8044b401
export const GPIO_V2_GET_LINE = 0xc250b407
export const GPIO_V2_LINE_GET_VALUES = 0xc010b40e
export const GPIO_V2_LINE_SET_VALUES = 0xc010b40f

export const CHIP_INFO_BYTES = 68
const NAME_BYTES = 32
const LINE_REQUEST_BYTES = 592
const OFFSETS_BYTES = 4 * 64
const CONSUMER_AT = OFFSETS_BYTES
const FLAGS_AT = CONSUMER_AT + NAME_BYTES
const NUM_LINES_AT = FLAGS_AT + 272
const FD_AT = LINE_REQUEST_BYTES - 4
const VALUES_BYTES = 16

/** GPIO_V2_LINE_FLAG_* */
const FLAG_ACTIVE_LOW = 1n << 1n
const FLAG_INPUT = 1n << 2n
const FLAG_OUTPUT = 1n << 3n
const FLAG_BIAS_PULL_UP = 1n << 8n
const FLAG_BIAS_PULL_DOWN = 1n << 9n

const CONSUMER = 'homeward'
/** Lines of one chip that a number may name: more than any chip has. */
const LINES_MAX = 1024

/** struct gpio_v2_line_request for one line. Throws CONFIG_INVALID. */
export function lineRequest(spec: LineSpec, direction: 'input' | 'output'): Buffer {
  if (!Number.isInteger(spec.line) || spec.line < 0 || spec.line >= LINES_MAX) {
    throw new HomewardError('CONFIG_INVALID', `${spec.line} is no GPIO line, expected 0 to ${LINES_MAX - 1}`)
  }
  const request = Buffer.alloc(LINE_REQUEST_BYTES)
  request.writeUInt32LE(spec.line, 0)
  request.write(CONSUMER, CONSUMER_AT, NAME_BYTES - 1, 'ascii')
  request.writeBigUInt64LE(flagsOf(spec, direction), FLAGS_AT)
  request.writeUInt32LE(1, NUM_LINES_AT)
  return request
}

function flagsOf({ activeLow, pull }: LineSpec, direction: 'input' | 'output'): bigint {
  const bias = pull === 'up' ? FLAG_BIAS_PULL_UP : pull === 'down' ? FLAG_BIAS_PULL_DOWN : 0n
  return (activeLow ? FLAG_ACTIVE_LOW : 0n) | (direction === 'input' ? FLAG_INPUT | bias : FLAG_OUTPUT)
}

/** The file descriptor that the kernel wrote into a request. */
export function requestedFd(request: Buffer): number {
  return request.readInt32LE(FD_AT)
}

/** struct gpio_v2_line_values for the only line of a request. */
export function lineValues(active: boolean): Buffer {
  const values = Buffer.alloc(VALUES_BYTES)
  values.writeBigUInt64LE(active ? 1n : 0n, 0)
  values.writeBigUInt64LE(1n, 8)
  return values
}

export function lineValue(values: Buffer): boolean {
  return (values.readBigUInt64LE(0) & 1n) === 1n
}

/** The label in a struct gpiochip_info. */
export function chipLabel(info: Buffer): string {
  const label = info.subarray(NAME_BYTES, 2 * NAME_BYTES)
  const end = label.indexOf(0)
  return label.toString('utf8', 0, end < 0 ? NAME_BYTES : end)
}

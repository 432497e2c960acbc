/** GPIO lines of the kernel's character device, /dev/gpiochipN. */
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { HomewardError } from '../wire/errors.ts'
import type { InputLine, LineSpec, OutputLine } from './gpio.ts'
import {
  CHIP_INFO_BYTES,
  chipLabel,
  GPIO_GET_CHIPINFO,
  GPIO_V2_GET_LINE,
  GPIO_V2_LINE_GET_VALUES,
  GPIO_V2_LINE_SET_VALUES,
  lineRequest,
  lineValue,
  lineValues,
  requestedFd,
} from './gpio-request.ts'
import type { Ioctl } from './ioctl.ts'

const DEVICES = '/dev'

/** Throws CONFIG_INVALID when there is no such chip or line, or when the kernel uses the line itself. */
export function openOutput(ioctl: Ioctl, spec: LineSpec, devices = DEVICES): OutputLine {
  return new ChipLine(ioctl, request(ioctl, spec, 'output', devices))
}

/** Throws as `openOutput` does. */
export function openInput(ioctl: Ioctl, spec: LineSpec, devices = DEVICES): InputLine {
  return new ChipLine(ioctl, request(ioctl, spec, 'input', devices))
}

class ChipLine implements InputLine, OutputLine {
  readonly #ioctl: Ioctl
  #fd: number | undefined

  constructor(ioctl: Ioctl, fd: number) {
    this.#ioctl = ioctl
    this.#fd = fd
  }

  set(active: boolean): void {
    if (this.#fd !== undefined) this.#ioctl(this.#fd, GPIO_V2_LINE_SET_VALUES, lineValues(active))
  }

  read(): boolean {
    if (this.#fd === undefined) return false
    const values = lineValues(false)
    this.#ioctl(this.#fd, GPIO_V2_LINE_GET_VALUES, values)
    return lineValue(values)
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}

function request(ioctl: Ioctl, spec: LineSpec, direction: 'input' | 'output', devices: string): number {
  const chip = openChip(ioctl, spec.chip, devices)
  try {
    const bytes = lineRequest(spec, direction)
    ioctl(chip, GPIO_V2_GET_LINE, bytes)
    return requestedFd(bytes)
  } catch (cause) {
    throw new HomewardError('CONFIG_INVALID', `line ${spec.line} of "${spec.chip}" cannot be had: ${String(cause)}`, {
      hint: 'EBUSY means that the device tree gave the line to a driver: name the LED or the input device instead.',
      cause,
    })
  } finally {
    closeSync(chip)
  }
}

function openChip(ioctl: Ioctl, label: string, devices: string): number {
  const labels: string[] = []
  for (const name of readdirSync(devices).filter((entry) => /^gpiochip\d+$/.test(entry))) {
    const fd = openSync(join(devices, name), 'r+')
    const info = Buffer.alloc(CHIP_INFO_BYTES)
    try {
      ioctl(fd, GPIO_GET_CHIPINFO, info)
    } catch (error) {
      closeSync(fd)
      throw error
    }
    if (chipLabel(info) === label) return fd
    labels.push(chipLabel(info))
    closeSync(fd)
  }
  const found = labels.length === 0 ? 'none' : labels.map((one) => `"${one}"`).join(', ')
  throw new HomewardError('CONFIG_INVALID', `there is no GPIO chip "${label}", only ${found}`, {
    hint: 'See `gpiodetect`, and correct the chip in board.toml.',
  })
}

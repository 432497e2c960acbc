import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { openInput, openOutput } from './gpio-chip.ts'
import {
  GPIO_GET_CHIPINFO,
  GPIO_V2_GET_LINE,
  GPIO_V2_LINE_GET_VALUES,
  GPIO_V2_LINE_SET_VALUES,
} from './gpio-request.ts'
import { type Ioctl, loadIoctl } from './ioctl.ts'

const SPEC = { chip: 'pinctrl', line: 3, activeLow: false }

function withDevices(run: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    for (const name of ['gpiochip0', 'gpiochip1', 'null']) writeFileSync(join(folder, name), '')
    run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A kernel with two chips; the second one is `pinctrl`. */
function fakeKernel(calls: string[] = [], busy = false): Ioctl {
  let chips = 0
  let level = 0n
  return (fd, request, argument) => {
    const bytes = Buffer.from(argument.buffer, argument.byteOffset, argument.length)
    switch (request) {
      case GPIO_GET_CHIPINFO:
        bytes.write(chips++ === 0 ? 'other' : 'pinctrl', 32)
        return
      case GPIO_V2_GET_LINE:
        if (busy) throw new Error('EBUSY')
        calls.push(`line ${bytes.readUInt32LE(0)}`)
        // A descriptor of its own, as the kernel gives one.
        bytes.writeInt32LE(fd, 588)
        return
      case GPIO_V2_LINE_SET_VALUES:
        level = bytes.readBigUInt64LE(0)
        calls.push(`set ${level}`)
        return
      case GPIO_V2_LINE_GET_VALUES:
        bytes.writeBigUInt64LE(level, 0)
    }
  }
}

test('a line is found by the label of its chip, set and read', () => {
  withDevices((folder) => {
    const calls: string[] = []
    const line = openOutput(fakeKernel(calls), SPEC, folder)
    line.set(true)
    line.set(false)
    assert.equal(calls, ['line 3', 'set 1', 'set 0'])
    const input = openInput(fakeKernel(), SPEC, folder)
    assert.is(input.read(), false)
  })
})

test('no such chip: the ones there are stand in the message', () => {
  withDevices((folder) => {
    assert.throws(
      () => openInput(fakeKernel(), { ...SPEC, chip: 'gone' }, folder),
      (error: unknown) =>
        isHomewardError(error, 'CONFIG_INVALID') && /no GPIO chip "gone", only "other", "pinctrl"/.test(error.message),
    )
  })
})

test('a line that a driver has is told as such', () => {
  withDevices((folder) => {
    assert.throws(
      () => openOutput(fakeKernel([], true), SPEC, folder),
      (error: unknown) => isHomewardError(error, 'CONFIG_INVALID') && /EBUSY/.test(error.hint ?? ''),
    )
  })
})

test('ioctl of the C library', async () => {
  const ioctl = await loadIoctl()
  // TIOCGWINSZ on something that is no terminal.
  assert.throws(() => ioctl(0x7fff, 0x5413, new Uint8Array(8)), /EBADF/)
})

test.run()

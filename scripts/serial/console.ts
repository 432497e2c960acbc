/** A terminal on a device's serial console: `make console PORT=/dev/ttyUSB0`. Ctrl-] ends it. */
import { parseArgs } from 'node:util'
import { errorLine, isHomewardError } from '../../firmware/wire/errors.ts'
import { closePort, DEFAULT_BAUD, openPort } from './port.ts'

const END = 0x1d

async function run(path: string, baud: number): Promise<void> {
  const port = await openPort(path, baud)
  const { stdin, stdout, stderr } = process
  stderr.write(`${path} at ${baud}. Ctrl-] ends.\r\n`)
  if (stdin.isTTY) stdin.setRawMode(true)
  const ended = new Promise<string | undefined>((resolve) => {
    stdin.on('data', (bytes: Buffer) => {
      const end = bytes.indexOf(END)
      port.write(end < 0 ? bytes : bytes.subarray(0, end))
      if (end >= 0) resolve(undefined)
    })
    // A script's input may end before the answer is here.
    stdin.on('end', () => setTimeout(() => resolve(undefined), 1_000))
    port.on('close', () => resolve('the line is gone'))
  })
  port.on('data', (bytes: Buffer) => stdout.write(bytes))
  port.write(stdin.isTTY ? '\r' : '')
  const why = await ended
  if (stdin.isTTY) stdin.setRawMode(false)
  stdin.pause()
  await closePort(port)
  stderr.write(`\r\n${why ?? 'ended'}\r\n`)
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { baud: { type: 'string' } } })
const [path] = positionals
const baud = Number(values.baud ?? DEFAULT_BAUD)
if (path === undefined || !Number.isInteger(baud) || baud <= 0) {
  process.stderr.write('usage: make console PORT=/dev/ttyUSB0 [BAUD=115200]\n')
  process.exitCode = 2
} else {
  try {
    await run(path, baud)
  } catch (error) {
    if (!isHomewardError(error)) throw error
    process.stderr.write(`${errorLine(error)}\n`)
    process.exitCode = 1
  }
}

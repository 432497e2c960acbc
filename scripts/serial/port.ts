/** A serial port of this machine, for the tools that a person runs. */
import { SerialPort } from 'serialport'
import { HomewardError } from '../../firmware/wire/errors.ts'

export const DEFAULT_BAUD = 115_200

/** Rejects with SOURCE_MISSING and what to do about it. */
export async function openPort(path: string, baud: number): Promise<SerialPort> {
  const port = new SerialPort({ path, baudRate: baud, autoOpen: false })
  await new Promise<void>((resolve, reject) => {
    port.open((cause) => {
      if (cause === null) return resolve()
      const denied = /denied|EACCES/i.test(cause.message)
      reject(
        new HomewardError('SOURCE_MISSING', `${path} cannot be opened: ${cause.message.replace(/^Error:\s*/, '')}`, {
          hint: denied
            ? 'Your user may not use serial ports: join the group "dialout", log in again.'
            : 'See `ls /dev/ttyUSB* /dev/ttyACM*`, and that no other program has it.',
          cause,
        }),
      )
    })
  })
  return port
}

export function closePort(port: SerialPort): Promise<void> {
  return new Promise((resolve) => (port.isOpen ? port.close(() => resolve()) : resolve()))
}

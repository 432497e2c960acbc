/** /dev/watchdog (Documentation/watchdog/watchdog-api.rst). Opening it arms it. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { HomewardError } from '../wire/errors.ts'
import type { Ioctl } from './ioctl.ts'
import type { Watchdog } from './watchdog.ts'

/** WDIOC_SETTIMEOUT: an int in, the time-out the driver chose out. */
const WDIOC_SETTIMEOUT = 0xc0045706
/** The "magic close": only after it the device may be closed without a reset to follow. */
const DISARM = 'V'
const PET = '.'

export class WatchdogDevice implements Watchdog {
  readonly timeoutSeconds: number
  #fd: number | undefined

  private constructor(fd: number, timeoutSeconds: number) {
    this.#fd = fd
    this.timeoutSeconds = timeoutSeconds
  }

  /** Throws CONFIG_INVALID when there is none, or when another program has it. */
  static open(path: string, timeoutSeconds: number, ioctl: Ioctl): WatchdogDevice {
    let fd: number
    try {
      fd = openSync(path, 'w')
    } catch (cause) {
      throw new HomewardError('CONFIG_INVALID', `the watchdog ${path} cannot be opened: ${String(cause)}`, {
        hint: 'Only one program may have it. Is another watchdog program running?',
        cause,
      })
    }
    return new WatchdogDevice(fd, setTimeoutOf(fd, timeoutSeconds, ioctl))
  }

  pet(): void {
    if (this.#fd !== undefined) writeSync(this.#fd, PET)
  }

  async close(): Promise<void> {
    if (this.#fd === undefined) return
    writeSync(this.#fd, DISARM)
    closeSync(this.#fd)
    this.#fd = undefined
  }
}

function setTimeoutOf(fd: number, seconds: number, ioctl: Ioctl): number {
  const argument = Buffer.alloc(4)
  argument.writeInt32LE(seconds)
  try {
    ioctl(fd, WDIOC_SETTIMEOUT, argument)
    return argument.readInt32LE()
  } catch {
    // Hardware with a fixed time-out: it is petted often enough for any.
    return seconds
  }
}

import { readFileSync } from 'node:fs'
import type { ClockQuality } from '../wire/record.ts'
import type { Clock, Timer } from './clock.ts'

/** A wall clock that reads earlier than this has not been set: the moment this line was written. */
const PLAUSIBLE_FROM_US = Date.UTC(2025, 0, 1) * 1000

export class RealClock implements Clock {
  /** From `performance`, so that wall time has microseconds; steps of the system clock are followed by re-reading it. */
  wallUs(): number {
    return Date.now() * 1000
  }

  quality(): ClockQuality {
    return this.wallUs() < PLAUSIBLE_FROM_US ? 'none' : 'synchronised'
  }

  monoUs(): number {
    return Number(process.hrtime.bigint() / 1000n)
  }

  after(delayMs: number, callback: () => void): Timer {
    const handle = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(handle) }
  }
}

/** The kernel's id of this boot as 16 hex digits (Documentation/admin-guide/sysctl/kernel.rst, random/boot_id). */
export function kernelBootId(path = '/proc/sys/kernel/random/boot_id'): string {
  return readFileSync(path, 'ascii').replaceAll('-', '').slice(0, 16)
}

/** Counts the starts of this device, for freshness without a clock. */
import { join } from 'node:path'
import type { Clock } from '../platform/clock.ts'
import { readPrivate, writePrivate } from './private-file.ts'

const FILE = 'boot-count'
const BOOT_MAX = 2 ** 32 - 1

/**
 * The number of this start: greater than that of every start before, and durable when this resolves. It is never less than
 * the wall clock's seconds when there is a clock, so a device that lost the file (a restored key, a new disk) is believed
 * again at once. A damaged file counts as none: it must not keep a camera from recording.
 */
export async function nextBoot(stateDir: string, clock: Clock): Promise<number> {
  const path = join(stateDir, FILE)
  const text = (await readPrivate(path))?.trim() ?? ''
  const last = /^\d{1,10}$/.test(text) && Number(text) < BOOT_MAX ? Number(text) : 0
  const clockS = clock.quality() === 'none' ? 0 : Math.floor(clock.wallUs() / 1_000_000)
  const boot = Math.max(last + 1, clockS < BOOT_MAX ? clockS : 0)
  await writePrivate(path, `${boot}\n`)
  return boot
}

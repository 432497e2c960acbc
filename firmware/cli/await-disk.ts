/**
 * Before a storage device has its disk: the serial console, LED and watchdog are there all the same, for making a disk ready
 * on the console is just what a person needs then.
 */
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import { deviceResets, networkFile } from '../link/device-resets.ts'
import { type Clock, sleep } from '../platform/clock.ts'
import { FrontPanel } from '../platform/front-panel.ts'
import { realSystem } from '../platform/system-real.ts'
import { waitingConsole } from '../storage/console.ts'
import { HomewardError } from '../wire/errors.ts'
import { openPanel, type PanelSettings } from './front-panel.ts'

const LOOK_EVERY_MS = 500

interface WaitSettings extends PanelSettings {
  readonly root: string
  readonly state: string
}

/** Until something is mounted at the root. Rejects with CANCELLED at SIGTERM or SIGINT. */
export async function awaitDisk(
  settings: WaitSettings,
  clock: Clock,
  log: Logger,
  recentLog: () => readonly string[],
): Promise<void> {
  const { root, state, hardware } = settings
  if (await isMounted(root)) return
  log.warn({ root }, 'no disk for footage is there: nothing is recorded until one is mounted')
  const stopped = new AbortController()
  const stop = () => stopped.abort()
  const signals = ['SIGTERM', 'SIGINT'] as const
  for (const signal of signals) process.once(signal, stop)
  const parts = await openPanel(settings, clock, log)
  const resets = deviceResets({ state, system: realSystem, unpair: async () => {} })
  const common = { system: realSystem, recentLog, network: networkFile(state), board: hardware?.name ?? '' }
  const owner = {
    role: 'storage',
    commands: waitingConsole({ ...common, resets }),
    look: () => ({ pattern: 'error' as const, stuck: undefined }),
    ...resets,
  }
  const panel = parts === undefined ? undefined : new FrontPanel(parts, owner, clock, log)
  panel?.start()
  try {
    while (!(await isMounted(root))) {
      await sleep(clock, LOOK_EVERY_MS, stopped.signal)
      if (stopped.signal.aborted) throw new HomewardError('CANCELLED', 'stopped while it waited for a disk')
    }
  } finally {
    for (const signal of signals) process.off(signal, stop)
    await panel?.close()
  }
  log.info({ root }, 'a disk for footage is there')
}

/** A mount point is on another file system than the folder it is in. */
async function isMounted(root: string): Promise<boolean> {
  try {
    const [inside, outside] = await Promise.all([stat(root), stat(dirname(root))])
    return inside.dev !== outside.dev
  } catch {
    return false
  }
}

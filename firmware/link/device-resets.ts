/** What the button and the serial console can reset on a device. */
import { join } from 'node:path'
import { NETWORK_FILE } from '../platform/network-settings.ts'
import type { System } from '../platform/system.ts'
import { readPrivate, removePrivate, writePrivate } from './private-file.ts'
import { forgetResetNote, noteReset } from './state-reset.ts'

export interface Resets {
  /** Network and pairing; what was recorded stays. */
  reset(): Promise<void>
  /** Everything, with a restart. */
  factoryReset(): Promise<void>
}

export interface ResetOptions {
  readonly state: string
  readonly system: System
  /** Forgets who the device belongs to. */
  readonly unpair: () => Promise<void>
}

export function deviceResets({ state, system, unpair }: ResetOptions): Resets {
  return {
    reset: async () => {
      await unpair()
      await removePrivate(join(state, NETWORK_FILE))
      await system.applyNetwork()
    },
    factoryReset: async () => {
      await noteReset(state)
      try {
        await system.reboot()
      } catch (error) {
        await forgetResetNote(state)
        throw error
      }
    },
  }
}

/** The board's network settings in the state folder. */
export function networkFile(state: string): {
  read(): Promise<string | undefined>
  write(text: string): Promise<void>
} {
  const path = join(state, NETWORK_FILE)
  return { read: () => readPrivate(path), write: (text) => writePrivate(path, text) }
}

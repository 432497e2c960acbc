/** The storage agent behind its board's LED, button, serial console and watchdog. */
import { deviceResets, networkFile } from '../link/device-resets.ts'
import { FrontPanel, type PanelParts } from '../platform/front-panel.ts'
import type { System } from '../platform/system.ts'
import type { StorageAgent } from './agent.ts'
import { storageConsole } from './console.ts'
import { StorageHealth, type StorageView, storageLed } from './health.ts'

export interface StoragePanelOptions {
  readonly agent: StorageAgent
  readonly board: string
  readonly parts: PanelParts
  readonly system: System
  /** No light while all is well. */
  readonly dark: boolean
  readonly recentLog: () => readonly string[]
  /** The agent's status as lines for a person. */
  readonly describe: () => Promise<string>
  /** Makes the page's claim code; undefined without a page. */
  readonly claim: (() => string) | undefined
}

export function storagePanel(options: StoragePanelOptions): FrontPanel {
  const { agent, board, parts, system, dark, recentLog, describe, claim } = options
  const { clock, log, stateDir: state } = agent
  const resets = deviceResets({ state, system, unpair: async () => {} })
  const health = new StorageHealth()
  const owner = {
    role: 'storage',
    commands: storageConsole(agent, { board, system, recentLog, describe, claim, resets, network: networkFile(state) }),
    look: () => {
      const view = viewOf(agent)
      return { pattern: storageLed(view, dark), stuck: health.stuck(view, clock.monoUs() / 1000) }
    },
    ...resets,
  }
  return new FrontPanel(parts, owner, clock, log)
}

function viewOf({ intake, cameras }: StorageAgent): StorageView {
  const enrolled = cameras.all().filter(({ forgottenUs }) => forgottenUs === undefined)
  const all = enrolled.map(({ key }) => intake.statusOf(key))
  return {
    received: all.reduce((sum, { received }) => sum + Object.values(received).reduce((a, b) => a + b, 0), 0),
    committedBytes: intake.committedBytes,
    alarm: intake.alarm !== undefined,
    cameras: enrolled.length,
    connected: all.filter(({ connected }) => connected).length,
  }
}

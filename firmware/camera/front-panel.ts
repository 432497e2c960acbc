/** The camera agent behind its board's LED, button, serial console and watchdog. */
import { deviceResets, networkFile } from '../link/device-resets.ts'
import { FrontPanel, type PanelParts } from '../platform/front-panel.ts'
import type { System } from '../platform/system.ts'
import type { CameraAgent } from './agent.ts'
import { cameraConsole } from './console.ts'
import { CameraHealth, type CameraView, cameraLed } from './health.ts'
import { countWaiting, logsForOthers } from './waiting.ts'

export interface CameraPanelOptions {
  readonly agent: CameraAgent
  readonly board: string
  readonly parts: PanelParts
  readonly system: System
  /** No light while all is well. */
  readonly dark: boolean
  readonly recentLog: () => readonly string[]
  /** The agent's status as lines for a person. */
  readonly describe: () => string
}

export function cameraPanel(options: CameraPanelOptions): FrontPanel {
  const { agent, board, parts, system, dark, recentLog, describe } = options
  const { state } = agent.settings
  const { clock, log } = agent.base
  const resets = deviceResets({ state, system, unpair: () => agent.unpair() })
  const health = new CameraHealth()
  const owner = {
    role: 'camera',
    commands: cameraConsole(agent, { board, system, recentLog, describe, resets, network: networkFile(state) }),
    look: () => {
      const view = viewOf(agent)
      return { pattern: cameraLed(view, dark), stuck: health.stuck(view, clock.monoUs() / 1000) }
    },
    ...resets,
  }
  return new FrontPanel(parts, owner, clock, log)
}

function viewOf({ filming, pairing, problem }: CameraAgent): CameraView {
  if (filming === undefined || pairing === undefined) return { filming: undefined, problem: problem !== undefined }
  const { recorder, uplink, capture } = filming
  const { connected, acked, ackedBefore, quarantined, alarm } = uplink.status
  const waiting = countWaiting(recorder.rings.flatMap((ring) => ring.logs()))
  return {
    problem: false,
    filming: {
      capture: capture.state.state,
      captured: capture.stats().captured,
      connected,
      acked: acked + ackedBefore + quarantined,
      owed: waiting - countWaiting(logsForOthers(recorder.rings, pairing.storage)),
      alarm: alarm !== undefined,
      cardTrouble: recorder.cardProblem !== undefined || recorder.rings.some((ring) => ring.stats().full),
    },
  }
}

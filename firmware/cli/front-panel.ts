/** The front panel of the board that an agent runs on. */
import type { Logger } from 'pino'
import type { Board } from '../platform/board.ts'
import type { Clock } from '../platform/clock.ts'
import type { PanelParts } from '../platform/front-panel.ts'
import { openPanelParts } from '../platform/panel-parts.ts'
import { panelSpecOf } from '../platform/panel-spec.ts'

export interface PanelSettings {
  /** Undefined: no board, and nothing on it. */
  readonly hardware: Board | undefined
  /** `dark`: no light while all is well. */
  readonly led: 'on' | 'dark'
}

/** Opened before the agent, so that the LED says that it starts, and the watchdog runs from then on. */
export async function openPanel(
  { hardware }: PanelSettings,
  clock: Clock,
  log: Logger,
): Promise<PanelParts | undefined> {
  if (hardware === undefined) return undefined
  const parts = await openPanelParts(panelSpecOf(hardware), clock, log)
  parts.led?.show('boot')
  return parts
}

/** When the agent did not start: the LED says so until the next try, and the watchdog is left armed. */
export function showFailure(parts: PanelParts | undefined): void {
  parts?.led?.show('error')
}

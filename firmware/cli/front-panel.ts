/** The front panel of the board that an agent runs on. */
import type { Logger } from 'pino'
import type { Board } from '../platform/board.ts'
import type { Clock, Timer } from '../platform/clock.ts'
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

const PET_EVERY_MS = 1_000
/** A large card is looked through when it is opened; what takes longer than this is stuck. */
export const START_WITHIN_MS = 600_000

/**
 * Keeps the watchdog from resetting a board whose agent is still starting: that may take longer than the watchdog's time, and would
 * again the next time. Returns the way to stop.
 */
export function petWhileStarting(parts: PanelParts | undefined, clock: Clock): () => void {
  const untilUs = clock.monoUs() + START_WITHIN_MS * 1000
  let timer: Timer | undefined
  const pet = () => {
    if (clock.monoUs() > untilUs) return
    parts?.watchdog?.pet()
    timer = clock.after(PET_EVERY_MS, pet)
  }
  pet()
  return () => timer?.cancel()
}

/** When the agent did not start: the LED says so until the next try, and the watchdog is left armed. */
export function showFailure(parts: PanelParts | undefined): void {
  parts?.led?.show('error')
}

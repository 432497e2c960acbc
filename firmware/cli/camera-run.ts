/** Starts the camera agent. */
import { CameraAgent, type CameraSettings } from '../camera/agent.ts'
import { cameraCommands, cameraStatus } from '../camera/commands.ts'
import { cameraPanel } from '../camera/front-panel.ts'
import { RealClock } from '../platform/clock-real.ts'
import { keepHeapSmall } from '../platform/heap.ts'
import { realRandom } from '../platform/random.ts'
import { realSystem } from '../platform/system-real.ts'
import { type CommonSettings, runProgram } from './agent-process.ts'
import { describeStatus } from './camera-text.ts'
import { openPanel, type PanelSettings, petWhileStarting, showFailure } from './front-panel.ts'

/** Until a signal; resolves with the exit status. */
export function runCamera(settings: CameraSettings & CommonSettings & PanelSettings): Promise<number> {
  const stopCollecting = keepHeapSmall()
  const { hardware, led } = settings
  return runProgram(settings, async (log, recent) => {
    const clock = new RealClock()
    const parts = await openPanel(settings, clock, log)
    const started = petWhileStarting(parts, clock)
    const agent = await CameraAgent.start(settings, { clock, random: realRandom, log })
      .catch((error: unknown) => {
        showFailure(parts)
        throw error
      })
      .finally(started)
    const panel =
      hardware === undefined || parts === undefined
        ? undefined
        : cameraPanel({
            ...{ agent, parts, board: hardware.name, dark: led === 'dark', system: realSystem },
            recentLog: () => recent.lines(),
            describe: () => describeStatus(cameraStatus(agent)),
          })
    panel?.start()
    return {
      commands: cameraCommands(agent),
      close: async () => {
        await panel?.close()
        await agent.close().finally(stopCollecting)
      },
    }
  })
}
